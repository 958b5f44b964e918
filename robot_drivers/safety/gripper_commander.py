"""Sends gripper commands at their edges alone, in a thread of its own, so that a slow gripper never blocks the arm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from robot_drivers.gripper import Gripper, GripperState
from robot_drivers.safety.ledger import Limit
from stage_core.errors import StageError

logger = logging.getLogger(__name__)


class GripperCommander:
    """Owns the gripper: the newest wish wins, repeats within the hysteresis are not sent, nothing opens by itself.

    A wish is first noted (`want`), when a command is judged, and goes to the device with the next tick (`send_wanted`).
    """

    def __init__(
        self, gripper: Gripper | None, *, hysteresis: float, threaded: bool, poll_s: float, on_fault: Callable[[str], None]
    ) -> None:
        """Wrap `gripper`.

        Args:
            gripper: The device; with None every wish is without effect.
            hysteresis: Wishes closer than this to the last command are not sent; fully open and closed always are.
            threaded: False calls the device from `send_wanted` and `read`, for a simulation that must stay in step.
            poll_s: How often the thread reads the state, s.
            on_fault: Called with words when the device fails in the thread.
        """
        self._gripper = gripper
        self._hysteresis = hysteresis
        self._threaded = threaded
        self._poll_s = poll_s
        self._on_fault = on_fault
        self._wanted: float | None = None  # not yet past a tick
        self._wish: float | None = None  # past a tick, not yet sent by the thread
        self._sent: float | None = None
        self._state: GripperState | None = None
        self._failed = self._frozen = False
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Reach the device; nothing moves. Raises DeviceError."""
        if self._gripper is None:
            return
        self._gripper.connect()
        self._state = self._gripper.read()
        self.forget()
        self._end.clear()
        if self._threaded:
            self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
            self._thread.start()

    def want(self, opening: float | None) -> list[Limit]:
        """Note the opening of a command (None: as it is), held to [0, 1]; return the limit where one was applied."""
        if opening is None:
            return []
        self._wanted = min(1.0, max(0.0, float(opening)))
        return [] if self._wanted == opening else [Limit(name="gripper_opening", value=opening, limit=self._wanted, unit="of 1")]

    def send_wanted(self) -> None:
        """Pass the noted wish on; returns at once in the threaded mode, else raises what the device raises."""
        wanted, self._wanted = self._wanted, None
        if wanted is None or self._gripper is None:
            return
        if self._threaded:
            self._wish = wanted
            self._wake.set()
        else:
            self._send(wanted)

    def drop_wishes(self) -> None:
        """Forget what was not sent yet: the gripper keeps its last command. Takes no lock."""
        self._wanted = self._wish = None

    def freeze(self) -> None:
        """Send nothing until `thaw`: the arm was stopped. Takes no lock."""
        self._frozen = True
        self.drop_wishes()

    def thaw(self) -> None:
        """Send wishes again; those from before are gone."""
        self.drop_wishes()
        self._frozen = False

    def forget(self) -> None:
        """Forget the last command too: the next wish is sent whatever it is, for the device may have been moved meanwhile."""
        self.drop_wishes()
        self._sent = None

    def home(self) -> None:
        """Home the device, and forget what it was told before. Raises DeviceError."""
        if self._gripper is not None:
            self._gripper.home()
            self.forget()

    def read(self) -> GripperState | None:
        """Return the newest state, in the threaded mode as the thread last read it; None without a gripper."""
        return self._state if self._threaded or self._gripper is None else self._gripper.read()

    def disconnect(self) -> None:
        """End the thread and let go of the device; it keeps its last command. Idempotent."""
        self.drop_wishes()
        self._end.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
            self._thread = None
        if self._gripper is not None:
            self._gripper.disconnect()

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait(self._poll_s)
            self._wake.clear()
            if self._end.is_set():
                return
            wish, self._wish = self._wish, None
            try:
                if wish is not None:
                    self._send(wish)
                self._state = self._gripper.read()
                self._failed = False
            except (StageError, OSError, RuntimeError) as error:
                self._fail(str(error))

    def _send(self, opening: float) -> None:
        if self._is_edge(opening) and not self._frozen:
            self._gripper.command(opening)
            self._sent = opening

    def _is_edge(self, opening: float) -> bool:
        if self._sent is None:
            return True
        if opening in (0.0, 1.0):
            return opening != self._sent
        return abs(opening - self._sent) > self._hysteresis

    def _fail(self, words: str) -> None:
        if not self._failed:  # told once, not at every poll
            words = words if words.startswith("gripper") else f"gripper: {words}"
            logger.warning("%s", words)
            self._on_fault(words)
        self._failed = True
