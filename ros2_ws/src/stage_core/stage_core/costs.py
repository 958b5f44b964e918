"""Stage costs ℓ_k: how well a stage was carried out, lower is better, all >= 0 (STARE supplement D).

`StageCosts` adds one control step at a time in O(1) and knows the cost of every stage so far. Costs mix metres,
radians and flags: `normalise_costs` divides them by the data set's median per stage before they are compared (spec/stare
section 3). Motions per step are scaled to a step of 0.05 s, so that a rate of 10 Hz and one of 20 Hz give the same cost.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median

from stage_core.debounce import frames_of
from stage_core.geometry import Vector, horizontal_distance_to_line, point_to_polyline, vertical_cosine
from stage_core.signals import Signals
from stage_core.task import TaskConfig

NORMALISED_LIMIT = 3.0  # costs count in medians, up to this many


class Mean:
    """A running mean; None while it is empty, because 0 would read as perfect."""

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, value: float | None) -> None:
        """Add one step; None adds nothing."""
        if value is not None:
            self.total += value
            self.count += 1

    @property
    def value(self) -> float | None:
        """The mean so far, or None."""
        return self.total / self.count if self.count else None


class StageCosts:
    """Costs of all stages of one task over one episode; τ_k is every step with label k, in one visit or several.

    A step whose inputs are unknown adds nothing to the means. Sources: STARE supplement D and eq. 3, with what
    spec/stare.md section 3 resolves.
    """

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self._config = task.costs
        self._names = task.stages
        self._contact_scale = max(task.costs.contact_distance_scale_m, 1e-9)  # m; never divides by 0
        self._window = frames_of(task.costs.stability_window_s, control_rate_hz)
        self._minimum_height = getattr(task.thresholds, "minimum_height_m", 0.0)
        self._axis = task.objects.long_axis
        steps: dict[str, Callable[[Signals], float | None]] = {
            "reach": self._reach, "grasp": self._grasp, "transport": self._transport, "contact": self._contact, "push": self._push,
            "pull": self._push, "goal": self._goal, "lift": self._lift, "upright": self._upright, "place": self._place,
        }  # fmt: skip
        self._steps = [steps[name] for name in task.stages]
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self._means = [Mean() for _ in self._names]
        self._last_goal_distance: list[float | None] = [None] * len(self._names)
        self._last_motions: deque[float] = deque(maxlen=self._window)
        self._grasp_point: Vector | None = None
        self._path: tuple[Vector, ...] = ()

    def add(self, stage: int, signals: Signals) -> float | None:
        """Add one control step labelled `stage` and return that stage's cost so far; None at success or while unknown."""
        if stage >= len(self._names):
            return None
        self._means[stage].add(self._steps[stage](signals))
        return self.cost_of(stage)

    def cost_of(self, stage: int) -> float | None:
        """Return ℓ_k of the steps so far, or None for an empty segment."""
        name = self._names[stage]
        if name == "place":
            if not self._last_motions or self._last_goal_distance[stage] is None:
                return None
            motion = sum(self._last_motions) / len(self._last_motions)
            distance = self._config.goal_distance_weight_per_m * self._last_goal_distance[stage]
            return self._config.stability_weight_per_m * motion + distance
        mean = self._means[stage].value
        if name in ("push", "pull"):
            last = self._last_goal_distance[stage]
            return None if mean is None or last is None else last + self._config.lateral_motion_weight * mean
        return mean

    def costs(self) -> tuple[float | None, ...]:
        """Return ℓ_k of every working stage."""
        return tuple(self.cost_of(stage) for stage in range(len(self._names)))

    def _reach(self, s: Signals) -> float | None:
        return s.ee_to_grasp_point

    def _grasp(self, s: Signals) -> float | None:
        if s.object is not None and s.grasp_frames <= 1:  # where the hold began, not where the lift has brought it since
            self._grasp_point = s.object
        if s.ee_to_grasp_point is None:
            return None
        config = self._config
        slips = (s.relative_speed is not None and s.relative_speed > config.slip_speed_m_s) or (
            s.width_speed is not None and s.width_speed > config.slip_width_speed_m_s
        )
        return config.contact_distance_weight * s.ee_to_grasp_point / self._contact_scale + config.slip_weight * slips

    def _transport(self, s: Signals) -> float | None:
        """Distance to the polyline grasp point -> lift way-point -> above the goal -> goal."""
        if s.object is None or s.goal is None:
            return None
        if self._grasp_point is None:
            self._grasp_point = s.start if s.start is not None else s.object
        x, y, z = self._grasp_point
        top = z + self._config.lift_way_point_m
        above_goal = (s.goal[0], s.goal[1], max(top, s.goal[2]))
        return point_to_polyline(s.object, ((x, y, z), (x, y, top), above_goal, s.goal))

    def _contact(self, s: Signals) -> float | None:
        if s.contact is None or s.object is None or s.start is None or s.line_goal is None:
            return None
        aside = horizontal_distance_to_line(s.object, s.start, s.line_goal)
        return self._config.contact_weight * (not s.contact) + self._config.line_distance_weight_per_m * aside

    def _push(self, s: Signals) -> float | None:
        """The lateral motion of this step, m; the last distance to the goal is kept beside it."""
        if s.object_to_goal is not None:
            self._last_goal_distance[2] = s.object_to_goal
        if s.object_step is None or s.start is None or s.line_goal is None:
            return None
        vx, vy = s.line_goal[0] - s.start[0], s.line_goal[1] - s.start[1]
        length = math.sqrt(vx * vx + vy * vy)
        dx, dy, dz = s.object_step
        if length > 1e-9:
            vx, vy = vx / length, vy / length
            along = dx * vx + dy * vy
            dx, dy = dx - along * vx, dy - along * vy
        return math.sqrt(dx * dx + dy * dy + dz * dz) * s.step_scale

    def _goal(self, s: Signals) -> float | None:
        if s.object_to_goal is None or s.object_step is None:
            return None
        config = self._config
        return config.goal_distance_weight_per_m * s.object_to_goal + config.goal_motion_weight_per_m * _motion(s)

    def _lift(self, s: Signals) -> float | None:
        return None if s.height is None else max(0.0, self._minimum_height - s.height)

    def _upright(self, s: Signals) -> float | None:
        return None if s.object_orientation is None else math.acos(vertical_cosine(s.object_orientation, self._axis))

    def _place(self, s: Signals) -> float | None:
        """Fills the window of the last M motions; the mean itself is not used."""
        if s.object_to_goal is not None:
            self._last_goal_distance[3] = s.object_to_goal
        if s.object_step is not None:
            self._last_motions.append(_motion(s))
        return None


def _motion(s: Signals) -> float:
    """Length of the object's motion, m per step of 0.05 s."""
    dx, dy, dz = s.object_step
    return math.sqrt(dx * dx + dy * dy + dz * dz) * s.step_scale


def cost_medians(episodes: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    """Return the median of ℓ_k over the episodes of one task, stage by stage; None where no episode has a cost.

    Args:
        episodes: Per episode, ℓ_k of every working stage, None for an empty segment (`EpisodeLabels.segment_costs`).

    Raises:
        ValueError: If the episodes have different numbers of stages.
    """
    if len({len(costs) for costs in episodes}) > 1:
        raise ValueError("the episodes have different numbers of stages; expected the costs of one task. Group them by task.")
    known = [[cost for cost in stage if cost is not None] for stage in zip(*episodes, strict=True)]
    return tuple(median(costs) if costs else None for costs in known)


def normalise_costs(costs: Sequence[float | None], medians: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return ℓ_k in medians of its stage, clipped to [0, 3]; an empty segment stays None, never 0.

    Args:
        costs: ℓ_k of one episode's working stages, >= 0 or None.
        medians: Of the data set, from `cost_medians`. At 0 the limit is taken: 0 for a cost of 0, else 3.

    Source: spec/stare section 3.
    """

    def normalised(cost: float | None, typical: float | None) -> float | None:
        if cost is None or typical is None:
            return None
        if typical <= 0.0:
            return 0.0 if cost <= 0.0 else NORMALISED_LIMIT
        return min(NORMALISED_LIMIT, max(0.0, cost / typical))

    return tuple(normalised(cost, typical) for cost, typical in zip(costs, medians, strict=True))
