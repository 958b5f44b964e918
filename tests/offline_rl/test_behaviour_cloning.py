"""The trainer on toy demonstrations: the loss falls, and what comes out can be served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded_logs import lockstep_log

from offline_rl.batches import change_brightness, draw_batches, instruction_choices, shift_images
from offline_rl.dataset import Demonstrations, arrays_of_episode
from offline_rl.normaliser import fit_normaliser
from offline_rl.trainable_policy import TrainableFlowPolicy
from offline_rl.trainers.bc import BehaviourCloningConfig, learning_rate_share, load_training_config, train_bc
from offline_rl.trainers.bc_config import make_contract
from policy_server.loading import load_policy
from policy_server.models.flow_network import FlowNetwork, NetworkConfig
from stage_core.errors import ConfigurationError

TRAINING = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/training"


def toy_policy(make_episode, head: str, tmp_path) -> tuple[TrainableFlowPolicy, Demonstrations]:
    config = BehaviourCloningConfig(episodes=(tmp_path,), output=tmp_path, image_size=16, horizon=4, execute=2)
    contract = make_contract(config)
    tasks = ["PushCube", "PullCube"] * 8
    instructions = [{"PushCube": "push the cube", "PullCube": "pull the cube"}[task] for task in tasks]
    arrays = [arrays_of_episode(make_episode(task, seed=seed), contract) for seed, task in enumerate(tasks)]
    joined = {name: np.concatenate([getattr(entry, name) for entry in arrays]) for name in ("images", "features", "chunks", "actions")}
    episode_of = np.repeat(np.arange(len(tasks)), [len(entry.images) for entry in arrays])
    demonstrations = Demonstrations(**joined, episode_of=episode_of, instructions=instructions, tasks=tasks, report=None)
    normaliser = fit_normaliser(demonstrations.features, demonstrations.actions, groups=((0, 3), (3, 6)))
    torch.manual_seed(0)
    sizes = NetworkConfig(
        state_dim=24, action_dim=7, horizon=4, image_size=16, head=head, channels=(8, 8, 8), keypoints=4, width=32, blocks=1
    )
    return TrainableFlowPolicy(FlowNetwork(sizes), normaliser, contract, draws=4), demonstrations


@pytest.mark.parametrize("head", ["flow", "regression"])
def test_the_loss_falls(make_episode, head, tmp_path):
    policy, demonstrations = toy_policy(make_episode, head, tmp_path)
    torch.set_num_threads(1)
    batches = draw_batches(demonstrations, policy.normaliser, buckets=512, batch_size=32)
    optimiser = torch.optim.AdamW(policy.module.parameters(), 3e-3)
    losses = []
    for _ in range(80):
        loss = policy.imitation_loss(next(batches))
        assert loss.shape == (32,)
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
        losses.append(loss.mean().item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert policy.sample(next(batches)).shape == (32, 4, 7)


def test_a_trained_checkpoint_can_be_served_and_says_what_it_learned_from(tmp_path):
    root = tmp_path / "episodes"
    for seed in range(2):
        lockstep_log(root, seed=seed, instruction="push the cube").close()
    config = BehaviourCloningConfig(
        episodes=(root,), output=tmp_path / "checkpoint", steps=3, batch_size=4, image_size=16, quiet=True, threads=1, precision="float32"
    )
    report = train_bc(config)
    assert report.steps == 3 and "3 steps" in str(report)
    policy = load_policy(str(tmp_path / "checkpoint"))
    assert policy.contract.horizon == 8 and policy.contract.normalisation.sha256 == policy.normaliser.sha256
    training = json.loads((tmp_path / "checkpoint/training.json").read_text())
    assert training["data_sha256"] == report.data["sha256"] and training["seed"] == 0 and training["losses"]
    assert str(tmp_path) not in (tmp_path / "checkpoint/training.json").read_text()
    weights = (tmp_path / "checkpoint/model.safetensors").read_bytes()
    train_bc(config)
    assert (tmp_path / "checkpoint/model.safetensors").read_bytes() == weights  # same seed, same data, same weights


def test_training_goes_on_from_a_checkpoint(tmp_path):
    root, settings = tmp_path / "episodes", {"steps": 2, "batch_size": 4, "image_size": 16, "quiet": True, "threads": 1}
    lockstep_log(root, instruction="push the cube").close()
    train_bc(BehaviourCloningConfig(episodes=(root,), output=tmp_path / "first", **settings))
    train_bc(BehaviourCloningConfig(episodes=(root,), output=tmp_path / "second", initial=tmp_path / "first", seed=1, **settings))
    first, second = (load_policy(str(tmp_path / name)) for name in ("first", "second"))
    assert first.normaliser.sha256 == second.normaliser.sha256
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert 0.0 < max((one - other).abs().max().item() for one, other in pairs) < 0.05  # two more steps, not another start
    with pytest.raises(ConfigurationError, match="differs in horizon"):
        train_bc(BehaviourCloningConfig(episodes=(root,), output=tmp_path / "third", initial=tmp_path / "first", horizon=4, **settings))


def test_a_tasks_weight_decides_how_often_its_steps_are_drawn(make_episode, tmp_path):
    policy, demonstrations = toy_policy(make_episode, "flow", tmp_path)
    torch.manual_seed(0)
    batches = draw_batches(demonstrations, policy.normaliser, buckets=512, batch_size=4000, task_weights={"PushCube": 3.0})
    pushes = policy.normaliser.restore_actions(next(batches).actions[:, 0].numpy())[:, 0] > 0.0
    assert abs(pushes.mean() - 0.75) < 0.03  # half of the steps, drawn three times as often


def test_every_wording_of_a_task_file_is_used(tmp_path):
    task_file = TRAINING.parent / "tasks/push_cube.yaml"
    texts, choices = instruction_choices(["recorded", "other"], ["PushCube", "Unknown"], (task_file,))
    assert len(texts) == choices[0][1] + 1 and texts[choices[1][0]] == "other" and "recorded" not in texts


def test_brightness_stays_in_range_and_zero_changes_nothing():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    changed = change_brightness(images, 0.5)
    assert changed.min() >= 0.0 and changed.max() <= 255.0
    assert torch.equal(change_brightness(images, 0.0), images.float())


def test_a_shifted_image_is_moved_as_a_whole():
    torch.manual_seed(0)
    image = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).repeat(50, 3, 1, 1)
    shifted = shift_images(image, 2)
    # Inside, every pixel has moved by the same number of rows (8 apart in value) and columns (1 apart).
    moves = (shifted.int() - image.int())[:, 0, 2:6, 2:6].flatten(1)
    assert (moves == moves[:, :1]).all() and len(moves[:, 0].unique()) > 10
    assert {int(move) for move in moves[:, 0]} <= {8 * row + column for row in range(-2, 3) for column in range(-2, 3)}
    assert torch.equal(shift_images(image, 0), image)


def test_the_learning_rate_rises_and_falls():
    assert learning_rate_share(1, 0.0, 10) == pytest.approx(0.1)
    assert learning_rate_share(50, 0.5, 10) == pytest.approx(0.5)
    assert learning_rate_share(100, 1.0, 10) == pytest.approx(0.0)


def test_bundled_training_files_can_be_read(tmp_path):
    for path in TRAINING.glob("*.yaml"):
        config = load_training_config(path, episodes=[str(tmp_path)], output=str(tmp_path))
        assert config.steps > 0 and all(file.is_file() for file in config.task_files)


def test_a_wrong_setting_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="batch_size is 0"):
        BehaviourCloningConfig(episodes=(tmp_path,), output=tmp_path, batch_size=0)
    with pytest.raises(ConfigurationError, match="episodes is empty"):
        BehaviourCloningConfig(episodes=(), output=tmp_path)
