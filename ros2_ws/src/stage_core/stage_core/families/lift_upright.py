"""Lift and stand upright: reach, grasp, lift, upright, success."""

from __future__ import annotations

import math

from stage_core.families.pick_place import GraspRules
from stage_core.geometry import vertical_cosine
from stage_core.signals import Signals
from stage_core.task import TaskConfig
from stage_core.thresholds import LiftUprightThresholds


class LiftUprightRules(GraspRules):
    """Rules of the lift_upright family; the object stands on either end."""

    thresholds: LiftUprightThresholds

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self.axis = task.objects.long_axis
        half = task.objects.half_size_m
        self.standing_above_rest = half[self.axis] - min(half)  # m; lying it rests on its thinnest side
        super().__init__(task, control_rate_hz)

    def entries(self, signals: Signals) -> tuple[bool, bool, bool]:
        """Return whether grasp, lift and upright are met. Source: spec/stare section 2."""
        s = signals
        high = s.object_sure and s.height is not None and s.height >= self.thresholds.minimum_height_m
        return self.touches(s), self.lifted(s), high

    def tilt(self, signals: Signals) -> float:
        """Return the angle of the long axis to the vertical, rad; call only with the orientation known."""
        return math.acos(vertical_cosine(signals.object_orientation, self.axis))

    def success(self, signals: Signals) -> bool | None:
        """Return whether the object stands upright on its support."""
        s, t = signals, self.thresholds
        if not (s.object_sure and s.object_orientation_sure) or s.height is None:
            return None
        return self.tilt(s) < t.upright_angle_rad and abs(s.height - self.standing_above_rest) < t.height_tolerance_m

    def regression(self, stage: int, signals: Signals) -> int:
        """Grasp lost -> reach unless it stands; upright -> lift when it is lowered again while it is held."""
        s, t = signals, self.thresholds
        if stage >= 1 and self.lost_grasp(s):
            return -1 if stage == 3 and self._stands(s) else 0
        low = s.object_sure and s.height is not None and s.height < t.minimum_height_m - t.leave_margin_m
        return 2 if stage == 3 and low else -1

    def _stands(self, s: Signals) -> bool:
        """A released object that leans less than 45° and is high may still come to stand; unknown is no evidence."""
        if not s.object_sure or s.height is None or not s.object_orientation_sure:
            return True
        return s.height >= self.thresholds.minimum_height_m and self.tilt(s) < math.pi / 4

    def describe(self, kind: str, stage: int, signals: Signals) -> str:
        """Return which rule fired with which value."""
        s, t = signals, self.thresholds
        if kind == "entered" and stage == 1:
            return self.describe_grasp(s)
        if kind == "entered" and stage == 2:
            return self.describe_lift(s)
        height = "" if s.height is None else f"the object is {1000 * s.height:.1f} mm above rest"
        if kind == "entered":
            return f"{height}, at least {1000 * t.minimum_height_m:g} mm"
        if kind == "regression":
            return f"the gripper no longer holds the object; {height}" if stage == 0 else f"the object was lowered; {height}"
        return f"the long axis is {self.tilt(s):.3f} rad off the vertical (limit {t.upright_angle_rad:g}), {height}"
