"""The limits that no command passes, as a workcell file gives them. Nothing here has a default: it moves metal.

Start at `SafetyLimits`. Lengths are in the arm base frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from stage_core.errors import ConfigurationError

# field -> (lowest, highest, hint); the lowest is excluded where it is 0
_RANGES: dict[str, tuple[float, float, str]] = {
    "ee_speed_m_s": (0.0, 3.0, "Metres per second, not millimetres?"),
    "ee_angular_speed_rad_s": (0.0, 10.0, "Radians per second, not degrees?"),
    "joint_velocity_share": (0.0, 1.0, "A share of the arm's own limit; begin with 0.1 to 0.2 on a real arm."),
    "joint_acceleration_rad_s2": (0.0, 500.0, "Radians per second squared, not degrees?"),
    "jump_distance_m": (0.0, 0.5, "Metres, not millimetres?"),
    "jump_angle_rad": (0.0, math.pi, "Radians, not degrees?"),
    "jump_joint_rad": (0.0, math.pi, "Radians, not degrees?"),
    "first_target_distance_m": (0.0, 0.2, "Metres, not millimetres? 0.02 is usual."),
    "first_target_angle_rad": (0.0, 1.0, "Radians, not degrees? 0.1 is usual."),
    "stop_time_s": (0.0, 2.0, "Seconds, not milliseconds?"),
    "longest_valid_for_s": (0.0, 2.0, "Seconds, not milliseconds? Two control periods are usual."),
    "clock_jump_s": (0.0, 1.0, "Seconds, not milliseconds? 0.05 is usual."),
}


@dataclass(frozen=True, kw_only=True)
class CollisionSphere:
    """A ball fixed to a link, that must stay clear of every keep-out.

    Attributes:
        link: Link of the URDF.
        center_m: (3,) m in the frame of the link.
        radius_m: m.
    """

    link: str
    center_m: tuple[float, float, float]
    radius_m: float

    def __post_init__(self) -> None:
        if not 0.0 < self.radius_m <= 0.5:
            raise ConfigurationError(f"radius_m is {self.radius_m} m; expected 0 < value <= 0.5. Metres, not millimetres?")


@dataclass(frozen=True, kw_only=True)
class KeepOutPlane:
    """A half space that no collision sphere enters: allowed is where normal · point >= offset_m (a table: normal 0 0 1).

    Attributes:
        name: For messages.
        normal: (3,) of length 1, arm base frame, towards the allowed side.
        offset_m: m.
    """

    name: str
    normal: tuple[float, float, float]
    offset_m: float

    def __post_init__(self) -> None:
        if abs(math.hypot(*self.normal) - 1.0) > 1e-6:
            raise ConfigurationError(f"normal is {self.normal}; expected length 1. Divide it by {math.hypot(*self.normal):g}.")


@dataclass(frozen=True, kw_only=True)
class KeepOutBox:
    """A box along the axes of the arm base frame that no collision sphere enters.

    Attributes:
        name: For messages.
        lower_m: (3,) m.
        upper_m: (3,) m.
    """

    name: str
    lower_m: tuple[float, float, float]
    upper_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        _check_box("lower_m", self.lower_m, "upper_m", self.upper_m)


@dataclass(frozen=True, kw_only=True)
class SafetyLimits:
    """What SafeArm holds every command to, whatever its source and action space.

    Attributes:
        workspace_lower_m: (3,) m, lower corner of the box the tool centre stays in.
        workspace_upper_m: (3,) m, upper corner.
        ee_speed_m_s: Fastest tool centre.
        ee_angular_speed_rad_s: Fastest turn of the tool.
        joint_margin_rad: Distance kept from the joint limits of the arm.
        joint_velocity_share: Share of the arm's own joint velocity limits that may be used, (0, 1].
        joint_acceleration_rad_s2: Largest speeding-up of any joint.
        jump_distance_m: A target further than this from the one before is refused.
        jump_angle_rad: The same for the orientation.
        jump_joint_rad: The same for any joint.
        first_target_distance_m: The first target after a hold or a switch of sources lies within this of the measured pose.
        first_target_angle_rad: The same for the orientation, and for any joint.
        stop_time_s: The arm is at rest this long after braking began.
        longest_valid_for_s: A command that claims to hold longer is refused, so that nobody switches off the watchdog.
        clock_jump_s: A jump of the workcell clock against the steady clock that puts the arm on hold.
        gripper_hysteresis: Openings closer than this to the last command are not sent; [0, 0.5].
        collision_spheres: A few balls per link and tool; empty only where no keep-out is.
        keep_out_planes: Half spaces the spheres stay out of (table, wall).
        keep_out_boxes: Boxes the spheres stay out of.
    """

    workspace_lower_m: tuple[float, float, float]
    workspace_upper_m: tuple[float, float, float]
    ee_speed_m_s: float
    ee_angular_speed_rad_s: float
    joint_margin_rad: float
    joint_velocity_share: float
    joint_acceleration_rad_s2: float
    jump_distance_m: float
    jump_angle_rad: float
    jump_joint_rad: float
    first_target_distance_m: float
    first_target_angle_rad: float
    stop_time_s: float
    longest_valid_for_s: float
    clock_jump_s: float
    gripper_hysteresis: float
    collision_spheres: tuple[CollisionSphere, ...]
    keep_out_planes: tuple[KeepOutPlane, ...]
    keep_out_boxes: tuple[KeepOutBox, ...]

    def __post_init__(self) -> None:
        for entry in fields(self):
            if entry.name in _RANGES:
                low, high, hint = _RANGES[entry.name]
                value = getattr(self, entry.name)
                if not low < value <= high:
                    raise ConfigurationError(f"{entry.name} is {value}; expected {low:g} < value <= {high:g}. {hint}")
        if not 0.0 <= self.joint_margin_rad <= 0.5:
            raise ConfigurationError(f"joint_margin_rad is {self.joint_margin_rad}; expected 0 to 0.5. Radians, not degrees?")
        if not 0.0 <= self.gripper_hysteresis <= 0.5:
            raise ConfigurationError(f"gripper_hysteresis is {self.gripper_hysteresis}; expected 0 to 0.5, a share of the full opening.")
        _check_box("workspace_lower_m", self.workspace_lower_m, "workspace_upper_m", self.workspace_upper_m)
        if (self.keep_out_planes or self.keep_out_boxes) and not self.collision_spheres:
            raise ConfigurationError(
                "collision_spheres is empty but keep-outs are given; expected a few spheres per link and tool. Add them."
            )


def _check_box(lower_name: str, lower: tuple[float, ...], upper_name: str, upper: tuple[float, ...]) -> None:
    if not all(math.isfinite(value) for value in (*lower, *upper)):
        raise ConfigurationError(f"{lower_name} {lower} and {upper_name} {upper} hold a number that is not finite. Mend it.")
    for axis, low, high in zip("xyz", lower, upper, strict=True):
        if not low < high:
            raise ConfigurationError(f"{lower_name} {axis} is {low} m; expected less than {upper_name} {axis} = {high} m. Swap them?")
        if max(abs(low), abs(high)) > 5.0:
            raise ConfigurationError(
                f"{lower_name} or {upper_name} {axis} is {low} or {high}; expected within 5 m. Metres, not millimetres?"
            )
