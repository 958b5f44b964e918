"""Recorded episodes become arrays, and what is left out is counted."""

from __future__ import annotations

import numpy as np
import pytest
from recorded_logs import lockstep_log

from offline_rl.dataset import UnusableEpisodeError, arrays_of_episode, load_demonstrations
from offline_rl.trainers.bc_config import BehaviourCloningConfig, make_contract
from stage_core.errors import ConfigurationError


@pytest.fixture
def contract(tmp_path):
    return make_contract(BehaviourCloningConfig(episodes=(tmp_path,), output=tmp_path / "out", image_size=16, horizon=4, execute=2))


def test_shapes_follow_the_contract(make_episode, contract):
    arrays = arrays_of_episode(make_episode(), contract)
    assert arrays.images.shape == (11, 16, 16, 3) and arrays.images.dtype == np.uint8
    assert arrays.features.shape == (11, 24)  # 7 + 7 + 3 + 6 + 1: the quaternion became two columns of the rotation matrix
    assert arrays.chunks.shape == (11, 4, 7)


def test_the_sign_of_a_quaternion_does_not_matter(make_episode, contract):
    one = make_episode()
    other = make_episode(states=one.states | {"ee_orientation": -one.states["ee_orientation"]})
    assert np.array_equal(arrays_of_episode(one, contract).features, arrays_of_episode(other, contract).features)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outcomes": np.zeros(12, dtype=bool)}, "not successful"),
        ({"action_space": "joint_position"}, "action space"),
        ({"images": {}}, "no camera base"),
        ({"actions": np.full((12, 6), np.nan)}, "no action"),
        ({"outcomes": np.ones(12, dtype=bool)}, "nothing before success"),
    ],
)
def test_an_unusable_episode_says_why(make_episode, contract, changes, reason):
    with pytest.raises(UnusableEpisodeError, match=reason):
        arrays_of_episode(make_episode(**changes), contract)


def test_dropped_episodes_and_steps_are_counted(tmp_path, contract):
    root = tmp_path / "episodes"
    for seed in range(2):
        lockstep_log(root, steps=10, seed=seed, instruction="push").close()
    lockstep_log(root, steps=10, seed=2).close("failure")
    lockstep_log(root, steps=5, seed=3).close()  # the recorded outcome never says success before step 8
    lockstep_log(root, steps=10, seed=4, task="PickCube").close()
    unfinished = lockstep_log(root, steps=3, seed=5)
    report = load_demonstrations([root], contract, tasks=("PushCube",)).report
    assert report.episodes == {"PushCube": 2}
    assert report.dropped_episodes == {"not successful": 2, "other task": 1, "is recording": 1}
    assert report.steps == 16 and report.labels == {"intended": 16}  # success from step 8 on
    assert report.dropped_steps == {"after success": 4}
    assert "left out" in report.lines()[1]
    unfinished.close()


def test_the_cache_gives_the_same_arrays(tmp_path, contract):
    root, cache = tmp_path / "episodes", tmp_path / "cache"
    lockstep_log(root).close()
    first = load_demonstrations([root], contract, cache=cache)
    assert list(cache.glob("*.npz"))
    again = load_demonstrations([root], contract, cache=cache)
    assert first.report == again.report and np.array_equal(first.chunks, again.chunks)


def test_a_directory_without_episodes_is_named(tmp_path, contract):
    with pytest.raises(ConfigurationError, match="no usable episode"):
        load_demonstrations([tmp_path], contract)
    with pytest.raises(ConfigurationError, match="nowhere"):
        load_demonstrations([tmp_path / "nowhere"], contract)
