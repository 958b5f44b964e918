"""Joins the raw topics of a log again by stamp and tells how that differs from the stage observations the monitor used (DESIGN 9.6).

Live, an input that came late was not there yet; here every input is sorted in by its stamp first. So a difference is not an
error: it shows what lateness cost. Joined in the order in which the recorder got them there should be none, but for what
overtook on the way. Start at `rebuild_episode`.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stage_bringup.configuration_files import find_episode_task
from stage_core.errors import ConfigurationError
from stage_core.labels import label_observations
from stage_core.observation import StageObservation
from stage_core.task import TaskConfig, load_task
from stage_nodes.stage_inputs import ARM, SENSORS, TRUTH, InputSettings, StageInputs
from stage_recorder.cdr import message_decoder
from stage_recorder.joining import pose_arrays, stage_observation
from stage_recorder.records import iterate_messages
from stage_recorder.schema import ARM_STATE, COMMAND_PREFIX, STAGE_OBSERVATION, mcap_file, read_metadata
from stage_recorder.streams import Message, seconds, stamp_of

TRUTH_OBSERVATION = "truth/stage_observation"
OBJECT_PREFIX = "objects/"
PLACE = "place in the log"
TOLERANCE_NS = 500
_FIELDS = tuple(entry.name for entry in dataclasses.fields(StageObservation) if entry.name not in ("stamp", "sequence", "episode"))


class RawInput(NamedTuple):
    """One message that may become part of an observation. At one stamp looks come before states, and commands after them."""

    stamp_ns: int
    rank: int
    kind: str
    message: Message


def rebuild_episode(directory: Path, task_name: str = "") -> dict[str, Any]:
    """Return how the observations joined again from the raw topics differ from the recorded ones.

    Returns:
        source, steps, different_steps, different_fields (name -> steps), largest_differences (name -> m, N or 1; None where the
        field only came or went), different_labels (steps that get another stage), different_as_recorded (steps that differ when the
        inputs are joined in the order of the log).

    Raises:
        ConfigurationError: If the log holds no stage observations, or none of the topics they came from.
    """
    metadata = read_metadata(directory)
    task = load_task(find_episode_task(directory, metadata["task"], task_name))
    rate = float(metadata["control_rate_hz"])
    topics = read_raw(directory)
    recorded = recorded_observations(directory, topics)
    settings = input_settings(metadata, recorded)
    raw = raw_inputs(topics, settings, recorded)
    rebuilt = rejoin(raw, task, rate, settings, recorded)
    as_recorded = rejoin_in_order(raw, task, rate, settings, recorded)
    differences = [different_fields(before, after) for before, after in zip(recorded, rebuilt, strict=True)]
    stages = [label_observations(task, rate, observations).stages for observations in (recorded, rebuilt)]
    return {
        "source": settings.source,
        "steps": len(recorded),
        "different_steps": sum(bool(found) for found in differences),
        "different_fields": dict(Counter(name for found in differences for name in found)),
        "largest_differences": largest(differences),
        "different_labels": int(np.sum(stages[0] != stages[1])),
        "different_as_recorded": sum(bool(different_fields(before, after)) for before, after in zip(recorded, as_recorded, strict=True)),
    }


def read_raw(directory: Path) -> dict[str, list[Message]]:
    """Return every message of one episode that observations are made of: topic without namespace -> messages as they came."""
    types: dict[str, tuple[str, str]] = {}
    decoders: dict[str, tuple[str, Any] | None] = {}
    found: dict[str, list[Message]] = {}
    for place, entry in enumerate(iterate_messages(mcap_file(directory), types)):
        if entry.topic not in decoders:
            name = "/".join(entry.topic.strip("/").split("/")[-2:])
            wanted = name in (ARM_STATE, TRUTH_OBSERVATION, STAGE_OBSERVATION) or name.startswith((COMMAND_PREFIX, OBJECT_PREFIX))
            decoders[entry.topic] = (name, message_decoder(*types[entry.topic])) if wanted else None
        known = decoders[entry.topic]
        if known is not None:
            found.setdefault(known[0], []).append(known[1](entry.content) | {PLACE: place})
    if ARM_STATE not in found:
        raise ConfigurationError(f"{directory} holds no {ARM_STATE} message; there is nothing to join. Was the arm running?")
    number = Counter(state["episode"] for state in found[ARM_STATE]).most_common(1)[0][0]
    return {name: [message for message in entries if message.get("episode", number) == number] for name, entries in found.items()}


def recorded_observations(directory: Path, topics: dict[str, list[Message]] | None = None) -> list[StageObservation]:
    """Return the stage observations that the monitor used, by sequence.

    Args:
        directory: The episode's directory, also for the message.
        topics: Of `read_raw`, where they are read already.

    Raises:
        ConfigurationError: If there are none.
    """
    messages = in_order((topics or read_raw(directory)).get(STAGE_OBSERVATION, []))
    if not messages:
        raise ConfigurationError(f"{directory} holds no stage observations; it was recorded without a stage monitor. Record it again.")
    return [stage_observation(message) for message in messages]


def in_order(messages: list[Message]) -> list[Message]:
    """Return messages by sequence, each once."""
    return [entry for _, entry in sorted({message["sequence"]: message for message in messages}.items())]


def input_settings(metadata: dict[str, Any], recorded: list[StageObservation]) -> InputSettings:
    """Return what the live monitor was allowed to use: from episode.json where it says so, else from the inputs it used."""
    told = metadata["settings"].get("stage_monitor", {})
    known = {entry.name for entry in dataclasses.fields(InputSettings)}
    if told:
        return InputSettings(**{name: value for name, value in told.items() if name in known})
    names = {name for observation in recorded for name in observation.input_stamps}
    if TRUTH in names:
        return InputSettings(source=TRUTH)
    return InputSettings(source=ARM if names <= {ARM} else SENSORS, highest_tier=max(observation.tier for observation in recorded))


def raw_inputs(topics: dict[str, list[Message]], settings: InputSettings, recorded: list[StageObservation]) -> list[RawInput]:
    """Return what a source is made of, by stamp; what is older than the first step belongs to the episode before.

    Raises:
        ConfigurationError: If the log lacks the topic that the source is made of.
    """
    trigger = TRUTH_OBSERVATION if settings.source == TRUTH else ARM_STATE
    if not topics.get(trigger):
        raise ConfigurationError(f"the log holds no {trigger}, which its stage observations were made of. Were topics removed from it?")
    found = [RawInput(stamp_of(message), 1, TRUTH if settings.source == TRUTH else ARM, message) for message in topics[trigger]]
    if settings.source == SENSORS:
        for name, messages in topics.items():
            if name.startswith(OBJECT_PREFIX):
                found += [RawInput(message["stamp"], 0, OBJECT_PREFIX, message) for message in messages]
            elif name.startswith(COMMAND_PREFIX) and name != f"{COMMAND_PREFIX}intended":
                found += [RawInput(stamp_of(message), 2, COMMAND_PREFIX, message) for message in messages]
    first = round(recorded[0].stamp * 1e9) - TOLERANCE_NS
    return sorted((entry for entry in found if entry.stamp_ns >= first), key=lambda entry: entry[:2])


def rejoin(
    raw: list[RawInput], task: TaskConfig, rate: float, settings: InputSettings, recorded: list[StageObservation]
) -> list[StageObservation]:
    """Return one observation for each recorded one, from the inputs sorted by stamp."""
    inputs = StageInputs(task, rate, settings)
    source, place, rebuilt = "", 0, []
    for observation in recorded:
        limit = round(observation.stamp * 1e9) + TOLERANCE_NS
        while place < len(raw) and raw[place].stamp_ns <= limit:
            entry = raw[place]
            if entry.kind == COMMAND_PREFIX and entry.stamp_ns >= limit - 2 * TOLERANCE_NS:
                break  # the answer to this step's state comes after the step
            source = feed(inputs, entry, source)
            place += 1
        rebuilt.append(inputs.build(observation.stamp, observation.sequence, observation.episode))
    return rebuilt


def rejoin_in_order(
    raw: list[RawInput], task: TaskConfig, rate: float, settings: InputSettings, recorded: list[StageObservation]
) -> list[StageObservation]:
    """Return one observation for each recorded one, from the inputs in the order in which the recorder got them."""
    inputs = StageInputs(task, rate, settings)
    wanted = {observation.sequence: observation for observation in recorded}
    source, rebuilt = "", {}
    for entry in sorted(raw, key=lambda entry: entry.message[PLACE]):
        source = feed(inputs, entry, source)
        sequence = entry.message.get("sequence")
        if entry.kind in (TRUTH, ARM) and sequence in wanted and sequence not in rebuilt:
            step = wanted[sequence]
            rebuilt[sequence] = inputs.build(step.stamp, sequence, step.episode)
    nothing = StageInputs(task, rate, settings)
    return [rebuilt.get(step.sequence) or nothing.build(step.stamp, step.sequence, step.episode) for step in recorded]


def feed(inputs: StageInputs, entry: RawInput, source: str) -> str:
    """Give one input to the joiner as the live node does, and return who commands the arm after it."""
    message, stamp = entry.message, seconds(entry.stamp_ns)
    if entry.kind == TRUTH:
        inputs.add_truth(stage_observation(message))
    elif entry.kind == ARM:
        position, orientation = pose_arrays(message["ee_pose"])
        inputs.add_arm_state(
            stamp,
            ee_position=position,
            ee_orientation=orientation,
            external_wrench=np.asarray(message["external_wrench"], dtype=np.float64),
            **{name: message[name] for name in ("gripper_width", "gripper_opening", "gripper_effort")},
        )
        return message["source"]
    elif entry.kind == OBJECT_PREFIX:
        position, orientation = pose_arrays(message["pose"])
        inputs.add_thing(
            message["name"],
            stamp,
            position if message["position_valid"] else None,
            orientation if message["orientation_valid"] else None,
            confidence=message["confidence"],
        )
    elif message["source"] == source:
        inputs.add_gripper_command(message["gripper"])
    return source


def different_fields(before: StageObservation, after: StageObservation) -> dict[str, float]:
    """Return the fields that differ in any bit, with the largest difference; infinite where one of the two does not know it."""
    found = {}
    for name in _FIELDS:
        old, new = getattr(before, name), getattr(after, name)
        gap = _gap(old, new)
        if gap:
            found[name] = gap
    return found


def _gap(old: Any, new: Any) -> float:
    if isinstance(old, dict):
        return max((_gap(old.get(key), new.get(key)) for key in {*old, *new}), default=0.0)
    if old is None or new is None:
        return 0.0 if old is new else math.inf
    old, new = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    gap = float(np.max(np.where(same, 0.0, np.abs(old - new)), initial=0.0))
    return math.inf if math.isnan(gap) else gap


def largest(differences: list[dict[str, float]]) -> dict[str, float | None]:
    """Return for each field its largest finite difference; None where it only came or went."""
    table: dict[str, float | None] = {}
    for found in differences:
        for name, gap in found.items():
            previous = table.get(name)
            table[name] = previous if math.isinf(gap) else max(gap, previous or 0.0)
    return table
