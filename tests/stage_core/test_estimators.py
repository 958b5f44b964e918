"""Estimators against hand-made signals: each rule of spec/stare section 1, and that nothing is guessed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage_core.builder import StageObservationBuilder
from stage_core.estimators import HISTORY, SensorEstimators
from stage_core.estimators_contact import LoadContact
from stage_core.estimators_gripper import GraspEstimator
from stage_core.estimators_motion import MOST_SAMPLES, MovesWithHand, ObjectMotion
from stage_core.estimators_settings import GripperFacts, SensingConfig
from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.signals import SignalReader

RATE = 20.0
HAND = GripperFacts(open_width_m=0.08)
DOWN = (1.0, 0.0, 0.0, 0.0)


class Fingers:
    """Feeds one GraspEstimator at the control rate and keeps its last answer."""

    def __init__(self, **sensing) -> None:
        self.estimator = GraspEstimator(SensingConfig(**sensing), HAND, RATE)
        self.steps = 0

    def see(self, width, count=1, **more):
        for _ in range(count):
            self.grasped, self.confidence, self.tier = self.estimator.update(self.steps / RATE, width, **more)
            self.steps += 1
        return self.grasped


def closed_on_a_cube(**more) -> Fingers:
    fingers = Fingers()
    fingers.estimator.command(0.0)
    fingers.see(0.08, 2)
    fingers.see(0.06)
    fingers.see(0.04, 3, **more)
    return fingers


def test_a_grasp_is_seen_in_the_third_frame_of_settled_fingers():
    fingers = Fingers()
    fingers.estimator.command(0.0)
    assert fingers.see(0.08) is False
    assert fingers.see(0.06) is False  # on the way
    assert [fingers.see(0.04) for _ in range(3)] == [False, False, True]
    assert (fingers.confidence, fingers.tier) == (0.7, 0)


def test_settling_is_seconds_and_not_frames():
    slow = GraspEstimator(SensingConfig(grasp_settle_s=0.2), HAND, 10.0)
    slow.command(0.0)
    slow.update(0.0, 0.08)
    assert [slow.update(0.1 * k, 0.04)[0] for k in range(1, 4)] == [False, True, True]  # two frames at 10 Hz last 0.2 s


@pytest.mark.parametrize(("width", "grasped"), [(0.0019, False), (0.0021, True), (0.0769, True), (0.0771, False)])
def test_fingers_nearly_closed_or_nearly_open_hold_nothing(width, grasped):
    fingers = Fingers()
    fingers.estimator.command(0.0)
    assert fingers.see(width, 5) is grasped


def test_fingers_that_rest_where_they_were_told_hold_nothing():
    fingers = Fingers()
    fingers.estimator.command(0.5)  # 40 mm
    assert fingers.see(0.04, 5) is False
    assert fingers.see(0.05, 5) is True  # told 40 mm, kept apart at 50 mm


def test_without_a_known_command_a_half_closed_hand_is_unknown_and_an_open_one_is_not():
    fingers = Fingers()
    assert fingers.see(0.04, 9) is None
    assert fingers.confidence == 0.0
    assert fingers.see(0.08) is False


def test_a_command_to_open_ends_the_grasp_at_once():
    fingers = closed_on_a_cube()
    fingers.estimator.command(1.0)
    assert fingers.see(0.04) is False


def test_a_quiver_of_the_fingers_is_no_loss_and_fingers_that_close_on_are():
    fingers = closed_on_a_cube()
    assert fingers.see(0.0388) is True
    assert fingers.see(0.041) is True
    assert fingers.see(0.03) is False


def test_effort_makes_a_grasp_surer_and_its_absence_makes_it_unknown():
    assert closed_on_a_cube(effort=20.0).grasped is True
    pressed = closed_on_a_cube(effort=20.0)
    assert (pressed.confidence, pressed.tier) == (0.85, 1)
    slack = closed_on_a_cube(effort=0.1)
    assert (slack.grasped, slack.confidence) == (None, 0.0)


def test_the_grippers_own_word_counts_as_effort_does():
    assert (closed_on_a_cube(is_grasped=True).tier, closed_on_a_cube(is_grasped=False).grasped) == (1, None)


def test_an_object_that_stays_behind_is_not_held_whatever_the_fingers_say():
    left = closed_on_a_cube(effort=20.0, moves_with_hand=False)
    assert (left.grasped, left.confidence, left.tier) == (False, 0.95, 2)
    carried = closed_on_a_cube(effort=20.0, moves_with_hand=True)
    assert (carried.grasped, carried.confidence, carried.tier) == (True, 0.95, 2)


def test_a_width_that_is_not_measured_says_nothing():
    for width in (None, math.nan):
        fingers = closed_on_a_cube()
        assert fingers.see(width) is None


def test_a_gap_in_the_states_breaks_the_row():
    estimator = GraspEstimator(SensingConfig(), HAND, RATE)
    estimator.command(0.0)
    estimator.update(0.0, 0.04)
    estimator.update(0.05, 0.04)
    assert estimator.update(2.0, 0.04)[0] is False


def test_a_force_is_a_touch_only_beyond_its_bias():
    load = LoadContact(3.0, bias_s=1.0, settle_s=0.3, largest=False)
    answers = [load.update(k / RATE, (5.0, 0.0, -2.0)) for k in range(20)]
    assert answers[0] == (None, 0.0)
    assert answers[-1] == (False, 0.0)
    touching, force = load.update(1.0, (5.0, 4.0, -2.0))
    assert touching is True
    assert force == pytest.approx(4.0)
    assert load.update(1.05, (5.0, 2.0, -2.0))[0] is True  # hysteresis: half the threshold
    assert load.update(1.10, (5.0, 1.0, -2.0))[0] is False


def test_a_bias_that_drifts_is_followed_and_a_push_is_not_swallowed():
    load = LoadContact(3.0, bias_s=1.0, settle_s=0.3, largest=False)
    drift = [load.update(k / RATE, (0.05 * k, 0.0, 0.0))[0] for k in range(400)]  # 1 N/s, 20 N in all
    assert True not in drift
    push = [load.update(20.0 + k / RATE, (20.0 + 8.0, 0.0, 0.0))[0] for k in range(100)]  # 5 s
    assert all(push)


def test_torques_are_compared_joint_by_joint():
    load = LoadContact(1.0, bias_s=1.0, settle_s=0.3, largest=True)
    for k in range(10):
        load.update(k / RATE, [0.4] * 7)
    assert load.update(0.5, [1.0] * 7)[0] is False  # 0.6 each; their length would be 1.6
    assert load.update(0.55, [0.4] * 6 + [2.0])[0] is True


def fit(speed: float, noise: float, *, seconds: float = 1.0, rate: float = 30.0, seed: int = 0) -> list[tuple[bool | None, float]]:
    random = np.random.default_rng(seed)
    motion = ObjectMotion(0.3, 0.01)
    return [
        motion.update(k / rate, tuple(np.array([speed * k / rate, 0.0, 0.0]) + noise * random.standard_normal(3)))
        for k in range(round(seconds * rate))
    ]


def test_an_object_at_rest_is_static_once_it_was_seen_for_long_enough():
    answers = fit(0.0, 0.0)
    assert answers[0] == (None, 0.0)
    assert answers[-1] == (True, 1.0)


def test_the_noise_of_a_detector_is_not_taken_for_motion():
    rest, moving = [], []
    for seed in range(20):
        rest += [a for a in fit(0.0, 0.0005, seed=seed, seconds=2.0) if a[0] is not None]
        moving += [a for a in fit(0.05, 0.0005, seed=seed, seconds=2.0) if a[0] is not None]
    assert np.mean([static for static, _ in rest]) > 0.99  # frame differences of 0.5 mm at 30 Hz would read 21 mm/s
    assert not any(static for static, _ in moving)


def test_noise_too_great_to_tell_lowers_the_confidence():
    sure = np.mean([confidence for static, confidence in fit(0.0, 0.0002) if static is not None])
    unsure = np.mean([confidence for static, confidence in fit(0.0, 0.005) if static is not None])
    assert sure > 0.99
    assert unsure < 0.8


def test_an_object_moves_with_the_hand_or_stays_behind():
    for share, expected in ((1.0, True), (0.0, False), (0.5, None)):
        with_hand = MovesWithHand(0.015)
        answers = [with_hand.update((0.0, 0.0, 0.002 * k), DOWN, (0.01, 0.0, share * 0.002 * k)) for k in range(20)]
        assert answers[0] is None
        assert answers[-1] is expected


def test_turning_the_hand_counts_as_a_way_too():
    with_hand = MovesWithHand(0.015)
    for angle in np.linspace(0.0, 0.5, 20):
        held = (0.1 * np.cos(angle), 0.1 * np.sin(angle), 0.0)
        answer = with_hand.update((0.0, 0.0, 0.0), (0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2)), held)
    assert answer is True


class Robot:
    """Feeds SensorEstimators and a builder as a node does: object poses late by `latency` steps."""

    def __init__(self, task, **facts) -> None:
        self.estimators = SensorEstimators(task, RATE, gripper=facts.pop("gripper", HAND))
        self.builder = StageObservationBuilder(self.estimators.limits)
        self.latency = facts.pop("latency", 1)
        self.late: list[tuple] = []
        self.k = 0

    def step(self, hand, *, thing="none", confidence=0.9, opening=None, **more):
        stamp = self.k / RATE
        if opening is not None:
            self.estimators.update_command(opening)
        if not isinstance(thing, str):
            self.late.append((self.k + self.latency, stamp, thing, confidence))
        for _, at, place, sure in [entry for entry in self.late if entry[0] <= self.k]:
            for estimate in self.estimators.update_object(at, place, None, sure):
                self.builder.add(**estimate)
        self.late = [entry for entry in self.late if entry[0] > self.k]
        for estimate in self.estimators.update_arm(stamp, ee_position=hand, ee_orientation=DOWN, **more):
            self.builder.add(**estimate)
        self.observation = self.builder.build(stamp, self.k, 0)
        self.k += 1
        return self.observation


@pytest.fixture
def taught(tasks):
    """The stack task with a goal that was taught."""
    task = tasks["StackCube"]
    goal = dataclasses.replace(task.goal, source="taught", position_m=(0.6, 0.1, 0.06))
    return dataclasses.replace(task, goal=goal)


def test_the_gripper_alone_gives_tier_0_and_no_pose(taught):
    robot = Robot(taught)
    for _ in range(4):
        robot.step((0.5, 0.0, 0.1), opening=0.0, gripper_width=0.04)
    seen = robot.observation
    assert (seen.tier, seen.grasped, seen.released) == (0, True, False)
    assert (seen.object_position, seen.contact, seen.contact_force, seen.object_static) == (None, None, None, None)
    assert seen.confidence["grasped"] == 0.7
    assert seen.goal_position.tolist() == [0.6, 0.1, 0.06]
    assert seen.input_stamps["gripper"] == seen.stamp


def test_without_a_gripper_nothing_is_said_about_grasps(taught):
    seen = Robot(taught, gripper=None).step((0.5, 0.0, 0.1), gripper_width=0.04)
    assert (seen.grasped, seen.released, seen.gripper_width) == (None, None, None)


def test_an_object_that_was_looked_for_and_not_seen_is_none_at_once(taught):
    robot = Robot(taught, latency=0)
    assert robot.step((0.5, 0.0, 0.1), thing=(0.5, 0.0, 0.02)).object_position is not None
    assert robot.step((0.5, 0.0, 0.1), thing=None).object_position is None


def test_an_object_pose_is_as_old_as_its_image_and_too_old_is_none(taught):
    robot = Robot(taught, latency=2)
    for _ in range(3):
        robot.step((0.5, 0.0, 0.1), thing=(0.5, 0.0, 0.02))
    assert robot.observation.input_stamps["object"] == 0.0
    for _ in range(6):
        robot.step((0.5, 0.0, 0.1))
    assert robot.observation.object_position is None  # last image at 0.1 s; limit 0.2 s


def test_lifting_an_object_gives_tier_2_grasp_and_losing_sight_of_it_does_not(taught):
    robot = Robot(taught)
    for _ in range(4):
        robot.step((0.5, 0.0, 0.02), thing=(0.5, 0.0, 0.02), opening=0.0, gripper_width=0.04)
    assert robot.observation.confidence["grasped"] == 0.7
    for k in range(10):
        height = 0.02 + 0.005 * k
        robot.step((0.5, 0.0, height), thing=(0.5, 0.0, height), gripper_width=0.04)
    assert (robot.observation.grasped, robot.observation.confidence["grasped"]) == (True, 0.95)
    for _ in range(8):
        robot.step((0.5, 0.0, 0.07), thing=None, gripper_width=0.04)
    assert (robot.observation.grasped, robot.observation.confidence["grasped"]) == (True, 0.7)


def test_an_object_that_stays_on_the_table_while_the_hand_lifts_is_not_grasped(taught):
    robot = Robot(taught)
    for k in range(14):
        height = 0.02 + 0.005 * max(0, k - 4)
        robot.step((0.5, 0.0, height), thing=(0.5, 0.0, 0.02), opening=0.0, gripper_width=0.04)
    assert (robot.observation.grasped, robot.observation.released) == (False, True)


def test_a_hand_far_from_the_object_does_not_touch_it_whatever_the_wrench_says(taught):
    robot = Robot(taught)
    for k in range(20):
        seen = robot.step((0.5, 0.0, 0.4), thing=(0.5, 0.0, 0.02), external_wrench=(0, 0, 20.0 if k > 15 else 0, 0, 0, 0))
    assert (seen.contact, seen.contact_force, seen.tier) == (False, 0.0, 2)


def test_a_wrench_beside_the_object_is_a_touch_with_its_force(taught):
    robot = Robot(taught)
    for k in range(20):
        seen = robot.step((0.5, 0.0, 0.06), thing=(0.5, 0.0, 0.02), external_wrench=(0, 0, 8.0 if k > 15 else 1.0, 0, 0, 0))
    assert seen.contact is True
    assert 6.0 < seen.contact_force < 7.1


def test_an_object_at_rest_beside_a_hand_without_force_sensing_is_unknown_and_one_that_moves_is_touched(taught):
    robot = Robot(taught)
    for _ in range(20):
        seen = robot.step((0.5, 0.0, 0.06), thing=(0.5, 0.0, 0.02))
    assert seen.contact is None
    for k in range(20):
        seen = robot.step((0.5 + 0.005 * k, 0.0, 0.06), thing=(0.5 + 0.005 * k, 0.0, 0.02))
    assert seen.contact is True


def test_an_object_that_falls_away_from_an_open_hand_is_not_touched(taught):
    """Dropped from 15 cm: it moves, and the hand is nearer than what rules out a touch, but not beside it."""
    robot = Robot(taught)
    for height in (0.17, 0.17, 0.16, 0.12, 0.06, 0.03, 0.02, 0.02):
        seen = robot.step((0.5, 0.0, 0.16), thing=(0.5, 0.0, height), external_wrench=(0.0,) * 6)
    assert 0.12 < 0.16 - height < 0.15 and not seen.contact


def test_a_goal_that_is_yet_to_be_taught_is_unknown(tasks):
    task = tasks["StackCube"]
    robot = Robot(dataclasses.replace(task, goal=dataclasses.replace(task.goal, source="taught")))
    assert robot.step((0.5, 0.0, 0.1), gripper_width=0.08).goal_position is None


def test_a_tracked_goal_holds_for_its_own_time(tasks):
    task = tasks["StackCube"]
    estimators = SensorEstimators(task, RATE, gripper=HAND)
    builder = StageObservationBuilder(estimators.limits)
    for estimate in estimators.update_goal(0.0, (0.6, 0.1, 0.06), None, 0.8) + estimators.update_goal(0.05, None):
        builder.add(**estimate)
    assert builder.build(0.9, 1, 0).confidence == {"goal_position": 0.8}
    assert builder.build(1.1, 2, 0).goal_position is None


def test_an_episode_at_tier_2_goes_through_every_stage(taught, stack_episode):
    robot, monitor = Robot(taught), StageMonitor(taught, RATE)
    names = []
    for truth in stack_episode:
        opening = 0.0 if truth.gripper_width < 0.06 else 1.0
        robot_sees = robot.step(
            tuple(truth.ee_position), thing=tuple(truth.object_position), opening=opening, gripper_width=truth.gripper_width
        )
        names += [event.stage_name for event in monitor.update(robot_sees).events]
    for _ in range(10):
        seen = robot.step((0.6, 0.1, 0.15), thing=(0.6, 0.1, 0.06), gripper_width=0.08)
        names += [event.stage_name for event in monitor.update(seen).events]
    assert names == ["reach", "grasp", "transport", "place", "success"]


def test_memory_does_not_grow(taught):
    robot = Robot(taught)
    for k in range(3 * HISTORY):
        robot.step((0.5, 0.0, 0.1), thing=(0.5, 0.0, 0.02 + 1e-6 * k), gripper_width=0.04)
    estimators = robot.estimators
    assert len(estimators._hand) == HISTORY
    assert len(estimators._motion._samples) <= MOST_SAMPLES


def test_a_reset_forgets_everything(taught):
    robot, fresh = Robot(taught), Robot(taught)
    for _ in range(12):
        robot.step((0.5, 0.0, 0.02), thing=(0.5, 0.0, 0.02), opening=0.0, gripper_width=0.04, external_wrench=[9.0] * 6)
    robot.estimators.reset()
    state = {"ee_position": (0.4, 0.0, 0.1), "ee_orientation": DOWN, "gripper_width": 0.05, "external_wrench": [1.0] * 6}
    first, second = robot.estimators.update_arm(100.0, **state), fresh.estimators.update_arm(100.0, **state)
    assert [sorted(entry) for entry in first] == [sorted(entry) for entry in second]
    assert [entry.get("grasped", 0) for entry in first] == [entry.get("grasped", 0) for entry in second]


def held_then(tasks, observation_of, **last):
    """Return a reader that saw a cube held 3 cm below the tool, and its signals at one more step 10 cm higher."""
    reader = SignalReader(tasks["StackCube"], RATE)
    common = {"ee_orientation": DOWN, "grasped": True}
    for k in range(3):
        reader.read(observation_of(k, ee_position=(0.5, 0.0, 0.1), object_position=(0.5, 0.0, 0.07), **common))
    return reader, reader.read(observation_of(3, ee_position=(0.5, 0.0, 0.2), **common, **last))


def test_an_object_lost_while_grasped_follows_the_hand_and_is_forgotten_after_two_seconds(tasks, observation_of):
    reader, signals = held_then(tasks, observation_of)
    assert signals.object == pytest.approx((0.5, 0.0, 0.17))
    assert (signals.object_confidence, signals.followed) == (0.7, True)
    sure = []
    for k in range(4, 44):
        reader.read(observation_of(k, ee_position=(0.5, 0.0, 0.2), ee_orientation=DOWN, grasped=True))
        sure.append(signals.object_confidence)
    assert sure[:39] == pytest.approx([0.7 * (1.0 - (k + 1) / 40) for k in range(39)])  # 40 frames at 20 Hz are 2 s
    assert (sure[39], signals.object) == (0.0, None)


def test_steps_that_never_came_count_as_time_too(tasks, observation_of):
    reader, signals = held_then(tasks, observation_of)
    reader.read(observation_of(23, ee_position=(0.5, 0.0, 0.2), ee_orientation=DOWN, grasped=True))
    assert signals.object_confidence == pytest.approx(0.35)


def test_an_object_hardly_seen_while_grasped_follows_the_hand_and_does_not_spoil_the_offset(tasks, observation_of):
    reader, signals = held_then(tasks, observation_of, object_position=(0.6, 0.0, 0.3), confidence={"object_position": 0.2})
    assert signals.object == pytest.approx((0.5, 0.0, 0.17))
    reader.read(observation_of(4, ee_position=(0.5, 0.0, 0.3), ee_orientation=DOWN, grasped=True))
    assert signals.object == pytest.approx((0.5, 0.0, 0.27))


def test_an_object_that_was_let_go_while_out_of_sight_is_unknown(tasks, observation_of):
    reader, signals = held_then(tasks, observation_of)
    reader.read(observation_of(4, ee_position=(0.5, 0.0, 0.2), ee_orientation=DOWN, grasped=False))
    assert signals.object is None


def test_an_image_that_stands_for_two_steps_does_not_say_that_the_object_stood_still(tasks):
    """Images at 10 Hz, steps at 20 Hz, hand and object at 0.1 m/s: the speed is that, and there is no slip between the two."""
    reader, speeds = SignalReader(tasks["StackCube"], RATE), []
    for k in range(12):
        image = k - k % 2
        observation = StageObservation(
            stamp=k / RATE,
            sequence=k,
            tier=2,
            ee_position=np.array([0.005 * k, 0.0, 0.1]),
            ee_orientation=np.array(DOWN),
            object_position=np.array([0.005 * image, 0.0, 0.1]),
            grasped=True,
            input_stamps={"object": image / RATE},
        )
        signals = reader.read(observation)
        speeds.append(signals.object_speed)
        assert signals.relative_speed is None or signals.relative_speed < 0.1
        assert signals.object_static is None  # what an estimator does not say is not made up from two frames
    assert speeds[4:] == pytest.approx([0.1] * 8)


def test_without_an_estimator_for_it_rest_is_told_from_the_poses_of_two_steps(tasks, observation_of):
    reader = SignalReader(tasks["StackCube"], RATE)
    for k in range(2):
        signals = reader.read(observation_of(k, object_position=(0.5, 0.0, 0.02)))
    assert signals.is_static is True


NUMBER = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(0.0, 0.1))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(NUMBER, NUMBER, st.one_of(st.none(), st.tuples(NUMBER, NUMBER, NUMBER)), st.floats(0.0, 1.0), st.booleans()), max_size=30
    )
)
def test_whatever_comes_every_value_is_known_or_none_and_every_confidence_in_range(tasks, steps):
    robot = Robot(tasks["StackCube"])
    for width, effort, place, confidence, close in steps:
        place = None if place is None or None in place else place
        seen = robot.step(
            (0.5, 0.0, 0.1),
            thing=place,
            confidence=confidence,
            opening=float(not close),
            gripper_width=width,
            gripper_effort=effort,
            external_wrench=None if effort is None else [effort] * 6,
        )
        for name in ("grasped", "released", "contact", "object_static"):
            assert getattr(seen, name) in (None, True, False)
        assert all(0.0 <= value <= 1.0 for value in seen.confidence.values())
        assert seen.object_position is None or np.isfinite(seen.object_position).all()
        assert (seen.grasped is None) == (seen.released is None)
