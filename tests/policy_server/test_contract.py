"""The contract: files, metadata, and the comparison with a workcell."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from policy_server.contract import (
    ActionEntry,
    CameraEntry,
    PolicyContract,
    StateEntry,
    check_contract,
    contract_from_metadata,
    load_contract,
)
from policy_server.models.scripted import ScriptedPolicy
from stage_core.errors import ConfigurationError, ContractMismatchError

CONTRACT = ScriptedPolicy().contract
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/contract.schema.json").read_text())
WORKCELL = {
    "cameras": {"base": (480, 640)},
    "joint_names": [f"joint{i}" for i in range(1, 8)],
    "control_rate_hz": 20.0,
    "action_spaces": ["joint_position", "ee_delta_pose"],
    "state_fields": ["joint_positions", "ee_position", "ee_orientation", "gripper_opening"],
    "robot_model": "panda",
}
DROID = PolicyContract(
    policy_name="droid",
    cameras=(CameraEntry(name="wrist", key="observation/wrist_image_left", height=224, width=224, resize="pad"),),
    state=(
        StateEntry(key="observation/joint_position", fields=("joint_positions",)),
        StateEntry(key="observation/gripper_position", fields=("gripper_opening",), unit="droid"),
    ),
    action=ActionEntry(space="joint_velocity", dim=8, joint_names=tuple(WORKCELL["joint_names"]), gripper_convention="droid"),
    control_rate_hz=15.0,
    horizon=10,
    execute=8,
)


@pytest.mark.parametrize("contract", [CONTRACT, DROID])
def test_contract_survives_a_file_unchanged(contract, tmp_path):
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(contract.to_dict()))
    assert load_contract(path) == contract


@pytest.mark.parametrize("contract", [CONTRACT, DROID])
def test_contract_survives_the_metadata_unchanged(contract):
    assert contract_from_metadata({"contract": contract.to_dict(with_observation=True)}) == contract


def test_a_plain_openpi_server_has_no_contract():
    assert contract_from_metadata({"camera_height": 224}) is None


def test_observation_gives_shape_and_dtype_of_every_key():
    assert DROID.observation == {
        "observation/wrist_image_left": {"shape": [224, 224, 3], "dtype": "uint8"},
        "observation/joint_position": {"shape": [7], "dtype": "float32"},
        "observation/gripper_position": {"shape": [1], "dtype": "float32"},
        "prompt": {"shape": [], "dtype": "str"},
    }


@pytest.mark.parametrize("place", [(), ("action",), ("cameras", 0), ("state", 0), ("normalisation",)])
def test_unknown_key_is_refused_with_its_place(place):
    content = CONTRACT.to_dict()
    entry = content
    for step in place:
        entry = entry[step]
    entry["colour"] = 1
    with pytest.raises(ConfigurationError, match="colour is not a known key"):
        PolicyContract.from_dict(content, source="contract.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"execute": 9}, r"execute is 9; expected 1 to horizon \(8\)"),
        ({"schema_version": 2}, "schema_version is 2"),
        ({"control_rate_hz": 0.0}, "control_rate_hz is 0.0 Hz"),
        ({"observation": {}}, "observation.observation/base_image is None"),
        ({"prompt_key": "observation/state"}, "given twice"),
    ],
)
def test_contract_that_contradicts_itself_is_refused(change, words):
    with pytest.raises(ConfigurationError, match=words):
        PolicyContract.from_dict({**CONTRACT.to_dict(), **change})


def test_action_dimension_counts_the_gripper():
    with pytest.raises(ConfigurationError, match="dim is 6; expected 7: 6 for ee_delta_pose and the gripper"):
        ActionEntry(space="ee_delta_pose", dim=6)
    assert ActionEntry(space="ee_delta_pose", dim=6, gripper_convention="none").values_dim == 6


def test_joint_state_without_joint_names_is_refused():
    with pytest.raises(ConfigurationError, match="joint_names is empty"):
        dataclasses.replace(CONTRACT, state=(StateEntry(key="q", fields=("joint_positions",)),))


def test_a_workcell_that_fits_is_accepted():
    check_contract(CONTRACT, **WORKCELL)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"robot_model": "ur5"}, r"NO +robot model +fake \| panda .* ur5"),
        ({"control_rate_hz": 15.0}, "NO +control rate +20 Hz +15 Hz"),
        ({"action_spaces": ["joint_position"]}, "NO +action space +ee_delta_pose +joint_position"),
        ({"cameras": {"wrist": (128, 128)}}, r"NO +camera base +128x128, resize stretch +none \(has wrist\)"),
        ({"state_fields": ["ee_position", "ee_orientation"]}, "NO +state gripper_opening +needed +missing"),
    ],
)
def test_mismatch_shows_both_sides_and_marks_the_line(change, line):
    with pytest.raises(ContractMismatchError, match=line) as caught:
        check_contract(CONTRACT, **{**WORKCELL, **change})
    assert "policy wants" in str(caught.value) and "workcell has" in str(caught.value)
    assert sum(row.startswith("NO") for row in str(caught.value).splitlines()) == 1


def test_joints_must_have_the_same_names_in_the_same_order():
    workcell = {**WORKCELL, "cameras": {"wrist": (480, 640)}, "control_rate_hz": 15.0, "action_spaces": ["joint_velocity"]}
    check_contract(DROID, **workcell)
    with pytest.raises(ContractMismatchError, match="NO +joints"):
        check_contract(DROID, **{**workcell, "joint_names": workcell["joint_names"][::-1]})


def test_camera_of_another_size_needs_resizing():
    exact = dataclasses.replace(CONTRACT, cameras=(dataclasses.replace(CONTRACT.cameras[0], resize="none"),))
    with pytest.raises(ContractMismatchError, match="128x128, resize none +480x640"):
        check_contract(exact, **WORKCELL)


def test_schema_names_exactly_the_fields_of_the_dataclasses():
    def names(kind):
        return {entry.name for entry in dataclasses.fields(kind)}

    properties = SCHEMA["properties"]
    assert set(properties) == names(PolicyContract) | {"observation"}
    assert set(properties["cameras"]["items"]["properties"]) == names(CameraEntry)
    assert set(properties["state"]["items"]["properties"]) == names(StateEntry)
    assert set(properties["action"]["properties"]) == names(ActionEntry)
    required = {entry.name for entry in dataclasses.fields(PolicyContract) if entry.default is entry.default_factory is dataclasses.MISSING}
    assert set(SCHEMA["required"]) == required
