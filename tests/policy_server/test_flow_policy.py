"""flow_policy: deterministic, sees image and instruction, survives its checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from policy_server.contract import STATE_FIELDS, ActionEntry, CameraEntry, NormalisationEntry, PolicyContract, StateEntry
from policy_server.loading import checkpoints, load_policy
from policy_server.models.flow_network import FlowNetwork, NetworkConfig
from policy_server.models.flow_policy import FlowPolicy
from policy_server.models.flow_policy_normaliser import Normaliser, state_features
from policy_server.models.instruction_encoder import word_indices
from stage_core.errors import ConfigurationError


def make_policy(head: str = "flow") -> FlowPolicy:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = NetworkConfig(state_dim=10, action_dim=7, horizon=4, image_size=16, head=head, channels=(8, 8, 8), keypoints=4, width=32)
    network = FlowNetwork(sizes)
    with torch.no_grad():  # an untrained flow head gives zeros
        for weight in network.head.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    ones = np.ones(7, dtype=np.float32)
    normaliser = Normaliser(
        state_mean=np.zeros(10, dtype=np.float32), state_deviation=np.ones(10, dtype=np.float32),
        action_mean=0 * ones, action_deviation=0.01 * ones, action_lower=-ones, action_upper=ones,
    )  # fmt: skip
    contract = PolicyContract(
        policy_name="toy",
        cameras=(CameraEntry(name="base", key="observation/base_image", height=16, width=16),),
        state=(StateEntry(key="observation/state", fields=("ee_position", "ee_orientation", "gripper_opening")),),
        action=ActionEntry(space="ee_delta_pose", dim=7),
        control_rate_hz=20.0,
        horizon=4,
        execute=2,
        normalisation=NormalisationEntry(kind="mean_std", sha256=normaliser.sha256),
    )
    return FlowPolicy(network, normaliser, contract)


@pytest.fixture(params=["flow", "regression"])
def policy(request) -> FlowPolicy:
    return make_policy(request.param)


@pytest.fixture
def observation() -> dict:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image.flags.writeable = False  # as it comes off the wire
    state = np.array([0.5, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32)
    return {"observation/base_image": image, "observation/state": state, "prompt": "push the cube"}


def test_a_chunk_has_the_contracts_shape(policy, observation):
    actions = policy.infer(observation, seed=1)["actions"]
    assert actions.shape == (4, 7) and actions.dtype == np.float32 and np.isfinite(actions).all()


def test_the_same_seed_gives_the_same_chunk(policy, observation):
    policy.warm_up()
    first = policy.infer(observation, seed=5)["actions"]
    torch.rand(3)  # the global generator must not matter
    assert np.array_equal(first, policy.infer(observation, seed=5)["actions"])


def test_another_seed_gives_another_chunk_of_the_flow(observation):
    policy = make_policy("flow")
    assert not np.array_equal(policy.infer(observation, seed=5)["actions"], policy.infer(observation, seed=6)["actions"])


@pytest.mark.parametrize("change", [{"prompt": "pull the cube"}, {"observation/base_image": np.zeros((16, 16, 3), dtype=np.uint8)}])
def test_instruction_and_image_change_the_chunk(policy, observation, change):
    first = policy.infer(observation, seed=1)["actions"]
    assert not np.allclose(first, policy.infer(observation | change, seed=1)["actions"], atol=1e-6)


def test_a_checkpoint_gives_bit_equal_actions(policy, observation, tmp_path):
    policy.save(tmp_path / "checkpoint")
    loaded = load_policy(str(tmp_path / "checkpoint"))
    assert np.array_equal(policy.infer(observation, seed=3)["actions"], loaded.infer(observation, seed=3)["actions"])


def test_a_normaliser_of_another_checkpoint_is_refused(tmp_path):
    folder = make_policy().save(tmp_path / "checkpoint")
    text = (folder / "normaliser.json").read_text()
    (folder / "normaliser.json").write_text(text.replace("0.0", "0.5", 1))
    with pytest.raises(ConfigurationError, match="normaliser's sha256"):
        FlowPolicy.load(folder)


def test_damaged_weights_are_named(tmp_path):
    folder = make_policy().save(tmp_path / "checkpoint")
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match="model.safetensors"):
        FlowPolicy.load(folder)


def test_case_and_punctuation_do_not_count():
    assert word_indices("Push the cube!", 512) == word_indices("push  the cube", 512) != word_indices("pull the cube", 512)


def test_a_rotation_is_the_same_for_both_signs_of_its_quaternion():
    entry = StateEntry(key="s", fields=("ee_orientation",))
    quaternion = np.array([0.0, 0.0, np.sin(0.4), np.cos(0.4)])
    features = state_features(quaternion, entry, 0)
    assert np.allclose(features, [np.cos(0.8), np.sin(0.8), 0, -np.sin(0.8), np.cos(0.8), 0], atol=1e-6)  # a turn of 0.8 rad about z
    assert np.array_equal(features, state_features(-quaternion, entry, 0))


@pytest.mark.parametrize("name", sorted(checkpoints()))
def test_a_bundled_checkpoint_sees_nothing_privileged(name):
    policy = load_policy(name)
    contract = policy.contract
    assert set(contract.state_fields) <= set(STATE_FIELDS)  # ArmState arrays: nothing about objects or goals
    assert set(contract.observation) == {entry.key for entry in (*contract.cameras, *contract.state)} | {contract.prompt_key}
    assert sum(path.stat().st_size for path in checkpoints()[name].iterdir()) <= 10 * 2**20
