"""Motion generators and the external controller: what one robot command does to the arm, and which limits it breaks.

One class per mode of MOVE. Each takes a command of the 1 kHz stream and the time since the last one, moves the arm, and returns the
limits that were broken. Start at `make_generator`.
"""

from __future__ import annotations

import math

import numpy as np

from robot_drivers.fake_controllers.franka import limits
from robot_drivers.fake_controllers.franka.arm import Arm
from robot_drivers.fake_controllers.franka.kinematics import ArmPose, from_column_major, is_rigid, largest, rotation_difference, turned
from robot_drivers.fake_controllers.franka.limits import Break, CartesianWatch, JointWatch
from robot_drivers.fake_controllers.franka.statuses import Generator


class InvalidInput(Exception):
    """A command that is no motion at all (not a number, no rigid transform); `error` is the bit it raises, or None."""

    def __init__(self, words: str, error: str | None = None) -> None:
        super().__init__(words)
        self.error = error


def make_generator(mode: Generator, arm: Arm) -> JointPositionGenerator | TorqueGenerator:
    """Return the generator of this mode, at rest where the arm is."""
    return {
        Generator.JOINT_POSITION: JointPositionGenerator,
        Generator.JOINT_VELOCITY: JointVelocityGenerator,
        Generator.CARTESIAN_POSE: CartesianPoseGenerator,
        Generator.CARTESIAN_VELOCITY: CartesianVelocityGenerator,
        Generator.NONE: TorqueGenerator,
    }[mode](arm)


class JointPositionGenerator:
    """Commanded joint positions."""

    cartesian = False

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.watch = JointWatch(arm.desired, cartesian=self.cartesian)
        self.started = False

    def step(self, command: np.void, span: float) -> list[Break]:
        """Move the arm by one command, `span` seconds after the last."""
        joints = _finite(command["q_c"], "q_c")
        start = [] if self.started else self._start_error(joints)
        self.started = True
        return start or self._take(joints, span)

    def extrapolate(self, span: float) -> None:
        """Go on with the last acceleration where a command is missing; no limit is the client's to keep here."""
        differences = self.watch.differences
        velocity = differences.velocity + differences.acceleration * span
        self._take(self.watch.joints + velocity * span, span, judged=False)

    def stop(self) -> list[Break]:
        """Return what ending here breaks: the arm must be all but standing when a motion is declared finished."""
        velocity = self.watch.differences.velocity
        worst = int(np.argmax(np.abs(velocity)))
        value = float(velocity[worst]) / limits.CYCLE
        if abs(value) <= limits.JOINT_ACCELERATION + limits.ACCELERATION_SLACK:
            return []
        error = (
            "cartesian_motion_generator_joint_velocity_discontinuity" if self.cartesian else "joint_motion_generator_velocity_discontinuity"
        )
        return [Break(error=error, quantity=f"joint{worst + 1} acceleration", value=value, limit=limits.JOINT_ACCELERATION)]

    def _take(self, joints: np.ndarray, span: float, pose: ArmPose | None = None, *, judged: bool = True) -> list[Break]:
        breaks = self.watch.step(joints, span)
        if not breaks or not judged:
            self.arm.follow(joints, self.watch.differences.velocity, self.watch.differences.acceleration, pose)
        return breaks

    def _start_error(self, joints: np.ndarray) -> list[Break]:
        distance = largest(joints - self.arm.desired)
        if distance <= limits.START_TOLERANCE:
            return []
        error = "joint_position_motion_generator_start_pose_invalid"
        return [Break(error=error, quantity="distance to the start position", value=distance, limit=limits.START_TOLERANCE)]


class JointVelocityGenerator(JointPositionGenerator):
    """Commanded joint velocities."""

    def step(self, command: np.void, span: float) -> list[Break]:
        """Move the arm by one command, `span` seconds after the last."""
        return self._take(self.watch.joints + _finite(command["dq_c"], "dq_c") * span, span)


class CartesianPoseGenerator(JointPositionGenerator):
    """Commanded end-effector poses, with or without an elbow."""

    cartesian = True

    def __init__(self, arm: Arm) -> None:
        super().__init__(arm)
        self.cartesian_watch = CartesianWatch(arm.end_effector_desired, float(arm.desired[2]))

    def step(self, command: np.void, span: float) -> list[Break]:
        """Move the arm by one command, `span` seconds after the last."""
        pose = from_column_major(command["O_T_EE_c"])
        if not is_rigid(pose):
            error = "cartesian_position_motion_generator_invalid_frame"
            raise InvalidInput("O_T_EE_c is no rigid transform", error)
        elbow = self._elbow(command)
        if not self.started:
            self.started = True
            distance = float(np.max(np.abs(pose[:3, 3] - self.cartesian_watch.pose[:3, 3])))
            turn = float(np.linalg.norm(rotation_difference(pose[:3, :3], self.cartesian_watch.pose[:3, :3])))
            if max(distance, turn) > limits.START_TOLERANCE:
                error = "cartesian_position_motion_generator_start_pose_invalid"
                value = max(distance, turn)
                return [Break(error=error, quantity="distance to the start pose", value=value, limit=limits.START_TOLERANCE)]
        return self._take_pose(pose, elbow, span)

    def extrapolate(self, span: float) -> None:
        """Go on with the last acceleration where a command is missing; no limit is the client's to keep here."""
        differences = self.cartesian_watch.differences
        twist = differences.velocity + differences.acceleration * span
        self._take_pose(_moved(self.cartesian_watch.pose, twist, span), None, span, judged=False)

    def _take_pose(self, pose: np.ndarray, elbow: float | None, span: float, *, judged: bool = True) -> list[Break]:
        breaks = self.cartesian_watch.step(pose, elbow, span)
        if breaks and judged:
            return breaks
        joints, arm_pose = self.arm.joints_for(pose, elbow)
        breaks = self._take(joints, span, arm_pose, judged=judged)
        differences = self.cartesian_watch.differences
        self.arm.twist, self.arm.twist_rate = differences.velocity, differences.acceleration
        elbow_differences = self.cartesian_watch.elbow_differences
        self.arm.elbow_rate = np.array([elbow_differences.velocity[0], elbow_differences.acceleration[0]])
        return breaks

    def _elbow(self, command: np.void) -> float | None:
        if not command["valid_elbow"]:
            return None
        elbow, sign = _finite(command["elbow_c"], "elbow_c")
        if abs(sign) != 1.0 or (sign > 0) != (self.arm.desired[3] > 0):
            error = "cartesian_motion_generator_elbow_sign_inconsistent"
            raise InvalidInput(f"elbow_c has the sign {sign}; expected that of joint 4", error)
        return float(elbow)


class CartesianVelocityGenerator(CartesianPoseGenerator):
    """Commanded end-effector velocities."""

    def step(self, command: np.void, span: float) -> list[Break]:
        """Move the arm by one command, `span` seconds after the last."""
        twist = _finite(command["O_dP_EE_c"], "O_dP_EE_c")
        return self._take_pose(_moved(self.cartesian_watch.pose, twist, span), self._elbow(command), span)


class TorqueGenerator:
    """No motion generator: torques of an external controller move the arm."""

    cartesian = False

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.watch = None

    def step(self, command: np.void, span: float) -> list[Break]:
        """Move the arm for the time of one command."""
        torque = _finite(command["tau_J_d"], "tau_J_d")
        rate = (torque - self.arm.desired_torque) / span
        breaks = _beyond("controller_torque_discontinuity", "torque rate", rate, np.full(7, limits.TORQUE_RATE), 1.0)
        breaks += _beyond("tau_j_range_violation", "torque", torque, limits.TORQUE, 1e-4)
        if breaks:
            return breaks
        for _ in range(max(1, round(span / limits.CYCLE))):
            self.arm.follow_torque(torque)
        breaks = _beyond("joint_velocity_violation", "velocity", self.arm.velocity, limits.JOINT_VELOCITY, 0.0)
        outside = np.maximum(limits.LOWER_JOINTS - self.arm.joints, self.arm.joints - limits.UPPER_JOINTS)
        if np.any(outside > 0):
            worst = int(np.argmax(outside))
            value = float(self.arm.joints[worst])
            limit = float(limits.UPPER_JOINTS[worst] if value > limits.UPPER_JOINTS[worst] else limits.LOWER_JOINTS[worst])
            breaks.append(Break(error="joint_position_limits_violation", quantity=f"joint{worst + 1} position", value=value, limit=limit))
        return breaks

    def extrapolate(self, span: float) -> None:
        """Hold the last torque where a command is missing."""
        for _ in range(max(1, round(span / limits.CYCLE))):
            self.arm.follow_torque(self.arm.desired_torque)

    def stop(self) -> list[Break]:
        """Return nothing: the controller takes over and brakes."""
        return []


def _beyond(error: str, quantity: str, values: np.ndarray, bounds: np.ndarray, slack: float) -> list[Break]:
    """Return the worst joint beyond its bound as a list of at most one."""
    excess = np.abs(values) - bounds
    worst = int(np.argmax(excess))
    if excess[worst] <= slack:
        return []
    return [Break(error=error, quantity=f"joint{worst + 1} {quantity}", value=float(values[worst]), limit=float(bounds[worst]))]


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    # The sum of finite numbers of any sane size is finite; a single number that is not spoils it.
    if not math.isfinite(sum(values.tolist())):
        raise InvalidInput(f"{name} is {values.tolist()}; expected finite numbers")
    return values.astype(float)


def _moved(pose: np.ndarray, twist: np.ndarray, span: float) -> np.ndarray:
    """Return `pose` (4, 4) after moving with a twist (6,) of the base frame for `span` seconds."""
    moved = pose.copy()
    moved[:3, 3] += twist[:3] * span
    moved[:3, :3] = turned(pose[:3, :3], twist[3:] * span)
    return moved
