"""The messages of one log, decoded and sorted by topic, of one episode number. Start at `read_streams`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stage_recorder.cdr import Decoder, message_decoder
from stage_recorder.records import iterate_messages
from stage_recorder.schema import (
    ARM_STATE,
    CAMERA_IMAGE,
    COMMAND_INTENDED,
    COMMAND_PREFIX,
    STAGE_EVENTS,
    STAGE_OBSERVATION,
    STAGE_STATUS,
    TRUTH_OUTCOME,
    EpisodeError,
)

Message = dict[str, Any]
DECODED = (ARM_STATE, STAGE_OBSERVATION, STAGE_STATUS, STAGE_EVENTS, TRUTH_OUTCOME)
NANOSECONDS = 1_000_000_000


@dataclass
class Streams:
    """One episode's messages in the order they came; field names as in stage_msgs, times as ints of ns.

    Attributes:
        states: ArmState, one for each sequence, in order.
        topics: Topic without namespace -> messages, for stage/observation, stage/status, stage/events and truth/outcome.
        commands: Source -> ArmCommand.
        intended: ArmCommand of command/intended.
        images: Camera -> Image; `data` is a view into the file's chunk.
    """

    states: list[Message] = field(default_factory=list)
    topics: dict[str, list[Message]] = field(default_factory=dict)
    commands: dict[str, list[Message]] = field(default_factory=dict)
    intended: list[Message] = field(default_factory=list)
    images: dict[str, list[Message]] = field(default_factory=dict)


def seconds(nanoseconds: int) -> float:
    """Return a stamp in s, rounded as everywhere in Stage: whole seconds plus the fraction."""
    whole, rest = divmod(nanoseconds, NANOSECONDS)
    return whole + rest / NANOSECONDS


def stamp_of(message: Message) -> int:
    """Return the header's stamp in ns."""
    return message["header"]["stamp"]


def read_streams(path: Path, *, images: bool = True) -> Streams:
    """Read a log.

    Args:
        path: The MCAP; it may be unfinished.
        images: Also decode images, which are nearly all of the bytes.

    Raises:
        EpisodeError: If the file cannot be read or holds no arm/state.
        DecodingError: If a message does not fit its definition.
    """
    types: dict[str, tuple[str, str]] = {}
    decoders: dict[str, tuple[str, Decoder] | None] = {}
    found: dict[str, list[Message]] = {}
    for message in iterate_messages(path, types):
        if message.topic not in decoders:
            decoders[message.topic] = _decoder_for(message.topic, types[message.topic], images)
        known = decoders[message.topic]
        if known is not None:
            found.setdefault(known[0], []).append(known[1](message.content))
    if ARM_STATE not in found:
        raise EpisodeError(f"{path} holds no {ARM_STATE} message; expected one for each control step. Was the arm running?")
    return _one_episode(found)


def _decoder_for(topic: str, kind: tuple[str, str], images: bool) -> tuple[str, Decoder] | None:
    """Return (name without namespace, decoder), or None for a topic that arrays do not need."""
    camera = CAMERA_IMAGE.search(topic)
    if camera:
        return (f"camera {camera.group(1)}", message_decoder(*kind)) if images else None
    words = topic.strip("/").split("/")
    name = "/".join(words[-2:])
    if name in DECODED or name.startswith(COMMAND_PREFIX):
        return name, message_decoder(*kind)
    return None


def _one_episode(found: dict[str, list[Message]]) -> Streams:
    """Keep the episode number with the most states: the ends of a log may touch the episodes before and after it."""
    number = Counter(state["episode"] for state in found[ARM_STATE]).most_common(1)[0][0]

    def of_episode(name: str) -> list[Message]:
        return [message for message in found.get(name, ()) if message["episode"] == number]

    streams = Streams(states=list({state["sequence"]: state for state in reversed(of_episode(ARM_STATE))}.values()))
    streams.states.sort(key=lambda state: state["sequence"])
    streams.topics = {name: of_episode(name) for name in DECODED if name != ARM_STATE}
    streams.intended = of_episode(COMMAND_INTENDED)
    for name in found:
        if name.startswith(COMMAND_PREFIX) and name != COMMAND_INTENDED:
            streams.commands[name.removeprefix(COMMAND_PREFIX)] = of_episode(name)
        elif name.startswith("camera "):
            streams.images[name.removeprefix("camera ")] = found[name]
    return streams
