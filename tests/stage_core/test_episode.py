from pathlib import Path

import numpy as np
import pytest

from stage_core.episode import Episode


def episode(steps: int = 3, **changes) -> Episode:
    values = {
        "identifier": "20250101T000000Z_PushCube_ab12", "directory": Path("episodes/x"), "metadata": {"task": "PushCube"},
        "stamps": np.arange(steps) * 0.05, "sequences": np.arange(steps), "states": {"ee_position": np.zeros((steps, 3))}, "images": {},
        "actions": np.zeros((steps, 6)), "action_space": "ee_delta_pose", "action_gripper": np.ones(steps),
    }  # fmt: skip
    return Episode(**(values | changes))


def test_length_and_task_come_from_the_data():
    assert len(episode()) == 3
    assert episode().task == "PushCube"
    assert episode().instruction == ""


def test_arrays_of_unequal_length_are_refused_by_name():
    with pytest.raises(ValueError, match="states.ee_position has 2 steps; expected 3"):
        episode(states={"ee_position": np.zeros((2, 3))})


def test_the_simulation_judges_before_the_monitor_and_nobody_is_no_answer():
    assert episode().success is None
    names = ("reach", "contact", "push", "goal", "success")
    assert episode(stages=np.array([0, 4, 4], dtype=np.uint8), stage_names=names).success is True
    assert episode(stages=np.array([0, 4, 4], dtype=np.uint8), stage_names=names, outcomes=np.zeros(3, dtype=bool)).success is False
