"""The separator's thresholds, one frozen dataclass per family, and the range check all numbers of a task share.

Key names carry their unit; times are seconds, never frames. Defaults are those of spec/stare section 2.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from stage_core.errors import ConfigurationError

_SLIPS = {"m": "Metres, not centimetres?", "s": "Seconds, not milliseconds?", "rad": "Radians, not degrees?", "m/s": "Metres per second?"}


def quantity(default: Any, unit: str, maximum: float, *, zero: bool = False) -> Any:
    """Return a dataclass field that holds a number in (0, maximum] of `unit`; with `zero` also 0."""
    return dataclasses.field(default=default, metadata={"unit": unit, "maximum": maximum, "zero": zero})


class CheckedRanges:
    """Checks every `quantity` field of a frozen dataclass."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if "maximum" not in entry.metadata or value is None:
                continue
            unit, maximum, zero = (entry.metadata[key] for key in ("unit", "maximum", "zero"))
            if math.isfinite(value) and (0.0 < value <= maximum or (zero and value == 0.0)):
                continue
            slip = f" {_SLIPS[unit]}" if unit in _SLIPS and value > maximum else ""
            shown = f"{value} {unit}" if unit else f"{value}"
            raise ConfigurationError(f"{entry.name} is {shown}; expected 0 {'<=' if zero else '<'} value <= {maximum}.{slip}")


@dataclass(frozen=True, kw_only=True)
class Thresholds(CheckedRanges):
    """What every family's separator needs.

    Attributes:
        rise_debounce_s: An entry event must hold this long.
        fall_debounce_s: Evidence for a demotion must hold this long.
        success_hold_s: The success rule must hold this long.
        leave_margin_m: How far beyond its region an object must be to have left it (hysteresis).
        contact_force_n: Force that counts as a touch.
        static_speed_m_s: An object slower than this is at rest, where `object_static` is not given.
    """

    rise_debounce_s: float = quantity(0.1, "s", 5.0)
    fall_debounce_s: float = quantity(0.15, "s", 5.0)
    success_hold_s: float = quantity(0.1, "s", 5.0)
    leave_margin_m: float = quantity(0.005, "m", 0.1, zero=True)
    contact_force_n: float = quantity(0.05, "N", 50.0)
    static_speed_m_s: float = quantity(0.01, "m/s", 0.5)


@dataclass(frozen=True, kw_only=True)
class PushThresholds(Thresholds):
    """Push and pull.

    Attributes:
        contact_displacement_m: An object that moved this far was touched.
        push_displacement_m: Way along the start-to-goal line that enters push or pull.
        goal_radius_m: Horizontal radius of the goal region.
        height_tolerance_m: Success needs the object's centre within this of its rest height; None leaves height out.
    """

    contact_displacement_m: float = quantity(0.002, "m", 0.1)
    push_displacement_m: float = quantity(0.005, "m", 0.2)
    goal_radius_m: float = quantity(0.1, "m", 0.5)
    height_tolerance_m: float | None = quantity(0.005, "m", 0.1)


@dataclass(frozen=True, kw_only=True)
class GraspThresholds(Thresholds):
    """What every family with a grasp needs.

    Attributes:
        contact_distance_m: Tool centre to grasp point; nearer counts as a touch.
        grasp_hold_s: A grasp must last this long before a lift counts.
        lift_height_m: Height above rest that counts as lifted.
    """

    contact_distance_m: float = quantity(0.02, "m", 0.2)
    grasp_hold_s: float = quantity(0.15, "s", 5.0)
    lift_height_m: float = quantity(0.01, "m", 0.3)


@dataclass(frozen=True, kw_only=True)
class PickPlaceThresholds(GraspThresholds):
    """Pick and place.

    Attributes:
        place_distance_m: Object to goal; nearer enters place.
        goal_distance_m: Object to goal at success.
        success_requires_release: True: released and at rest in the goal. False: brought there and the arm at rest (PickCube).
        arm_static_speed_m_s: A tool centre slower than this is at rest; used without release.
        arm_static_rotation_rad_s: A tool turning slower than this is at rest; used without release.
    """

    place_distance_m: float = quantity(0.03, "m", 0.5)
    goal_distance_m: float = quantity(0.025, "m", 0.5)
    success_requires_release: bool = True
    arm_static_speed_m_s: float = quantity(0.05, "m/s", 0.5)
    arm_static_rotation_rad_s: float = quantity(0.2, "rad/s", 3.0)


@dataclass(frozen=True, kw_only=True)
class StackThresholds(GraspThresholds):
    """Stacking.

    Attributes:
        place_distance_m: Horizontal distance to the goal; nearer enters place.
        goal_distance_m: Horizontal distance to the goal at success.
        height_tolerance_m: Height error at success.
    """

    place_distance_m: float = quantity(0.033, "m", 0.5)
    goal_distance_m: float = quantity(0.0333, "m", 0.5)
    height_tolerance_m: float = quantity(0.005, "m", 0.1)


@dataclass(frozen=True, kw_only=True)
class LiftUprightThresholds(GraspThresholds):
    """Lift and stand upright.

    Attributes:
        minimum_height_m: Height above rest that enters upright (h_min).
        upright_angle_rad: Angle of the long axis to the vertical at success.
        height_tolerance_m: Distance to the standing height at success.
    """

    minimum_height_m: float = quantity(0.02, "m", 0.5)
    upright_angle_rad: float = quantity(0.08, "rad", 1.0)
    height_tolerance_m: float = quantity(0.005, "m", 0.1)
