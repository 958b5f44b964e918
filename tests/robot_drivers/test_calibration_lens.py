"""The lens measured from the same images as the pose: near the true one, written as the driver reads it, refused where it is not known."""

from __future__ import annotations

from dataclasses import replace

import calibration_rig as rig
import cv2
import numpy as np
import pytest

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.lens import fit_lens, lens_entry
from robot_drivers.opencv_camera import OpenCVSettings
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError

TRUE = CameraModel(
    width=640,
    height=480,
    intrinsics=np.array([[560.0, 0, 322.0], [0, 562.0, 237.0], [0, 0, 1]]),
    distortion=np.array([0.06, -0.1, 0, 0, 0]),
)


def shown(*, count=16, noise=0.1, **scene):
    """Return views with the pixels that a camera with the lens TRUE shows."""
    made = rig.make_scene("hand", count=count, seed=2, **scene)
    random, views = np.random.default_rng(0), made.views()
    for i, view in enumerate(views):
        pose = made.board_in_camera(i)
        pixels = cv2.projectPoints(view.points, cv2.Rodrigues(pose[:3, :3])[0], pose[:3, 3], TRUE.intrinsics, TRUE.distortion)[0]
        views[i] = replace(view, pixels=pixels.reshape(-1, 2) + random.normal(size=(len(view.points), 2)) * noise)
    return views


def test_the_lens_is_found_from_images_of_the_board():
    found = fit_lens(shown(), width=640, height=480)
    assert found.model.intrinsics == pytest.approx(TRUE.intrinsics, abs=3.0)
    corners = np.array([[60.0, 50.0], [600.0, 60.0], [320.0, 240.0], [80.0, 440.0]])
    assert found.model.undistort(corners) == pytest.approx(TRUE.undistort(corners), abs=4.0)
    assert found.reprojection_px < 0.2 and found.focal_error < 0.005


def test_a_board_that_was_never_tilted_does_not_tell_the_focal_length():
    with pytest.raises(ConfigurationError, match="the lens is known to .* Tilt it more"):
        fit_lens(shown(tilt_rad=0.01, shift_m=0.005, noise=0.2), width=640, height=480)


def test_a_bent_board_is_refused():
    views = [replace(view, pixels=view.pixels + 3.0 * np.sin(40.0 * view.points[:, :2])) for view in shown()]
    with pytest.raises(ConfigurationError, match="Is the board flat"):
        fit_lens(views, width=640, height=480)


def test_too_few_images_are_refused():
    with pytest.raises(ConfigurationError, match="11 images show the board"):
        fit_lens(shown(count=11), width=640, height=480)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_driver_reads_the_lens_that_was_measured_however_the_picture_is_turned(turn):
    from robot_drivers.opencv_camera import OpenCVCamera

    entry = lens_entry(TRUE, turn_deg=turn)
    assert entry.pop("uncalibrated") is None
    width, height = (640, 480) if turn in (0, 180) else (480, 640)
    mapping = {"path": "x.mp4", "width_px": width, "height_px": height, "rate_hz": 30.0, "turn_deg": turn, **entry}
    description = OpenCVCamera("wrist", from_mapping(OpenCVSettings, mapping, source="test")).description
    assert (description.width, description.height) == (640, 480)
    assert description.intrinsics == pytest.approx(TRUE.intrinsics, abs=1e-3)
    assert description.distortion == pytest.approx(TRUE.distortion, abs=1e-6)
