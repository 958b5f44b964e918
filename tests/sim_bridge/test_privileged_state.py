"""The simulation's truth: ManiSkill's own judgements and poses, in Stage's frames."""

from __future__ import annotations

import numpy as np
import pytest

from sim_bridge.demonstrations import ScriptedDemonstrator
from sim_bridge.maniskill_settings import TASKS
from sim_bridge.privileged_state import standing_orientation
from sim_bridge.rollouts import run_episode
from stage_core.geometry import rotate, vertical_cosine

BASE = np.array([-0.615, 0.0, 0.0])


def world_position(thing) -> np.ndarray:
    return thing.pose.p[0].numpy() - BASE


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_has_every_field_and_one_stamp(state_only, task: str) -> None:
    workcell = state_only(task)
    workcell.reset(2)
    workcell.step()
    truth = workcell.read_truth()
    assert truth.tier == 9 and truth.sequence == 1 and set(truth.input_stamps.values()) == {truth.stamp} == {workcell.now()}
    for name in ("ee_position", "object_position", "goal_position"):
        assert getattr(truth, name).shape == (3,) and getattr(truth, name).dtype == np.float64
    for name in ("ee_orientation", "object_orientation"):
        assert np.linalg.norm(getattr(truth, name)) == pytest.approx(1.0, abs=1e-5)
    assert (truth.goal_orientation is None) == (task != "LiftPegUpright")
    assert truth.released is True and truth.grasped is False and truth.contact is False and truth.object_static is True
    assert truth.contact_force == 0.0 and truth.gripper_width == pytest.approx(0.08, abs=0.002)


def test_push_and_pull_goals_lie_ahead_of_and_behind_the_cube(state_only) -> None:
    for task, way in (("PushCube", 0.2), ("PullCube", -0.2)):
        workcell = state_only(task)
        workcell.reset(5)
        truth = workcell.read_truth()
        np.testing.assert_allclose(truth.object_position, world_position(workcell.simulation.environment.obj), atol=1e-6)
        np.testing.assert_allclose(truth.goal_position - truth.object_position, [way, 0.0, 0.0], atol=1e-5)


def test_the_stack_goal_is_one_cube_above_the_lower_cube(state_only) -> None:
    workcell = state_only("StackCube")
    workcell.reset(5)
    np.testing.assert_allclose(
        workcell.read_truth().goal_position, world_position(workcell.simulation.environment.cubeB) + [0.0, 0.0, 0.04], atol=1e-6
    )


def test_the_pick_goal_is_the_marker(state_only) -> None:
    workcell = state_only("PickCube")
    workcell.reset(5)
    np.testing.assert_allclose(workcell.read_truth().goal_position, world_position(workcell.simulation.environment.goal_site), atol=1e-6)


def test_a_lying_peg_is_to_stand_half_its_length_above_where_it_lies(state_only) -> None:
    workcell = state_only("LiftPegUpright")
    workcell.reset(5)
    truth = workcell.read_truth()
    assert vertical_cosine(truth.object_orientation, axis=0) < 0.01  # its axis is local x
    assert vertical_cosine(truth.goal_orientation, axis=0) == pytest.approx(1.0)
    np.testing.assert_allclose(truth.goal_position, [*truth.object_position[:2], 0.12])


def test_the_standing_orientation_does_not_flicker_while_the_peg_lies() -> None:
    half = 0.5 * np.array([-0.05, 0.0, 0.05])  # turned a little about y, either end up
    goals = [standing_orientation(np.array([0.0, np.sin(angle), 0.0, np.cos(angle)])) for angle in half]
    assert {round(rotate(goal, (1.0, 0.0, 0.0))[2]) for goal in goals} == {-1}


@pytest.mark.parametrize("task", ["PickCube", "StackCube", "LiftPegUpright"])
def test_grasped_is_maniskills_is_grasping_in_every_state(state_only, task: str) -> None:
    workcell = state_only(task)
    environment = workcell.simulation.environment
    thing = {"PickCube": "cube", "StackCube": "cubeA", "LiftPegUpright": "peg"}[task]
    pairs = []
    run_episode(
        workcell,
        ScriptedDemonstrator(noise=0.004),
        3,
        80,
        on_step=lambda step, truth, images: pairs.append(
            (truth.grasped, bool(environment.agent.is_grasping(getattr(environment, thing))[0]))
        ),
    )
    assert all(ours == theirs for ours, theirs in pairs)
    assert {ours for ours, _ in pairs} == {False, True}


def test_a_push_is_a_contact_with_a_force_and_no_grasp(state_only) -> None:
    rollout = run_episode(state_only("PushCube"), ScriptedDemonstrator(), 0, 60)
    touched = [truth for truth in rollout.truths if truth.contact]
    assert touched and max(truth.contact_force for truth in touched) > 0.1
    assert not any(truth.grasped for truth in rollout.truths)


def test_a_cube_that_slides_is_not_static(state_only) -> None:
    rollout = run_episode(state_only("PushCube"), ScriptedDemonstrator(), 0, 60)
    moved = np.linalg.norm(np.diff([truth.object_position for truth in rollout.truths], axis=0), axis=1)
    assert all(not truth.object_static for truth, distance in zip(rollout.truths[1:], moved, strict=True) if distance > 0.005)
