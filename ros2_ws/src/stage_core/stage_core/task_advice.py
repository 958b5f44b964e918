"""Advice on a task that is valid and may still not be what was meant. Start at `advice`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stage_core.task import TaskConfig

WIDEST_GRASP_M = 0.08  # what common two-finger grippers open to
GRASPING = ("pick_place", "stack", "lift_upright")
# Potentials' and costs' keys -> families that look at them; a key that is not here is for all.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "transport_distance_m": ("pick_place", "stack"), "place_distance_m": ("pick_place", "stack"), "push_distance_m": ("push", "pull"),
    "lift_height_m": ("lift_upright",), "grasp_duration_weight": GRASPING, "grasp_duration_s": GRASPING,
    "transport_grasp_weight": ("pick_place", "stack"), "place_orientation_weight": ("pick_place", "stack"),
    "contact_distance_weight": GRASPING, "slip_weight": GRASPING, "contact_distance_scale_m": GRASPING, "slip_speed_m_s": GRASPING,
    "slip_width_speed_m_s": GRASPING, "contact_weight": ("push", "pull"), "line_distance_weight_per_m": ("push", "pull"),
    "goal_motion_weight_per_m": ("push", "pull"), "lateral_motion_weight": ("push", "pull"),
    "stability_weight_per_m": ("pick_place", "stack"), "stability_window_s": ("pick_place", "stack"),
    "lift_way_point_m": ("pick_place", "stack"), "goal_distance_weight_per_m": ("pick_place", "stack", "push", "pull"),
}  # fmt: skip


def advice(task: TaskConfig, content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (dotted field, one sentence with what to do) for what looks odd.

    Args:
        task: The task.
        content: The mapping as the file has it, to tell what was written from what is a default.
    """
    yield from _about_the_object(task)
    yield from _about_the_goal(task)
    yield from _about_thresholds(task)
    for block in ("potentials", "costs"):
        for key in content.get(block) or ():
            families = _ONLY_FOR.get(key)
            if families and task.family not in families:
                yield f"{block}.{key}", f"{block}.{key} has no effect in family {task.family}. Take it out."
    for stage in task.potentials.disabled_stages:
        yield "potentials.disabled_stages", f"the potential of {stage} is switched off: no shaping inside that stage. For an ablation only."


def _about_the_object(task: TaskConfig) -> Iterator[tuple[str, str]]:
    half, offset = task.objects.half_size_m, task.objects.grasp_offset_m
    if task.family in GRASPING and 2 * sorted(half)[0] > WIDEST_GRASP_M:
        width = 2000 * sorted(half)[0]
        yield (
            "objects.half_size_m",
            f"the object's thinnest side is {width:.0f} mm; many grippers open to {1000 * WIDEST_GRASP_M:.0f} mm. Half edges, not whole?",
        )
    long, second = sorted(half)[2], sorted(half)[1]
    if task.family == "lift_upright" and long < 1.2 * second:
        yield "objects.half_size_m", f"the longest side ({long} m) is hardly longer than the next ({second} m): which way up is upright?"
    if any(abs(value) > side for value, side in zip(offset, half, strict=True)):
        yield "objects.grasp_offset_m", "the grasp point lies outside of the object. It is given from the centre, along its own axes."


def _about_the_goal(task: TaskConfig) -> Iterator[tuple[str, str]]:
    goal = task.goal
    if goal.source == "taught" and goal.position_m is None:
        yield "goal.source", "the goal is not taught yet; until then the stages that need it are unknown. Run: stage teach goal"
    if task.family == "stack" and goal.source == "tag" and goal.offset_m[2] <= 0.0:
        words = "the goal is the lower object's own centre; the upper one belongs above it. On a 4 cm cube: offset_m: [0, 0, 0.04]"
        yield "goal.offset_m" if any(goal.offset_m) else "goal", words


def _about_thresholds(task: TaskConfig) -> Iterator[tuple[str, str]]:
    thresholds = task.thresholds
    place, goal = getattr(thresholds, "place_distance_m", None), getattr(thresholds, "goal_distance_m", None)
    if place is not None and goal is not None and place < goal and task.family != "stack":
        yield (
            "thresholds.place_distance_m",
            f"place begins at {place} m, inside of the goal ({goal} m). Expected place_distance_m above it.",
        )
    minimum, lift = getattr(thresholds, "minimum_height_m", None), getattr(thresholds, "lift_height_m", None)
    if minimum is not None and lift is not None and minimum <= lift:
        yield "thresholds.minimum_height_m", f"upright begins at {minimum} m, where lift does ({lift} m): lift lasts no time. Raise it."
