"""What this robot is: its versions, its tool as set in Desk, where it starts. Start at `RobotFacts`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_drivers.fake_controllers.franka.kinematics import is_rigid
from robot_drivers.fake_controllers.franka.limits import LOWER_JOINTS, UPPER_JOINTS
from robot_drivers.fake_controllers.franka.messages import INTERFACE_VERSION

READY_JOINTS = (0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)
_HALF = float(np.sqrt(0.5))
# The Franka Hand: turned by -45 degrees about the flange axis, its finger tips 103.4 mm in front of the flange.
HAND_IN_FLANGE = (
    (_HALF, _HALF, 0.0, 0.0),
    (-_HALF, _HALF, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.1034),
    (0.0, 0.0, 0.0, 1.0),
)


@dataclass(frozen=True, kw_only=True)
class RobotFacts:
    """Facts about the robot that a client finds, all in the base or flange frame, metres, kilograms, radians."""

    start_joints: tuple[float, ...] = READY_JOINTS
    flange_to_nominal_end_effector: tuple[tuple[float, ...], ...] = HAND_IN_FLANGE  # set in Desk, (4, 4)
    end_effector_mass: float = 0.73
    end_effector_center_of_mass: tuple[float, ...] = (-0.01, 0.0, 0.03)  # in the flange frame
    end_effector_inertia: tuple[float, ...] = (0.001, 0.0, 0.0, 0.0, 0.0025, 0.0, 0.0, 0.0, 0.0017)
    interface_version: int = INTERFACE_VERSION
    gripper_version: int = 3
    has_gripper: bool = True
    gripper_homed: bool = True
    gripper_width: float = 0.04
    object_width: float | None = None  # something stands between the fingers, this wide
    name: str = "fr3"

    def __post_init__(self) -> None:
        joints = np.asarray(self.start_joints, dtype=float)
        if joints.shape != (7,) or np.any(joints < LOWER_JOINTS) or np.any(joints > UPPER_JOINTS):
            raise ValueError(f"start_joints is {self.start_joints}; expected 7 angles within the joint limits, rad")
        transform = np.asarray(self.flange_to_nominal_end_effector, dtype=float)
        if transform.shape != (4, 4) or not is_rigid(transform):
            raise ValueError(f"flange_to_nominal_end_effector is {self.flange_to_nominal_end_effector}; expected a rigid 4 x 4 transform")
        if self.end_effector_mass < 0:
            raise ValueError(f"end_effector_mass is {self.end_effector_mass} kg; expected >= 0")
