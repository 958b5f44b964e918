"""Writing one episode so that a crash costs less than half a second of it (DESIGN 6).

`EpisodeWriter.write` only puts bytes into a queue; a thread of the writer's own packs, compresses and hands them to the
operating system every `FLUSH_PERIOD_S`, so neither a quiet stream nor a slow disk keeps messages in this process.
What the operating system has, survives SIGKILL.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer

from stage_recorder.bag_metadata import BagTopic, bag_metadata, offered_qos
from stage_recorder.camera_facts import camera_of, describe_camera, merge_cameras
from stage_recorder.definitions import type_hash
from stage_recorder.schema import (
    BAG_FILE,
    COMMAND_INTENDED,
    COMMAND_PREFIX,
    EPISODE_FILE,
    EpisodeError,
    mcap_path,
    outcome_of,
    utc_now,
    write_atomically,
    write_metadata,
)

logger = logging.getLogger(__name__)

FLUSH_PERIOD_S = 0.1  # half of a second is promised; the rest is for a machine that is late
WAKE_BYTES = 4 << 20  # wakes the thread before its time
CHUNK_BYTES = 4 << 20
QUEUE_BYTES = 256 << 20  # a disk that is slower than the cameras makes `write` wait here instead of filling the memory
CLOSE_TIMEOUT_S = 60.0
COMPRESSIONS = {"none": CompressionType.NONE, "lz4": CompressionType.LZ4, "zstd": CompressionType.ZSTD}


class _Topic:
    """A topic of the file and what was written of it."""

    def __init__(self, name: str, type_name: str, definition: str, channel_id: int, latched: bool) -> None:
        self.name, self.type_name, self.definition, self.channel_id, self.latched = name, type_name, definition, channel_id, latched
        self.messages = 0
        self.camera = camera_of(name)
        self.first = b""  # the first message of a CameraInfo topic
        source = name.strip("/").partition(COMMAND_PREFIX)[2]
        self.source = source if source and not name.endswith(COMMAND_INTENDED) else ""


class EpisodeWriter:
    """Writes one episode's directory. Thread safe. The episode counts as saved only once `close` has returned."""

    def __init__(self, directory: Path | str, metadata: dict[str, Any], *, compression: str = "lz4") -> None:
        """Start the episode: makes the MCAP and an episode.json whose state is "recording".

        Args:
            directory: From `schema.new_episode_directory`; made if missing, refused if it holds an episode.
            metadata: From `schema.new_metadata`.
            compression: none, lz4 or zstd, of the chunks.

        Raises:
            EpisodeError: If the directory cannot be written or holds an episode already.
            ConfigurationError: If the metadata are not valid.
        """
        self.directory = Path(directory)
        self.path = mcap_path(self.directory)
        self._metadata = {**metadata, "state": "recording"}
        self._topics: dict[str, _Topic] = {}
        self._segments: list[dict[str, Any]] = []
        self._types: dict[str, int] = {}
        self._wake = threading.Condition()
        self._file_lock = threading.Lock()
        self._queue: list[tuple[_Topic, bytes, int, int]] = []
        self._queued_bytes = 0
        self._bytes = 0
        self._times: list[int] = []  # first and last log time, ns
        self._failure: EpisodeError | None = None
        self._closing = False
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if (self.directory / EPISODE_FILE).exists():
                raise EpisodeError(
                    f"{self.directory} holds an episode already; expected a new directory. A saved one is never overwritten."
                )
            self._file = open(self.path, "xb", buffering=1 << 20)  # noqa: SIM115 - closed in _release
        except OSError as error:
            raise EpisodeError(f"{self.directory} cannot be written: {error.strerror}. Check its rights and free space.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells repair that somebody writes; ends with the process
            self._mcap = Writer(self._file, chunk_size=CHUNK_BYTES, compression=COMPRESSIONS[compression])
            self._mcap.start(profile="ros2", library="stage")
            self._mcap.flush()
            write_metadata(self.directory, self._metadata)
        except OSError as error:
            self._release()
            raise EpisodeError(f"{self.directory} cannot be written: {error.strerror}. Check its rights and free space.") from None
        except BaseException:
            self._release()
            raise
        self._thread = threading.Thread(target=self._run, name="episode writer", daemon=True)
        self._thread.start()

    @property
    def messages(self) -> int:
        """Messages taken so far."""
        return sum(topic.messages for topic in self._topics.values())

    def add_topic(self, topic: str, type_name: str, definition: str, *, latched: bool = False) -> None:
        """Announce a topic before its first message; again with the same type is harmless.

        Args:
            topic: Name, relative or absolute; the file holds it absolute, as rosbag2 does.
            type_name: For example stage_msgs/msg/ArmState.
            definition: From `definitions.message_definition`.
            latched: Late joiners get old messages (transient local), also when the file is replayed.
        """
        known = self._topics.get(topic)
        if known is not None:
            if known.type_name != type_name:
                raise EpisodeError(
                    f"topic {topic} is {type_name} now and was {known.type_name}; expected one type. Name one of them differently."
                )
            return
        with self._file_lock:
            if type_name not in self._types:
                self._types[type_name] = self._mcap.register_schema(type_name, "ros2msg", definition.encode())
            name = "/" + topic.strip("/")
            channel_metadata = {"offered_qos_profiles": _yaml(offered_qos(latched)), "topic_type_hash": type_hash(type_name)}
            channel_id = self._mcap.register_channel(name, "cdr", self._types[type_name], channel_metadata)
        self._topics[topic] = _Topic(name, type_name, definition, channel_id, latched)

    def write(self, topic: str, content: bytes, log_time_ns: int, publish_time_ns: int) -> None:
        """Take one message; returns at once unless the disk is `QUEUE_BYTES` behind.

        Args:
            topic: As given to `add_topic`.
            content: Serialized message, CDR with its 4-byte header.
            log_time_ns: When it came, wall clock, ns.
            publish_time_ns: When it was sent, wall clock, ns.

        Raises:
            EpisodeError: If the topic was not announced, the episode is closed, or the disk refused an earlier message.
        """
        entry = self._topics.get(topic)
        if entry is None:
            raise EpisodeError(f"topic {topic} was not announced; expected add_topic before its first message.")
        with self._wake:
            while self._queued_bytes > QUEUE_BYTES and self._failure is None:
                self._wake.wait(0.5)
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise EpisodeError(f"{self.directory.name} is closed; expected no more messages.")
            content = bytes(content)
            self._queue.append((entry, content, log_time_ns, publish_time_ns))
            self._queued_bytes += len(content)
            self._count(entry, content, log_time_ns)
            if self._queued_bytes > WAKE_BYTES:
                self._wake.notify_all()

    def close(self, outcome: dict[str, Any] | None = None) -> Path:
        """Write the rest, the index and the outcome, bring all to the disk, and mark the episode saved. Twice is harmless.

        Args:
            outcome: value (success, failure, discarded, unknown), by, notes; optionally counts, drops, flags, cameras to be
                merged into episode.json (counts.sequence_gaps goes to drops, counts.interventions to interventions).

        Returns:
            The episode's directory.

        Raises:
            EpisodeError: If the disk refuses; everything written before stays readable after `stage episodes repair`.
            ConfigurationError: If the outcome is not one of `schema.OUTCOMES`; the episode stays open.
        """
        outcome = dict(outcome or {})
        outcome_of(outcome)  # a wrong word is refused while the episode is still open
        with self._wake:
            if self._closing:
                if self._failure is not None:
                    raise self._failure
                return self.directory
            self._closing = True
            self._wake.notify_all()
        self._thread.join(CLOSE_TIMEOUT_S)
        try:
            if self._failure is not None:
                raise self._failure
            if self._thread.is_alive():
                raise EpisodeError(
                    f"{self.path} took more than {CLOSE_TIMEOUT_S:.0f} s to write. Check the disk, then: stage episodes repair"
                )
            with self._file_lock:
                self._mcap.finish()
                self._file.flush()
                os.fsync(self._file.fileno())
            bag = [BagTopic(topic.name, topic.type_name, topic.messages, topic.latched) for topic in self._topics.values()]
            write_atomically(self.directory / BAG_FILE, bag_metadata(self.path.name, bag, *(self._times or (0, 0))))
            write_metadata(self.directory, self._closed_metadata(outcome))  # the one step that makes it saved
        except OSError as error:
            self._failure = self._refused(error)
            raise self._failure from None
        finally:
            self._release()
        return self.directory

    def _closed_metadata(self, outcome: dict[str, Any]) -> dict[str, Any]:
        counts = {**outcome.pop("counts", {}), "messages": self.messages, "bytes": self._bytes}
        counts["topics"] = {topic.name: topic.messages for topic in self._topics.values()}
        drops = {**self._metadata.get("drops", {}), **outcome.pop("drops", {})}
        if "sequence_gaps" in counts:
            drops["sequence_gaps"] = counts.pop("sequence_gaps")
        interventions = counts.pop("interventions", {})
        flags = [*self._metadata.get("flags", ()), *outcome.pop("flags", ())]
        first = self._times[0] if self._times else 0
        segments = [
            {
                "source": entry["source"],
                "start_s": (entry["start"] - first) / 1e9,
                "end_s": (entry["end"] - first) / 1e9,
                "commands": entry["commands"],
            }
            for entry in self._segments
        ]
        given = vars(outcome_of(outcome))
        closed = {**self._metadata, "state": "saved", "ended": utc_now(), "counts": counts, "drops": drops, "flags": flags}
        closed["interventions"] = interventions
        closed |= {"sources": segments, "outcome": given, "labels": [*self._metadata.get("labels", ()), given]}
        told = [
            describe_camera(topic.camera, topic.type_name, topic.definition, topic.first) for topic in self._topics.values() if topic.first
        ]
        closed["cameras"] = merge_cameras([*self._metadata.get("cameras", ()), *outcome.get("cameras", ())], told)
        return closed

    def _count(self, topic: _Topic, content: bytes, log_time_ns: int) -> None:
        topic.messages += 1
        self._bytes += len(content)
        if not self._times:
            self._times = [log_time_ns, log_time_ns]
        self._times = [min(self._times[0], log_time_ns), max(self._times[1], log_time_ns)]
        if topic.camera and not topic.first:
            topic.first = content
        if topic.source:
            if not self._segments or self._segments[-1]["source"] != topic.source:
                self._segments.append({"source": topic.source, "start": log_time_ns, "end": log_time_ns, "commands": 0})
            self._segments[-1]["end"] = log_time_ns
            self._segments[-1]["commands"] += 1

    def _run(self) -> None:
        """The writer's thread: empty the queue into the file, hand the file to the operating system, wait."""
        counters: dict[int, int] = {}
        try:
            while True:
                with self._wake:
                    if not self._closing and self._queued_bytes <= WAKE_BYTES:
                        self._wake.wait(FLUSH_PERIOD_S)
                    waiting, self._queue, closing = self._queue, [], self._closing
                    self._queued_bytes = 0
                    self._wake.notify_all()
                if waiting:
                    self._store(waiting, counters)
                elif closing:
                    return
        except OSError as error:
            failure = self._refused(error)
        except Exception as error:
            failure = EpisodeError(f"{self.path} cannot be written: {type(error).__name__}: {error}. Then run: stage episodes repair")
        with self._wake:
            self._failure = failure
            self._queue, self._queued_bytes = [], 0
            self._wake.notify_all()

    def _store(self, waiting: list[tuple[_Topic, bytes, int, int]], counters: dict[int, int]) -> None:
        with self._file_lock:
            for topic, content, log_time_ns, publish_time_ns in waiting:
                sequence = counters[topic.channel_id] = counters.get(topic.channel_id, 0) + 1
                self._mcap.add_message(topic.channel_id, log_time_ns, content, publish_time_ns, sequence)
            self._mcap.flush()

    def _refused(self, error: OSError) -> EpisodeError:
        written = 0
        try:
            written = self.path.stat().st_size
        except OSError:
            logger.debug("no size of %s", self.path)
        return EpisodeError(
            f"{self.path} cannot be written: {error.strerror or error}, after {written / 1e6:.1f} MB, which stay readable."
            f" Free space, then run: stage episodes repair"
        )

    def _release(self) -> None:
        """Close the file, which also ends its lock."""
        try:
            self._file.close()
        except OSError:
            # The rest of the buffer has no room either; the error was told already, and repair cuts the file at its last whole chunk.
            os.close(self._file.fileno()) if not self._file.closed else None


def _yaml(content: Any) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False)
