"""From one well-formed command to one lawful absolute target, or a refusal in words. Start at `CommandJudge.judge`."""

from __future__ import annotations

import numpy as np

from robot_drivers.action_targets import Reference, absolute_target
from robot_drivers.arm import ActionSpace, ArmCommand, ArmDescription, ArmState
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from robot_drivers.safety.admission import Refusal
from robot_drivers.safety.envelope import Envelope, Target
from robot_drivers.safety.ledger import Limit
from robot_drivers.safety.limits import SafetyLimits
from robot_drivers.safety.timing import Timing
from stage_core.errors import CommandRefusedError

PAUSE = 1.5  # control periods without a target after which the arm counts as standing
BURST = 3.0  # targets that may come at once; in the long run one per control period


class CommandJudge:
    """Remembers the last commanded target, which deltas are added to and speeds are measured from."""

    def __init__(
        self, limits: SafetyLimits, description: ArmDescription, kinematics: Kinematics | None, timing: Timing, *, accelerate: bool
    ) -> None:
        """Prepare for one arm; see `Envelope` for `accelerate`."""
        self._limits = limits
        self._timing = timing
        self._period = timing.control_period_s
        self._kinematics = kinematics
        self.envelope = Envelope(limits, description, kinematics, control_period_s=self._period, accelerate=accelerate)
        self._still = np.zeros(len(description.joint_names))
        self._allowance, self._allowance_at = BURST, 0.0
        self.forget()

    def forget(self) -> None:
        """Drop the last target: the next one is a first one, and deltas start from the measured pose."""
        self.last: Target | None = None
        self._last_stamp = -np.inf
        self._last_speed = self._still

    def judge(self, command: ArmCommand, measured: ArmState) -> tuple[Target, list[Limit]]:
        """Return the lawful target of a command, and the limits that changed it.

        Args:
            command: Checked by `admission.check_form`, of any space but HOLD.
            measured: The newest state of the arm.

        Raises:
            Refusal: In words; the last target stays what it was.
        """
        if not self._timing.step_driven:
            self._check_rate(self._timing.steady())
        pose = make_pose(measured.ee_position, measured.ee_orientation)
        here = self.envelope.measured_target(measured.joint_positions, pose)
        previous = here if self.last is None else self.envelope.with_measured_joints(self.last, measured.joint_positions)
        try:
            space, values = absolute_target(
                command,
                commanded=None if self.last is None else Reference(joints=previous.joints, pose=previous.pose),
                measured=Reference(joints=measured.joint_positions, pose=pose),
                control_period_s=self._period,
            )
            if self.last is None:
                self._check_first(space, values, here)
            else:
                self._check_jump(space, values, previous)
            moving = self.last is not None and command.stamp - self._last_stamp <= PAUSE * self._period
            last_speed = self._last_speed if moving else self._still
            target, limits = self.envelope.fit(space, values, previous=previous, last_speed=last_speed)
        except CommandRefusedError as error:
            raise Refusal("target", str(error)) from None
        self.last = target
        self._last_stamp = command.stamp
        if target.joints is not None:
            self._last_speed = (target.joints - previous.joints) / self._period
        return target, limits

    def _check_rate(self, steady: float) -> None:
        self._allowance = min(BURST, self._allowance + 1.02 * (steady - self._allowance_at) / self._period)
        self._allowance_at = steady
        if self._allowance < 1.0:
            raise Refusal("rate", f"more than one target per control period of {self._period:g} s; send at the workcell's rate.")
        self._allowance -= 1.0

    def _check_first(self, space: ActionSpace, values: np.ndarray, here: Target) -> None:
        limits = self._limits
        distance, angle, turn = self._away(space, values, here)
        if distance > limits.first_target_distance_m:
            words = f"{distance:.4f} m from the measured pose; expected within {limits.first_target_distance_m:g} m"
        elif angle > limits.first_target_angle_rad:
            words = f"{angle:.3f} rad from the measured pose; expected within {limits.first_target_angle_rad:g} rad"
        elif turn > limits.first_target_angle_rad:
            words = f"{turn:.3f} rad from the measured joints; expected within {limits.first_target_angle_rad:g} rad"
        else:
            return
        raise Refusal("first_target", f"the first target is {words}. It is not ramped: begin where the arm is.")

    def _check_jump(self, space: ActionSpace, values: np.ndarray, previous: Target) -> None:
        limits = self._limits
        distance, angle, turn = self._away(space, values, previous)
        for value, limit, unit in (
            (distance, limits.jump_distance_m, "m"),
            (angle, limits.jump_angle_rad, "rad"),
            (turn, limits.jump_joint_rad, "rad of one joint"),
        ):
            if value > limit:
                raise Refusal("jump", f"the target jumps by {value:.4g} {unit}; expected at most {limit:g}. Check units and action space.")

    def _away(self, space: ActionSpace, values: np.ndarray, start: Target) -> tuple[float, float, float]:
        """Return metres, radians of the tool and radians of one joint from `start` to `values`; what is unknown is 0."""
        if space is ActionSpace.EE_POSE:
            return *pose_distance(start.pose, values), 0.0
        turn = float(np.abs(values - start.joints).max())
        if self._kinematics is None:
            return 0.0, 0.0, turn
        return *pose_distance(start.pose, self._kinematics.forward(values)), turn
