"""Recorded episodes -> arrays a trainer can draw batches from, and an account of what was used, what not, and why.

What a demonstrator meant (`intended_actions`) is the label where it was recorded, else what was sent. Images and states
go through `policy_server.observation`, the same functions that serve the policy. Start at `load_demonstrations`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from offline_rl.episode_cache import read_cached, write_cached
from offline_rl.labels import chunks_of_labels, idle_steps, is_delta, labels_of_episode, steps_after_success
from policy_server.contract import PolicyContract
from policy_server.models.flow_policy_normaliser import state_features
from policy_server.observation import join_state, prepare_image
from stage_core.episode import Episode
from stage_core.errors import ConfigurationError, StageError
from stage_recorder.reader import EpisodeSummary, list_episodes, read_episode


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """What was used, and what was left out and why.

    Attributes:
        episodes: Episodes used, by task.
        dropped_episodes: Reason -> how many.
        steps: Control steps used.
        dropped_steps: Reason -> how many, in the episodes used.
        labels: `intended`, `sent` -> how many of the steps used are labelled so.
        sha256: Of every array a trainer sees.
    """

    episodes: dict[str, int]
    dropped_episodes: dict[str, int]
    steps: int
    dropped_steps: dict[str, int]
    labels: dict[str, int]
    sha256: str

    def lines(self) -> list[str]:
        """Return the report in words, one line each."""
        used = ", ".join(f"{count} {task or 'without a task'}" for task, count in sorted(self.episodes.items())) or "none"
        lines = [f"episodes used: {used}; steps: {self.steps} (labels: {_counts(self.labels)})"]
        lines.append(f"left out: episodes: {_counts(self.dropped_episodes)}; steps: {_counts(self.dropped_steps)}")
        return lines


@dataclass(frozen=True, kw_only=True, eq=False)
class Demonstrations:
    """N control steps with what was seen and the chunk that followed.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        features: (N, F) float32, of `state_features`.
        chunks: (N, H, D) float32 in the contract's units, gripper last; behind an episode's end the arm stays.
        actions: (M, D) float32, every label once: what the normaliser is measured on.
        episode_of: (N,) int64, index of the episode.
        instructions: Per episode.
        tasks: Per episode.
        report: What was used.
    """

    images: np.ndarray
    features: np.ndarray
    chunks: np.ndarray
    actions: np.ndarray
    episode_of: np.ndarray
    instructions: list[str]
    tasks: list[str]
    report: DatasetReport

    def __len__(self) -> int:
        """Return N."""
        return len(self.images)


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeArrays:
    """One episode as a trainer needs it; same layout as `Demonstrations`, `counts` in the words of `DatasetReport`."""

    images: np.ndarray
    features: np.ndarray
    chunks: np.ndarray
    actions: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)


def load_demonstrations(
    roots: Iterable[str | Path],
    contract: PolicyContract,
    *,
    only_successful: bool = True,
    tasks: tuple[str, ...] = (),
    cache: str | Path | None = None,
    watch: Callable[[list], Iterable] = lambda entries: entries,
) -> Demonstrations:
    """Return the usable steps of all episodes directly below the given directories.

    Args:
        roots: Directories of episodes.
        contract: Of the policy to be trained: camera, state and action of the arrays.
        only_successful: Leave out episodes that never saw success, or that a person called a failure.
        tasks: Names to keep; empty keeps all.
        cache: Directory for decoded episodes, so that the next run does not decode them again; None: no cache.
        watch: Wraps the list of episodes, for a progress bar.

    Raises:
        ConfigurationError: If a directory does not exist or nothing usable is left, with the counts.
    """
    found = []
    for root in map(Path, roots):
        if not root.is_dir():
            raise ConfigurationError(f"episodes: {root} is not a directory; expected one that stage collect wrote. Check the path.")
        found += list_episodes(root)
    collected: list[tuple[str, str, EpisodeArrays]] = []
    dropped: Counter[str] = Counter()
    for summary in watch(found):
        if summary.state != "saved":
            dropped[f"is {summary.state}"] += 1
        elif tasks and summary.task not in tasks:
            dropped["other task"] += 1
        elif only_successful and _refused_by_a_person(summary):
            dropped["not successful"] += 1
        else:
            try:
                arrays = _episode_arrays(summary.directory, contract, only_successful, cache)
            except UnusableEpisodeError as error:
                dropped[str(error)] += 1
            except StageError:
                dropped["cannot be read"] += 1
            else:
                collected.append((summary.task, summary.instruction, arrays))
    if not collected:
        raise ConfigurationError(f"no usable episode among {len(found)} ({_counts(dropped)}). Record some with: stage collect")
    return _join(collected, dropped)


class UnusableEpisodeError(StageError):
    """An episode that cannot serve for training; its text is the reason counted in the report."""


def arrays_of_episode(episode: Episode, contract: PolicyContract, *, only_successful: bool = True) -> EpisodeArrays:
    """Return one episode's arrays: observations through the contract, labels cut into chunks, idle steps left out.

    Args:
        episode: With images.
        contract: Of the policy.
        only_successful: Refuse an episode without success.

    Raises:
        UnusableEpisodeError: With the reason: not successful, another action space, a camera or state missing, no action.
    """
    camera, entry, action = contract.cameras[0], contract.state[0], contract.action
    if only_successful and not episode.success:
        raise UnusableEpisodeError("not successful")
    if episode.action_space != action.space:
        raise UnusableEpisodeError(f"action space is {episode.action_space or 'unknown'}")
    if camera.name not in episode.images:
        raise UnusableEpisodeError(f"no camera {camera.name}")
    labels, intended = labels_of_episode(episode, action.gripper_convention)
    commanded = np.isfinite(labels).all(axis=1)
    if not commanded.any():
        raise UnusableEpisodeError("no action")
    idle = idle_steps(labels, np.asarray(episode.states["gripper_opening"]).reshape(-1), action.space) & commanded
    late = steps_after_success(episode) & commanded & ~idle
    kept = commanded & ~idle & ~late
    if not kept.any():
        raise UnusableEpisodeError("nothing before success")
    joints = len(action.joint_names)
    rows = np.flatnonzero(kept)
    try:
        states = np.stack([join_state(entry, {name: values[row] for name, values in episode.states.items()}, joints) for row in rows])
        images = np.stack([prepare_image(episode.images[camera.name][row], camera) for row in rows])
    except (ConfigurationError, ValueError):
        raise UnusableEpisodeError("states or images have another shape") from None
    counts = {"no action": int((~commanded).sum()), "idle": int(idle.sum()), "after success": int(late.sum())}
    counts |= {"label intended": int((intended & kept).sum()), "label sent": int((~intended & kept).sum())}
    return EpisodeArrays(
        images=images,
        features=state_features(states, entry, joints),
        chunks=chunks_of_labels(labels, contract.horizon, deltas=is_delta(action.space))[kept],
        actions=labels[commanded].astype(np.float32),
        counts=counts,
    )


def _refused_by_a_person(summary: EpisodeSummary) -> bool:
    """Return True where someone called it a failure; a simulation's last word may miss a success that came before."""
    return summary.outcome == "discarded" or (summary.outcome == "failure" and summary.outcome_by not in ("environment", "monitor"))


def _episode_arrays(directory: Path, contract: PolicyContract, only_successful: bool, cache: str | Path | None) -> EpisodeArrays:
    if cache is not None:
        stored = read_cached(EpisodeArrays, cache, directory, contract)
        if stored is not None:
            return stored
    arrays = arrays_of_episode(read_episode(directory), contract, only_successful=only_successful)
    if cache is not None:
        write_cached(arrays, cache, directory, contract)
    return arrays


def _join(collected: list[tuple[str, str, EpisodeArrays]], dropped: Counter[str]) -> Demonstrations:
    joined = {
        name: np.concatenate([getattr(arrays, name) for _, _, arrays in collected]) for name in ("images", "features", "chunks", "actions")
    }
    digest = hashlib.sha256()
    for array in joined.values():
        digest.update(np.ascontiguousarray(array).data)
    counts: Counter[str] = Counter()
    for _, _, arrays in collected:
        counts.update(arrays.counts)
    report = DatasetReport(
        episodes=dict(Counter(task for task, _, _ in collected)),
        dropped_episodes=dict(dropped),
        steps=len(joined["images"]),
        dropped_steps={name: counts[name] for name in ("no action", "idle", "after success") if counts[name]},
        labels={name: counts[f"label {name}"] for name in ("intended", "sent") if counts[f"label {name}"]},
        sha256=digest.hexdigest(),
    )
    lengths = [len(arrays.images) for _, _, arrays in collected]
    return Demonstrations(
        **joined,
        episode_of=np.repeat(np.arange(len(collected)), lengths),
        instructions=[instruction for _, instruction, _ in collected],
        tasks=[task for task, _, _ in collected],
        report=report,
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
