import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage_core import potentials
from stage_core.monitor import StageMonitor

distances = st.floats(0.0, 10.0)
scales = st.floats(0.0, 5.0)


@given(st.floats(0.001, 5.0))
def test_on_the_spot_the_raw_form_is_0_731_and_ours_is_1(scale):
    assert potentials.raw_closeness(0.0, scale) == pytest.approx(0.731059, abs=1e-6)
    assert potentials.closeness(0.0, scale) == 1.0


@given(st.floats(0.001, 5.0))
def test_at_the_scale_the_raw_form_is_one_half(scale):
    assert potentials.raw_closeness(scale, scale) == 0.5


@given(distances, scales)
def test_no_distance_or_scale_gives_nan(distance, scale):
    assert 0.0 <= potentials.closeness(distance, scale) <= 1.0
    assert 0.0 <= potentials.lift_potential(distance, scale) <= 1.0


@given(distances, distances, st.floats(0.01, 5.0))
def test_nearer_is_never_worse(first, second, scale):
    near, far = sorted((first, second))
    assert potentials.closeness(near, scale) >= potentials.closeness(far, scale)


def test_numbers_computed_by_hand():
    # n(0.10, 0.10) = 0.5 / 0.731059 = 0.683940
    assert potentials.closeness(0.10, 0.10) == pytest.approx(0.683940, abs=1e-6)
    # 0.5 + 0.5 tanh(5 / 5) = 0.5 + 0.5 * 0.761594
    assert potentials.grasp_potential(True, 5, weight=0.5, duration_weight=0.5, duration_steps=5.0) == pytest.approx(0.880797, abs=1e-6)
    # (0.683940 + 0.25) / 1.25
    assert potentials.transport_potential(0.2, True, scale=0.2, grasp_weight=0.25) == pytest.approx(0.747152, abs=1e-6)
    # (1 + 0.25 * 0.5) / 1.25
    assert potentials.place_potential(0.0, 0.5, scale=0.05, orientation_weight=0.25) == pytest.approx(0.9)
    # half of the lift: sigma(0.5) / sigma(1) = 0.622459 / 0.731059
    assert potentials.lift_potential(0.05, 0.10) == pytest.approx(0.851449, abs=1e-6)
    # (1 + 1 - tanh(0.05)) / 2
    assert potentials.upright_potential(1.0, 0.01) == pytest.approx(1.0 - math.tanh(0.05) / 2)


@given(st.integers(0, 3), st.floats(0.0, 1.0), st.integers(0, 4), st.floats(0.0, 1.0))
def test_the_cumulative_potential_never_falls_when_the_stage_rises(stage, potential, later_stage, later_potential):
    before = potentials.cumulative_potential(stage, potential, 4)
    after = potentials.cumulative_potential(later_stage, later_potential, 4)
    if later_stage > stage:
        assert after >= before
    assert 0.0 <= after <= 1.0


def test_losing_the_grasp_lowers_the_potential():
    held = potentials.transport_potential(0.1, True, scale=0.2, grasp_weight=0.25)
    assert potentials.transport_potential(0.1, False, scale=0.2, grasp_weight=0.25) < held


def test_an_unknown_term_leaves_the_others_and_too_little_is_absent():
    assert potentials.combine([(1.0, 0.8, 1.0), (0.25, 1.0, 0.0)]) == (pytest.approx(0.8), pytest.approx(0.8))
    assert potentials.combine([(1.0, 0.0, 0.0)]) == (None, 0.0)
    # 1 * 0.5 and 0.25 * 1: (0.5 * 0.8 + 0.25) / 0.75
    assert potentials.combine([(1.0, 0.8, 0.5), (0.25, 1.0, 1.0)])[0] == pytest.approx(0.866667, abs=1e-6)


def test_a_barely_known_goal_makes_the_push_potential_absent(tasks, push_episode):
    monitor = StageMonitor(tasks["PushCube"], 20.0)
    updates = [monitor.update(observation) for observation in push_episode[:18]]
    assert updates[-1].stage_name == "push"
    unsure = push_episode[18]
    unsure.confidence["goal_position"] = 0.25
    update = monitor.update(unsure)
    assert update.potential is None
    assert update.shaped_reward == 0.0
    assert update.progress == updates[-1].progress


def test_the_literal_form_drops_when_the_stage_rises_and_the_cumulative_one_does_not(tasks, stack_episode):
    def drop(mode: str) -> float:
        monitor = StageMonitor(tasks["StackCube"], 20.0, mode)
        for observation in stack_episode:
            update = monitor.update(observation)
            if update.stage_name == "grasp":
                return update.shaped_reward
        raise AssertionError("the stage never rose")

    assert drop("literal") < -0.5  # the paper's form punishes the touch: reach 0.6 -> grasp 0
    assert drop("cumulative") >= -0.01


def test_a_stage_that_is_switched_off_gives_no_shaping_inside_it(tasks, push_episode):
    import dataclasses

    task = tasks["PushCube"]
    off = dataclasses.replace(task, potentials=dataclasses.replace(task.potentials, disabled_stages=("reach",), discount=1.0))
    monitor = StageMonitor(off, 20.0)
    for observation in push_episode[:10]:
        update = monitor.update(observation)
        assert update.stage_name == "reach"
        assert update.potential == 0.0
        assert update.shaped_reward == 0.0
