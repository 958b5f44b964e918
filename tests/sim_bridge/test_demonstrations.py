"""Scripted demonstrations: they succeed, they fail when asked to, and their labels are what was meant."""

from __future__ import annotations

import numpy as np
import pytest

from robot_drivers.poses import add_twist, make_pose, pose_distance
from sim_bridge.demonstration_motion import WayPoint, downward, step_towards
from sim_bridge.demonstrations import FAILURES, ScriptedDemonstrator
from sim_bridge.maniskill_settings import TASKS
from sim_bridge.rollouts import run_episode
from stage_core.errors import ConfigurationError

HORIZON = 100


@pytest.mark.parametrize("task", TASKS)
def test_a_demonstration_succeeds_by_maniskills_own_judgement(state_only, task: str) -> None:
    rollouts = [run_episode(state_only(task), ScriptedDemonstrator(), seed, HORIZON) for seed in (100, 101)]
    assert all(rollout.success for rollout in rollouts)
    assert all(rollout.steps == rollout.success_step + 10 for rollout in rollouts)  # half a second after the success


@pytest.mark.parametrize("task", TASKS)
def test_a_demonstration_with_noise_succeeds_and_stays_small(state_only, task: str) -> None:
    rollout = run_episode(state_only(task), ScriptedDemonstrator(noise=0.005), 102, HORIZON)
    assert rollout.success
    assert np.linalg.norm(rollout.actions[:, :3], axis=1).max() <= 0.03 + 1e-12
    assert np.linalg.norm(rollout.actions[:, 3:], axis=1).max() <= 0.15 + 1e-12


@pytest.mark.parametrize(("task", "failure"), [(task, failure) for task in TASKS for failure in FAILURES[task]])
def test_a_failure_fails_by_maniskills_own_judgement(state_only, task: str, failure: str) -> None:
    rollout = run_episode(state_only(task), ScriptedDemonstrator(failure=failure), 103, 70)
    assert not rollout.success and rollout.steps == 70


def test_the_label_is_the_action_without_its_noise(state_only) -> None:
    noisy = run_episode(state_only("PickCube"), ScriptedDemonstrator(noise=0.005), 104, 20)
    difference = noisy.actions - noisy.intended_actions
    assert np.abs(difference[1:, :3]).mean() > 0.001  # noise was executed
    assert np.linalg.norm(noisy.intended_actions[:, :3], axis=1).max() <= 0.02 + 1e-9  # and the label stays within the script's speed
    clean = run_episode(state_only("PickCube"), ScriptedDemonstrator(), 104, 20)
    np.testing.assert_array_equal(clean.actions, clean.intended_actions)


def test_a_demonstration_is_seldom_idle(state_only) -> None:
    rollout = run_episode(state_only("PickCube"), ScriptedDemonstrator(), 105, HORIZON)
    still = np.linalg.norm(rollout.actions[: rollout.success_step], axis=1) < 1e-3
    assert still.mean() < 0.4  # closing the fingers and the arm's lag are the rest


def test_without_the_commanded_pose_it_adds_up_its_own_actions(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.reset(0)
    truth = workcell.read_truth()
    demonstrators = [ScriptedDemonstrator(), ScriptedDemonstrator()]
    pose = np.concatenate([truth.ee_position, truth.ee_orientation])
    for demonstrator in demonstrators:
        demonstrator.reset("PushCube", 0)
    for _ in range(5):
        told = demonstrators[0].act(truth, truth.ee_position, truth.ee_orientation, 1.0, pose)
        untold = demonstrators[1].act(truth, truth.ee_position, truth.ee_orientation, 1.0)
        np.testing.assert_allclose(told.values, untold.values, atol=1e-9)
        pose = add_twist(pose, told.values)


def test_the_same_seed_gives_the_same_demonstration_and_another_does_not(state_only) -> None:
    def actions(seed: int) -> np.ndarray:
        return run_episode(state_only("PushCube"), ScriptedDemonstrator(noise=0.005, seed=seed), 106, 15).actions

    np.testing.assert_array_equal(actions(1), actions(1))
    assert not np.array_equal(actions(1), actions(2))


def test_an_unknown_failure_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match='PushCube has no failure "mis". Did you mean "miss"'):
        ScriptedDemonstrator(failure="mis").reset("PushCube", 0)


def test_noise_in_centimetres_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Metres, not centimetres"):
        ScriptedDemonstrator(noise=0.5)


def test_a_step_goes_towards_its_way_point_and_no_further_than_allowed() -> None:
    target = WayPoint(position=np.array([0.6, 0.0, 0.2]), orientation=downward(0.5), gripper=1.0, speed=0.02, turn=0.1)
    pose, goal = make_pose([0.5, 0.0, 0.2], downward(0.0)), make_pose(target.position, target.orientation)
    steps = 0
    while max(pose_distance(pose, goal)) > 1e-6:
        action = step_towards(pose, target)
        assert np.linalg.norm(action[:3]) <= 0.02 + 1e-12 and np.linalg.norm(action[3:]) <= 0.1 + 1e-12
        pose = add_twist(pose, action)
        steps += 1
    assert steps == 5  # 0.1 m at 0.02 m, 0.5 rad at 0.1 rad
