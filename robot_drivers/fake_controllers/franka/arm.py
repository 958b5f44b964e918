"""The arm as a moving thing: joints that follow what is commanded, the tool on the flange, and braking.

Kinematic, not dynamic: the measured position is the desired one of a cycle ago. With an external controller the torques move decoupled,
damped joints, which is enough for impedance controllers to converge. Base frame, rad, m, s. Start at `Arm`.
"""

from __future__ import annotations

import numpy as np

from robot_drivers.fake_controllers.franka.kinematics import JOINT_COUNT, ArmPose, largest, rotation_difference
from robot_drivers.fake_controllers.franka.limits import CYCLE, JOINT_ACCELERATION

JOINT_INERTIA = np.array([1.5, 1.5, 1.0, 1.0, 0.2, 0.2, 0.1])  # kg m^2, round figures of the arm's size
JOINT_DAMPING = np.array([2.0, 2.0, 1.5, 1.5, 0.4, 0.4, 0.2])  # N m s / rad
_THIRD_JOINT = np.eye(JOINT_COUNT)[2]
_DAMPED = 1e-4  # keeps the inverse finite at a singular pose, where a true controller would refuse


class Arm:
    """Joint positions and the poses that follow from them."""

    def __init__(self, joints: np.ndarray, flange_to_end_effector: np.ndarray) -> None:
        """Stand still at `joints`, (7,) rad, with the tool (4, 4)."""
        self.joints = np.array(joints, dtype=float)
        self.velocity = np.zeros(JOINT_COUNT)
        self.desired = self.joints.copy()
        self.desired_velocity = np.zeros(JOINT_COUNT)
        self.desired_acceleration = np.zeros(JOINT_COUNT)
        self.desired_torque = np.zeros(JOINT_COUNT)
        self._still: np.ndarray | None = None
        self.external_wrench = np.zeros(6)  # on the end effector, base frame, N and N m
        self._place_tool(flange_to_end_effector)
        self.twist = np.zeros(6)  # commanded end effector, m/s and rad/s
        self.twist_rate = np.zeros(6)
        self.elbow_rate = np.zeros(2)  # velocity, acceleration of the commanded elbow
        self.refresh()

    def refresh(self) -> None:
        """Compute the poses anew from `joints` and `desired`."""
        self.pose_desired = ArmPose(self.desired)
        at_rest = np.array_equal(self.joints, self.desired)
        self.pose = self.pose_desired if at_rest else ArmPose(self.joints)
        self.end_effector = self.pose.flange @ self.tool
        self.end_effector_desired = self.end_effector if at_rest else self.pose_desired.flange @ self.tool

    def set_tool(self, flange_to_end_effector: np.ndarray) -> None:
        """Change the tool (4, 4); the end-effector pose changes with it."""
        self._place_tool(flange_to_end_effector)
        self.refresh()

    def _place_tool(self, flange_to_end_effector: np.ndarray) -> None:
        self.tool = np.array(flange_to_end_effector, dtype=float)
        self._inverse_tool = np.linalg.inv(self.tool)

    @property
    def standing(self) -> bool:
        """Whether nothing moves any more."""
        if self.joints is self.desired and self.velocity is self.desired_velocity and self._still is self.velocity:
            return True  # as `rest` left it
        return not (self.velocity.any() or self.desired_velocity.any() or (self.joints != self.desired).any())

    def follow(self, desired: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray, pose: ArmPose | None = None) -> None:
        """Take a new desired position (and its pose, if known); the measured one becomes the desired one of a cycle ago.

        The arrays are kept, not copied: callers hand over new ones.
        """
        self.joints, self.velocity = self.desired, self.desired_velocity
        self.desired, self.desired_velocity, self.desired_acceleration = desired, velocity, acceleration
        # The pose of the last desired position is at hand: it is the measured one now.
        self.pose, self.end_effector = self.pose_desired, self.end_effector_desired
        self.pose_desired = ArmPose(desired) if pose is None else pose
        self.end_effector_desired = self.pose_desired.flange @ self.tool

    def follow_torque(self, torque: np.ndarray) -> None:
        """Move for one cycle under torques (7,) Nm without gravity; the desired position is the measured one."""
        external = self.pose.jacobian(self.end_effector[:3, 3]).T @ self.external_wrench if self.external_wrench.any() else 0.0
        acceleration = (torque + external - JOINT_DAMPING * self.velocity) / JOINT_INERTIA
        velocity = self.velocity + acceleration * CYCLE
        self.follow(self.joints + velocity * CYCLE, velocity, acceleration)
        self.joints, self.velocity = self.desired, self.desired_velocity
        self.pose, self.end_effector = self.pose_desired, self.end_effector_desired
        self.desired_torque = np.array(torque, dtype=float)

    def brake(self) -> None:
        """Slow every joint down together for one cycle, the fastest at the acceleration limit."""
        fastest = largest(self.desired_velocity)
        share = 0.0 if fastest <= JOINT_ACCELERATION * CYCLE else 1.0 - JOINT_ACCELERATION * CYCLE / fastest
        velocity = share * self.desired_velocity
        acceleration = (velocity - self.desired_velocity) / CYCLE
        self.follow(self.desired + velocity * CYCLE, velocity, acceleration)
        self.settle_command()

    def rest(self) -> None:
        """Let the measured position reach the desired one and forget every rate."""
        self.joints = self.desired
        self.velocity = self.desired_velocity = self._still = np.zeros(JOINT_COUNT)
        self.desired_acceleration = np.zeros(JOINT_COUNT)
        self.desired_torque = np.zeros(JOINT_COUNT)
        self.settle_command()
        self.refresh()

    def settle_command(self) -> None:
        """Forget the rates of the commanded end effector and elbow."""
        self.twist, self.twist_rate, self.elbow_rate = np.zeros(6), np.zeros(6), np.zeros(2)

    def joints_for(self, end_effector: np.ndarray, elbow: float | None) -> tuple[np.ndarray, ArmPose]:
        """Return the joints (7,) that put the end effector at a pose (4, 4) near the desired one, and the arm's pose there.

        With an elbow (third joint, rad) the solution is the one; without, it is the nearest to where the joints are.
        """
        flange = end_effector @ self._inverse_tool
        joints, pose = self.desired, self.pose_desired
        matrix = pose.jacobian(pose.flange[:3, 3])
        if elbow is not None:
            matrix = np.vstack([matrix, _THIRD_JOINT])
        # One Jacobian for the cycle: steps are so small that each correction gains three digits.
        inverse = matrix.T @ np.linalg.inv(matrix @ matrix.T + _DAMPED**2 * np.eye(len(matrix)))
        for _ in range(6):
            error = np.empty(len(matrix))
            error[:3] = flange[:3, 3] - pose.flange[:3, 3]
            error[3:6] = rotation_difference(flange[:3, :3], pose.flange[:3, :3])
            if elbow is not None:
                error[6] = elbow - joints[2]
            if largest(error) < 1e-12:
                break
            joints = joints + inverse @ error
            pose = ArmPose(joints)
        return joints, pose
