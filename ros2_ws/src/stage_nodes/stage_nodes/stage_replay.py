"""What a replay plays of a log, in which order, on which topics, and whether the labels are the recorded ones. No ROS here.

`used` plays the stage observations that the monitor used: the labels must be the recorded ones, bit for bit. `raw` plays what
they were joined from, so that another task file, tier or estimator can be tried. Start at `ReplayLog`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stage_core.errors import ConfigurationError
from stage_recorder.cdr import Decoder, message_decoder
from stage_recorder.definitions import message_definition
from stage_recorder.records import iterate_messages
from stage_recorder.schema import ARM_STATE, CAMERA_IMAGE, COMMAND_INTENDED, COMMAND_PREFIX, STAGE_OBSERVATION, STAGE_STATUS, mcap_file
from stage_recorder.streams import stamp_of

TRUTH_OBSERVATION = "truth/stage_observation"
OBJECT_PREFIX = "objects/"
SHOWN = ("joint_states",)  # played for the viewer; the monitor does not look at it
COMPARED = ("stage", "success", "progress", "potential", "cost", "shaped_reward", "confidence", "tier")


class Played(NamedTuple):
    """One message to play.

    Attributes:
        topic: To publish on, without namespace.
        type_name: For example stage_msgs/msg/ArmState.
        content: Serialized, as recorded.
        step: Sequence of the control step that the monitor takes at this message, None for any other.
        stamp_ns: Of that step on the workcell clock, None for any other.
    """

    topic: str
    type_name: str
    content: bytes
    step: int | None = None
    stamp_ns: int | None = None


class ReplayLog:
    """A recorded episode as a stream of messages.

    Args:
        directory: The episode's directory.
        raw: Play what the observations were joined from, instead of the observations that were used.
        source: For `raw`: truth, arm or sensors, as the monitor's `observation_source`.

    Raises:
        ConfigurationError: If the log holds nothing that a monitor could be fed with.
    """

    def __init__(self, directory: Path, *, raw: bool = False, source: str = "truth") -> None:
        self._path = mcap_file(directory)
        self._trigger = STAGE_OBSERVATION if not raw else (TRUTH_OBSERVATION if source == "truth" else ARM_STATE)
        self._joins = raw and source == "sensors"
        self._types: dict[str, tuple[str, str]] = {}
        self._decoders: dict[str, Decoder] = {}
        self.statuses: dict[int, dict[str, Any]] = {}
        episodes: Counter[int] = Counter()
        found: list[dict[str, Any]] = []
        for name, message in self._decoded((self._trigger, STAGE_STATUS)):
            if name == self._trigger:
                episodes[message["episode"]] += 1
            else:
                found.append(message)
        if not episodes:
            raise ConfigurationError(f"{directory} holds no {self._trigger} message; there is nothing to replay. Was it recorded with one?")
        self.episode = episodes.most_common(1)[0][0]
        self.steps = episodes[self.episode]
        self.statuses = {message["sequence"]: message for message in found if message["episode"] == self.episode}

    def topics(self) -> dict[str, str]:
        """Return topic -> type name of everything that is played."""
        return {self._as_played(plain(name)): kind for name, (kind, _) in self._types.items() if self._wanted(plain(name))}

    def messages(self) -> Iterator[Played]:
        """Yield what is played, in the order in which it was recorded.

        Raises:
            ConfigurationError: If a message type has changed since, so that the recorded bytes would be misread.
        """
        checked: set[str] = set()
        seen: set[int] = set()
        for entry in iterate_messages(self._path, self._types):
            name = plain(entry.topic)
            if not self._wanted(name):
                continue
            type_name, definition = self._types[entry.topic]
            if type_name not in checked and type_name.startswith("stage_msgs/"):
                self._check(type_name, definition)
                checked.add(type_name)
            step = stamp = None
            if name == self._trigger or name == ARM_STATE:
                message = self._decoder(entry.topic)(entry.content)
                if message["episode"] != self.episode:
                    continue
                if name == self._trigger:
                    step, stamp = message["sequence"], stamp_of(message)
                    if step in seen:
                        continue
                    seen.add(step)
            yield Played(self._as_played(name), type_name, bytes(entry.content), step, stamp)

    def differing(self, status: dict[str, Any]) -> list[str]:
        """Return the fields in which a live status is not the recorded one, to the last bit; absent equals absent.

        Args:
            status: Fields of a StageStatus.
        """
        recorded = self.statuses.get(status["sequence"])
        if recorded is None:
            return ["recorded status is missing"]
        return [name for name in COMPARED if not _same(recorded[name], status[name])]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Topics that the monitor reads, the one that makes a step first."""
        joined = [name for name in self.topics() if name.startswith((OBJECT_PREFIX, COMMAND_PREFIX))] if self._joins else []
        return (self._as_played(self._trigger), *joined)

    @staticmethod
    def _as_played(name: str) -> str:
        return TRUTH_OBSERVATION if name == STAGE_OBSERVATION else name

    def _wanted(self, name: str) -> bool:
        if name in (self._trigger, ARM_STATE, *SHOWN) or CAMERA_IMAGE.search(name):
            return True
        return self._joins and name != COMMAND_INTENDED and name.startswith((OBJECT_PREFIX, COMMAND_PREFIX))

    def _decoded(self, names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        for entry in iterate_messages(self._path, self._types):
            name = plain(entry.topic)
            if name in names:
                yield name, self._decoder(entry.topic)(entry.content)

    def _decoder(self, topic: str) -> Decoder:
        if topic not in self._decoders:
            self._decoders[topic] = message_decoder(*self._types[topic])
        return self._decoders[topic]

    def _check(self, type_name: str, definition: str) -> None:
        if _without_comments(definition) != _without_comments(message_definition(type_name)):
            raise ConfigurationError(
                f"{self._path} holds {type_name} of another version; its bytes would be misread here. Use: stage label --rebuild"
            )


def plain(topic: str) -> str:
    """Return a topic without the namespace of its robot."""
    words = topic.strip("/").split("/")
    kept = 3 if len(words) >= 3 and words[-3] == "cameras" else 2
    return words[-1] if words[-1] in SHOWN else "/".join(words[-kept:])


def _same(one: Any, other: Any) -> bool:
    both_absent = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_absent or one == other


def _without_comments(definition: str) -> list[str]:
    lines = (line.split("#", 1)[0].split() for line in definition.splitlines())
    return [" ".join(words) for words in lines if words]
