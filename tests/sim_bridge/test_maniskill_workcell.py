"""The ManiSkill workcell: clock, motion, gripper, images, bit-equal episodes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.workcell import Workcell
from sim_bridge.demonstration_motion import rotation_between
from sim_bridge.demonstrations import ScriptedDemonstrator
from sim_bridge.rollouts import run_episode
from stage_core.errors import DeadlineError

BASE = np.array([-0.615, 0.0, 0.0])  # of the Panda in ManiSkill's world, which has the same axes


def digest(workcell: Workcell, seed: int, steps: int = 5) -> str:
    """Return a hash of every number and pixel of one noisy episode."""
    rollout = run_episode(workcell, ScriptedDemonstrator(noise=0.004), seed, steps)
    hashed = hashlib.sha256()
    for array in (*rollout.states.values(), *rollout.images.values(), rollout.actions):
        hashed.update(np.ascontiguousarray(array).tobytes())
    hashed.update(b"".join(truth.object_position.tobytes() for truth in rollout.truths))
    return hashed.hexdigest()


def drive(workcell: Workcell, actions: np.ndarray, seed: int, gripper: float = 1.0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the tool's pose after each `ee_delta_pose` action."""
    safe_arm = workcell.safe_arm
    workcell.reset(seed)
    token = safe_arm.switch_source("script", "test")
    poses = []
    for values in actions:
        command = ArmCommand(
            stamp=workcell.now(),
            action_space=ActionSpace.EE_DELTA_POSE,
            values=values,
            valid_for=0.09,
            gripper=gripper,
            source="script",
            token=token,
        )
        assert safe_arm.submit(command).accepted
        workcell.step()
        state = safe_arm.read_state()
        poses.append((state.ee_position, state.ee_orientation))
    safe_arm.switch_source("none", "test")
    return poses


def test_the_clock_counts_periods_and_never_goes_back_over_a_reset(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.reset(0)
    start = workcell.now()
    workcell.step()
    workcell.step()
    assert workcell.now() == pytest.approx(start + 2 * 0.05)
    before = workcell.now()
    workcell.reset(0)
    assert workcell.now() > before
    assert workcell.safe_arm.read_state().stamp == workcell.now() == workcell.read_truth().stamp
    assert workcell.read_truth().sequence == 0


def test_without_a_command_the_arm_stays_where_the_reset_put_it(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.safe_arm.switch_source("none", "test")
    workcell.reset(3)
    before = workcell.safe_arm.read_state().joint_positions
    for _ in range(10):
        workcell.step()
    assert np.abs(workcell.safe_arm.read_state().joint_positions - before).max() < 1e-3


def test_the_tool_pose_is_maniskills_in_the_arm_base_frame_with_xyzw(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.reset(1)
    tool = workcell.simulation.environment.agent.tcp.pose
    state = workcell.safe_arm.read_state()
    np.testing.assert_allclose(state.ee_position, tool.p[0].numpy() - BASE, atol=1e-6)
    np.testing.assert_allclose(state.ee_orientation, tool.q[0].numpy()[[1, 2, 3, 0]], atol=1e-6)


def test_the_tools_z_points_out_of_the_gripper_and_its_y_along_the_fingers(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.reset(1)
    agent = workcell.simulation.environment.agent
    tool = agent.tcp.pose.to_transformation_matrix()[0].numpy()
    fingers = agent.finger1_link.pose.p[0].numpy() - agent.finger2_link.pose.p[0].numpy()
    reach = agent.tcp.pose.p[0].numpy() - agent.robot.links_map["panda_hand"].pose.p[0].numpy()
    np.testing.assert_allclose(tool[:3, 1], fingers / np.linalg.norm(fingers), atol=1e-3)
    np.testing.assert_allclose(tool[:3, 2], reach / np.linalg.norm(reach), atol=1e-3)


def test_summed_deltas_move_the_arm_as_maniskills_own_target_controller_does(state_only) -> None:
    import gymnasium

    generator = np.random.default_rng(0)
    actions = np.zeros((40, 6))
    actions[:, :3] = generator.uniform(-0.012, 0.012, (40, 3)) + [-0.003, 0.004, -0.002]  # away from a straight elbow
    axes = generator.integers(3, 6, 40)  # about one axis at a time, where Euler angles and a rotation vector are the same
    actions[np.arange(40), axes] = generator.uniform(-0.06, 0.06, 40)
    ours = drive(state_only("PushCube"), actions, seed=4)
    reference = gymnasium.make(
        "PushCube-v1",
        obs_mode="none",
        reward_mode="none",
        control_mode="pd_ee_target_delta_pose",
        sim_backend="physx_cpu",
        render_backend="none",
        max_episode_steps=10**6,
    ).unwrapped
    reference.reset(seed=4)
    for (position, orientation), values in zip(ours, actions, strict=True):
        normalised = np.concatenate([values[:3] / 0.1, -values[3:] / 0.1, [1.0]])  # ManiSkill turns the other way: rot_lower is -0.1
        reference.step(normalised.astype(np.float32))
        tool = reference.agent.tcp.pose
        assert np.linalg.norm(position - (tool.p[0].numpy() - BASE)) < 1e-3
        assert np.linalg.norm(rotation_between(orientation, tool.q[0].numpy()[[1, 2, 3, 0]].astype(float))) < 5e-3
    reference.close()


def test_an_absolute_pose_is_reached_within_a_millimetre(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.reset(0)
    workcell.step()  # SafeArm repeats the stop of the test before
    state = workcell.arm.read_state()
    goal = np.concatenate([state.ee_position + [0.03, -0.04, -0.03], state.ee_orientation])
    workcell.arm.command(ArmCommand(stamp=workcell.now(), action_space=ActionSpace.EE_POSE, values=goal, valid_for=0.1))
    for _ in range(40):
        workcell.step()
    assert np.linalg.norm(workcell.arm.read_state().ee_position - goal[:3]) < 1e-3


def test_a_stop_brakes_at_once_and_twice_is_harmless(state_only) -> None:
    workcell = state_only("PushCube")
    drive(workcell, np.tile([0.02, 0.0, 0.0, 0.0, 0.0, 0.0], (8, 1)), seed=0)
    workcell.arm.stop()
    workcell.arm.stop()
    start = workcell.arm.read_state().ee_position
    for _ in range(12):
        workcell.step()
    assert np.linalg.norm(workcell.arm.read_state().ee_position - start) < 0.03
    assert np.abs(workcell.arm.read_state().joint_velocities).max() < 0.01


@pytest.mark.parametrize("opening", [0.0, 0.5, 1.0])
def test_the_gripper_goes_to_the_opening_it_is_told(state_only, opening: float) -> None:
    workcell = state_only("PushCube")
    drive(workcell, np.zeros((15, 6)), seed=0, gripper=opening)
    state = workcell.gripper.read()
    assert state.opening == pytest.approx(opening, abs=0.02)
    assert state.width == pytest.approx(0.08 * opening, abs=0.002)


def test_the_first_gripper_command_after_a_reset_is_sent_even_when_it_repeats_the_last(state_only) -> None:
    workcell = state_only("PushCube")
    for seed in (0, 1):
        drive(workcell, np.zeros((15, 6)), seed=seed, gripper=0.0)
        assert workcell.gripper.read().width < 0.002


def test_an_episode_is_bit_equal_whatever_ran_before_it(state_only) -> None:
    workcell = state_only("StackCube")
    first = digest(workcell, 5, steps=50)
    digest(workcell, 6, steps=50)
    assert digest(workcell, 5, steps=50) == first


def test_states_and_images_are_bit_equal_in_another_process(seeing: Workcell) -> None:
    script = (
        "import dataclasses; from robot_drivers.workcell import load_workcell_config, open_workcell; from conftest import WORKCELL_FILE;"
        "from test_maniskill_workcell import digest; from sim_bridge.rollouts import connect;"
        "config = load_workcell_config(WORKCELL_FILE);"
        f"cameras = {seeing.config.cameras!r};"
        "print(digest(connect(open_workcell(dataclasses.replace(config, cameras=cameras), task='PickCube')), 7))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    assert answer.stdout.split()[-1] == digest(seeing, 7)


def test_an_image_comes_once_for_every_state_and_carries_its_stamp(seeing: Workcell) -> None:
    seeing.reset(0)
    camera = seeing.cameras["base"]
    frame = camera.read()
    assert frame.image.shape == (128, 128, 3) and frame.image.dtype == np.uint8
    assert (frame.stamp, frame.sequence) == (seeing.now(), 0)
    with pytest.raises(DeadlineError, match='camera "base" has no new frame after 0.01 s'):
        camera.read(timeout=0.01)
    seeing.step()
    assert camera.read().sequence == 1


def test_a_camera_on_the_hand_sees_another_picture_of_its_own_size(seeing: Workcell) -> None:
    seeing.reset(0)
    assert seeing.cameras["wrist"].read().image.shape == (24, 32, 3)
    assert seeing.cameras["wrist"].description.intrinsics[1, 1] == pytest.approx(12.0)  # 24 / 2 / tan(45 degrees)


def test_the_goal_of_pick_cube_can_be_seen(seeing: Workcell) -> None:
    seeing.reset(1)
    red, green, blue = np.moveaxis(seeing.cameras["base"].read().image.astype(int), -1, 0)
    assert ((green > 150) & (red < 80) & (blue < 80)).sum() >= 8


def test_without_cameras_no_renderer_is_created(state_only) -> None:
    assert state_only("PushCube").simulation.environment.scene.can_render() is False


def test_a_machine_without_a_vulkan_driver_is_told_what_to_run() -> None:
    script = (
        "from robot_drivers.workcell import load_workcell_config, open_workcell; from conftest import WORKCELL_FILE;"
        "from stage_core.errors import DeviceError\n"
        "try: open_workcell(load_workcell_config(WORKCELL_FILE), task='PushCube').safe_arm.connect()\n"
        "except DeviceError as error: print(error)"
    )
    nowhere = {**os.environ, "VK_ICD_FILENAMES": "/nonexistent.json", "VK_DRIVER_FILES": "/nonexistent.json"}
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent, env=nowhere, check=True
    )
    told = [line for line in answer.stdout.splitlines() if "Vulkan driver" in line]
    assert told and told[-1].endswith("Run: make setup")
