"""openpi's msgpack frames with numpy arrays in them, read without trusting the sender.

An array is the map {b"__ndarray__": True, b"data", b"dtype", b"shape"}, a numpy scalar {b"__npgeneric__": True, b"data",
b"dtype"}. Objects, structures and complex numbers are refused both ways; nothing is ever pickled or evaluated. Start
at `pack` and `unpack`.
"""

from __future__ import annotations

import re
from typing import Any

import msgpack
import numpy as np

from stage_core.errors import StageError

# Optional keys, sent only to a server whose metadata has `stage_protocol`; a Stage server echoes the first.
REQUEST_ID, DEADLINE, SEED = "stage/request_id", "stage/deadline_s", "stage/seed"

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # two 4k images; anything larger is a mistake or an attack
# numpy's own parser also takes structures and aliases, so the text is matched first.
_DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[SU][0-9]{1,6})")


class WireFormatError(StageError, ValueError):
    """Bytes that are no frame of this protocol, or a value that cannot be sent."""


def pack(message: dict[str, Any]) -> bytes:
    """Return a message as one binary frame.

    Args:
        message: Text keys; values are None, bool, int, float, str, bytes, lists, dicts and numpy arrays or scalars.

    Raises:
        WireFormatError: If a value cannot be sent, naming its type.
    """
    try:
        frame = msgpack.packb(message, default=_encode)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireFormatError(f"the message cannot be sent: {error}") from None
    if len(frame) > MAX_MESSAGE_BYTES:
        raise WireFormatError(f"the message is {len(frame)} bytes; expected at most {MAX_MESSAGE_BYTES}. Send smaller images.")
    return frame


def unpack(frame: bytes | str) -> dict[str, Any]:
    """Return the message in one binary frame; its arrays are read-only views of the frame.

    Raises:
        WireFormatError: If it is not a msgpack map, or holds an array that is not what it says.
    """
    if isinstance(frame, str):
        raise WireFormatError("the frame is text; expected a binary msgpack frame.")
    if len(frame) > MAX_MESSAGE_BYTES:
        raise WireFormatError(f"the frame is {len(frame)} bytes; expected at most {MAX_MESSAGE_BYTES}.")
    try:
        message = msgpack.unpackb(frame, object_hook=_decode)
    except WireFormatError:
        raise
    except Exception as error:  # msgpack raises many kinds; all mean the same here
        words = " ".join(str(error).split())[:200]
        raise WireFormatError(f"the frame is not msgpack: {type(error).__name__} {words}".rstrip()) from None
    if not isinstance(message, dict):
        raise WireFormatError(f"the frame holds {type(message).__name__}; expected a map.")
    return message


def _encode(value: Any) -> Any:
    """Return the map msgpack stores for a numpy value."""
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": _dtype_text(value.dtype), b"shape": value.shape}
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": _dtype_text(value.dtype)}
    raise TypeError(f"{type(value).__name__} has no form on the wire; expected numbers, text, bytes, lists, dicts or numpy arrays")


def _dtype_text(dtype: np.dtype) -> str:
    if not _DTYPE.fullmatch(dtype.str):
        raise TypeError(f"dtype {dtype} has no form on the wire; expected bool, int, uint, float or text")
    return dtype.str


def _decode(value: dict[Any, Any]) -> Any:
    """Return the array or scalar a map stands for, or the map itself."""
    if b"__ndarray__" in value:
        return _decode_array(value)
    if b"__npgeneric__" in value:
        dtype = _read_dtype(value)
        data = value.get(b"data")
        if not isinstance(data, (bool, int, float, str, bytes)):
            raise WireFormatError(f"a numpy scalar holds {type(data).__name__}; expected a number or text.")
        scalar = dtype.type(data)
        if dtype.kind in "iu" and scalar.item() != data:  # numpy 1 wraps round silently
            raise WireFormatError(f"a numpy scalar of {dtype} holds {str(data)[:40]}, which does not fit.")
        return scalar
    return value


def _decode_array(value: dict[Any, Any]) -> np.ndarray:
    dtype = _read_dtype(value)
    data, shape = value.get(b"data"), value.get(b"shape")
    if not isinstance(data, bytes):
        raise WireFormatError(f"an array's data is {type(data).__name__}; expected bytes.")
    if not isinstance(shape, (list, tuple)) or len(shape) > 16 or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise WireFormatError(f"an array's shape is {str(shape)[:80]}; expected up to 16 whole numbers >= 0.")
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(data):
        raise WireFormatError(f"an array of {dtype} {tuple(shape)} has {len(data)} bytes; expected {count * dtype.itemsize}.")
    return np.ndarray(tuple(shape), dtype, buffer=data)  # read-only, because bytes are


def _read_dtype(value: dict[Any, Any]) -> np.dtype:
    text = value.get(b"dtype")
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise WireFormatError(f"an array's dtype is {str(text)[:40]!r}; expected bool, int, uint, float or text.")
    dtype = np.dtype(text)
    if dtype.itemsize == 0:
        raise WireFormatError(f"an array's dtype is {text!r}, which is empty; expected at least one byte.")
    return dtype
