"""The scripted policy: small steps, a closed path, nothing remembered, no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from policy_server.models.scripted import GRID, OUTER, ScriptedPolicy


def follow(policy, start, steps, opening=0.5):
    """Return the (steps + 1, 2) path of a tool that executes 4 actions of each chunk, as the contract says, and all rows run."""
    position = np.array([*start, 0.28])
    path, rows = [position[:2].copy()], []
    while len(path) <= steps:
        state = np.array([*position, 1, 0, 0, 0, opening], np.float32)
        actions = policy.infer({"observation/state": state})["actions"]
        for row in actions[: policy.contract.execute]:
            position = position + row[:3]
            path.append(position[:2].copy())
            rows.append(row)
    return np.array(path), np.array(rows)


@pytest.mark.parametrize("seed", range(20))
def test_no_step_is_longer_than_3_mm_wherever_the_tool_is(seed):
    start = np.random.default_rng(seed).uniform(-0.7, 0.7, 2)
    path, rows = follow(ScriptedPolicy(), start, 200)
    assert np.linalg.norm(rows[:, :3], axis=1).max() < 0.003
    assert np.abs(path - path[0]).max() < GRID
    assert not rows[:, 2:6].any() and (rows[:, 6] == 0.5).all()


def test_path_on_the_ring_is_closed():
    centre = np.array([0.45, 0.05])
    start = centre + [OUTER, 0.0]
    path, _ = follow(ScriptedPolicy(), start, 90)  # 75.4 steps of 2.5 mm are once round a radius of 30 mm
    distance = np.linalg.norm(path - start, axis=1)
    assert distance[10:40].max() > 1.9 * OUTER  # it went right across
    assert distance[60:].min() < 0.0015  # and came back to where it began, within half a step
    assert np.linalg.norm(path - centre, axis=1) == pytest.approx(OUTER, abs=1e-5)


def test_direction_turns_smoothly():
    _, rows = follow(ScriptedPolicy(), (0.46, 0.02), 200)
    assert np.linalg.norm(np.diff(rows[:, :2], axis=0), axis=1).max() < 0.001


def test_same_observation_gives_the_same_bytes_whatever_came_before():
    observation = {"observation/state": np.array([0.46, 0.02, 0.28, 1, 0, 0, 0, 0.3], np.float32)}
    used = ScriptedPolicy()
    follow(used, (0.1, 0.1), 20)
    assert used.infer(observation, seed=1)["actions"].tobytes() == ScriptedPolicy().infer(observation)["actions"].tobytes()


def test_contract_fits_the_fake_workcell():
    contract = ScriptedPolicy().contract
    assert (contract.control_rate_hz, contract.horizon, contract.execute) == (20.0, 8, 4)
    assert {"fake", "panda", "fr3", "xarm7"} <= set(contract.robot_models)
    assert contract.observation["observation/state"]["shape"] == [8]
    assert contract.cameras[0].name == "base" and contract.cameras[0].shape == (128, 128, 3)


def test_needs_no_torch():
    code = "import sys; from policy_server.loading import load_policy; load_policy('scripted').warm_up(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
