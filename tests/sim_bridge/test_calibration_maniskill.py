"""Calibration in ManiSkill: rendered images of a board, the arm moved by its driver, and the answer compared with SAPIEN's own.

Slow: 45 to 85 s on two busy cores, half of it rendering 32 images of 640x480 on the CPU.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import calibration_scene as scene
import numpy as np
import pytest

from robot_drivers.calibration.board import BoardDetector
from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.least_squares import View
from robot_drivers.calibration.outcome import judge_views, require_good
from robot_drivers.calibration.samples import SampleSetDescription
from robot_drivers.calibration.transforms import difference, to_matrix, to_pose
from robot_drivers.kinematics import Kinematics
from robot_drivers.workcell import load_workcell_config, open_workcell
from sim_bridge.rollouts import connect
from stage_core.errors import ConfigurationError

pytestmark = pytest.mark.slow
WORKCELL_FILE = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/maniskill.yaml"
MOUNTS = ("hand", "fixed")
POSES = 16


@pytest.fixture(scope="module")
def workcell():
    config = dataclasses.replace(load_workcell_config(WORKCELL_FILE), cameras=scene.CAMERAS)
    opened = connect(open_workcell(config, task="PushCube"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def captures(workcell):
    return {mount: scene.capture(workcell, mount, count=POSES, seed=0) for mount in MOUNTS}


def judge(capture, *, ee_poses=None, noise=0.0, mount=""):
    """Return the outcome of a capture, as `stage calibrate camera` computes it."""
    model = CameraModel(width=640, height=480, intrinsics=capture.intrinsics, distortion=np.zeros(5))
    description = SampleSetDescription(
        workcell="maniskill",
        camera="camera",
        mount=mount or capture.mount,
        board=capture.board,
        camera_model=model,
        ee_link="panda_hand_tcp",
        flange_to_tool=np.array([0, 0, 0, 0, 0, 0, 1.0]),
    )
    detector, random, views = BoardDetector(capture.board), np.random.default_rng(1), []
    for i, (image, pose) in enumerate(zip(capture.images, ee_poses or capture.ee_poses, strict=True)):
        noisy = np.clip(image + random.normal(size=image.shape) * noise, 0, 255).astype(np.uint8)
        found = detector.detect(noisy)
        if not found.problem:
            views.append(View(name=f"{i + 1:04d}", ee_pose=pose, points=capture.board.corners[found.ids], pixels=found.pixels))
    assert len(views) >= POSES - 1
    return judge_views(views, description)


def error_of(outcome, capture):
    """Return the error against SAPIEN's pose, mm and degrees, and print it."""
    distance, angle = difference(to_matrix(outcome.fit.camera_pose), to_matrix(capture.camera_pose))
    residual = f"residual {1e3 * outcome.fit.position_rms_m:.2f} mm {np.degrees(outcome.fit.angle_rms_rad):.3f} degrees"
    print(f"{capture.mount}: error {1e3 * distance:.2f} mm {np.degrees(angle):.3f} degrees, {residual}")
    return 1e3 * distance, np.degrees(angle)


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_the_cameras_true_pose_is_found_from_rendered_images(captures, mount, noise):
    outcome = judge(captures[mount], noise=noise)
    require_good(outcome)
    millimetres, degrees = error_of(outcome, captures[mount])
    assert millimetres < 0.6 and degrees < 0.1


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_tenth_of_a_degree_of_joint_noise_leaves_a_usable_pose_and_an_honest_residual(captures, workcell, mount):
    kinematics = Kinematics.from_description(workcell.arm.description)
    errors, claimed, accepted = [], [], 0
    for seed in range(5):
        random = np.random.default_rng(seed)
        noisy = [kinematics.forward(joints + random.normal(size=7) * np.radians(0.1)) for joints in captures[mount].joints]
        outcome = judge(captures[mount], ee_poses=noisy)
        errors.append(error_of(outcome, captures[mount]))
        claimed.append((1e3 * outcome.fit.position_error_m, np.degrees(outcome.fit.angle_error_rad)))
        accepted += not outcome.problems
        # The residual is of the size of the arm's error, not that of the fit's pixels.
        assert 0.4 < 1e3 * outcome.fit.position_rms_m < 4.0 and 0.1 < np.degrees(outcome.fit.angle_rms_rad) < 0.6
    assert accepted >= 4
    root_mean_square = np.sqrt(np.mean(np.square(errors), axis=0))
    assert root_mean_square[0] < 3.0 and root_mean_square[1] < 0.3
    ratio = root_mean_square / np.sqrt(np.mean(np.square(claimed), axis=0))
    assert (ratio > 0.3).all() and (ratio < 2.5).all()


def transposed(matrix):
    wrong = matrix.copy()
    wrong[:3, :3] = matrix[:3, :3].T
    return wrong


def scalar_first(matrix):
    x, y, z, w = to_pose(matrix)[3:]
    return to_matrix(np.array([*matrix[:3, 3], w, x, y, z]))


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("mistake", [np.linalg.inv, transposed, scalar_first])
def test_a_swapped_transform_is_refused_by_the_residual(captures, mount, mistake):
    wrong = [to_pose(mistake(to_matrix(pose))) for pose in captures[mount].ee_poses]
    with pytest.raises(ConfigurationError, match="its residual is"):
        require_good(judge(captures[mount], ee_poses=wrong))


@pytest.mark.parametrize("mount", MOUNTS)
def test_the_other_mount_is_refused_and_the_right_one_named(captures, mount):
    other = "fixed" if mount == "hand" else "hand"
    with pytest.raises(ConfigurationError, match=f"The samples fit --mount {mount}"):
        require_good(judge(captures[mount], mount=other))


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_tool_frame_that_turns_with_a_joint_is_refused(captures, workcell, mount):
    """The pose of a link before the last joint in the place of the tool's: a tool frame that is wrong, and not by a constant."""
    description = dataclasses.replace(workcell.arm.description, ee_link="panda_link6")
    kinematics = Kinematics.from_description(description)
    wrong = [kinematics.forward(joints) for joints in captures[mount].joints]
    with pytest.raises(ConfigurationError, match="its residual is"):
        require_good(judge(captures[mount], ee_poses=wrong))
