"""What the driver gets in each turn: the target itself, or the interpolator's next set-point on the way to it."""

from __future__ import annotations

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.safety.envelope import Target
from robot_drivers.safety.interpolation import Interpolator
from robot_drivers.safety.timing import Timing


class SetPoints:
    """Keeps the present target. Not locked: its owner is."""

    def __init__(self, interpolator: Interpolator | None, timing: Timing) -> None:
        """Without an interpolator every target goes out once, unaltered."""
        self._interpolator = interpolator
        self._timing = timing
        self._target: Target | None = None
        self._command: ArmCommand | None = None
        self._unsent = False
        self._under_way = False
        self._brake = False

    def take(self, target: Target, command: ArmCommand) -> None:
        """Go to `target` from now on; `command` is what asked for it."""
        self._target, self._command, self._unsent, self._brake = target, command, True, False

    def brake(self) -> None:
        """Come to rest and go nowhere."""
        self._brake = self._brake or self._target is not None
        self._target, self._unsent = None, False

    def forget_motion(self) -> None:
        """The driver was stopped by other means: begin from the measured joints next time."""
        self.brake()
        self._under_way = self._brake = False

    def next(self, measured_joints: np.ndarray) -> tuple[ArmCommand | None, bool]:
        """Return what the driver gets in this turn (None: nothing), and whether the driver itself must brake.

        Args:
            measured_joints: (n,) rad, where interpolation begins.
        """
        if self._interpolator is None:
            stop, self._brake = self._brake, False
            if not self._unsent:
                return None, stop
            self._unsent = False
            return self._outgoing(self._target.space, self._target.values), False
        if self._target is not None:
            if not self._under_way:
                self._interpolator.start_at(measured_joints)
                self._under_way = True
            return self._outgoing(ActionSpace.JOINT_POSITION, self._interpolator.advance(self._target.joints)), False
        if not self._under_way:
            return None, False
        outgoing = self._outgoing(ActionSpace.JOINT_POSITION, self._interpolator.advance(None))
        self._under_way = not self._interpolator.at_rest
        return outgoing, False

    def _outgoing(self, space: ActionSpace, values: np.ndarray) -> ArmCommand:
        command = self._command
        return ArmCommand(
            stamp=self._timing.clock(),
            action_space=space,
            values=values,
            valid_for=self._timing.control_period_s,
            source=command.source,
            sequence=command.sequence,
        )
