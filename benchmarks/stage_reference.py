"""A slow, plain stage labeller with the simulator's own eyes: the truth that `stage_labels` judges the monitor by.

Start at `true_stages`. It reads `TruthLog` (contacts from the solver's list, ManiSkill's `is_grasping` and `evaluate()`, poses) and
finds, with the whole episode before it, when each event of spec/stare section 2 happened. Shared with the monitor: the
specification's definitions and its default numbers, written out again here, nothing else; no line of `stage_core` runs. In
particular success is ManiSkill's `evaluate()`, the touch is any link's force on the object, and there is no hysteresis.
Labels come twice: with the frames that the specification asks an event to hold (`RISE`), and bare, at the event's first frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_bridge.sensed_recording import TruthLog

STAGES = {
    "PushCube": ("reach", "contact", "push", "goal", "success"),
    "PullCube": ("reach", "contact", "pull", "goal", "success"),
    "StackCube": ("reach", "grasp", "transport", "place", "success"),
    "LiftPegUpright": ("reach", "grasp", "lift", "upright", "success"),
}
RISE, FALL = 2, 3  # frames; spec/stare section 2
FORCE, NEAR, LIFTED, HELD_FRAMES = 0.05, 0.02, 0.01, 3  # N, m, m
PLACED, GOAL_RADIUS, MOVED, PUSHED, RAISED = 0.033, 0.1, 0.002, 0.005, 0.02  # m
PEG_GRIP = np.array([-0.095, 0.0, 0.0])  # m, where the peg is taken, in its own frame
FINAL = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """What happened at each of T steps of one episode; every entry is (T,) bool.

    Attributes:
        entries: The conditions of stages 1, 2, 3.
        done: ManiSkill's judgement.
        held: The hand holds the object.
        away: The object is not where stage 3 wants it; None where leaving is no event.
    """

    entries: tuple[np.ndarray, np.ndarray, np.ndarray]
    done: np.ndarray
    held: np.ndarray | None
    away: np.ndarray | None


def true_stages(task: str, truth: TruthLog, *, bare: bool = False, by_force: bool = False) -> np.ndarray:
    """Return the stage (T,) int64 of each step.

    Args:
        task: One of STAGES.
        truth: Of the episode.
        bare: Stages begin at the first frame of their event instead of after `RISE` frames of it.
        by_force: Read "while in contact", in push and pull, as a force in this frame or the one before.
    """
    events = _sliding(truth, by_force) if task in ("PushCube", "PullCube") else _grasping(task, truth)
    rise = 1 if bare else RISE
    stages = np.zeros(len(truth), dtype=np.int64)
    stage, since = 0, 0  # since: the first frame that counts for an entry
    had_hold, finished, falling, fall_to = False, False, 0, -1
    for step in range(len(truth)):
        if stage == FINAL:
            stages[step] = stage
            continue
        finished = finished or _held_for(events.done, step, rise, 0)
        if finished:
            stage += 1  # one stage a step: what is done was reached, lifted and placed
            stages[step] = stage
            continue
        had_hold = bool(events.held is not None and events.held[step]) or (had_hold and stage > 0)
        target = _fall_target(events, stage, step, had_hold)
        falling = falling + 1 if target >= 0 and target == fall_to else int(target >= 0)
        fall_to = target
        if falling == FALL:
            stage, since, falling = target, step + 1, 0
        elif stage < 3 and _held_for(events.entries[stage], step, rise, since):
            stage, falling = stage + 1, 0
        stages[step] = stage
    return stages


def true_success(truth: TruthLog) -> bool:
    """Return ManiSkill's judgement of the episode: `evaluate()` held at any step."""
    return bool(truth.successes.any())


def _held_for(condition: np.ndarray, step: int, frames: int, since: int) -> bool:
    """Return whether a condition held at `step` and the frames before it, none of them earlier than `since`."""
    first = step - frames + 1
    return first >= since and bool(condition[first : step + 1].all())


def _fall_target(events: Events, stage: int, step: int, had_hold: bool) -> int:
    """Return the stage that the evidence of one step speaks for, -1 for none."""
    if stage == 3 and events.away is not None and not events.away[step]:
        return -1  # letting go where the object belongs is the task
    if events.held is not None and had_hold and stage >= 1 and not events.held[step]:
        return 0
    return 2 if stage == 3 and events.away is not None else -1


def _sliding(truth: TruthLog, by_force: bool) -> Events:
    """Push and pull."""
    thing, goal = truth.object_positions, truth.goal_positions
    way = thing - thing[0]
    line = (goal[0] - thing[0])[:2] / np.linalg.norm((goal[0] - thing[0])[:2])
    # A cube that is pushed slides ahead of the hand and is caught again, so the force alone comes and goes between frames;
    # "in contact" is what the specification's row calls contact: a force, or moved by more than 2 mm.
    touch = truth.touch_forces > FORCE
    contact = touch | (np.linalg.norm(way, axis=1) > MOVED)
    at_goal = np.linalg.norm((thing - goal)[:, :2], axis=1) < GOAL_RADIUS
    pushed = (way[:, :2] @ line > PUSHED) & (touch | np.append(False, touch[:-1]) if by_force else contact)
    return Events(entries=(contact, pushed, at_goal), done=truth.successes, held=None, away=~at_goal)


def _grasping(task: str, truth: TruthLog) -> Events:
    """Stack and lift-upright."""
    thing, peg = truth.object_positions, task == "LiftPegUpright"
    grip = thing + (rotated(truth.object_orientations, PEG_GRIP) if peg else 0.0)
    near = np.linalg.norm(truth.ee_positions - grip, axis=1) < NEAR
    touch = (truth.touch_forces > FORCE) | near
    height = thing[:, 2] - thing[0, 2]
    held_long = np.array([step >= HELD_FRAMES - 1 and truth.grasped[step - HELD_FRAMES + 1 : step + 1].all() for step in range(len(truth))])
    lifted = held_long & (height > LIFTED)
    if peg:
        return Events(entries=(touch, lifted, height >= RAISED), done=truth.successes, held=truth.grasped, away=None)
    placed = np.linalg.norm((thing - truth.goal_positions)[:, :2], axis=1) < PLACED
    return Events(entries=(touch, lifted, placed), done=truth.successes, held=truth.grasped, away=~placed)


def rotated(orientations: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return `vector` (3,) turned by each of the orientations (T, 4) xyzw: (T, 3)."""
    axis, w = orientations[:, :3], orientations[:, 3:]
    twice = 2.0 * np.cross(axis, np.broadcast_to(vector, axis.shape))
    return vector + w * twice + np.cross(axis, twice)
