"""The text of a new task file, comments included, from a few answers (`stage tasks new`). Start at `task_text`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from stage_core.errors import ConfigurationError

_THRESHOLDS = {
    "push": (("goal_radius_m", "the object's middle within this of the goal, seen from above"), ("push_displacement_m", "moved this far towards the goal: push begins")),
    "pick_place": (
        ("contact_distance_m", "tool to grasp point; nearer counts as a touch: grasp begins"),
        ("lift_height_m", "higher than this above rest, and held: transport begins"),
        ("place_distance_m", "nearer than this to the goal: place begins"),
        ("goal_distance_m", "at success the object is within this of the goal"),
        ("success_requires_release", "false: brought there and held, the arm at rest"),
    ),
    "stack": (
        ("contact_distance_m", "tool to grasp point; nearer counts as a touch: grasp begins"),
        ("lift_height_m", "higher than this above rest, and held: transport begins"),
        ("place_distance_m", "nearer than this to the goal, seen from above: place begins"),
        ("goal_distance_m", "at success within this of the goal, seen from above ..."),
        ("height_tolerance_m", "... and within this of its height"),
    ),
    "lift_upright": (
        ("contact_distance_m", "tool to grasp point; nearer counts as a touch: grasp begins"),
        ("lift_height_m", "higher than this above rest, and held: lift begins"),
        ("minimum_height_m", "higher than this above rest: upright begins"),
        ("upright_angle_rad", "at success the long axis is this near to the vertical ..."),
        ("height_tolerance_m", "... and the centre within this of its standing height"),
    ),
}  # fmt: skip
_THRESHOLDS["pull"] = _THRESHOLDS["push"]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What somebody said about a new task.

    Attributes:
        name: The task's name.
        family: pick_place, stack, push, pull or lift_upright.
        instruction: What one would tell a person.
        object_name: What is moved.
        size_mm: Whole edge lengths along the object's own x, y, z, mm.
        goal_source: taught, tag, pose or none.
        goal_name: tag and pose: the name under which the goal's poses come.
        timeout_s: An episode without success ends after this.
        release: pick_place: the object is let go at the goal.
        goal_tolerance_mm: push, pull: radius of the region; pick_place: distance at success; None takes the default.
        lower_height_mm: stack with a tag: height of the object below, mm.
        grasp_offset_mm: lift_upright: where to take hold, along the longest side from its middle, mm.
    """

    name: str
    family: str
    instruction: str
    object_name: str
    size_mm: tuple[float, float, float]
    goal_source: str
    timeout_s: float
    goal_name: str = "goal"
    release: bool = True
    goal_tolerance_mm: float | None = None
    lower_height_mm: float = 0.0
    grasp_offset_mm: float = 0.0


def check_name(name: str) -> str:
    """Return a task's or an object's name; it becomes part of topics and folders. Raises ConfigurationError for one that cannot."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,59}", name):
        raise ConfigurationError(f"name is {name!r}; expected letters, digits and underscores, a letter first, such as red_cube.")
    return name


def file_name(name: str) -> str:
    """Return where a task of this name is written where no file is named: `StackCube` becomes stack_cube.yaml."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() + ".yaml"


def task_text(answers: Answers) -> str:
    """Return the YAML text: every key that one may want to change, with what it means.

    Raises:
        ConfigurationError: If a name cannot be used. All other checks are `check_task`'s.
    """
    from stage_core.task import FAMILIES

    half = [_metres(value / 2) for value in answers.size_mm]
    lines = [
        "# A task of Stage: one file, no code. Lengths in metres, times in seconds. Check it: stage tasks check FILE",
        "schema_version: 1",
        f"name: {check_name(answers.name)}",
        f"family: {answers.family}    # stages: {', '.join(FAMILIES[answers.family].stages)}, success",
        "instructions:    # what the policy is told; the first is the canonical one, add other phrasings below",
        f"  - {json.dumps(answers.instruction, ensure_ascii=False)}",
        "objects:",
        f"  name: {check_name(answers.object_name)}    # its poses come on the topic objects/{answers.object_name}",
        f"  half_size_m: [{', '.join(half)}]    # half edge lengths along its own x, y, z",
        *_grasp_point(answers),
        *_goal(answers),
        f"timeout_s: {answers.timeout_s:g}",
        "thresholds:",
    ]
    defaults = FAMILIES[answers.family].thresholds()
    changed = _changed_thresholds(answers)
    width = max(len(f"  {key}: {_value(changed.get(key, getattr(defaults, key)))}") for key, _ in _THRESHOLDS[answers.family])
    for key, meaning in _THRESHOLDS[answers.family]:
        lines.append(f"  {key}: {_value(changed.get(key, getattr(defaults, key)))}".ljust(width + 4) + f"# {meaning}")
    if answers.family in ("pick_place", "stack"):
        lines += ["potentials:", "  place_orientation_weight: 0.0    # the object may stand at any yaw; 0.25 where its orientation matters"]
    return "\n".join(lines) + "\n"


def _changed_thresholds(answers: Answers) -> dict[str, float | bool]:
    changed: dict[str, float | bool] = {}
    if answers.family == "pick_place":
        changed["success_requires_release"] = answers.release
    if answers.goal_tolerance_mm is not None:
        tolerance = answers.goal_tolerance_mm / 1000
        if answers.family in ("push", "pull"):
            changed["goal_radius_m"] = tolerance
        elif answers.family == "pick_place":
            changed |= {"goal_distance_m": tolerance, "place_distance_m": max(0.03, 1.2 * tolerance)}
    return changed


def _grasp_point(answers: Answers) -> list[str]:
    if answers.family != "lift_upright" or not answers.grasp_offset_mm:
        return []
    offset = ["0.0", "0.0", "0.0"]
    offset[max(range(3), key=lambda axis: answers.size_mm[axis])] = _metres(answers.grasp_offset_mm)
    return [f"  grasp_offset_m: [{', '.join(offset)}]    # where to take hold, from the centre, along its own axes"]


def _goal(answers: Answers) -> list[str]:
    lines = ["goal:", f"  source: {answers.goal_source}"]
    if answers.goal_source == "taught":
        lines[-1] += "    # the arm is driven there once: stage teach goal writes position_m below"
    if answers.goal_source in ("tag", "pose"):
        lines.append(f"  name: {check_name(answers.goal_name)}    # its poses come on the topic objects/{answers.goal_name}")
    if answers.family == "stack" and answers.goal_source == "tag":
        above = answers.lower_height_mm / 2 + answers.size_mm[2] / 2
        lines.append(f"  offset_m: [0.0, 0.0, {_metres(above)}]    # from the lower object's centre to the upper one's")
    return lines


def _metres(millimetres: float) -> str:
    return f"{millimetres / 1000:.5f}".rstrip("0").rstrip(".") if millimetres else "0.0"


def _value(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}"
