"""The published limits of the Franka Research 3, and the watch over the commands that must keep them.

`JointWatch` follows commanded joint positions, `CartesianWatch` commanded end-effector poses; both differentiate what was commanded and
return every limit that a step broke. Units: rad, m, s. Start at `JointWatch.step`.

Source: the interface specification of the FR3 (joint, Cartesian and elbow limits; position-dependent velocity limits of system 5.9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_drivers.fake_controllers.franka.kinematics import largest, rotation_difference

LOWER_JOINTS = np.array([-2.7501, -1.7918, -2.9065, -3.0481, -2.8101, 0.54092, -3.0196])
UPPER_JOINTS = np.array([2.7501, 1.7918, 2.9065, -0.1458, 2.8101, 4.5205, 3.0196])
JOINT_VELOCITY = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
# The nearer to its end, the slower a joint may go: limit = sqrt(2 * deceleration * distance) - offset.
VELOCITY_OFFSET = np.array([0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35])
DECELERATION = np.array([6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0])
# 2 * deceleration * distance to the lower and to the upper end, as a line in the joint position.
_ROOM_SCALE = np.stack([2 * DECELERATION, -2 * DECELERATION])
_ROOM_AT_ZERO = np.stack([-2 * DECELERATION * LOWER_JOINTS, 2 * DECELERATION * UPPER_JOINTS])
JOINT_ACCELERATION = 10.0
JOINT_JERK = 5000.0
TORQUE = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])
TORQUE_RATE = 1000.0
TRANSLATION_VELOCITY, TRANSLATION_ACCELERATION, TRANSLATION_JERK = 3.0, 9.0, 4500.0
ROTATION_VELOCITY, ROTATION_ACCELERATION, ROTATION_JERK = 2.5, 17.0, 8500.0
ELBOW_VELOCITY, ELBOW_ACCELERATION, ELBOW_JERK = 2.62, 10.0, 5000.0
START_TOLERANCE = 1e-3  # rad, and m: how far the first command of a motion may be from where the arm is

# The state goes out as float32 and the client's filter starts each command from it, so a lawful command carries the rounding of the
# state: half a unit in the last place at 2 to 4 rad is 1.2e-7 rad, which differentiates to 0.5 rad/s^2 and 950 rad/s^3 at 1 kHz.
ROUNDING = 1.2e-7
CYCLE = 1e-3
VELOCITY_SLACK = 2 * ROUNDING / CYCLE
ACCELERATION_SLACK = 4 * ROUNDING / CYCLE**2
JERK_SLACK = 8 * ROUNDING / CYCLE**3


@dataclass(frozen=True, kw_only=True)
class Break:
    """One limit that a command broke: the error bit it raises, what was broken, by how much."""

    error: str
    quantity: str
    value: float
    limit: float


def velocity_bounds(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest lawful joint velocity, each (7,) rad/s, at a joint position (7,) rad."""
    below, above = np.minimum(
        JOINT_VELOCITY, np.maximum(0.0, np.sqrt(np.maximum(0.0, _ROOM_SCALE * joints + _ROOM_AT_ZERO)) - VELOCITY_OFFSET)
    )
    return -below, above


class Differences:
    """The first three derivatives of a sampled signal whose samples need not be evenly spaced.

    Divided differences: each value is a mean of the true derivative over the last samples, so a lawful signal never looks unlawful only
    because a sample is missing.
    """

    def __init__(self, size: int) -> None:
        """Begin at rest."""
        self.velocity = np.zeros(size)
        self.acceleration = np.zeros(size)
        self.jerk = np.zeros(size)
        self._spans = (CYCLE, CYCLE)

    def step(self, difference: np.ndarray, span: float) -> None:
        """Take the change since the last sample, and the time it took in seconds."""
        previous, before = self._spans
        velocity = difference / span
        acceleration = 2 * (velocity - self.velocity) / (span + previous)
        self.jerk = 3 * (acceleration - self.acceleration) / (span + previous + before)
        self.velocity, self.acceleration = velocity, acceleration
        self._spans = (span, previous)


class JointWatch:
    """Follows the commanded joint positions of one motion."""

    def __init__(self, joints: np.ndarray, *, cartesian: bool) -> None:
        """Begin at rest at `joints`; `cartesian` names the errors of a Cartesian generator (whose joints are the controller's own)."""
        self.joints = joints.copy()
        self.differences = Differences(len(joints))
        self._prefix = "cartesian_motion_generator_joint" if cartesian else "joint_motion_generator"

    def step(self, joints: np.ndarray, span: float) -> list[Break]:
        """Take the next commanded position, (7,) rad, `span` seconds after the last; return what it broke."""
        lower, upper = velocity_bounds(self.joints)
        self.differences.step(joints - self.joints, span)
        self.joints = joints.copy()
        velocity = self.differences.velocity
        breaks = []
        outside = np.maximum(LOWER_JOINTS - joints, joints - UPPER_JOINTS)
        if max(outside.tolist()) > ROUNDING:
            worst = int(np.argmax(outside))
            limit = UPPER_JOINTS[worst] if joints[worst] > UPPER_JOINTS[worst] else LOWER_JOINTS[worst]
            breaks.append(self._break("position_limits_violation", f"joint{worst + 1} position", joints[worst], limit))
        excess = np.maximum(lower - velocity, velocity - upper)
        if max(excess.tolist()) > VELOCITY_SLACK:
            worst = int(np.argmax(excess))
            limit = upper[worst] if velocity[worst] > 0 else lower[worst]
            breaks.append(self._break("velocity_limits_violation", f"joint{worst + 1} velocity", velocity[worst], limit))
        breaks += self._magnitude("velocity_discontinuity", "acceleration", JOINT_ACCELERATION + ACCELERATION_SLACK, JOINT_ACCELERATION)
        breaks += self._magnitude("acceleration_discontinuity", "jerk", JOINT_JERK + JERK_SLACK, JOINT_JERK)
        return breaks

    def _magnitude(self, error: str, quantity: str, tolerated: float, limit: float) -> list[Break]:
        values = getattr(self.differences, quantity)
        if largest(values) <= tolerated:
            return []
        worst = int(np.argmax(np.abs(values)))
        return [self._break(error, f"joint{worst + 1} {quantity}", values[worst], limit)]

    def _break(self, error: str, quantity: str, value: float, limit: float) -> Break:
        return Break(error=f"{self._prefix}_{error}", quantity=quantity, value=float(value), limit=float(limit))


class CartesianWatch:
    """Follows the commanded end-effector poses, and the elbow where one is commanded, of one motion."""

    _BOUNDS = (
        ("velocity_limits_violation", "velocity", TRANSLATION_VELOCITY, ROTATION_VELOCITY, VELOCITY_SLACK),
        ("velocity_discontinuity", "acceleration", TRANSLATION_ACCELERATION, ROTATION_ACCELERATION, ACCELERATION_SLACK),
        ("acceleration_discontinuity", "jerk", TRANSLATION_JERK, ROTATION_JERK, JERK_SLACK),
    )

    def __init__(self, pose: np.ndarray, elbow: float) -> None:
        """Begin at rest at `pose`, (4, 4) in base, with the third joint at `elbow` rad."""
        self.pose = pose.copy()
        self.elbow = elbow
        self.differences = Differences(6)
        self.elbow_differences = Differences(1)

    def step(self, pose: np.ndarray, elbow: float | None, span: float) -> list[Break]:
        """Take the next commanded pose (4, 4) and elbow (rad; None where none is commanded); return what they broke."""
        change = np.concatenate([pose[:3, 3] - self.pose[:3, 3], rotation_difference(pose[:3, :3], self.pose[:3, :3])])
        self.pose = pose.copy()
        self.differences.step(change, span)
        breaks = []
        for error, quantity, translation_limit, rotation_limit, slack in self._BOUNDS:
            values = getattr(self.differences, quantity).tolist()
            for name, part, limit in (("translation", values[:3], translation_limit), ("rotation", values[3:], rotation_limit)):
                value = math.sqrt(part[0] ** 2 + part[1] ** 2 + part[2] ** 2)
                if value > limit + slack:
                    breaks.append(
                        Break(error=f"cartesian_motion_generator_{error}", quantity=f"{name} {quantity}", value=value, limit=limit)
                    )
        return breaks + (self._step_elbow(elbow, span) if elbow is not None else [])

    def _step_elbow(self, elbow: float, span: float) -> list[Break]:
        self.elbow_differences.step(np.array([elbow - self.elbow]), span)
        self.elbow = elbow
        breaks = []
        for quantity, limit, slack in (
            ("velocity", ELBOW_VELOCITY, VELOCITY_SLACK),
            ("acceleration", ELBOW_ACCELERATION, ACCELERATION_SLACK),
            ("jerk", ELBOW_JERK, JERK_SLACK),
        ):
            value = abs(float(getattr(self.elbow_differences, quantity)[0]))
            if value > limit + slack:
                error = "cartesian_motion_generator_elbow_limit_violation"
                breaks.append(Break(error=error, quantity=f"elbow {quantity}", value=value, limit=limit))
        return breaks
