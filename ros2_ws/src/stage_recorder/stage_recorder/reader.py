"""From an episode's directory to arrays. Start at `read_episode`; `list_episodes` tells what there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from stage_core.episode import Episode
from stage_core.errors import StageError
from stage_core.monitor import StageEvent
from stage_recorder.joining import is_lockstep, join_actions, join_image, join_intended, stage_observation, state_arrays
from stage_recorder.schema import (
    ARM_STATE,
    STAGE_EVENTS,
    STAGE_OBSERVATION,
    STAGE_STATUS,
    TRUTH_OUTCOME,
    episode_directories,
    mcap_file,
    read_metadata,
)
from stage_recorder.streams import Message, Streams, read_streams, seconds, stamp_of


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """One line of `stage episodes list`.

    Attributes:
        state: recording, saved, or unreadable (then `problem` says why).
        outcome: success, failure, discarded, unknown; empty while recording.
        outcome_by: Who judged.
        started: UTC, ISO 8601.
        duration_s: Wall clock, None while recording.
        steps: Messages of arm/state, None while recording.
        bytes: Size of the messages, None while recording.
    """

    identifier: str
    directory: Path
    state: str
    task: str = ""
    instruction: str = ""
    outcome: str = ""
    outcome_by: str = ""
    started: str = ""
    duration_s: float | None = None
    steps: int | None = None
    bytes: int | None = None
    flags: tuple[str, ...] = ()
    problem: str = ""


def list_episodes(root: Path | str) -> list[EpisodeSummary]:
    """Return a summary of every episode below `root`, oldest first; also of ones that are unfinished or cannot be read."""
    found = [summarize(directory) for directory in episode_directories(root)]
    return sorted(found, key=lambda summary: summary.started or summary.identifier)  # names count whole seconds only


def summarize(directory: Path) -> EpisodeSummary:
    """Return the summary of one episode from its episode.json alone."""
    directory = Path(directory)
    try:
        metadata = read_metadata(directory)
    except StageError as error:
        return EpisodeSummary(identifier=directory.name, directory=directory, state="unreadable", problem=str(error))
    outcome = metadata["outcome"] or {}
    topics = metadata["counts"].get("topics", {})
    duration = None
    if metadata["started"] and metadata["ended"]:
        duration = (_time(metadata["ended"]) - _time(metadata["started"])).total_seconds()
    return EpisodeSummary(
        identifier=metadata["id"],
        directory=directory,
        state=metadata["state"],
        task=metadata["task"],
        instruction=metadata["instruction"],
        outcome=outcome.get("value", ""),
        outcome_by=outcome.get("by", ""),
        started=metadata["started"],
        duration_s=duration,
        steps=next((count for name, count in topics.items() if name.strip("/").endswith(ARM_STATE)), None),
        bytes=metadata["counts"].get("bytes"),
        flags=tuple(metadata["flags"]),
    )


def read_episode(directory: Path | str, *, images: bool = True) -> Episode:
    """Return one episode as arrays; lockstep and free-running logs, finished or interrupted.

    T counts the states of the arm; where a stage monitor took part, those it judged (the last step of an interrupted log may
    lack its label). Steps without an action, or with a `hold`, have NaN in `actions`: mask them with `np.isfinite(...).all(axis=1)`.

    Args:
        directory: The episode's directory.
        images: Also read the images.

    Raises:
        EpisodeError: If the directory is no episode, or its log cannot be read.
    """
    directory = Path(directory)
    metadata = read_metadata(directory)
    streams = read_streams(mcap_file(directory), images=images)
    statuses = {message["sequence"]: message for message in streams.topics[STAGE_STATUS]}
    if statuses:
        streams.states = [state for state in streams.states if state["sequence"] in statuses]
    lockstep = metadata["lockstep"] if metadata["lockstep"] is not None else is_lockstep(streams)
    actions = join_actions(streams, lockstep=lockstep)
    intended, intended_gripper = join_intended(streams, actions)
    return Episode(
        identifier=metadata["id"],
        directory=directory,
        metadata=metadata,
        stamps=np.array([seconds(stamp_of(state)) for state in streams.states]),
        sequences=np.array([state["sequence"] for state in streams.states], dtype=np.int64),
        states=state_arrays(streams.states),
        images={camera: join_image(streams, camera) for camera in sorted(streams.images)} if streams.states else {},
        actions=actions.values,
        action_space=actions.space,
        action_gripper=actions.gripper,
        intended_actions=intended,
        intended_gripper=intended_gripper,
        sources=actions.sources,
        **_labels(streams, statuses),
    )


def _labels(streams: Streams, statuses: dict[int, Message]) -> dict[str, Any]:
    """Return the fields of `Episode` that come from the stage monitor and from the simulation's judgement."""
    sequences = [state["sequence"] for state in streams.states]
    fields: dict[str, Any] = {}
    if statuses:
        rows = [statuses[sequence] for sequence in sequences]
        fields["stages"] = np.array([row["stage"] for row in rows], dtype=np.uint8)
        fields["stage_names"] = tuple(rows[-1]["stage_names"]) if rows else ()
        for name, field in (("progress",) * 2, ("potentials", "potential"), ("costs", "cost"), ("shaped_rewards", "shaped_reward")):
            fields[name] = np.array([row[field] for row in rows], dtype=np.float64)
    used = {message["sequence"]: message for message in streams.topics[STAGE_OBSERVATION]}
    fields["stage_observations"] = [stage_observation(used[sequence]) for sequence in sequences if sequence in used]
    fields["stage_events"] = _events(streams.topics[STAGE_EVENTS])
    judged = {message["sequence"]: message["success"] for message in streams.topics[TRUTH_OUTCOME]}
    if judged:
        fields["outcomes"] = np.array([judged.get(sequence, False) for sequence in sequences], dtype=bool)
    return fields


def _events(messages: list[Message]) -> list[StageEvent]:
    """Return the events in order, each once: a latched topic repeats old ones to a late joiner."""
    events = [
        StageEvent(
            kind=message["kind"],
            stage=message["stage"],
            stage_name=message["stage_name"],
            previous_stage=message["previous_stage"],
            previous_stage_name=message["previous_stage_name"],
            sequence=message["sequence"],
            stamp=seconds(stamp_of(message)),
            evidence=message["evidence"],
        )
        for message in messages
    ]
    return sorted(dict.fromkeys(events), key=lambda event: event.sequence)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
