"""Walking the records of an MCAP file, finished or not: the reader's fast path and what repair stands on.

A file that was cut off at any byte yields every message of every whole chunk; a damaged chunk is passed over. Start at `iterate_messages` and `scan`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stage_recorder.schema import EpisodeError

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, DATA_END = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0F
_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQI")


class RecordedMessage(NamedTuple):
    """One message of a log. Times are nanoseconds of the recorder's wall clock."""

    topic: str
    log_time_ns: int
    content: memoryview


@dataclass(frozen=True)
class Schema:
    """A message type as the file describes it."""

    id: int
    name: str
    encoding: str
    data: bytes


@dataclass(frozen=True)
class Channel:
    """A topic as the file describes it."""

    id: int
    schema_id: int
    topic: str
    message_encoding: str
    metadata: dict[str, str]


@dataclass
class Chunk:
    """Where a whole chunk lies and what is in it; offsets and lengths in bytes, times in nanoseconds."""

    offset: int
    length: int
    compression: str
    compressed_size: int
    uncompressed_size: int
    message_start_time: int
    message_end_time: int
    index_offset: int = 0
    index_length: int = 0
    index_offsets: dict[int, int] = field(default_factory=dict)  # channel -> place of its index in the file
    message_offsets: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # channel -> (log time, offset in the chunk)


@dataclass
class Scan:
    """What a file holds up to its first damage."""

    finished: bool = False
    end: int = 0  # bytes that are whole: where a summary may be appended
    profile: str = ""
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    damage: str = ""

    def message_counts(self) -> dict[int, int]:
        """Return channel -> messages, for every channel."""
        return {entry: sum(len(chunk.message_offsets.get(entry, ())) for chunk in self.chunks) for entry in self.channels}


class ChunkContent(NamedTuple):
    """A chunk as bytes."""

    chunk: Chunk
    data: memoryview


def iterate_messages(path: Path, types: dict[str, tuple[str, str]] | None = None) -> Iterator[RecordedMessage]:
    """Yield every message of the whole chunks of an MCAP file in file order.

    Args:
        path: The file; it may be unfinished or cut off.
        types: If given, filled with topic -> (type name, definition text) before a topic's first message.

    Raises:
        EpisodeError: If the disk does not let it be read. A file without a whole chunk yields nothing.
    """
    found = Scan()
    for content in _chunks(path, found):
        for channel_id, log_time, start, end in _walk(content.data, found):
            channel = found.channels[channel_id]
            if types is not None and channel.topic not in types:
                schema = found.schemas[channel.schema_id]
                types[channel.topic] = (schema.name, schema.data.decode())
            yield RecordedMessage(channel.topic, log_time, content.data[start:end])


def scan(path: Path) -> Scan:
    """Return what a file holds, with the place of every whole chunk and message.

    Raises:
        EpisodeError: If the disk does not let it be read. A file without a whole chunk yields nothing.
    """
    found = Scan()
    for content in _chunks(path, found):
        offsets = content.chunk.message_offsets
        for channel_id, log_time, start, _ in _walk(content.data, found):
            offsets.setdefault(channel_id, []).append((log_time, start - _RECORD.size - _MESSAGE.size))
        found.chunks.append(content.chunk)
    return found


def _chunks(path: Path, found: Scan) -> Iterator[ChunkContent]:
    """Yield the whole chunks and keep `found` up to date; stops at the first damage."""
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                found.damage = "does not begin as an MCAP file does"
                return
            found.end = file.tell()
            previous: Chunk | None = None
            while not found.finished:
                head = file.read(_RECORD.size)
                if len(head) < _RECORD.size:
                    found.damage = "ends inside a record" if head else "ends without a summary"
                    return
                opcode, length = _RECORD.unpack(head)
                body = _read_body(file, opcode, length, found)
                if body is None:
                    return
                if opcode == CHUNK:
                    content = _open_chunk(found.end, body, found)
                    if content is None:  # later chunks may be whole
                        continue
                    previous = content.chunk
                    previous.index_offset = file.tell()
                    found.end = file.tell()
                    yield content
                    continue
                found.finished = opcode in (DATA_END, FOOTER)
                if not found.finished:
                    _take_record(opcode, body, found)
                    if opcode == MESSAGE_INDEX and previous is not None:
                        previous.index_offsets[int.from_bytes(body[:2], "little")] = found.end
                        previous.index_length += _RECORD.size + length
                    found.end = file.tell()
            found.finished = _has_closing_magic(file)
            found.damage = "" if found.finished else "ends inside its summary"
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read: {error.strerror}. Check the disk and the path.") from None


def _read_body(file: BinaryIO, opcode: int, length: int, found: Scan) -> memoryview | None:
    body = file.read(length) if opcode and length < 1 << 40 else b""  # zeros are what a power cut leaves
    if not opcode or len(body) < length:
        found.damage = "ends inside a record"
        return None
    return memoryview(body)


def _has_closing_magic(file: BinaryIO) -> bool:
    file.seek(0, 2)
    if file.tell() < 2 * len(MAGIC):
        return False
    file.seek(-len(MAGIC), 2)
    return file.read() == MAGIC


def _open_chunk(offset: int, body: memoryview, found: Scan) -> ChunkContent | None:
    start, end, size, crc = _CHUNK.unpack_from(body, 0)
    compression, place = _text(body, _CHUNK.size)
    (compressed_size,) = struct.unpack_from("<Q", body, place)
    try:
        data = _decompress(compression, body[place + 8 : place + 8 + compressed_size], size)
    except (RuntimeError, ValueError) as error:
        found.damage = f"has a chunk that cannot be decompressed: {error}"
        return None
    if len(data) != size or (crc and zlib.crc32(data) != crc):
        found.damage = "has a chunk with a wrong check sum"
        return None
    chunk = Chunk(offset, _RECORD.size + len(body), compression, compressed_size, size, start, end)
    return ChunkContent(chunk, memoryview(data))


def _decompress(compression: str, data: memoryview, size: int) -> bytes | memoryview:
    if not compression:
        return data
    if compression == "lz4":
        import lz4.frame

        return lz4.frame.decompress(data)
    if compression == "zstd":
        import zstandard

        try:
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from None
    raise ValueError(f"compression {compression!r} is not known")


def _walk(data: memoryview, found: Scan) -> Iterator[tuple[int, int, int, int]]:
    """Yield (channel, log time, start, end) of the messages in a chunk; schemas and channels go into `found`."""
    offset, size = 0, len(data)
    while offset < size:
        opcode, length = _RECORD.unpack_from(data, offset)
        start, offset = offset + _RECORD.size, offset + _RECORD.size + length
        if opcode == MESSAGE:
            channel_id, _, log_time, _ = _MESSAGE.unpack_from(data, start)
            yield channel_id, log_time, start + _MESSAGE.size, offset
        else:
            _take_record(opcode, data[start:offset], found)


def _take_record(opcode: int, body: memoryview, found: Scan) -> None:
    if opcode == HEADER:
        found.profile = _text(body, 0)[0]
    elif opcode == SCHEMA:
        (schema_id,) = struct.unpack_from("<H", body, 0)
        name, place = _text(body, 2)
        encoding, place = _text(body, place)
        (length,) = struct.unpack_from("<I", body, place)
        found.schemas[schema_id] = Schema(schema_id, name, encoding, bytes(body[place + 4 : place + 4 + length]))
    elif opcode == CHANNEL:
        channel_id, schema_id = struct.unpack_from("<HH", body, 0)
        topic, place = _text(body, 4)
        encoding, place = _text(body, place)
        (length,) = struct.unpack_from("<I", body, place)
        place, end = place + 4, place + 4 + length
        metadata = {}
        while place < end:
            key, place = _text(body, place)
            metadata[key], place = _text(body, place)
        found.channels[channel_id] = Channel(channel_id, schema_id, topic, encoding, metadata)


def _text(body: memoryview, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", body, offset)
    return str(body[offset + 4 : offset + 4 + length], "utf-8"), offset + 4 + length
