"""A task in words: when each stage is entered, and which signals it needs (`stage tasks check`).

Start at `stage_rows`.
"""

from __future__ import annotations

from stage_core.debounce import frames_of
from stage_core.task import TaskConfig

FAMILY_WORDS = {
    "pick_place": "take an object and put it, or hold it, somewhere",
    "stack": "take an object and stand it on another one",
    "push": "push an object along the table into a round region",
    "pull": "pull an object along the table into a round region",
    "lift_upright": "take a long object that lies and stand it on its end",
}
GOAL_WORDS = {
    "taught": "the arm is driven there once (stage teach goal)",
    "tag": "a tag marks it, and it may move",
    "pose": "something else gives its pose: a simulation, a detector of your own",
    "none": "no place is asked for",
}


def millimetres(value: float) -> str:
    """Return a length in m as `20 mm`."""
    return f"{1000 * value:g} mm"


def stage_rows(task: TaskConfig) -> list[tuple[str, str]]:
    """Return every stage with the event that enters it, success last. Source: spec/stare section 2."""
    words = {"push": _pushing, "pull": _pushing, "lift_upright": _uprighting}.get(task.family, _placing)
    return list(zip((*task.stages, "success"), ("the episode begins", *words(task)), strict=True))


def _touching(task: TaskConfig) -> str:
    t = task.thresholds
    return (
        f"the tool is within {millimetres(t.contact_distance_m)} of the grasp point, or it touches with more than {t.contact_force_n:g} N"
    )


def _lifting(task: TaskConfig) -> str:
    t = task.thresholds
    return f"held for {t.grasp_hold_s:g} s and more than {millimetres(t.lift_height_m)} above where it rested"


def _placing(task: TaskConfig) -> tuple[str, ...]:
    t = task.thresholds
    flat = " horizontally" if task.family == "stack" else ""
    place = f"nearer than {millimetres(t.place_distance_m)} to the goal{flat}"
    there = f"within {millimetres(t.goal_distance_m)} of the goal{flat}"
    if task.family == "stack":
        end = f"{there}, within {millimetres(t.height_tolerance_m)} of its height, let go and at rest"
    else:
        end = f"{there}, {'let go and at rest' if t.success_requires_release else 'the arm at rest'}"
    return _touching(task), _lifting(task), place, end


def _pushing(task: TaskConfig) -> tuple[str, ...]:
    t = task.thresholds
    touch = f"a touch of more than {t.contact_force_n:g} N, or the object moved {millimetres(t.contact_displacement_m)}"
    moved = f"moved {millimetres(t.push_displacement_m)} towards the goal while touched"
    region = f"its middle is in the region (radius {millimetres(t.goal_radius_m)})"
    height = "" if t.height_tolerance_m is None else f", within {millimetres(t.height_tolerance_m)} of its rest height"
    return touch, moved, region, f"there for {t.success_hold_s:g} s{height}"


def _uprighting(task: TaskConfig) -> tuple[str, ...]:
    t = task.thresholds
    high = f"{millimetres(t.minimum_height_m)} above where it rested"
    end = f"its long axis within {t.upright_angle_rad:g} rad of vertical, within {millimetres(t.height_tolerance_m)} of standing height"
    return _touching(task), _lifting(task), high, end


def debounce_words(task: TaskConfig, control_rate_hz: float) -> str:
    """Return how long evidence must hold, in seconds and in steps of a control rate."""
    t = task.thresholds
    parts = (("up", t.rise_debounce_s), ("down", t.fall_debounce_s), ("success", t.success_hold_s))
    told = ", ".join(f"{name} {seconds:g} s ({frames_of(seconds, control_rate_hz)} steps)" for name, seconds in parts)
    return f"evidence must hold: {told}, at {control_rate_hz:g} Hz"


def need_rows(task: TaskConfig) -> list[tuple[str, str]]:
    """Return what the stages need to know and where it comes from on a robot. Source: spec/stare section 1."""
    rows = [
        ("tool pose", "the arm"),
        (f"position of {task.objects.name}", "a tag on it, or colour and depth; topic objects/" + task.objects.name),
    ]
    if task.family == "lift_upright":
        rows.append((f"orientation of {task.objects.name}", "a tag on it; colour cannot tell"))
    if task.goal.source != "none":
        topic = f"; topic objects/{task.goal.name}" if task.goal.source in ("tag", "pose") else ""
        rows.append((f"goal {task.goal.name}", GOAL_WORDS[task.goal.source] + topic))
    if task.family in ("push", "pull"):
        rows.append(("touch", "the arm's external forces, or that the object moves"))
    else:
        rows.append(("grasp", "the gripper's width and effort, and that the object moves with the hand"))
    return rows
