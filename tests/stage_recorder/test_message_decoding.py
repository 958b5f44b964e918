"""Definitions from .msg files and CDR decoding, against rclpy's own."""

import importlib

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from recorded_logs import arm_command, arm_state, image, stage_observation, type_name

from stage_core.errors import ConfigurationError
from stage_recorder.cdr import DecodingError, message_decoder
from stage_recorder.definitions import contained_types, message_definition, type_hash


def as_plain(message):
    """Return a ROS message as the decoder gives it."""
    plain = {}
    for name, kind in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if kind == "builtin_interfaces/Time":
            plain[name] = value.sec * 10**9 + value.nanosec
        elif kind.startswith("sequence<builtin_interfaces/Time"):
            plain[name] = [entry.sec * 10**9 + entry.nanosec for entry in value]
        elif hasattr(value, "get_fields_and_field_types"):
            plain[name] = as_plain(value)
        elif isinstance(value, list) and value and hasattr(value[0], "get_fields_and_field_types"):
            plain[name] = [as_plain(entry) for entry in value]
        else:
            plain[name] = value
    return plain


def random_message(kind, generator):
    message = kind()
    for name, field in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if isinstance(value, bool):
            setattr(message, name, bool(generator.integers(2)))
        elif isinstance(value, int) and field not in ("octet",):
            setattr(message, name, int(generator.integers(100)))
        elif isinstance(value, float):
            setattr(message, name, float(generator.normal()))
        elif isinstance(value, str):
            setattr(message, name, "abcdefgh"[: generator.integers(9)] + "µ")
        elif hasattr(value, "get_fields_and_field_types"):
            setattr(message, name, random_message(type(value), generator))
        elif field == "sequence<double>":
            setattr(message, name, generator.normal(size=generator.integers(4)))
        elif field == "sequence<string>":
            setattr(message, name, ["ab"[: generator.integers(3)] for _ in range(generator.integers(4))])
    return message


def assert_same(decoded, expected, place=""):
    assert list(decoded) == list(expected), place
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same(decoded[name], value, f"{place}.{name}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for left, right in zip(decoded[name], value, strict=True):
                assert_same(left, right, f"{place}.{name}")
        else:
            assert np.array_equal(decoded[name], value, equal_nan=isinstance(value, float)), f"{place}.{name}"


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"stage_msgs/msg/{word}"
            for word in ("ArmCommand", "ArmState", "EnvironmentOutcome", "EpisodeStatus", "ImageInfo", "ObjectState")
        ),
        *(f"stage_msgs/msg/{word}" for word in ("PolicyStatus", "StageEvent", "StageObservation", "StageStatus", "StepAcknowledgement")),
        "sensor_msgs/msg/CameraInfo",
        "sensor_msgs/msg/JointState",
        "diagnostic_msgs/msg/DiagnosticArray",
        "geometry_msgs/msg/PoseWithCovarianceStamped",
    ],
)
def test_decoding_agrees_with_rclpy_for_random_messages(name):
    package, _, word = name.split("/")
    kind = getattr(importlib.import_module(f"{package}.msg"), word)
    decode = message_decoder(name, message_definition(name))
    generator = np.random.default_rng(0)
    for _ in range(30):
        message = random_message(kind, generator)
        assert_same(decode(serialize_message(message)), as_plain(message))


def test_arrays_and_images_decode_bit_equal():
    generator = np.random.default_rng(1)
    for message in (
        arm_state(generator, 1, stamp_ns=5),
        arm_command(generator, 1, stamp_ns=5),
        image(generator, 5),
        stage_observation(generator, 1, stamp_ns=1_700_000_000_123_456_789),
    ):
        decode = message_decoder(type_name(message), message_definition(type_name(message)))
        assert_same(decode(serialize_message(message)), as_plain(message))


def test_bytes_that_end_early_give_one_line():
    message = arm_state(np.random.default_rng(2), 1, stamp_ns=5)
    decode = message_decoder(type_name(message), message_definition(type_name(message)))
    with pytest.raises(DecodingError, match="does not fit its definition"):
        decode(serialize_message(message)[:100])


def test_a_message_of_an_older_version_decodes_by_the_text_in_the_log():
    older = "uint32 number\nstring word  # a comment\nuint8 CONSTANT=3\nfloat64[2] pair"
    content = b"\0\1\0\0" + b"\5\0\0\0" + b"\3\0\0\0ab\0" + b"\0" * 5 + np.array([1.0, 2.0]).tobytes()
    decoded = message_decoder("stage_msgs/msg/Old", older)(content)
    assert (decoded["number"], decoded["word"], decoded["pair"].tolist()) == (5, "ab", [1.0, 2.0])


def test_every_contained_type_is_in_the_definition_once():
    text = message_definition("stage_msgs/msg/StageObservation")
    names = [line for line in text.splitlines() if line.startswith("MSG: ")]
    assert sorted(names) == sorted(set(names))
    assert "MSG: stage_msgs/ObjectState" in names and "MSG: geometry_msgs/Quaternion" in names
    assert contained_types("Pose[3] poses\nstring<=5 name\nfloat64 X=1.0\nstd_msgs/Header header", "geometry_msgs") == [
        ("geometry_msgs", "Pose"),
        ("std_msgs", "Header"),
    ]


def test_the_type_hash_is_the_one_ros_knows():
    assert type_hash("builtin_interfaces/msg/Time") == "RIHS01_b106235e25a4c5ed35098aa0a61a3ee9c9b18d197f398b0e4206cea9acf9c197"
    assert type_hash("nowhere/msg/Nothing") == ""


def test_an_unknown_type_gives_one_line_with_the_remedy():
    with pytest.raises(ConfigurationError, match="message type nowhere/msg/Nothing is not installed"):
        message_definition("nowhere/msg/Nothing")
