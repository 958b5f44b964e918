"""Push and pull: reach, contact, push (pull), goal, success."""

from __future__ import annotations

from stage_core.separator import StageRules
from stage_core.signals import Signals
from stage_core.thresholds import PushThresholds


class PushRules(StageRules):
    """Rules of the push and pull families; the goal region is a disc in the table's plane."""

    thresholds: PushThresholds

    def entries(self, signals: Signals) -> tuple[bool, bool, bool]:
        """Return whether contact, push and goal are met. Source: spec/stare section 2."""
        s, t = signals, self.thresholds
        seen = s.object_sure and s.displacement is not None
        contact = s.is_contact or (seen and s.displacement > t.contact_displacement_m)
        # A touched object that slides on is still being pushed by that touch; one at rest without a touch is not.
        moving = s.is_contact or (s.contact is None and s.contact_force is None) or (s.object_speed or 0.0) > t.static_speed_m_s
        push = contact and moving and seen and s.along_goal is not None and s.along_goal > t.push_displacement_m
        return contact, push, s.object_sure and s.goal_sure and s.object_to_goal_xy < t.goal_radius_m

    def success(self, signals: Signals) -> bool | None:
        """Return whether the object lies in the goal region at its rest height."""
        s, t = signals, self.thresholds
        if not (s.object_sure and s.goal_sure) or s.height is None:
            return None
        tolerance = t.height_tolerance_m
        return s.object_to_goal_xy < t.goal_radius_m and (tolerance is None or abs(s.height) < tolerance)

    def regression(self, stage: int, signals: Signals) -> int:
        """Goal -> push when the object leaves the region."""
        s, t = signals, self.thresholds
        left = stage == 3 and s.object_sure and s.goal_sure and s.object_to_goal_xy > t.goal_radius_m + t.leave_margin_m
        return 2 if left else -1

    def describe(self, kind: str, stage: int, signals: Signals) -> str:
        """Return which rule fired with which value."""
        s, t = signals, self.thresholds
        if kind == "entered" and stage == 1:
            if s.is_contact:
                return "the hand touches the object" + (f" with {s.contact_force:.2f} N" if s.contact_force is not None else "")
            return f"the object moved {1000 * s.displacement:.1f} mm > {1000 * t.contact_displacement_m:g} mm"
        if kind == "entered" and stage == 2:
            return f"the object moved {1000 * s.along_goal:.1f} mm > {1000 * t.push_displacement_m:g} mm towards the goal"
        place = f"the object is {1000 * s.object_to_goal_xy:.1f} mm from the goal (radius {1000 * t.goal_radius_m:g} mm)"
        return place if kind in ("entered", "regression") else f"{place}, {1000 * s.height:+.1f} mm from its rest height"
