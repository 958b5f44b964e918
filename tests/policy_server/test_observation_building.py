"""From the robot's arrays to the contract's keys."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from policy_server.contract import CameraEntry, StateEntry
from policy_server.models.scripted import ScriptedPolicy
from policy_server.observation import (
    ObservationError,
    build_observation,
    check_observation,
    example_observation,
    join_state,
    prepare_image,
)
from stage_core.errors import ConfigurationError

CONTRACT = ScriptedPolicy().contract
STATES = {
    "joint_positions": np.linspace(-1.0, 1.0, 7),
    "ee_position": np.array([0.4, 0.1, 0.2]),
    "ee_orientation": np.array([0.0, 0.0, np.sin(0.25), np.cos(0.25)]),  # 0.5 rad about z
    "gripper_opening": np.array([0.25]),
    "gripper_width": np.array([0.02]),
}
CAMERA = CameraEntry(name="base", key="image", height=128, width=128)


def random_image(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_observation_has_exactly_the_contracts_keys_shapes_and_dtypes():
    observation = build_observation(CONTRACT, STATES, {"base": random_image(480, 640)}, "push the cube")
    assert set(observation) == set(CONTRACT.observation)
    assert observation["prompt"] == "push the cube"
    for key, entry in CONTRACT.observation.items():
        if entry["dtype"] != "str":
            assert list(observation[key].shape) == entry["shape"] and observation[key].dtype == entry["dtype"]


def test_fields_are_joined_in_the_contracts_order():
    entry = StateEntry(key="s", fields=("gripper_opening", "ee_position"))
    assert join_state(entry, STATES, 0) == pytest.approx([0.25, 0.4, 0.1, 0.2])


@pytest.mark.parametrize(
    ("field", "unit", "order", "expected"),
    [
        ("ee_position", "mm", "xyzw", [400.0, 100.0, 200.0]),
        ("joint_positions", "deg", "xyzw", np.rad2deg(np.linspace(-1.0, 1.0, 7))),
        ("gripper_opening", "droid", "xyzw", [0.75]),
        ("gripper_opening", "libero", "xyzw", [0.5]),
        ("gripper_width", "mm", "xyzw", [20.0]),
        ("ee_orientation", "si", "wxyz", [np.cos(0.25), 0.0, 0.0, np.sin(0.25)]),
        ("ee_orientation", "si", "rotation_vector", [0.0, 0.0, 0.5]),
    ],
)
def test_unit_and_order_are_converted(field, unit, order, expected):
    entry = StateEntry(key="s", fields=(field,), unit=unit, order=order)
    assert join_state(entry, STATES, 7) == pytest.approx(expected, rel=1e-6)


def test_rotation_vector_of_no_rotation_is_zero_and_takes_the_short_way():
    entry = StateEntry(key="s", fields=("ee_orientation",), order="rotation_vector")
    assert join_state(entry, {"ee_orientation": np.array([0.0, 0, 0, 1])}, 0) == pytest.approx([0.0, 0.0, 0.0])
    assert join_state(entry, {"ee_orientation": -STATES["ee_orientation"]}, 0) == pytest.approx([0.0, 0.0, 0.5])


def test_missing_camera_and_missing_field_are_named():
    with pytest.raises(ConfigurationError, match='camera "base" gave no image'):
        build_observation(CONTRACT, STATES, {"wrist": random_image(8, 8)}, "")
    with pytest.raises(ConfigurationError, match="ee_orientation is missing"):
        build_observation(CONTRACT, {"ee_position": np.zeros(3)}, {"base": random_image(128, 128)}, "")


def test_arm_with_other_joints_is_refused():
    with pytest.raises(ConfigurationError, match="joint_positions has 7 values; s expects 6"):
        join_state(StateEntry(key="s", fields=("joint_positions",)), STATES, 6)


def test_image_of_the_right_size_passes_unchanged():
    image = random_image(128, 128)
    assert np.array_equal(prepare_image(image, CAMERA), image)


def test_resizing_is_deterministic_and_keeps_a_constant_image():
    image = random_image(480, 640)
    assert np.array_equal(prepare_image(image, CAMERA), prepare_image(image.copy(), CAMERA))
    grey = np.full((480, 640, 3), 77, np.uint8)
    assert (prepare_image(grey, CAMERA) == 77).all()


def test_padding_keeps_the_aspect_ratio_with_black_bars():
    white = np.full((480, 640, 3), 255, np.uint8)
    padded = prepare_image(white, dataclasses.replace(CAMERA, resize="pad"))
    assert (padded[:16] == 0).all() and (padded[-16:] == 0).all()  # 128 * 480 / 640 = 96 rows of picture
    assert (padded[16:-16] == 255).all()


def test_centre_crop_takes_the_middle():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 9
    assert (prepare_image(image, CameraEntry(name="base", key="i", height=10, width=10, crop="center")) == 9).all()


def test_channels_first_has_the_shape_of_the_contract():
    entry = dataclasses.replace(CAMERA, encoding="rgb8_chw")
    image = random_image(128, 128)
    assert np.array_equal(prepare_image(image, entry), image.transpose(2, 0, 1))
    assert prepare_image(image, entry).shape == entry.shape


def test_wrong_size_without_resizing_and_wrong_dtype_are_refused():
    with pytest.raises(ConfigurationError, match="is 480x640; expected 128x128"):
        prepare_image(random_image(480, 640), dataclasses.replace(CAMERA, resize="none"))
    with pytest.raises(ConfigurationError, match="float64"):
        prepare_image(np.zeros((128, 128, 3)), CAMERA)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("observation/state", np.zeros(7, np.float32), r"observation/state is float32 \(7,\); expected float32 \(8,\)"),
        ("observation/state", np.full(8, np.nan), "holds NaN or infinity"),
        ("observation/base_image", np.zeros((128, 128, 3)), r"is float64 \(128, 128, 3\); expected uint8"),
        ("observation/base_image", b"jpeg", "is bytes; expected uint8"),
        ("prompt", 3, "prompt is int; expected text"),
    ],
)
def test_observation_that_breaks_the_contract_is_named(key, value, words):
    with pytest.raises(ObservationError, match=words):
        check_observation(CONTRACT, {**example_observation(CONTRACT), key: value})


def test_missing_key_is_named_and_unknown_keys_are_left_out():
    observation = example_observation(CONTRACT)
    assert set(check_observation(CONTRACT, {**observation, "more": 1})) == set(observation)
    del observation["prompt"]
    with pytest.raises(ObservationError, match="observation key prompt is missing"):
        check_observation(CONTRACT, observation)
