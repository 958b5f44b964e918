"""How an arm is brought to hold, stopped, and given back: what watchdogs, operators and emergencies ask of `SafeArm`.

`stop` takes no lock, so it works while an SDK call is stuck; everything else holds SafeArm's own lock.
"""

from __future__ import annotations

import logging
import threading

from robot_drivers.arm import Arm, ArmMode
from robot_drivers.safety.gripper_commander import GripperCommander
from robot_drivers.safety.modes import ArmModes
from robot_drivers.safety.source_token import SourceToken
from stage_core.errors import CommandRefusedError

logger = logging.getLogger(__name__)


class Holding:
    """The part of `SafeArm` that ends motion and lets it go on. `SafeArm` owns what it uses."""

    _arm: Arm
    _gripper: GripperCommander
    _modes: ArmModes
    _door: SourceToken
    _lock: threading.RLock
    _stop_told: bool

    def _begin_hold(self, reason: str, *, operator: bool = False, ends_with_source: bool = False, stopped: bool = False) -> None:
        raise NotImplementedError

    def _forget_target(self, *, stopped: bool = False) -> None:
        raise NotImplementedError

    def hold(self, reason: str) -> None:
        """Brake and stay; the gripper keeps its last command. Motion goes on as `auto_resume_s` allows."""
        with self._lock:
            self._begin_hold(reason)

    def require_operator(self, reason: str) -> None:
        """Hold until an operator resumes, whatever `auto_resume_s` says."""
        with self._lock:
            self._begin_hold(reason, operator=True)

    def resume(self) -> None:
        """End a hold, as an operator; the next target is a first one.

        Raises:
            CommandRefusedError: While the arm is stopped or in fault.
        """
        with self._lock:
            if words := self._modes.blocked()[1]:
                raise CommandRefusedError(words)
            if self._modes.mode is ArmMode.HOLD:
                self._modes.mode = ArmMode.IDLE
                self._forget_target()

    def stop(self, reason: str) -> None:
        """Latch the stop and brake at once. Idempotent, from any thread, shares no lock with anything.

        Software stops are not a safety function: keep the hardware stop in reach.
        """
        new = not self._modes.stopped.is_set()
        if new:
            self._modes.stop_reason = reason
        self._stop_told = False
        self._modes.stopped.set()
        self._gripper.freeze()
        try:
            self._arm.stop()
        finally:
            if new:
                logger.warning("arm stopped: %s", reason)  # last, for a log may block

    def clear_stop(self) -> None:
        """Unlatch the stop, as an operator; the arm holds until `resume`."""
        with self._lock:
            if self._modes.stopped.is_set():
                self._begin_hold(f"the stop ({self._modes.stop_reason}) was cleared", operator=True, stopped=True)
                self._modes.stopped.clear()
                self._gripper.thaw()

    def recover(self) -> None:
        """Clear a fault, as an operator; the arm holds until `resume`.

        Raises:
            DeviceError: If the driver cannot clear it.
        """
        if not self._modes.fault:
            return
        self._arm.recover()
        with self._lock:
            words, self._modes.fault = self._modes.fault, ""
            self._begin_hold(f"recovered from: {words}", operator=True)

    def home_gripper(self) -> None:
        """Let the gripper find the ends of its travel, as an operator; waits until it did.

        Raises:
            CommandRefusedError: While a source commands the arm, or it is stopped.
            DeviceError: If the gripper did not succeed.
        """
        with self._lock:
            if words := self._modes.blocked()[1]:
                raise CommandRefusedError(words)
            if self._door.source != "none":
                raise CommandRefusedError(f"{self._door.source} commands the arm; expected none. Stop it before the gripper is homed.")
        self._gripper.home()
