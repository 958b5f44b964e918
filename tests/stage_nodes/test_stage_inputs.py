"""What reaches the monitor from which source and up to which tier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stage_core.errors import ConfigurationError
from stage_core.observation import StageObservation
from stage_core.task import load_task
from stage_nodes.stage_inputs import InputSettings, StageInputs

TASK = load_task(Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/tasks/push_cube.yaml")
RATE = 20.0
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
PLACE = np.array([0.6, 0.0, 0.02])


def inputs_of(source: str, tier: int = 9, **settings) -> StageInputs:
    return StageInputs(TASK, RATE, InputSettings(source=source, highest_tier=tier, **settings))


def arm_step(inputs: StageInputs, k: int, *, force: float = 0.0, width: float = 0.08, opening: float = 1.0) -> StageObservation:
    wrench = np.array([force, 0.0, 0.0, 0.0, 0.0, 0.0])
    inputs.add_arm_state(
        k / RATE, ee_position=PLACE, ee_orientation=DOWN, gripper_width=width, gripper_opening=opening, external_wrench=wrench
    )
    return inputs.build(k / RATE, k, 1)


def see(inputs: StageInputs, k: int) -> None:
    inputs.add_thing(TASK.objects.name, k / RATE, PLACE, None, confidence=0.9)
    inputs.add_thing(TASK.goal.name, k / RATE, PLACE + 0.1, None, confidence=0.9)


def test_truth_is_passed_on_with_its_tier_and_confidence():
    inputs = inputs_of("truth")
    inputs.add_truth(StageObservation(stamp=1.0, tier=9, object_position=PLACE, contact=False, confidence={"object_position": 0.8}))
    used = inputs.build(1.0, 0, 1)
    assert used.tier == 9 and used.confidence == {"object_position": 0.8} and used.contact is False
    assert used.input_stamps == {"truth": 1.0} and used.ee_position is None


def test_truth_older_than_its_limit_is_not_used():
    inputs = inputs_of("truth", max_input_age_s=0.1)
    inputs.add_truth(StageObservation(stamp=1.0, tier=9, object_position=PLACE))
    assert inputs.build(1.09, 1, 1).object_position is not None
    assert inputs.build(1.2, 2, 1).object_position is None


def test_the_arm_alone_gives_hand_and_gripper_at_tier_zero():
    used = arm_step(inputs_of("arm"), 0)
    assert used.tier == 0 and np.array_equal(used.ee_position, PLACE) and used.gripper_width == 0.08
    assert used.object_position is None and used.grasped is None


@pytest.mark.parametrize(("tier", "sees_object"), [(0, False), (1, False), (2, True), (9, True)])
def test_perception_above_the_highest_tier_is_ignored(tier, sees_object):
    inputs = inputs_of("sensors", tier, gripper_open_width_m=0.08)
    for k in range(5):
        used = arm_step(inputs, k)
        see(inputs, k)
    assert (used.object_position is not None) is sees_object
    assert (used.goal_position is not None) is sees_object
    assert used.tier <= tier


@pytest.mark.parametrize(("tier", "feels"), [(0, False), (1, True)])
def test_force_above_the_highest_tier_is_ignored(tier, feels):
    inputs = inputs_of("sensors", tier, gripper_open_width_m=0.08)
    for k in range(40):
        used = arm_step(inputs, k, force=0.0 if k < 30 else 20.0)
    assert (used.contact is True) is feels


def test_things_that_the_task_does_not_name_are_no_object():
    inputs = inputs_of("sensors", gripper_open_width_m=0.08)
    arm_step(inputs, 0)
    inputs.add_thing("a_cup", 0.0, PLACE, None)
    assert arm_step(inputs, 1).object_position is None


def test_the_grippers_width_is_learned_once_it_was_seen_open_and_forgotten_with_the_episode():
    inputs = inputs_of("sensors")
    assert arm_step(inputs, 0, width=0.001, opening=0.0125).gripper_width is None  # cannot be told from a gripper of any size
    assert arm_step(inputs, 1, width=0.04, opening=0.5).gripper_width == 0.04
    inputs.reset()
    assert arm_step(inputs, 0, width=0.001, opening=0.0125).gripper_width is None


def test_a_new_episode_forgets_what_the_last_one_saw_also_where_the_look_comes_late():
    inputs = inputs_of("sensors", gripper_open_width_m=0.08)
    arm_step(inputs, 0)
    see(inputs, 0)
    assert arm_step(inputs, 1).object_position is not None
    inputs.reset()
    see(inputs, 1)
    assert arm_step(inputs, 2).object_position is None
    see(inputs, 1)  # an image from before the reset
    assert arm_step(inputs, 3).object_position is None
    see(inputs, 3)
    assert arm_step(inputs, 4).object_position is not None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "camera"}, "observation_source is 'camera'; expected truth, arm, sensors"),
        ({"source": "sensors", "highest_tier": 5}, "tier is 5"),
        ({"source": "truth", "highest_tier": 2}, "which is tier 9"),
        ({"source": "arm", "max_input_age_s": 0.0}, "max_input_age_s is 0.0 s"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_words(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        InputSettings(**settings)
