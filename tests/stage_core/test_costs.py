"""Stage costs against numbers worked out by hand."""

import dataclasses
import math

import pytest

from stage_core.costs import StageCosts
from stage_core.labels import label_observations
from stage_core.signals import SignalReader

RATE = 20.0


def cost_of(task, stage: str, observations, rate: float = RATE) -> float | None:
    """ℓ of `stage` when every step of `observations` has that label."""
    reader, costs = SignalReader(task, rate), StageCosts(task, rate)
    k = task.stages.index(stage)
    for observation in observations:
        value = costs.add(k, reader.read(observation))
    assert value == costs.costs()[k]
    return value


def test_reach_is_the_mean_distance_to_the_object_not_to_the_goal(tasks, observation_of):
    steps = [
        observation_of(i, ee_position=(0.1 * i, 0.0, 0.0), object_position=(0.3, 0.0, 0.0), goal_position=(9.0, 0, 0)) for i in range(3)
    ]
    assert cost_of(tasks["StackCube"], "reach", steps) == pytest.approx((0.3 + 0.2 + 0.1) / 3)


def test_reach_of_the_peg_ends_at_its_grasp_point(tasks, observation_of):
    step = observation_of(0, ee_position=(0.5, -0.095, 0.0), object_position=(0.5, 0.0, 0.0), object_orientation=(0, 0, 0.5**0.5, 0.5**0.5))
    assert cost_of(tasks["LiftPegUpright"], "reach", [step]) == pytest.approx(0.0, abs=1e-12)


def test_grasp_adds_distance_and_slip(tasks, observation_of):
    # 2.5 cm from the object: 0.5 * 0.025 / 0.05 = 0.25; the object slips 6 mm in the hand at the second step: + 0.5
    first = observation_of(0, ee_position=(0.025, 0, 0), object_position=(0.0, 0, 0), grasped=True)
    second = observation_of(1, ee_position=(0.031, 0, 0), object_position=(0.0, 0, 0), grasped=True)
    assert cost_of(tasks["StackCube"], "grasp", [first]) == pytest.approx(0.25)
    assert cost_of(tasks["StackCube"], "grasp", [first, second]) == pytest.approx((0.25 + 0.31 + 0.5) / 2)
    still = observation_of(1, ee_position=(0.029, 0, 0), object_position=(0.0, 0, 0), grasped=True)  # 4 mm: no slip
    assert cost_of(tasks["StackCube"], "grasp", [first, still]) == pytest.approx((0.25 + 0.29) / 2)


def test_a_jump_of_the_fingers_while_grasped_is_a_slip_and_closing_them_is_not(tasks, observation_of):
    fields = {"ee_position": (0.0, 0, 0), "object_position": (0.0, 0, 0)}
    held = [observation_of(i, grasped=True, gripper_width=0.04 - 0.003 * i, **fields) for i in range(2)]
    closing = [observation_of(i, grasped=False, gripper_width=0.08 - 0.01 * i, **fields) for i in range(2)]
    assert cost_of(tasks["StackCube"], "grasp", held) == pytest.approx(0.25)
    assert cost_of(tasks["StackCube"], "grasp", closing) == pytest.approx(0.0)


def test_transport_is_the_distance_to_the_reference_path(tasks, observation_of):
    task = tasks["StackCube"]
    goal = (0.2, 0.0, 0.04)
    reader, costs = SignalReader(task, RATE), StageCosts(task, RATE)
    costs.add(1, reader.read(observation_of(0, ee_position=(0, 0, 0), object_position=(0, 0, 0.02), goal_position=goal, grasped=True)))
    # path (0,0,.02) -> (0,0,.10) -> (.2,0,.10) -> (.2,0,.04): on it, 3 cm aside of it, 2 cm above it
    values = [(0, 0, 0.06), (0.1, 0.03, 0.10), (0.1, 0.0, 0.12)]
    for i, place in enumerate(values):
        cost = costs.add(2, reader.read(observation_of(i + 1, object_position=place, goal_position=goal, grasped=True)))
    assert cost == pytest.approx((0.0 + 0.03 + 0.02) / 3)


def test_contact_adds_lost_touch_and_distance_to_the_line(tasks, observation_of):
    fields = {"goal_position": (1.0, 0.0, 0.0)}
    touching = observation_of(0, object_position=(0.5, 0.0, 0.0), contact=True, **fields)
    aside = observation_of(1, object_position=(0.6, 0.02, 0.0), contact=False, **fields)  # 0.5 + 10 * 0.02
    assert cost_of(tasks["PushCube"], "contact", [touching, aside]) == pytest.approx((0.0 + 0.7) / 2)


def test_push_is_the_last_distance_and_the_mean_sideways_motion(tasks, observation_of):
    places = [(0.5, 0.0, 0.0), (0.6, 0.01, 0.0), (0.7, 0.04, 0.0)]  # goes 1 cm and 3 cm sideways
    steps = [observation_of(i, object_position=place, goal_position=(1.0, 0.0, 0.0)) for i, place in enumerate(places)]
    assert cost_of(tasks["PushCube"], "push", steps) == pytest.approx(math.hypot(0.3, 0.04) + 5.0 * (0.01 + 0.03) / 2)
    assert cost_of(tasks["PullCube"], "pull", steps) == pytest.approx(math.hypot(0.3, 0.04) + 5.0 * (0.01 + 0.03) / 2)


def test_goal_adds_distance_and_motion(tasks, observation_of):
    steps = [observation_of(i, object_position=(0.9 + 0.01 * i, 0, 0), goal_position=(1.0, 0, 0)) for i in range(3)]
    # first step has no motion yet; then 10 * 0.09 + 20 * 0.01 and 10 * 0.08 + 20 * 0.01
    assert cost_of(tasks["PushCube"], "goal", steps) == pytest.approx((1.1 + 1.0) / 2)


def test_place_is_the_last_five_motions_and_the_last_distance(tasks, observation_of):
    # motions: 5 of 4 cm that are forgotten, then 5 of 1 mm; ends 2 cm from the goal
    x, places = 0.0, [0.0]
    for motion in [0.04] * 5 + [0.001] * 5:
        x += motion
        places.append(x)
    steps = [observation_of(i, object_position=(value, 0, 0), goal_position=(x + 0.02, 0, 0)) for i, value in enumerate(places)]
    assert cost_of(tasks["StackCube"], "place", steps) == pytest.approx(20.0 * 0.001 + 10.0 * 0.02)
    # fewer than five: all are used
    assert cost_of(tasks["StackCube"], "place", steps[:3]) == pytest.approx(20.0 * 0.04 + 10.0 * (x + 0.02 - 0.08))


def test_an_object_at_rest_far_away_is_not_perfect(tasks, observation_of):
    steps = [observation_of(i, object_position=(0.0, 0, 0), goal_position=(0.3, 0, 0)) for i in range(8)]
    assert cost_of(tasks["StackCube"], "place", steps) == pytest.approx(3.0)


def test_lift_is_the_missing_height_and_upright_the_angle(tasks, observation_of):
    steps = [observation_of(i, object_position=(0, 0, 0.025 + h)) for i, h in enumerate((0.0, 0.005, 0.05))]
    assert cost_of(tasks["LiftPegUpright"], "lift", steps) == pytest.approx((0.02 + 0.015 + 0.0) / 3)
    half = math.radians(30) / 2
    turned = [observation_of(0, object_position=(0, 0, 0), object_orientation=(0.0, -math.sin(half), 0.0, math.cos(half)))]
    assert cost_of(tasks["LiftPegUpright"], "upright", turned) == pytest.approx(math.radians(60))
    down = [observation_of(0, object_position=(0, 0, 0), object_orientation=(0.0, 0.5**0.5, 0.0, 0.5**0.5))]
    assert cost_of(tasks["LiftPegUpright"], "upright", down) == pytest.approx(0.0, abs=1e-7)  # either end up


def test_an_empty_segment_has_no_cost(tasks, push_episode):
    labels = label_observations(tasks["PushCube"], RATE, push_episode[:5])
    assert labels.segment_costs[0] is not None
    assert labels.segment_costs[1:] == (None, None, None)


def test_costs_do_not_depend_on_the_control_rate(tasks, observation_of):
    def slide(rate: float, steps: int):
        return [
            dataclasses.replace(
                observation_of(i, object_position=(0.4 * i / rate, 0.2 * i / rate, 0.0), goal_position=(1.0, 0, 0)), stamp=i / rate
            )
            for i in range(steps)
        ]

    slow, fast = slide(20.0, 21), slide(40.0, 41)
    task = tasks["PushCube"]
    assert cost_of(task, "push", slow, 20.0) == pytest.approx(cost_of(task, "push", fast, 40.0))


def test_every_cost_of_an_episode_is_known_and_not_negative(tasks, push_episode, stack_episode, peg_episode):
    for name, episode in (("PushCube", push_episode), ("StackCube", stack_episode), ("LiftPegUpright", peg_episode)):
        costs = label_observations(tasks[name], RATE, episode).segment_costs
        assert all(cost is not None and cost >= 0.0 for cost in costs), (name, costs)
