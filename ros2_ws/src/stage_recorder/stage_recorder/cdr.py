"""Decoding of CDR, the bytes of a ROS 2 message, from the definition text stored in the log.

Because the text comes from the file, logs of older message versions stay readable. No rclpy. Start at `message_decoder`.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from stage_core.errors import StageError
from stage_recorder.definitions import SEPARATOR

Decoder = Callable[[bytes | memoryview], dict[str, Any]]
# A step reads one field: (buffer, offset) -> (value, next offset). Offsets count from the end of the 4-byte CDR header.
Step = Callable[[Any, int], tuple[Any, int]]

_NUMBERS = {
    "bool": ("?", 1), "byte": ("B", 1), "char": ("B", 1), "int8": ("b", 1), "uint8": ("B", 1), "int16": ("h", 2), "uint16": ("H", 2),
    "int32": ("i", 4), "uint32": ("I", 4), "int64": ("q", 8), "uint64": ("Q", 8), "float32": ("f", 4), "float64": ("d", 8),
}  # fmt: skip


class DecodingError(StageError):
    """The bytes of a message do not fit its definition."""


@functools.cache
def message_decoder(type_name: str, definition: str) -> Decoder:
    """Return a function from the bytes of a message to a dict of its fields.

    Numbers come as Python numbers, text as str, nested messages as dicts, number arrays as numpy arrays (`uint8[]` without a copy),
    other arrays as lists. A `builtin_interfaces/Time` or `Duration` comes as an int of nanoseconds.

    Args:
        type_name: For example `stage_msgs/msg/ArmState`.
        definition: The ros2msg text, as `definitions.message_definition` builds it.

    Raises:
        DecodingError: From the returned function, if the bytes end early; from this one, if a contained type is missing.
    """
    types = _parse(type_name, definition)
    steps = {order: _message_step(type_name, _short(type_name), types, order) for order in "<>"}

    def decode(content: bytes | memoryview) -> dict[str, Any]:
        view = memoryview(content)
        try:
            return steps["<" if view[1] & 1 else ">"](view[4:], 0)[0]
        except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
            raise DecodingError(f"a {type_name} message of {len(view)} bytes does not fit its definition: {error}.") from None

    return decode


def _short(type_name: str) -> str:
    words = type_name.split("/")
    return f"{words[0]}/{words[-1]}"


def _parse(type_name: str, definition: str) -> dict[str, list[tuple[str, str, int | None]]]:
    """Return type -> [(field, type, array)]; array is None for one value, -1 for a sequence, n for a fixed array."""
    types: dict[str, list[tuple[str, str, int | None]]] = {}
    name = _short(type_name)
    lines: list[str] = []
    for line in [*definition.splitlines(), SEPARATOR]:
        if line.strip() and set(line.strip()) == {"="} and len(line.strip()) >= 80:
            types[name] = [field for field in (_parse_field(entry, name.split("/")[0]) for entry in lines) if field]
            lines = []
        elif line.startswith("MSG: "):
            name = _short(line[5:].strip())
        else:
            lines.append(line)
    return types


def _parse_field(line: str, package: str) -> tuple[str, str, int | None] | None:
    words = line.split("#", 1)[0].split()
    if len(words) < 2 or "=" in words[1] or (len(words) > 2 and words[2].startswith("=")):
        return None  # blank or a constant
    kind, name = words[0], words[1]
    array: int | None = None
    if "[" in kind:
        kind, _, size = kind.partition("[")
        size = size.rstrip("]")
        array = int(size) if size.isdigit() else -1
    kind = kind.split("<=")[0]
    if kind not in _NUMBERS and kind not in ("string", "wstring"):
        kind = _short(kind) if "/" in kind else f"{package}/{kind}"
    return name, kind, array


def _message_step(type_name: str, kind: str, types: dict[str, list[tuple[str, str, int | None]]], order: str) -> Step:
    if kind in ("builtin_interfaces/Time", "builtin_interfaces/Duration"):
        return _time_step(order)
    if kind not in types:
        raise DecodingError(f"{type_name}: the definition in the log holds no {kind}; expected the text of every contained type.")
    fields = [(name, _field_step(type_name, entry, array, types, order)) for name, entry, array in types[kind]]

    def read(view: memoryview, offset: int) -> tuple[Any, int]:
        values = {}
        for name, step in fields:
            values[name], offset = step(view, offset)
        return values, offset

    return read


def _field_step(type_name: str, kind: str, array: int | None, types: dict[str, Any], order: str) -> Step:
    if kind in _NUMBERS:
        return _number_step(kind, order) if array is None else _numbers_step(kind, array, order)
    if kind == "wstring":
        raise DecodingError(f"{type_name}: wstring fields are not supported; expected string.")
    one = _string_step(order) if kind == "string" else _message_step(type_name, kind, types, order)
    return one if array is None else _list_step(one, array, order)


def _number_step(kind: str, order: str) -> Step:
    letter, size = _NUMBERS[kind]
    unpack = struct.Struct(order + letter).unpack_from
    mask = size - 1

    def read(view: memoryview, offset: int) -> tuple[Any, int]:
        offset = (offset + mask) & ~mask
        return unpack(view, offset)[0], offset + size

    return read


def _time_step(order: str) -> Step:
    unpack = struct.Struct(order + "iI").unpack_from

    def read(view: memoryview, offset: int) -> tuple[int, int]:
        offset = (offset + 3) & ~3
        seconds, nanoseconds = unpack(view, offset)
        return seconds * 1_000_000_000 + nanoseconds, offset + 8

    return read


def _string_step(order: str) -> Step:
    unpack = struct.Struct(order + "I").unpack_from

    def read(view: memoryview, offset: int) -> tuple[str, int]:
        offset = ((offset + 3) & ~3) + 4
        end = offset + unpack(view, offset - 4)[0]
        if end > len(view):
            raise ValueError("text runs past the end")
        return str(view[offset : max(offset, end - 1)], "utf-8"), end  # without the closing zero

    return read


def _numbers_step(kind: str, array: int, order: str) -> Step:
    letter, size = _NUMBERS[kind]
    dtype = np.dtype(order + letter)
    unpack = struct.Struct(order + "I").unpack_from
    mask = size - 1

    def read(view: memoryview, offset: int) -> tuple[np.ndarray, int]:
        count = array
        if array < 0:
            offset = ((offset + 3) & ~3) + 4
            count = unpack(view, offset - 4)[0]
        if not count:
            return np.empty(0, dtype), offset
        offset = (offset + mask) & ~mask
        return np.frombuffer(view, dtype, count, offset), offset + count * size

    return read


def _list_step(one: Step, array: int, order: str) -> Step:
    unpack = struct.Struct(order + "I").unpack_from

    def read(view: memoryview, offset: int) -> tuple[list[Any], int]:
        count = array
        if array < 0:
            offset = ((offset + 3) & ~3) + 4
            count = unpack(view, offset - 4)[0]
        values = []
        for _ in range(count):
            value, offset = one(view, offset)
            values.append(value)
        return values, offset

    return read
