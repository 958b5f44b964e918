"""What the arm may do now: idle, moving, on hold, stopped, in fault; and why, in words."""

from __future__ import annotations

import logging
import threading

from robot_drivers.arm import ArmMode
from robot_drivers.safety.hold import HoldState
from robot_drivers.safety.timing import Timing

logger = logging.getLogger(__name__)


class ArmModes:
    """The present mode. Not locked, its owner is; only the stop latch may be set from any thread.

    Attributes:
        mode: IDLE, MOVING or HOLD; a fault and a latched stop lie above it.
        fault: In words, empty without one.
        stopped: The stop latch.
        hold: The present hold, where mode is HOLD.
    """

    def __init__(self, auto_resume_s: float, timing: Timing) -> None:
        """Start idle; see `HoldState` for `auto_resume_s`."""
        self._timing = timing
        self.mode = ArmMode.IDLE
        self.fault = ""
        self.stopped = threading.Event()
        self.stop_reason = ""
        self.hold = HoldState(auto_resume_s)

    @property
    def present(self) -> ArmMode:
        """The gravest of latch, fault and mode."""
        if self.stopped.is_set():
            return ArmMode.STOPPED
        return ArmMode.FAULT if self.fault else self.mode

    @property
    def reason(self) -> str:
        """Why nothing moves, in words; empty while idle or moving."""
        return {ArmMode.STOPPED: self.stop_reason, ArmMode.FAULT: self.fault, ArmMode.HOLD: self.hold.reason}.get(self.present, "")

    def blocked(self) -> tuple[str, str]:
        """Return the name and words of what must be cleared before anything moves, or two empty texts."""
        if self.stopped.is_set():
            return "stopped", f"the arm is stopped ({self.stop_reason}); expected a cleared stop. Clear the stop, then resume."
        if self.fault:
            return "fault", f"the arm is in fault ({self.fault}); expected none. Recover it, then resume."
        return "", ""

    def needs_resume(self) -> bool:
        """Return True on a hold that the next target may not end by itself."""
        return self.mode is ArmMode.HOLD and self.hold.needs_resume(self._timing.elapsing())

    def begin_hold(self, reason: str, *, operator: bool = False, ends_with_source: bool = False) -> None:
        """Hold, or hold for one more reason; see `HoldState.begin`."""
        if self.mode is ArmMode.HOLD:
            self.hold.add(reason, operator=operator, ends_with_source=ends_with_source)
            return
        logger.info("arm on hold: %s", reason)
        self.mode = ArmMode.HOLD
        self.hold.begin(reason, now=self._timing.elapsing(), operator=operator, ends_with_source=ends_with_source)

    def enter_fault(self, words: str) -> bool:
        """Note a fault; the first one stays. Return True where it is new."""
        if self.mode is ArmMode.MOVING:
            self.mode = ArmMode.IDLE
        if self.fault:
            return False
        logger.error("arm in fault: %s", words)
        self.fault = words
        return True

    def source_switched(self, source: str) -> None:
        """A moving arm comes to rest; a hold because a source fell silent ends when it gives the arm back."""
        given_back = self.mode is ArmMode.HOLD and source == "none" and self.hold.ends_with_source
        if self.mode is ArmMode.MOVING or given_back:
            self.mode = ArmMode.IDLE
