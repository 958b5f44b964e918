"""From what was commanded to what is learned: labels, idle steps, chunks. Pure numpy. Start at `labels_of_episode`."""

from __future__ import annotations

import numpy as np

from policy_server.transforms import gripper_from_opening
from stage_core.episode import Episode

IDLE_TRANSLATION = 1e-3  # m per control period
IDLE_ROTATION = 5e-3  # rad per control period
IDLE_JOINTS = 2e-3  # rad or rad/s, for joint spaces
# Demonstrations stop just behind success; a policy that sees this stops just before it, because it is a little less exact.
KEPT_AFTER_SUCCESS = 0  # steps
FINGERS_AT_REST = 0.01  # change of the measured opening per control period


def labels_of_episode(episode: Episode, gripper_convention: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (T, D), gripper last, NaN rows where nothing was commanded; and (T,) bool: from the intention.

    Args:
        episode: Any.
        gripper_convention: Of the contract's action.
    """
    values, gripper = np.array(episode.actions, dtype=np.float64), np.array(episode.action_gripper, dtype=np.float64)
    intended = np.zeros(len(episode), dtype=bool)
    if episode.intended_actions is not None and np.asarray(episode.intended_actions).shape == values.shape:
        intended = np.isfinite(episode.intended_actions).all(axis=1) & np.isfinite(values).all(axis=1)
        values[intended] = episode.intended_actions[intended]
        if episode.intended_gripper is not None:
            meant = intended & np.isfinite(episode.intended_gripper)
            gripper[meant] = episode.intended_gripper[meant]
    if gripper_convention == "none":
        return values, intended
    # NaN leaves the gripper as it is, so the last command holds; before any command it is as measured.
    last = float(np.asarray(episode.states["gripper_opening"]).reshape(-1)[0]) if len(episode) else 1.0
    for step, opening in enumerate(gripper):
        last = gripper[step] = last if np.isnan(opening) else opening
    return np.column_stack([values, gripper_from_opening(gripper, gripper_convention)]), intended


def idle_steps(labels: np.ndarray, opening: np.ndarray, space: str) -> np.ndarray:
    """Return (T,) bool: nothing moves, nor is meant to; a policy that learns to wait may wait for ever.

    A step in which the fingers are told to move, or still do, is not idle: waiting for a grip is part of the task.

    Args:
        labels: (T, D), gripper last.
        opening: (T,) measured, [0, 1].
        space: Action space of the labels; absolute ones have no idle steps.
    """
    if not is_delta(space):
        return np.zeros(len(labels), dtype=bool)
    if space == "ee_delta_pose":
        still = np.linalg.norm(labels[:, :3], axis=1) < IDLE_TRANSLATION
        still &= np.linalg.norm(labels[:, 3:6], axis=1) < IDLE_ROTATION
    else:
        still = np.abs(labels[:, :-1]).max(axis=1) < IDLE_JOINTS
    before = np.concatenate([opening[:1] > 0.5, labels[:-1, -1] > 0.5]) if len(labels) else np.zeros(0, dtype=bool)
    still &= before == (labels[:, -1] > 0.5)
    return still & (np.abs(np.diff(opening, prepend=opening[:1])) < FINGERS_AT_REST)


def steps_after_success(episode: Episode) -> np.ndarray:
    """Return (T,) bool: the simulation, or else the monitor, has seen success, KEPT_AFTER_SUCCESS steps ago or more."""
    if episode.outcomes is not None:
        done = np.asarray(episode.outcomes, dtype=bool)
    elif episode.stages is not None and episode.stage_names:
        done = np.asarray(episode.stages) == len(episode.stage_names) - 1
    else:
        done = np.zeros(len(episode), dtype=bool)
    first = int(np.argmax(done)) if done.any() else len(episode)
    return np.arange(len(episode)) >= first + KEPT_AFTER_SUCCESS


def is_delta(space: str) -> bool:
    """Return True where zeros mean "stay"."""
    return space in ("ee_delta_pose", "joint_delta", "joint_velocity")


def chunks_of_labels(labels: np.ndarray, horizon: int, *, deltas: bool) -> np.ndarray:
    """Return (T, horizon, D) float32: row i is followed by the labels of its next steps; behind the last one the arm stays.

    Args:
        labels: (T, D), NaN rows where nothing was commanded.
        horizon: Rows of a chunk.
        deltas: Staying is zero motion (else the last target again); the gripper keeps its last command.
    """
    filled = np.array(labels, dtype=np.float32)
    last: np.ndarray | None = None
    for row in filled:
        if np.isfinite(row).all():
            last = row
        elif last is not None:
            row[:] = _staying(last, deltas)
    end = _staying(filled[-1], deltas)
    padded = np.concatenate([filled, np.repeat(end[None], horizon - 1, axis=0)])
    return np.stack([padded[start : start + horizon] for start in range(len(labels))])


def _staying(row: np.ndarray, deltas: bool) -> np.ndarray:
    stay = row.copy()
    if deltas:
        stay[:-1] = 0.0
    return stay
