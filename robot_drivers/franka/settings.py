"""What a workcell file says about a Franka arm. What moves metal has no default. Start at `FrankaSettings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stage_core.errors import ConfigurationError

JOINTS = 7

# field -> (lowest, highest, hint) of every number in it
_RANGES: dict[str, tuple[float, float, str]] = {
    "payload_mass": (0.0, 3.0, "Kilograms, not grams? A FR3 carries 3 kg."),
    "payload_center_of_mass": (-0.3, 0.3, "Metres in the flange frame, not millimetres?"),
    "desk_end_effector_mass_kg": (0.0, 3.0, "Kilograms, as Desk says: 0.73 with the Franka Hand, 0 without an end-effector."),
    "relative_velocity": (0.01, 1.0, "A share of the arm's own limit; begin with 0.1 to 0.2."),
    "relative_acceleration": (0.01, 1.0, "A share of the arm's own limit; begin with 0.1 to 0.2."),
    "relative_jerk": (0.01, 1.0, "A share of the arm's own limit; begin with 0.1 to 0.2."),
    "joint_impedance": (10.0, 14250.0, "N m/rad; 3000, 3000, 3000, 2500, 2500, 2000, 2000 is usual."),
    "contact_torque_nm": (1.0, 100.0, "N m; the lower thresholds, 20 is usual."),
    "collision_torque_nm": (1.0, 100.0, "N m; the upper thresholds, where the arm stops; 20 is cautious."),
    "contact_force_n": (1.0, 100.0, "N and N m; the lower thresholds, 20 is usual."),
    "collision_force_n": (1.0, 100.0, "N and N m; the upper thresholds, where the arm stops; 20 is cautious."),
    "connect_timeout_s": (0.0, 3600.0, "Seconds."),
}

Seven = tuple[float, float, float, float, float, float, float]
Six = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FrankaSettings:
    """The `settings.arm` of a workcell with a Franka arm.

    Attributes:
        address: IP address of the controller (the shop floor port), empty until robot_address gives one.
        realtime: `enforce` refuses a kernel without PREEMPT_RT; `ignore` runs anyway, for trials and fake controllers.
        flange_to_tool: (7,) m and xyzw: the tool centre in the flange frame.
        payload_mass: kg of everything beyond the flange, the hand included.
        payload_center_of_mass: (3,) m of all that, in the flange frame.
        desk_end_effector_mass_kg: What Desk's end-effector weighs; another one means a wrong end-effector.
        relative_velocity: Share of the arm's speed limits, (0, 1]; at most 0.2 until full speed is asked.
        relative_acceleration: Share of its acceleration limits, as above.
        relative_jerk: Share of its jerk limits, as above.
        joint_impedance: (7,) N m/rad, stiffness of the controller that follows the targets.
        contact_torque_nm: (7,) N m, from where a contact is told.
        collision_torque_nm: (7,) N m, from where the arm stops with a reflex.
        contact_force_n: (6,) N and N m at the tool, from where a contact is told.
        collision_force_n: (6,) N and N m at the tool, from where the arm stops with a reflex.
        pose_targets: `joints`: SafeArm solves tool poses and the controller gets joints alone. franky cannot change
            between joint and Cartesian motions without a stop, so there is no other choice.
        connect_timeout_s: How long `connect` waits for somebody to unlock joints, activate FCI and so on, s.
    """

    address: str
    realtime: Literal["enforce", "ignore"]
    flange_to_tool: Seven
    payload_mass: float
    payload_center_of_mass: tuple[float, float, float]
    desk_end_effector_mass_kg: float
    relative_velocity: float
    relative_acceleration: float
    relative_jerk: float
    joint_impedance: Seven
    contact_torque_nm: Seven
    collision_torque_nm: Seven
    contact_force_n: Six
    collision_force_n: Six
    pose_targets: Literal["joints"] = "joints"
    connect_timeout_s: float = 120.0

    def __post_init__(self) -> None:
        for name, (low, high, hint) in _RANGES.items():
            for value in np.atleast_1d(getattr(self, name)):
                if not low <= value <= high:
                    raise ConfigurationError(f"{name} is {value:g}; expected {low:g} to {high:g}. {hint}")
        pose = np.asarray(self.flange_to_tool, dtype=np.float64)
        if not np.isfinite(pose).all() or np.abs(pose[:3]).max() > 1.0 or abs(float(np.linalg.norm(pose[3:])) - 1.0) > 1e-3:
            raise ConfigurationError(
                f"flange_to_tool is {list(self.flange_to_tool)}; expected x, y, z within 1 m and a quaternion xyzw of length 1. Metres?"
            )
        for lower, upper in (("contact_torque_nm", "collision_torque_nm"), ("contact_force_n", "collision_force_n")):
            if any(low > high for low, high in zip(getattr(self, lower), getattr(self, upper), strict=True)):
                raise ConfigurationError(
                    f"{lower} exceeds {upper}; expected at most that in every entry. A contact comes before a collision."
                )
        if self.desk_end_effector_mass_kg > self.payload_mass + 1e-9:
            raise ConfigurationError(
                f"desk_end_effector_mass_kg is {self.desk_end_effector_mass_kg:g}; expected at most payload_mass = {self.payload_mass:g} kg, "
                "which holds the end-effector and all that is fixed to it."
            )
