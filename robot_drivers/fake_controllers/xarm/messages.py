"""Frames of the control port: a request and its reply, the packet that tells a motion has ended, and the packing of numbers.

A request is transaction, protocol, length (three big-endian 16-bit numbers), one function byte, then data; `length` counts the
function byte and the data. A reply repeats the head and puts one state byte before its data. Floats are little-endian; plain
integers are big-endian, except the few 32-bit ones that the functions document as little-endian.
Start at `take_request`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

HEAD = struct.Struct(">HHH")
LONGEST_LENGTH = 1024  # the longest true command (a trajectory name, five calibration poses) is a quarter of this

PROTOCOL_STANDARD_MODBUS = 0
PROTOCOL_HEARTBEAT = 1
PROTOCOL_PRIVATE = 2
PROTOCOL_PRIVATE_WITH_HEARTBEAT = 3
PROTOCOLS = (PROTOCOL_STANDARD_MODBUS, PROTOCOL_HEARTBEAT, PROTOCOL_PRIVATE, PROTOCOL_PRIVATE_WITH_HEARTBEAT)

STATE_ERROR = 0x40  # an error is not yet cleaned
STATE_WARNING = 0x20  # a warning is not yet cleaned
STATE_NOT_READY = 0x10  # a motion would not be executed now
STATE_INVALID = 0x08  # this command was not executed

FUNCTION_FEEDBACK = 0xFF
FEEDBACK_FINISHED = 2
FEEDBACK_TRIGGERED = 4


class ProtocolError(Exception):
    """Bytes that no controller of this kind accepts; the connection ends."""


@dataclass(frozen=True)
class Request:
    """One command as it came in."""

    transaction: int
    protocol: int
    function: int
    data: bytes


def take_request(received: bytearray) -> Request | None:
    """Remove the first complete request from `received` and return it; None while it is not complete.

    Raises:
        ProtocolError: For a protocol number or a length that the controller does not know; nothing after it can be trusted.
    """
    if len(received) < HEAD.size:
        return None
    transaction, protocol, length = HEAD.unpack_from(received)
    if protocol not in PROTOCOLS:
        raise ProtocolError(f"protocol is {protocol}; expected one of {PROTOCOLS}")
    if not 1 <= length <= LONGEST_LENGTH:
        raise ProtocolError(f"length is {length}; expected 1 to {LONGEST_LENGTH}")
    end = HEAD.size + length
    if len(received) < end:
        return None
    request = Request(transaction, protocol, received[HEAD.size], bytes(received[HEAD.size + 1 : end]))
    del received[:end]
    return request


def reply(request: Request, state: int, data: bytes = b"") -> bytes:
    """Return the frame that answers `request`."""
    return HEAD.pack(request.transaction, request.protocol, len(data) + 2) + bytes([request.function, state]) + data


def modbus_refusal(request: Request) -> bytes:
    """Return the answer of a standard Modbus server that has no such function (exception 1)."""
    function = request.data[0] if request.data else 0
    return HEAD.pack(request.transaction, request.protocol, 3) + bytes([request.function, (function | 0x80) & 0xFF, 1])


def feedback(transaction: int, protocol: int, *, kind: int, function: int, task: int, result: int, microseconds: int) -> bytes:
    """Return the unasked packet that tells what became of a motion: result 0 done, 1 failed, 2 discarded."""
    body = struct.pack(">BBBBHBQ", FUNCTION_FEEDBACK, 0, kind, function, task, result, microseconds)
    return HEAD.pack(transaction, protocol, len(body)) + body


def floats(data: bytes, count: int | None = None) -> list[float]:
    """Return `count` little-endian floats from the front of `data` (all of them by default)."""
    count = len(data) // 4 if count is None else count
    return list(struct.unpack_from(f"<{count}f", data))


def pack_floats(values) -> bytes:
    """Return `values` as little-endian floats."""
    values = [float(value) for value in values]
    return struct.pack(f"<{len(values)}f", *values)


def are_finite(values) -> bool:
    """Return whether no value is NaN or infinite."""
    return all(math.isfinite(value) for value in values)
