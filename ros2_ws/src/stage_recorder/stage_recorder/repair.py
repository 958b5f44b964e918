"""Making an interrupted episode whole: cut the log behind its last whole chunk and give it the index it lacks.

It works in place, because a full disk is a likely reason for the interruption, and may itself be interrupted and run
again. Saved episodes, and one that a living recorder writes, are never touched. Start at `repair_interrupted`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel as ChannelRecord
from mcap.records import ChunkIndex, DataEnd, Footer, MessageIndex, Statistics, SummaryOffset
from mcap.records import Schema as SchemaRecord
from mcap.writer import Writer

from stage_core.errors import StageError
from stage_recorder.bag_metadata import BagTopic, bag_metadata
from stage_recorder.camera_facts import camera_of, describe_camera, merge_cameras
from stage_recorder.records import MAGIC, Chunk, Scan, iterate_messages, scan
from stage_recorder.schema import (
    BAG_FILE,
    INTERRUPTED,
    EpisodeError,
    episode_directories,
    mcap_file,
    outcome_of,
    read_metadata,
    write_atomically,
    write_metadata,
)

logger = logging.getLogger(__name__)


def repair_interrupted(root: Path | str) -> list[Path]:
    """Repair every interrupted episode below `root`; what cannot be repaired is logged and left as it is.

    Returns:
        The directories that were repaired now; empty when all are whole.
    """
    repaired = []
    for directory in episode_directories(root):
        try:
            if repair_episode(directory):
                repaired.append(directory)
        except StageError as error:
            logger.warning("%s", error)
    return repaired


def repair_episode(directory: Path | str) -> bool:
    """Repair one episode.

    Returns:
        True if it was interrupted and is whole now; False if it was whole or is being recorded at this moment.

    Raises:
        EpisodeError: If it cannot be read or the disk refuses.
    """
    directory = Path(directory)
    metadata = read_metadata(directory)
    if metadata["state"] != "recording":
        return False
    path = mcap_file(directory)
    try:
        with open(path, "r+b" if path.exists() else "x+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if read_metadata(directory)["state"] != "recording":  # the recorder finished between the two looks
                return False
            found = _make_whole(file, path)
            _describe(directory, path, found, metadata)
    except OSError as error:
        raise EpisodeError(f"{directory} cannot be repaired: {error.strerror}. Check its rights and free space, then try again.") from None
    return True


def _make_whole(file: BinaryIO, path: Path) -> Scan:
    found = scan(path)
    if found.finished:
        return found
    if found.chunks:
        _append_summary(file, found)
    else:  # the kill came before the first chunk; perhaps not even the header is whole
        file.seek(0)
        file.truncate()
        writer = Writer(file)
        writer.start(profile="ros2", library="stage")
        writer.finish()
    file.flush()
    os.fsync(file.fileno())
    return scan(path)


def _append_summary(file: BinaryIO, found: Scan) -> None:
    """Cut the file behind the last whole chunk; write that chunk's message indexes, then what every finished file ends with."""
    tail = RecordBuilder()
    last = found.chunks[-1]
    start = last.index_offset
    last.index_offsets = {}  # some of its message indexes may be missing, so they are written again
    for channel_id, entries in last.message_offsets.items():
        last.index_offsets[channel_id] = start + tail.count
        MessageIndex(channel_id=channel_id, records=entries).write(tail)
    last.index_length = tail.count
    DataEnd(0).write(tail)
    data = tail.end()
    file.seek(start)
    file.truncate()
    file.write(data + _summary(found, start + len(data)) + MAGIC)


def _summary(found: Scan, start: int) -> bytes:
    """Return the summary section and the footer; `start` is where it goes in the file."""
    summary = RecordBuilder()
    groups: list[SummaryOffset] = []

    def add(opcode: Opcode, records: list[Any]) -> None:
        place = summary.count
        for record in records:
            record.write(summary)
        groups.append(SummaryOffset(group_opcode=opcode, group_start=start + place, group_length=summary.count - place))

    add(
        Opcode.SCHEMA,
        [SchemaRecord(id=entry.id, name=entry.name, encoding=entry.encoding, data=entry.data) for entry in found.schemas.values()],
    )
    add(
        Opcode.CHANNEL,
        [
            ChannelRecord(
                id=entry.id, topic=entry.topic, message_encoding=entry.message_encoding, metadata=entry.metadata, schema_id=entry.schema_id
            )
            for entry in found.channels.values()
        ],
    )
    add(Opcode.STATISTICS, [_statistics(found)])
    add(Opcode.CHUNK_INDEX, [_chunk_index(chunk) for chunk in found.chunks])
    offsets = start + summary.count
    for group in groups:
        group.write(summary)
    content = summary.end()
    head = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offsets)
    footer = RecordBuilder()
    Footer(summary_start=start, summary_offset_start=offsets, summary_crc=zlib.crc32(head, zlib.crc32(content))).write(footer)
    return content + footer.end()


def _statistics(found: Scan) -> Statistics:
    counts = found.message_counts()
    return Statistics(
        attachment_count=0,
        channel_count=len(found.channels),
        channel_message_counts=counts,
        chunk_count=len(found.chunks),
        message_count=sum(counts.values()),
        message_end_time=max((chunk.message_end_time for chunk in found.chunks), default=0),
        message_start_time=min((chunk.message_start_time for chunk in found.chunks), default=0),
        metadata_count=0,
        schema_count=len(found.schemas),
    )


def _chunk_index(chunk: Chunk) -> ChunkIndex:
    return ChunkIndex(
        chunk_length=chunk.length,
        chunk_start_offset=chunk.offset,
        compression=chunk.compression,
        compressed_size=chunk.compressed_size,
        message_end_time=chunk.message_end_time,
        message_index_length=chunk.index_length,
        message_index_offsets=chunk.index_offsets,
        message_start_time=chunk.message_start_time,
        uncompressed_size=chunk.uncompressed_size,
    )


def _describe(directory: Path, path: Path, found: Scan, metadata: dict[str, Any]) -> None:
    """Write metadata.yaml and mark the episode saved and interrupted."""
    counts = found.message_counts()
    statistics = _statistics(found)
    topics = [
        BagTopic(
            channel.topic,
            found.schemas[channel.schema_id].name,
            counts.get(channel.id, 0),
            latched="transient_local" in channel.metadata.get("offered_qos_profiles", ""),
        )
        for channel in found.channels.values()
    ]
    start, end = statistics.message_start_time, statistics.message_end_time
    write_atomically(directory / BAG_FILE, bag_metadata(path.name, topics, start, end))
    outcome = vars(outcome_of({"value": "unknown", "by": "repair", "notes": "the recording was interrupted"}))
    ended = datetime.fromtimestamp(end / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if end else metadata["started"]
    repaired = {
        **metadata,
        "state": "saved",
        "flags": [*metadata["flags"], INTERRUPTED],
        "outcome": outcome,
        "labels": [*metadata["labels"], outcome],
        "counts": {
            "messages": statistics.message_count,
            "bytes": sum(chunk.uncompressed_size for chunk in found.chunks),
            "topics": {topic.name: topic.messages for topic in topics},
        },
        "cameras": merge_cameras(metadata["cameras"], _cameras(path)),
        "ended": ended,
    }
    write_metadata(directory, repaired)


def _cameras(path: Path) -> list[dict[str, Any] | None]:
    """Return what the cameras in a log told about themselves."""
    types: dict[str, tuple[str, str]] = {}
    first: dict[str, dict[str, Any] | None] = {}
    for message in iterate_messages(path, types):
        camera = camera_of(message.topic)
        if camera and camera not in first:
            first[camera] = describe_camera(camera, *types[message.topic], message.content)
    return list(first.values())
