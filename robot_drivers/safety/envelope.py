"""Holds an absolute target inside every limit: the same target where it is lawful, a nearer one on the way to it where not.

Start at `Envelope.fit`. A target inside the limits comes back bit for bit. Otherwise the longest lawful part of the
way from the last target to the asked one is taken, and every limit on that way is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robot_drivers.arm import ActionSpace, ArmDescription
from robot_drivers.kinematics import Kinematics, damped_pseudo_inverse_step
from robot_drivers.poses import interpolate_pose, pose_distance, twist_between
from robot_drivers.safety.keep_out import KeepOut
from robot_drivers.safety.ledger import Limit
from robot_drivers.safety.limits import SafetyLimits
from stage_core.errors import CommandRefusedError

ROUNDING = 1e-9  # relative; a command exactly at a limit is lawful
IK_STEPS = 40  # a near pose takes 3 to 5; more than this would keep the control loop waiting
SEARCH_STEPS = 18  # halvings: the way is used to 4e-6 of its length


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """An absolute target in the space the driver takes, with what is known of it in the other.

    Attributes:
        space: EE_POSE or JOINT_POSITION: what the driver gets.
        values: (7,) m and xyzw, or (n,) rad: exactly what the driver gets.
        joints: (n,) rad: exact for joint targets, predicted for a driver that solves poses itself; None without kinematics.
        pose: (7,) m and xyzw of the tool centre; None without kinematics for joint targets.
    """

    space: ActionSpace
    values: np.ndarray
    joints: np.ndarray | None
    pose: np.ndarray | None


class Envelope:
    """Every limit on positions and speeds, in every action space."""

    def __init__(
        self, limits: SafetyLimits, description: ArmDescription, kinematics: Kinematics | None, *, control_period_s: float, accelerate: bool
    ) -> None:
        """Prepare the limits of one arm.

        Args:
            limits: From the workcell file.
            description: The arm's.
            kinematics: None only for an arm without a URDF, which then takes poses alone.
            control_period_s: Time between two targets, s.
            accelerate: True where targets reach the driver without an interpolator of ours, so that their
                speeding-up must be limited here.
        """
        self._limits = limits
        self._kinematics = kinematics
        self._period = control_period_s
        self._native = description.native_spaces
        self.joint_lower = description.joint_lower + limits.joint_margin_rad
        self.joint_upper = description.joint_upper - limits.joint_margin_rad
        self.joint_speed = description.joint_velocity_limits * limits.joint_velocity_share
        self._joint_names = description.joint_names
        self._workspace = (np.array(limits.workspace_lower_m), np.array(limits.workspace_upper_m))
        self._accelerate = accelerate
        self._keep_out = KeepOut(limits, kinematics) if kinematics is not None else None

    def fit(self, space: ActionSpace, values: np.ndarray, *, previous: Target, last_speed: np.ndarray) -> tuple[Target, list[Limit]]:
        """Return the lawful target nearest to the asked one on the way from the previous target, and the limits applied.

        Args:
            space: EE_POSE or JOINT_POSITION.
            values: (7,) or (n,), finite.
            previous: The last target, or the measured state at the first one.
            last_speed: (n,) rad/s of each joint in the last control period, for the limit on speeding up.

        Raises:
            CommandRefusedError: If the arm cannot reach it, or the limits cannot be checked in this space.
        """
        applied: list[Limit] = []
        if space is ActionSpace.EE_POSE:
            values = self._into_workspace(values, previous, applied)
        else:
            values = self._into_joint_range(values, previous, applied)
        target, way = self._plan(space, values, previous)
        broken = self._broken(target, previous, last_speed)
        if not broken:
            return target, applied
        low, high = 0.0, 1.0
        for _ in range(SEARCH_STEPS):
            middle = 0.5 * (low + high)
            if self._broken(way(middle), previous, last_speed):
                high = middle
            else:
                low = middle
        return (way(low) if low > 0.0 else previous), applied + broken

    # ---- the way to the target

    def _plan(self, space: ActionSpace, values: np.ndarray, previous: Target) -> tuple[Target, Callable[[float], Target]]:
        """Return the asked target as the driver takes it, and the way to it from the previous one as a function of [0, 1]."""
        if space in self._native:
            if space is ActionSpace.EE_POSE:
                return self._pose_target(values, previous), lambda share: self._pose_target(
                    interpolate_pose(previous.pose, values, share), previous
                )
            if self._kinematics is None:
                raise CommandRefusedError("joint actions need kinematics to hold the workspace limits; the arm has no URDF. Send ee_pose.")
            return self._joint_target(values), lambda share: self._joint_target(previous.joints + share * (values - previous.joints))
        if self._kinematics is None:
            raise CommandRefusedError(f"{space.value} needs kinematics for this arm, which has no URDF. Give its description a urdf.")
        if space is ActionSpace.JOINT_POSITION:
            return self._plan(ActionSpace.EE_POSE, self._kinematics.forward(values), previous)
        joints = self._solve(values, previous.joints)
        return self._joint_target(joints, values), lambda share: self._on_straight_way(previous, values, joints, share)

    def _on_straight_way(self, previous: Target, values: np.ndarray, joints: np.ndarray, share: float) -> Target:
        """Return the target where the tool has gone `share` of its straight way; near it in joints where no solution is."""
        near = previous.joints + share * (joints - previous.joints)
        exact = self._kinematics.inverse(interpolate_pose(previous.pose, values, share), near, iterations=IK_STEPS)
        return self._joint_target(near if exact is None else exact)

    def _solve(self, pose: np.ndarray, seed: np.ndarray) -> np.ndarray:
        # A measured start may lie in the margin; the search may use what the arm already uses.
        lower, upper = np.minimum(self.joint_lower, seed), np.maximum(self.joint_upper, seed)
        joints = self._kinematics.inverse(pose, seed, iterations=IK_STEPS, lower=lower, upper=upper)
        if joints is None:
            x, y, z = pose[:3]
            raise CommandRefusedError(
                f"no joints within the limits reach ({x:.3f}, {y:.3f}, {z:.3f}) m at this angle. Ask for a nearer pose."
            )
        return joints

    def _joint_target(self, joints: np.ndarray, pose: np.ndarray | None = None) -> Target:
        if pose is None:
            pose = self._kinematics.forward(joints)
        return Target(space=ActionSpace.JOINT_POSITION, values=joints, joints=joints, pose=pose)

    def _pose_target(self, pose: np.ndarray, previous: Target) -> Target:
        """Return a target for a driver that solves poses itself; its joints are predicted to first order."""
        joints = None
        if self._kinematics is not None:
            step = damped_pseudo_inverse_step(self._kinematics.jacobian(previous.joints), twist_between(previous.pose, pose))
            joints = previous.joints + step
        return Target(space=ActionSpace.EE_POSE, values=pose, joints=joints, pose=pose)

    # ---- limits

    def _into_workspace(self, pose: np.ndarray, previous: Target, applied: list[Limit]) -> np.ndarray:
        """Return `pose` with its position on the nearest wall where it lies outside; a wall already crossed may be left, not passed."""
        lower, upper = (np.minimum(self._workspace[0], previous.pose[:3]), np.maximum(self._workspace[1], previous.pose[:3]))
        inside = np.clip(pose[:3], lower, upper)
        if (inside == pose[:3]).all():
            return pose
        for axis in np.flatnonzero(inside != pose[:3]):
            applied.append(Limit(name="workspace", value=pose[axis], limit=inside[axis], unit="m", place="xyz"[axis]))
        return np.concatenate([inside, pose[3:]])

    def _into_joint_range(self, joints: np.ndarray, previous: Target, applied: list[Limit]) -> np.ndarray:
        start = joints if previous.joints is None else previous.joints
        inside = np.clip(joints, np.minimum(self.joint_lower, start), np.maximum(self.joint_upper, start))
        for index in np.flatnonzero(inside != joints):
            name = self._joint_names[index]
            applied.append(Limit(name="joint_position", value=joints[index], limit=inside[index], unit="rad", place=name))
        return joints if (inside == joints).all() else inside

    def _broken(self, target: Target, previous: Target, last_speed: np.ndarray) -> list[Limit]:
        """Return every limit that going from `previous` to `target` in one control period would break."""
        limits, period = self._limits, self._period
        distance, angle = pose_distance(previous.pose, target.pose)
        broken = []
        if distance > limits.ee_speed_m_s * period * (1.0 + ROUNDING) + 1e-12:
            broken.append(Limit(name="ee_speed", value=distance / period, limit=limits.ee_speed_m_s, unit="m/s"))
        if angle > limits.ee_angular_speed_rad_s * period * (1.0 + ROUNDING) + 1e-9:
            broken.append(Limit(name="ee_angular_speed", value=angle / period, limit=limits.ee_angular_speed_rad_s, unit="rad/s"))
        self._broken_workspace(target, previous, broken)
        if target.joints is not None:
            self._broken_joints(target.joints, previous.joints, last_speed, broken)
            if self._keep_out is not None and self._keep_out.active:
                clearance, place = self._keep_out.clearance(target.joints)
                if clearance < 0.0 and clearance < self._keep_out.clearance(previous.joints)[0] - 1e-9:
                    broken.append(Limit(name="keep_out", value=clearance, limit=0.0, unit="m", place=place))
        return broken

    def _broken_workspace(self, target: Target, previous: Target, broken: list[Limit]) -> None:
        lower, upper = (np.minimum(self._workspace[0], previous.pose[:3]), np.maximum(self._workspace[1], previous.pose[:3]))
        for axis in range(3):
            value = target.pose[axis]
            if not lower[axis] - 1e-9 <= value <= upper[axis] + 1e-9:
                nearest_wall = lower[axis] if value < lower[axis] else upper[axis]
                broken.append(Limit(name="workspace", value=value, limit=nearest_wall, unit="m", place="xyz"[axis]))

    def _broken_joints(self, joints: np.ndarray, before: np.ndarray, last_speed: np.ndarray, broken: list[Limit]) -> None:
        lower, upper = np.minimum(self.joint_lower, before), np.maximum(self.joint_upper, before)
        speeds = np.abs(joints - before) / self._period
        fastest = np.abs(last_speed) + self._limits.joint_acceleration_rad_s2 * self._period
        for index, name in enumerate(self._joint_names):
            if not lower[index] - 1e-9 <= joints[index] <= upper[index] + 1e-9:
                wall = lower[index] if joints[index] < lower[index] else upper[index]
                broken.append(Limit(name="joint_position", value=joints[index], limit=wall, unit="rad", place=name))
            if speeds[index] > self.joint_speed[index] * (1.0 + ROUNDING) + 1e-9:
                broken.append(Limit(name="joint_velocity", value=speeds[index], limit=self.joint_speed[index], unit="rad/s", place=name))
            # Speeding up only: slowing a target down later than asked would carry the arm past it.
            if self._accelerate and speeds[index] > fastest[index] * (1.0 + ROUNDING) + 1e-9:
                value, limit = (speeds[index] - abs(last_speed[index])) / self._period, self._limits.joint_acceleration_rad_s2
                broken.append(Limit(name="joint_acceleration", value=value, limit=limit, unit="rad/s2", place=name))

    def measured_target(self, joints: np.ndarray, pose: np.ndarray) -> Target:
        """Return the measured state as the start of a way, in the driver's space."""
        if ActionSpace.JOINT_POSITION in self._native and self._kinematics is not None:
            return self._joint_target(joints, pose)
        return Target(space=ActionSpace.EE_POSE, values=pose, joints=joints, pose=pose)

    def with_measured_joints(self, previous: Target, joints: np.ndarray) -> Target:
        """Return `previous` with its predicted joints replaced where the driver solves poses itself, so that errors do not add up."""
        if previous.space is not ActionSpace.EE_POSE or self._kinematics is None:
            return previous
        pose = self._kinematics.forward(joints)
        step = damped_pseudo_inverse_step(self._kinematics.jacobian(joints), twist_between(pose, previous.pose))
        return replace(previous, joints=joints + step)
