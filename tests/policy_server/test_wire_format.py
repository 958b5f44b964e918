"""The frames: openpi's own code reads ours and we read openpi's; nothing hostile gets further than one error."""

from __future__ import annotations

import contextlib
import datetime

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from openpi_client import msgpack_numpy

from policy_server import wire_format
from policy_server.wire_format import WireFormatError, pack, unpack

ARRAYS = hnp.arrays(
    dtype=st.sampled_from(["bool", "uint8", "int64", "float16", "float32", "float64", ">f4", "<U3", "S2"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@given(ARRAYS)
@settings(max_examples=100, deadline=None)
def test_arrays_come_back_bit_for_bit_and_openpi_reads_the_same(array):
    for frame, read in (
        (pack({"a": array}), unpack),
        (pack({"a": array}), msgpack_numpy.unpackb),
        (msgpack_numpy.packb({"a": array}), unpack),
    ):
        back = read(frame)["a"]
        assert back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()


def test_frames_are_the_same_bytes_as_openpis():
    message = {"image": np.zeros((4, 4, 3), np.uint8), "state": np.arange(3.0), "prompt": "go", "n": np.float32(2.5), "jpeg": b"\xff\xd8"}
    assert pack(message) == msgpack_numpy.packb(message)


def test_received_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        unpack(pack({"a": np.zeros(3)}))["a"][0] = 1.0


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.zeros(2, "c16"), np.zeros(1, "V4"), np.zeros(1, [("x", "f4")]), np.datetime64(1, "s"), object(), {1, 2}],
)
def test_what_has_no_form_on_the_wire_is_not_sent(value):
    with pytest.raises(WireFormatError, match="cannot be sent"):
        pack({"a": value})


def array_map(**change):
    content = {b"__ndarray__": True, b"data": bytes(8), b"dtype": "<f4", b"shape": [2]}
    content.update({key.encode(): value for key, value in change.items()})
    return msgpack.packb({"a": content}, datetime=True)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O"},
        {"dtype": "|V8"},
        {"dtype": "<c8"},
        {"dtype": "f4,f4"},
        {"dtype": "(2,)f4"},
        {"dtype": "O8"},
        {"dtype": "S0"},
        {"dtype": "M8[s]"},
        {"dtype": "U" + "9" * 40},
        {"dtype": None},
        {"dtype": ["<f4"]},
        {"shape": [3]},
        {"shape": [-1]},
        {"shape": [2**62, 2**62]},
        {"shape": [True, 2]},
        {"shape": [1] * 40},
        {"shape": "2"},
        {"shape": None},
        {"data": "text"},
        {"data": None},
        {"data": bytes(7)},
        {"data": bytes(12)},
        {"data": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)},
    ],
)
def test_array_that_is_not_what_it_says_is_refused(change):
    with pytest.raises(WireFormatError):
        unpack(array_map(**change))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",  # a map that claims four thousand million entries
        b"\xc6\xff\xff\xff\xff",  # as many bytes
        b"\x91" * 100_000,  # nested deeper than any stack
        b"\x81\xa1a\x81" * 5_000,
        msgpack.packb([1, 2]),
        msgpack.packb(5),
        msgpack.packb({1: 2}),
        msgpack.packb({"a": 1}) + b"\x00",
        msgpack.packb({"a": {b"__npgeneric__": True, b"dtype": "<f4", b"data": [1]}}),
        msgpack.packb({"a": {b"__npgeneric__": True, b"dtype": "|u1", b"data": 99999}}),
        "text",
    ],
)
def test_frame_that_is_none_is_one_line(frame):
    with pytest.raises(WireFormatError) as caught:
        unpack(frame)
    assert "\n" not in str(caught.value)


def test_random_damage_raises_nothing_else():
    generator = np.random.default_rng(1)
    good = pack({"observation/image": np.zeros((8, 8, 3), np.uint8), "observation/state": np.zeros(8, np.float32), "prompt": "go"})
    for _ in range(3000):
        frame = bytearray(good[: generator.integers(0, len(good) + 1)])
        for place in generator.integers(0, max(1, len(frame)), generator.integers(0, 6)):
            if frame:
                frame[place] = generator.integers(0, 256)
        with contextlib.suppress(WireFormatError):
            unpack(bytes(frame))


def test_size_is_bounded_both_ways(monkeypatch):
    monkeypatch.setattr(wire_format, "MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(WireFormatError, match="expected at most 1000"):
        pack({"a": bytes(1000)})
    with pytest.raises(WireFormatError, match="expected at most 1000"):
        unpack(bytes(1001))
