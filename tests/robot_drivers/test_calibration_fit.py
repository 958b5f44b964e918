"""The fit of calibration: exact on exact data, near on noisy data, and a refusal in words where the data cannot tell."""

from __future__ import annotations

from dataclasses import replace

import calibration_rig as rig
import numpy as np
import pytest

from robot_drivers.calibration.hand_eye import fit, variety
from robot_drivers.calibration.transforms import difference, exponential, invert, rotation_vector, to_matrix, to_pose
from stage_core.errors import ConfigurationError

MOUNTS = ("hand", "fixed")


def fit_views(views, mount, **options):
    return fit(views, rig.LENS.intrinsics, mount=mount, board_center=rig.BOARD.center, **options)


def error_of(found, scene):
    """Return the error of the camera's pose, mm and degrees."""
    distance, angle = difference(to_matrix(found.camera_pose), scene.camera)
    return 1e3 * distance, np.degrees(angle)


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("seed", range(3))
def test_exact_data_give_the_exact_pose_of_camera_and_board(mount, seed):
    scene = rig.make_scene(mount, seed=seed)
    found = fit_views(scene.views(), mount)
    assert max(error_of(found, scene)) < 1e-4
    distance, angle = difference(to_matrix(found.board_pose), scene.board)
    assert distance < 1e-7 and angle < 1e-6
    assert found.position_rms_m < 1e-6 and found.angle_rms_rad < 1e-6 and found.outliers == ()
    assert found.scale == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("mount", MOUNTS)
def test_noise_in_pixels_and_in_the_arm_stays_within_bounds_over_many_seeds(mount):
    errors, claimed = [], []
    for seed in range(12):
        scene = rig.make_scene(mount, seed=seed)
        views = scene.with_arm_noise(position_m=0.0003, angle_rad=np.radians(0.03), seed=seed).views(seed=seed)
        # the arm tells a noisy pose; what the camera sees belongs to the true one
        true = scene.views(pixel_noise=0.15, seed=seed)
        views = [replace(seen, ee_pose=told.ee_pose) for seen, told in zip(true, views, strict=True)]
        found = fit_views(views, mount)
        errors.append(error_of(found, scene))
        claimed.append((1e3 * found.position_error_m, np.degrees(found.angle_error_rad)))
    largest = np.max(errors, axis=0)
    assert largest[0] < 1.5 and largest[1] < 0.3
    # The standard error that the fit claims is the error that it makes, within a factor of two.
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.sqrt(np.mean(np.square(claimed), axis=0))
    assert (ratio > 0.5).all() and (ratio < 2.0).all()


@pytest.mark.parametrize("mount", MOUNTS)
def test_residuals_are_of_samples_that_the_fit_did_not_see(mount):
    scene = rig.make_scene(mount, count=13)
    views = scene.views()
    moved = to_pose(to_matrix(views[4].ee_pose) @ exponential(np.array([0.0016, 0, 0, 0, 0, 0])))  # too little for an outlier
    views[4] = replace(views[4], ee_pose=moved)
    found = fit_views(views, mount)
    assert found.outliers == ()
    # Left out, the sample is wrong by all of the 1.6 mm; a fit that had seen it would have swallowed a part.
    assert found.residuals[4].position_m == pytest.approx(0.0016, rel=0.01)


@pytest.mark.parametrize("mount", MOUNTS)
def test_one_bad_sample_is_named_and_does_no_harm(mount):
    scene = rig.make_scene(mount, seed=5)
    views = scene.views(pixel_noise=0.1)
    wrong = to_matrix(views[7].ee_pose) @ exponential(np.array([0.03, -0.05, 0.02, 0.2, -0.3, 0.1]))
    views[7] = replace(views[7], ee_pose=to_pose(wrong))
    found = fit_views(views, mount)
    assert found.outliers == ("0008",) and found.used == 14
    assert error_of(found, scene)[0] < 0.5 and error_of(found, scene)[1] < 0.1


@pytest.mark.parametrize(("tilt", "roll", "shift"), [(0.0, 0.0, 0.08), (0.0, 0.9, 0.08), (0.02, 0.9, 0.08)])
def test_motions_that_cannot_tell_are_refused_in_words(tilt, roll, shift):
    scene = rig.make_scene("hand", tilt_rad=tilt, roll_rad=roll, shift_m=shift)
    with pytest.raises(ConfigurationError, match="too alike.*Turn the tool about its"):
        fit_views(scene.views(pixel_noise=0.05), "hand")


def test_variety_is_that_of_a_hand_calculation():
    # four poses turned by +-0.3 about x and +-0.2 about y: root mean squares 0.3 / sqrt(2) and 0.2 / sqrt(2)
    poses = [to_pose(exponential(np.array([0, 0, 0, *turn, 0]))) for turn in ((0.3, 0), (-0.3, 0), (0, 0.2), (0, -0.2))]
    spread, axes = variety(poses)
    assert spread == pytest.approx(np.degrees([0.3 / np.sqrt(2), 0.2 / np.sqrt(2), 0.0]), abs=1e-4)
    assert np.abs(axes[:, 0]) == pytest.approx([1, 0, 0], abs=1e-6)


def test_too_few_samples_are_refused():
    with pytest.raises(ConfigurationError, match="11 samples; expected at least 12"):
        fit_views(rig.make_scene("hand", count=11).views(), "hand")


def test_samples_that_outliers_leave_too_few_of_are_refused_by_name():
    views = rig.make_scene("hand", count=12).views()
    views[3] = replace(views[3], ee_pose=to_pose(to_matrix(views[3].ee_pose) @ exponential(np.array([0.05, 0, 0, 0, 0, 0]))))
    with pytest.raises(ConfigurationError, match="11 samples are left without 0004"):
        fit_views(views, "hand")


def test_a_wrong_mount_name_is_refused():
    with pytest.raises(ConfigurationError, match="expected hand"):
        fit_views(rig.make_scene("hand").views(), "eye")


def test_a_board_larger_than_stated_shows_in_the_scale():
    views = [replace(view, points=view.points / 1.03) for view in rig.make_scene("hand").views(pixel_noise=0.05)]
    found = fit_views(views, "hand")
    assert found.scale == pytest.approx(1.03, abs=0.003) and found.scale_error < 0.003


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.7, np.pi - 1e-6, np.pi])
def test_rotation_vectors_survive_the_way_there_and_back(angle):
    axis = np.array([0.6, -0.64, 0.48])
    back = rotation_vector(exponential(np.r_[0, 0, 0, angle * axis])[:3, :3])
    assert min(np.linalg.norm(back - angle * axis), np.linalg.norm(back + angle * axis) if angle == np.pi else np.inf) < 1e-8
    moved = exponential(np.r_[0.1, 0.2, 0.3, angle * axis])
    assert np.allclose(invert(moved) @ moved, np.eye(4), atol=1e-12)
