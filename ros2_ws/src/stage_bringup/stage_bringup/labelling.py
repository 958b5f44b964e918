"""Labels recorded episodes again and keeps the labels beside their logs (`stage label`).

An episode whose labels are up to date is passed over: same log, task file, monitor and settings. Start at `label_episode`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stage_bringup.configuration_files import find_episode_task, task_name
from stage_core.errors import ConfigurationError
from stage_core.labels import EpisodeLabels, label_observations
from stage_core.observation import StageObservation
from stage_core.potentials import PotentialMode, StagePotential
from stage_core.separator import Separator
from stage_core.shaping import shape_rewards
from stage_core.signals import SignalReader
from stage_core.task import TaskConfig, load_task
from stage_recorder.label_files import Provenance, log_identity, monitor_version, read_label_file, write_labels
from stage_recorder.reader import read_episode
from stage_recorder.schema import read_metadata

COMPARED = {
    "stage": "stages",
    "progress": "progress",
    "potential": "potentials",
    "cost": "costs",
    "shaped_reward": "shaped_rewards",
}  # field of StageStatus -> array of Episode and of EpisodeLabels


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """How to label.

    Attributes:
        task: Name or file; empty takes the task that was recorded.
        potential_mode: Which potential the shaped rewards use; the live monitor uses cumulative.
        write: Keep the labels beside the log.
        again: Also label what is up to date.
    """

    task: str = ""
    potential_mode: PotentialMode = "cumulative"
    write: bool = True
    again: bool = False


def label_episode(directory: Path, settings: LabelSettings) -> dict[str, Any]:
    """Label one episode, write its labels, and return how they compare with the live ones, bit by bit.

    Returns:
        episode, task, steps, different_steps, first_difference, field, highest_stage, written; `written` is False where the
        labels were up to date and the comparison is the one made when they were written.

    Raises:
        StageError: If the episode cannot be read or labelled, naming it.
    """
    metadata = read_metadata(directory)
    task_file = find_episode_task(directory, metadata["task"], _named(settings.task))
    task = load_task(task_file)
    if metadata["control_rate_hz"] is None:
        raise ConfigurationError(f"{directory}: episode.json has no control_rate_hz; the labels count time in steps of it. Add it there.")
    provenance = provenance_of(directory, task, task_file, float(metadata["control_rate_hz"]), settings.potential_mode)
    if settings.write and not settings.again:
        row = up_to_date(directory, provenance)
        if row is not None:
            return row
    episode = read_episode(directory, images=False)
    if episode.stages is None or not episode.stage_observations:
        raise ConfigurationError(f"{directory} holds no stage observations; it was recorded without a stage monitor. Record it again.")
    labels = label_observations(task, provenance.control_rate_hz, episode.stage_observations, settings.potential_mode)
    row = {"episode": directory.name, "task": task.name, **compare(episode, labels, settings.potential_mode)}
    if settings.write:
        write_labels(directory, labels, provenance, arrays=more_arrays(episode, labels, task, provenance), comparison=row)
    return {**row, "written": settings.write}


def _named(task: str) -> str:
    try:
        return task and task_name(task)
    except ConfigurationError as error:
        raise ConfigurationError(f'--task is "{task}": {error}') from None


def provenance_of(directory: Path, task: TaskConfig, task_file: Path, control_rate_hz: float, mode: PotentialMode) -> Provenance:
    """Return what the labels of an episode depend on."""
    size, end = log_identity(directory)
    return Provenance(
        task=task.name,
        task_file=task_file.name,
        task_sha256=hashlib.sha256(task_file.read_bytes()).hexdigest(),
        monitor_version=monitor_version(),
        control_rate_hz=control_rate_hz,
        potential_mode=mode,
        log_bytes=size,
        log_end_sha256=end,
    )


def up_to_date(directory: Path, provenance: Provenance) -> dict[str, Any] | None:
    """Return the comparison in the labels beside a log if they were made from exactly this, else None."""
    try:
        found = read_label_file(directory)
    except ConfigurationError:  # damaged, or of another version: made again
        return None
    if found is None or found.provenance != provenance:
        return None
    return {**found.comparison, "written": False}


def compare(episode: Any, labels: EpisodeLabels, mode: PotentialMode = "cumulative") -> dict[str, Any]:
    """Return how labels differ from the live ones of an `Episode`; shaped rewards of another mode are not compared."""
    differences = {
        field: differing_steps(getattr(episode, name), getattr(labels, name))
        for field, name in COMPARED.items()
        if getattr(episode, name) is not None and not (field == "shaped_reward" and mode != "cumulative")
    }
    anywhere = np.any(np.stack(list(differences.values())), axis=0)
    first = int(np.argmax(anywhere)) if anywhere.any() else None
    return {
        "steps": len(labels.stages),
        "different_steps": int(anywhere.sum()),
        "first_difference": first,
        "field": "" if first is None else next(field for field, steps in differences.items() if steps[first]),
        "highest_stage": labels.stage_names[labels.highest_stage] if len(labels.stages) else "",
    }


def differing_steps(live: Any, again: Any) -> np.ndarray:
    """Return (T,) bool: True where two series differ in any bit; absent (NaN) equals absent."""
    live, again = np.asarray(live, dtype=np.float64), np.asarray(again, dtype=np.float64)
    return ~((live == again) | (np.isnan(live) & np.isnan(again)))


def more_arrays(episode: Any, labels: EpisodeLabels, task: TaskConfig, provenance: Provenance) -> dict[str, np.ndarray]:
    """Return what else stands beside the labels: sequences, stamps, the shaping potential and the other terminal rule's rewards."""
    if provenance.potential_mode == "literal":
        potentials = literal_potentials(task, provenance.control_rate_hz, episode.stage_observations)
    else:
        potentials = np.where(np.isnan(labels.potentials), np.nan, labels.progress)
    return {
        "sequences": episode.sequences,
        "stamps": episode.stamps,
        "shaping_potentials": potentials,
        "shaped_rewards_terminal_zero": rewards_with_terminal_zero(potentials, labels, task),
    }


def rewards_with_terminal_zero(potentials: np.ndarray, labels: EpisodeLabels, task: TaskConfig) -> np.ndarray:
    """Return (T,) r' − r where success ends the episode with Φ = 0; `EpisodeLabels.shaped_rewards` keeps Φ there.

    Row t belongs to the step from t − 1 to t, as in the live stream. Steps after success are no steps of the task: 0.

    Source: STARE eq. 5; spec/stare section 5, terminal `zero`.
    """
    rows = np.zeros(len(labels.stages))
    done = np.flatnonzero(labels.stages == len(labels.stage_names) - 1)
    end = int(done[0]) if len(done) else len(rows) - 1
    if end < 1:
        return rows
    rows[1 : end + 1] = shape_rewards(
        np.zeros(end),
        potentials[: end + 1],
        discount=task.potentials.discount,
        scale=task.potentials.shaping_scale,
        terminated=bool(len(done)),
        terminal="zero",
    )
    return rows


def literal_potentials(task: TaskConfig, control_rate_hz: float, observations: Iterable[StageObservation]) -> np.ndarray:
    """Return (T,) the paper's own φ of the current stage, NaN where absent: what `literal` shapes with.

    It can fall when the stage rises (eq. 5 as it stands); the last stage's φ stays in force at success.
    """
    reader, separator, potential = (
        SignalReader(task, control_rate_hz),
        Separator(task, control_rate_hz),
        StagePotential(task, control_rate_hz),
    )
    last, values = len(task.stages) - 1, []
    for observation in observations:
        signals = reader.read(observation)
        separator.update(signals)
        stage = min(separator.stage, last)
        absent = separator.stage <= last and potential.evaluate(stage, signals)[0] is None
        values.append(None if absent else potential.evaluate_literal(stage, signals))
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
