"""The thread that talks to a Robotiq gripper: it reads all the time and sends the newest wish. Start at `RobotiqWorker`.

Nobody else touches the transport, so nobody ever waits for an answer of the gripper: wishes go into a queue without a
lock of ours, and readings come from the last answer. After the link drops it is opened again for as long as somebody is
connected; movements wished before that are forgotten, a halt is not.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from robot_drivers.grippers.robotiq_registers import SERIOUS, Activation, Contact, Request, Status
from robot_drivers.grippers.robotiq_transport import RobotiqTransport
from stage_core.errors import DeviceError

logger = logging.getLogger(__name__)

REOPEN_S = 0.5  # between two attempts to open a lost link
LEAVE_S = 1.0  # longest wait for the thread at the end, beside one answer
NOT_ACTIVATED = "it is not activated, so the fingers do not obey. Home it: the fingers will open and close"


class Kind(Enum):
    """What is wished."""

    MOVE = "move"
    HALT = "halt"
    RESET = "reset"  # the first half of an activation
    ACTIVATE = "activate"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One wish. `permit`: for RESET and ACTIVATE, the worker's `permit` when an operator asked; a halt since then ends it."""

    kind: Kind
    request: Request | None = None
    permit: object | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A status and when it came: `stamp` on the workcell clock, `received` on the steady clock, s; `number` counts them."""

    status: Status
    stamp: float
    received: float
    number: int


class RobotiqWorker:
    """Owns one transport from `start` to `end`."""

    def __init__(
        self,
        transport: RobotiqTransport,
        *,
        poll_s: float,
        answer_timeout_s: float,
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._transport = transport
        self._poll_s, self._answer_timeout = poll_s, answer_timeout_s
        self._clock, self._steady = clock, steady
        self._wishes: queue.SimpleQueue[Wish | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble = ""  # the link
        self._complaint = ""  # the gripper
        self._last_sent: int | None = None
        self.reading: Reading | None = None
        self.permit = object()
        self.homing = False

    # ---- for whoever uses the gripper

    def start(self) -> Status:
        """Open the link, read once and begin to talk. Raises DeviceError; nothing was written then."""
        self._transport.open()
        try:
            self._read()
        except DeviceError:
            self._transport.close()
            raise
        self._wishes = queue.SimpleQueue()
        self._ended = threading.Event()
        self._trouble = self._complaint = ""
        self._last_sent = None
        self._thread = threading.Thread(target=self._run, args=(self._ended,), name="robotiq", daemon=True)
        self._thread.start()
        return self.reading.status

    def end(self) -> None:
        """End the thread and close the link; nothing is sent. Idempotent."""
        self._ended.set()
        self._wishes.put(None)
        if self._thread is not None:
            self._thread.join(timeout=LEAVE_S + self._answer_timeout)
            self._thread = None
        self._transport.close()

    def want(self, wish: Wish) -> None:
        """Note a wish; the newest wins. Returns at once."""
        self._wishes.put(wish)

    def halt(self) -> None:
        """Keep the fingers where they are, with the grip they have. Returns at once, takes no lock, from any thread."""
        self.permit = object()
        self._wishes.put(Wish(kind=Kind.HALT))

    def present(self, *, although_it_complains: bool = False) -> Reading:
        """Return the newest reading.

        Raises:
            DeviceError: If the link is lost, or the gripper fell into a fault or lost its activation, in words.
        """
        reading, trouble = self.reading, self._trouble
        age = self._steady() - reading.received
        if not trouble and age > 2.0 * self._answer_timeout + 0.4:
            trouble = f"the gripper at {self._transport.place} told nothing for {age:.1f} s. Check cable and power."
        complaint = "" if although_it_complains else self._complaint
        if trouble or complaint:
            raise DeviceError(trouble or complaint)
        return reading

    # ---- the thread

    def _run(self, ended: threading.Event) -> None:
        halt_is_due = False
        while not ended.is_set():
            wish = self._newest_wish()
            if ended.is_set():
                break
            if halt_is_due and (wish is None or self._trouble):
                wish = Wish(kind=Kind.HALT)
            halt_is_due = wish is not None and wish.kind is Kind.HALT
            try:
                if self._trouble:
                    self._transport.open()
                self._turn(wish)
                halt_is_due = False
            except DeviceError as error:
                self._lose_link(str(error), ended)
            except Exception as error:  # the thread must live on: without it no halt would reach the gripper
                self._lose_link(f"the gripper's driver failed with {type(error).__name__}: {error}", ended)
        self._transport.close()

    def _newest_wish(self) -> Wish | None:
        """Wait at most one poll for a wish; return the newest of all that came."""
        newest = None
        try:
            newest = self._wishes.get(timeout=self._poll_s)
            while True:
                newest = self._wishes.get_nowait()
        except queue.Empty:
            return newest

    def _turn(self, wish: Wish | None) -> None:
        self._read()
        if self._trouble:
            logger.warning("the gripper at %s answers again", self._transport.place)
            self._trouble = ""
            if wish is not None and wish.kind is not Kind.HALT:
                return  # from before, or from while nobody could know where the fingers are
        request = self._request_for(wish, self.reading.status) if wish is not None else None
        if request is not None:
            self._transport.write(request)
            self._last_sent = request.position if request.follows else None
            self._read()

    def _request_for(self, wish: Wish, status: Status) -> Request | None:
        """Return what to write, None for nothing. The activation bit never rises here but for an operator's wish."""
        if wish.kind in (Kind.RESET, Kind.ACTIVATE):
            if wish.permit is self.permit:
                return Request(active=wish.kind is Kind.ACTIVATE)
            wish = Wish(kind=Kind.HALT)  # it was stopped since the operator asked
        if wish.kind is Kind.MOVE:
            return wish.request if status.activated and not self.homing else None
        if status.active and status.activation is Activation.IN_PROGRESS:
            return Request(active=False)  # the only way to stop an activation
        return Request(active=True, position=status.position) if status.activated and self._moves(status) else None

    def _moves(self, status: Status) -> bool:
        """Return True while a halt has something to halt. Fingers at rest, or on an object, are left to the force they have."""
        taken = self._last_sent is None or (status.follows and status.requested == self._last_sent)
        if not taken:
            return True  # the echo says that this status is older than what was written last
        return status.follows and status.contact is Contact.MOVING

    def _read(self) -> None:
        status = self._transport.read()
        before = self.reading
        self._judge(before.status if before is not None else status, status)
        number = before.number + 1 if before is not None else 0
        self.reading = Reading(status=status, stamp=self._clock(), received=self._steady(), number=number)

    def _judge(self, before: Status, now: Status) -> None:
        """Complain about a fault, or an activation, that went wrong while it was in use; what was so at connect was told then."""
        words = ""
        if now.fault in SERIOUS:
            words = now.fault_in_words if now.fault != before.fault or self._complaint else ""
        elif not now.activated and not self.homing:
            words = NOT_ACTIVATED if before.activated or self._complaint else ""
        complaint = f"the gripper at {self._transport.place}: {words}." if words else ""
        if complaint and complaint != self._complaint:
            logger.warning("%s", complaint)
        self._complaint = complaint
        if not now.activated:
            self._last_sent = None

    def _lose_link(self, words: str, ended: threading.Event) -> None:
        if not self._trouble and not ended.is_set():
            logger.warning("%s It is opened again as soon as it answers.", words)
        self._trouble = words
        self._transport.close()
        ended.wait(REOPEN_S)
