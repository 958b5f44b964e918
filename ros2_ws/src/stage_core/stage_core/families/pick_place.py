"""Pick and place, and stacking: reach, grasp, transport, place, success."""

from __future__ import annotations

from stage_core.debounce import frames_of
from stage_core.separator import StageRules
from stage_core.signals import Signals
from stage_core.task import TaskConfig
from stage_core.thresholds import GraspThresholds, PickPlaceThresholds, StackThresholds


class GraspRules(StageRules):
    """What every family with a grasp shares: the touch, the hold and its loss."""

    thresholds: GraspThresholds

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self.grasp_frames = frames_of(task.thresholds.grasp_hold_s, control_rate_hz)
        super().__init__(task, control_rate_hz)

    def reset(self) -> None:
        """Start a new episode."""
        self.had_grasp = False

    def observe(self, stage: int, signals: Signals) -> None:
        """Remember that this attempt held the object, so that a grasp never made cannot be lost."""
        if signals.is_grasped:
            self.had_grasp = True
        elif stage == 0:
            self.had_grasp = False

    def touches(self, signals: Signals) -> bool:
        """Return whether the hand is at the object. Source: spec/stare section 2, grasp."""
        s = signals
        near = s.ee_sure and s.object_sure and s.ee_to_grasp_point < self.thresholds.contact_distance_m
        return s.is_contact or s.is_grasped or near

    def lifted(self, signals: Signals) -> bool:
        """Return whether a grasp lasts and the object is off its support."""
        s = signals
        held = s.is_grasped and s.grasp_frames >= self.grasp_frames
        return held and s.object_sure and s.height is not None and s.height > self.thresholds.lift_height_m

    def lost_grasp(self, signals: Signals) -> bool:
        """Return whether an object that was held no longer is."""
        return self.had_grasp and signals.not_grasped

    def describe_grasp(self, signals: Signals) -> str:
        """Return which touch was seen."""
        s = signals
        if s.is_contact and s.contact_force is not None:
            return f"the hand touches the object with {s.contact_force:.2f} N"
        if s.is_contact or s.is_grasped:
            return "the hand touches the object" if s.is_contact else "the gripper holds the object"
        return f"the tool is {1000 * s.ee_to_grasp_point:.1f} mm < {1000 * self.thresholds.contact_distance_m:g} mm from the object"

    def describe_lift(self, signals: Signals) -> str:
        """Return the height and the hold."""
        height = f"{1000 * signals.height:.1f} mm > {1000 * self.thresholds.lift_height_m:g} mm"
        return f"held for {signals.grasp_frames} steps and lifted {height}"


class PickPlaceRules(GraspRules):
    """Rules of the pick_place family; the goal is a point."""

    thresholds: PickPlaceThresholds

    def error(self, signals: Signals) -> float:
        """Return the distance to the goal that place and success look at, m; call only with object and goal known."""
        return signals.object_to_goal

    def entries(self, signals: Signals) -> tuple[bool, bool, bool]:
        """Return whether grasp, transport and place are met. Source: spec/stare section 2."""
        s = signals
        near = s.object_sure and s.goal_sure and self.error(s) < self.thresholds.place_distance_m
        return self.touches(s), self.lifted(s), near

    def success(self, signals: Signals) -> bool | None:
        """Return whether the object is in the goal and released and at rest, or, without release, the arm is at rest."""
        s, t = signals, self.thresholds
        if not (s.object_sure and s.goal_sure):
            return None
        if not self.error(s) <= t.goal_distance_m:
            return False
        if t.success_requires_release:
            return self._released_and_static(s)
        if not s.ee_sure or s.ee_speed is None:
            return None
        turning = s.ee_rotation_speed is not None and s.ee_rotation_speed > t.arm_static_rotation_rad_s
        return s.ee_speed <= t.arm_static_speed_m_s and not turning

    @staticmethod
    def _released_and_static(s: Signals) -> bool | None:
        if s.is_released and s.is_static:
            return True
        return None if s.released is None or s.object_static is None else False

    def regression(self, stage: int, signals: Signals) -> int:
        """Grasp lost -> reach; place -> transport when the held object leaves the goal's surroundings."""
        s, t = signals, self.thresholds
        if stage == 3:
            if not (s.object_sure and s.goal_sure) or self.error(s) <= t.place_distance_m + t.leave_margin_m:
                return -1  # to let go where the object belongs is the task
            return 0 if self.lost_grasp(s) else 2
        return 0 if stage >= 1 and self.lost_grasp(s) else -1

    def describe(self, kind: str, stage: int, signals: Signals) -> str:
        """Return which rule fired with which value."""
        s, t = signals, self.thresholds
        if kind == "entered" and stage == 1:
            return self.describe_grasp(s)
        if kind == "entered" and stage == 2:
            return self.describe_lift(s)
        place = "" if s.object_to_goal is None else f"the object is {1000 * self.error(s):.1f} mm from the goal"
        if kind == "entered":
            return f"{place}, within {1000 * t.place_distance_m:g} mm"
        if kind == "regression":
            lost = "the gripper no longer holds the object" if stage == 0 else "the object left the goal"
            return f"{lost}; {place}" if place else lost
        end = self._describe_end(s)
        return f"{place}, {end}"

    def _describe_end(self, s: Signals) -> str:
        if getattr(self.thresholds, "success_requires_release", True):
            return f"{'released' if s.released else 'held'} and {'at rest' if s.object_static else 'moving'}"
        return f"the tool moves at {1000 * (s.ee_speed or 0.0):.0f} mm/s"


class StackRules(PickPlaceRules):
    """Rules of the stack family; place looks at the horizontal distance, success also at the height."""

    thresholds: StackThresholds  # type: ignore[assignment]

    def error(self, signals: Signals) -> float:
        """Return the horizontal distance to the goal, m."""
        return signals.object_to_goal_xy

    def success(self, signals: Signals) -> bool | None:
        """Return whether the object stands on the other, released and at rest."""
        s, t = signals, self.thresholds
        if not (s.object_sure and s.goal_sure):
            return None
        if not (self.error(s) <= t.goal_distance_m and abs(s.object[2] - s.goal[2]) <= t.height_tolerance_m):
            return False
        return self._released_and_static(s)
