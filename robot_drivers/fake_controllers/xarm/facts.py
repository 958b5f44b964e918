"""What an arm is and what was set on it: the type plate, the settings of clients, and the reduced mode. Start at `facts_for`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from .models import MODELS, Model, model_of

NEVER = 9999  # mm, a boundary that is not set


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What stands on the type plate and what is fitted; a restart brings all of it back."""

    model: Model
    firmware: str = "2.5.0"
    serial: str = ""
    control_box_serial: str = "AC130200000000"
    joints: tuple[float, ...] = ()  # rad, where the arm stands when it is switched on
    tool_offset: tuple[float, ...] = (0.0,) * 6  # x, y, z mm, roll, pitch, yaw rad
    tool_load: tuple[float, ...] = (0.0,) * 4  # kg, x, y, z mm


@dataclass
class Reduced:
    """The reduced mode and the fence: x, y, z largest and smallest (mm), speeds, joint ranges (7 pairs, rad)."""

    on: int = 0
    boundary: list[int] = field(default_factory=lambda: [NEVER, -NEVER] * 3)
    tool_speed: float = 250.0
    joint_speed: float = 1.0
    joint_ranges: list[float] = field(default_factory=lambda: [-2 * np.pi, 2 * np.pi] * 7)
    fence: int = 0
    rebound: int = 0


@dataclass
class Settings:
    """What clients may set; lost when the power goes, unless saved."""

    tool_offset: list[float]
    tool_load: list[float]
    world_offset: list[float] = field(default_factory=lambda: [0.0] * 6)
    gravity: list[float] = field(default_factory=lambda: [0.0, 0.0, -1.0])
    collision_sensitivity: int = 3
    teach_sensitivity: int = 3
    tool_jerk: float = 1000.0
    tool_acceleration: float = 50000.0
    joint_jerk: float = 20.0
    joint_acceleration: float = 20.0
    self_collision_check: int = 0
    tool_model: int = 0
    tool_model_sizes: list[float] = field(default_factory=lambda: [0.0] * 6)
    report_current: int = 0
    continuous_speed: int = 0
    approximate_motion: int = 0
    reduced: Reduced = field(default_factory=Reduced)


def facts_for(
    robot_type: str, *, axes: int | None, firmware: str, serial: str, joints, tool_offset, tool_load
) -> Facts:  # one place that checks what callers and command lines give
    """Return the facts of one arm.

    Raises:
        ValueError: For a type, a number of axes or a length that does not fit.
    """
    robot_type, firmware = str(robot_type), str(firmware)  # a command line may have made numbers of them
    if not re.fullmatch(r"\d+\.\d+\.\d+", firmware):
        raise ValueError(f"firmware is {firmware}; expected three numbers such as 2.5.0")
    if robot_type not in MODELS:
        raise ValueError(f"robot_type is {robot_type!r}; expected one of {', '.join(MODELS)}")
    serial = str(serial) or f"{MODELS[robot_type].serial_prefix}00000000"
    model = model_of(robot_type, serial)
    if axes is not None and axes != model.axes:
        raise ValueError(f"axes is {axes}; a {robot_type} has {model.axes}. Leave one of the two out")
    for name, values, count in (("joints", joints, model.axes), ("tool_offset", tool_offset, 6), ("tool_load", tool_load, 4)):
        if values is not None and len(values) != count:
            raise ValueError(f"{name} has {len(values)} numbers; expected {count}")
    return Facts(
        model=model,
        firmware=firmware,
        serial=serial,
        joints=tuple(joints or (0.0,) * model.axes),
        tool_offset=tuple(tool_offset or (0.0,) * 6),
        tool_load=tuple(tool_load or (0.0,) * 4),
    )
