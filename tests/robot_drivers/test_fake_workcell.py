from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robot_drivers.arm import ActionSpace, ArmCommand, ArmMode
from robot_drivers.workcell import load_workcell_config, open_workcell
from stage_core.errors import ConfigurationError

FAKE = Path(__file__).parents[2] / "ros2_ws" / "src" / "stage_bringup" / "config" / "workcells" / "fake.yaml"


def stepped():
    config = replace(load_workcell_config(FAKE), simulated_clock=True, shared_process=True)
    workcell = open_workcell(config)
    workcell.safe_arm.connect()
    return workcell


def drive(workcell, steps: int) -> list[bytes]:
    token = workcell.safe_arm.switch_source("script", "the test")
    states = []
    for k in range(steps):
        command = ArmCommand(
            stamp=workcell.now(),
            action_space=ActionSpace.EE_DELTA_POSE,
            values=np.array([0.004, 0.002, -0.001, 0.0, 0.0, 0.01]),
            valid_for=0.09,
            gripper=0.0 if k > 5 else 1.0,
            source="script",
            sequence=k,
            token=token,
        )
        assert workcell.safe_arm.submit(command).accepted
        workcell.step()
        state, gripper = workcell.safe_arm.read_state(), workcell.safe_arm.read_gripper()
        states.append(state.joint_positions.tobytes() + np.float64(gripper.width).tobytes())
    return states


def test_the_bundled_fake_workcell_opens_with_a_task_it_does_not_need() -> None:
    workcell = open_workcell(load_workcell_config(FAKE), task="PushCube")
    workcell.safe_arm.connect()
    assert workcell.safe_arm.status().mode is ArmMode.IDLE
    assert workcell.read_truth() is None and workcell.read_success() is None
    workcell.close()
    workcell.close()


def test_a_camera_works_in_a_process_without_the_arm() -> None:
    workcell = open_workcell(load_workcell_config(FAKE))
    camera = workcell.cameras["base"]
    camera.connect()
    assert camera.read().image.shape == (128, 128, 3)
    workcell.close()


def test_pictures_show_where_the_tool_is() -> None:
    workcell = stepped()
    camera = workcell.cameras["base"]
    camera.connect()
    before = camera.read().image
    drive(workcell, 10)
    after = camera.read().image
    changed = np.argwhere((before != after).any(axis=2))
    assert (changed[:, 0] < 120).sum() > 50, "more than the bar at the lower edge"


def test_a_stepped_fake_workcell_repeats_itself_bit_for_bit() -> None:
    assert drive(stepped(), 40) == drive(stepped(), 40)


def test_stamps_of_a_stepped_workcell_are_its_steps() -> None:
    workcell = stepped()
    drive(workcell, 5)
    assert workcell.now() == pytest.approx(0.25)
    assert workcell.safe_arm.read_state().stamp == workcell.now()
    workcell.reset(1)
    assert workcell.now() == pytest.approx(0.30), "two states never share a stamp"


def test_many_hold_actions_and_then_a_real_one_simply_work() -> None:
    workcell = stepped()
    token = workcell.safe_arm.switch_source("script", "the test")
    for k in range(200):
        command = ArmCommand(
            stamp=workcell.now(),
            action_space=ActionSpace.HOLD,
            values=np.zeros(0),
            valid_for=0.09,
            source="script",
            sequence=k,
            token=token,
        )
        assert workcell.safe_arm.submit(command).accepted
        workcell.step()
    assert drive(workcell, 3)
    assert workcell.safe_arm.status().interventions == {}


def test_an_unknown_setting_is_named_with_the_nearest_one() -> None:
    config = replace(load_workcell_config(FAKE), settings={"loop_rate": 100.0})
    with pytest.raises(ConfigurationError, match='settings.loop_rate is not a known key. Did you mean "loop_rate_hz"'):
        open_workcell(config)
