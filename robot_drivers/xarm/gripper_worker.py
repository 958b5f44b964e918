"""The thread that talks to the xArm gripper: it reads all the time and sends the newest wish. Start at `GripperWorker`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from robot_drivers.xarm import words
from robot_drivers.xarm.gripper_connection import GripperConnection
from stage_core.errors import DeviceError

logger = logging.getLogger(__name__)

POLL_S = 0.05
STILL_PULSES = 2  # fingers that changed less since the last reading rest, or press
RESTING = 3  # such readings in a row: they need a moment to begin to move
STALE_S = 1.0
REOPEN_S = 1.0  # between two attempts to reach the control box again
OPEN_S = 4.0
BAUD_RATE = 2_000_000

ERRORS: dict[int, str] = {
    9: "its current cannot be measured. Switch the control box off and on.",
    11: "its motor drew too much current: does it squeeze something too hard?",
    12: "it moved too fast.",
    14: "it was sent too far.",
    15: "its memory failed. Switch the control box off and on.",
    20: "its motor driver failed. Switch the control box off and on.",
    21: "its motor driver did not start. Switch the control box off and on.",
    23: "its fingers do not follow: is something in their way?",
    25: "it was sent beyond its software limit.",
    26: "it stands beyond its software limit.",
    33: "its motor driver is overloaded. Let it cool down.",
    34: "its motor is overloaded. Let it cool down.",
    36: "its motor driver is of a wrong kind. Ask the maker's support.",
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Position in pulses, and when it came: `stamp` on the workcell clock, `received` on the steady clock, s."""

    pulses: float
    stamp: float
    received: float


class GripperWorker:
    """Owns one connection after the other; nobody else ever waits for the gripper."""

    def __init__(
        self,
        connect: Callable[[], GripperConnection],
        *,
        speed: int,
        read_only: bool,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        """Prepare; `connect` makes an unopened connection, `speed` is in r/min."""
        self._make, self._speed, self._read_only = connect, speed, read_only
        self._clock, self._steady = clock, steady
        self._connection: GripperConnection | None = None
        self._wish: int | None = None
        self._halt = False
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._enabled = False
        self._still = RESTING  # readings in a row without motion
        self.fault = ""
        self.reading: Reading | None = None

    def start(self) -> None:
        """Connect, look that the gripper is there, switch it on and read it; nothing moves. Raises DeviceError in words."""
        self._open()
        try:
            self._look()
            if not self._read_only:
                self._enable()
            self._read()
        except DeviceError:
            self._connection.close()
            raise
        threading.Thread(target=self._run, name="xarm_gripper", daemon=True).start()

    def end(self) -> None:
        """End the thread; the fingers keep their last target. Idempotent."""
        self._ended.set()
        self._wake.set()

    def want(self, pulses: int) -> None:
        """Go there; the newest wish wins."""
        self._halt = False
        self._wish = pulses
        self._wake.set()

    def halt(self) -> None:
        """Stay where the fingers are; fingers that press something keep pressing. Takes no lock."""
        self._wish = None
        self._halt = True
        self._wake.set()

    def present(self) -> Reading:
        """Return the newest reading. Raises DeviceError for a fault, or where none came for `STALE_S`."""
        if self.fault:
            raise DeviceError(self.fault)
        age = self._steady() - self.reading.received
        if age > STALE_S:
            raise DeviceError(f"the xArm gripper told nothing for {age:.1f} s (limit {STALE_S:g} s). Check the cable to the control box.")
        return self.reading

    # ---- the thread

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(POLL_S)
            self._wake.clear()
            if self._ended.is_set():
                break
            try:
                self._turn()
                self.fault = ""
            except DeviceError as error:
                if not self.fault:
                    logger.warning("%s", error)
                self.fault = str(error)
                self._enabled = False
                if not self._connection.alive:
                    self._reopen()
                else:
                    self._ended.wait(POLL_S)
        self._connection.close()

    def _turn(self) -> None:
        halt, self._halt = self._halt, False
        wish, self._wish = self._wish, None
        if halt and self._enabled and self._still < RESTING:
            self._read()
            if self._still < RESTING:
                self._must(self._connection.send_gripper(round(self.reading.pulses)), "to stay where it is")
        elif wish is not None and not self._read_only:
            if not self._enabled:
                self._enable()
            self._still = 0
            self._must(self._connection.send_gripper(wish), "a position")
        if not self._enabled and not self._read_only and wish is None:
            self._look()  # told until somebody asks for a motion: that clears the error and tries again
        self._read()

    def _open(self) -> None:
        self._connection = self._make()
        self._connection.open(OPEN_S)

    def _reopen(self) -> None:
        """Connect again; the motor is switched on by the next wish only, and wishes from before are forgotten."""
        self._connection.close()
        self._wish = None
        if self._ended.wait(REOPEN_S):
            return
        try:
            self._open()
        except DeviceError:
            return  # the fault says already that it is gone

    def _look(self) -> None:
        """Raise DeviceError where the gripper does not answer, or is in error."""
        code, baud_rate = self._connection.gripper_baud_rate()
        self._must(code, "to tell its baud rate")
        if baud_rate != BAUD_RATE:
            raise DeviceError(
                f"the tool's RS-485 runs at {baud_rate} baud; expected {BAUD_RATE}, which the xArm gripper needs. Choose the gripper in "
                "UFACTORY Studio, Settings, End effector: that sets it."
            )
        code, error = self._connection.gripper_errors()
        self._must(code, "to tell its errors")
        if error != 0:
            raise DeviceError(
                f"the xArm gripper has error {error}: {ERRORS.get(error, 'look it up in its manual.')} The next command clears it."
            )

    def _enable(self) -> None:
        self._connection.clear_gripper_error()
        self._must(self._connection.enable_gripper(), "to switch its motor on")
        self._must(self._connection.set_gripper_speed(self._speed), "its speed")
        self._enabled = True

    def _read(self) -> None:
        code, pulses = self._connection.gripper_pulses()
        if code != 0 or pulses is None:
            self._look()  # which says more
            self._must(code or 4, "to tell its position")
        before, self.reading = self.reading, Reading(pulses=float(pulses), stamp=self._clock(), received=self._steady())
        same = before is not None and abs(self.reading.pulses - before.pulses) <= STILL_PULSES
        self._still = self._still + 1 if same else 0

    def _must(self, code: int, what: str) -> None:
        if code != 0:
            raise DeviceError(
                f"the xArm gripper refuses {what} ({words.reply_in_words(code)}). Check that it is fitted, and chosen in UFACTORY Studio."
            )
