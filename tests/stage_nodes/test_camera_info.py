"""CameraInfo carries the lens as the driver knows it."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time

from robot_drivers.camera import CameraDescription
from stage_nodes.conversions import camera_info_to_message

MATRIX = np.array([[610.0, 0.0, 320.0], [0.0, 611.0, 240.0], [0.0, 0.0, 1.0]])


def describe(**more) -> CameraDescription:
    return CameraDescription(
        name="wrist", width=640, height=480, rate_hz=30.0, optical_frame="camera_wrist_optical_frame", intrinsics=MATRIX, **more
    )


def test_the_distortion_of_a_lens_reaches_camera_info_in_plumb_bobs_order():
    message = camera_info_to_message(describe(distortion=np.array([0.1, -0.2, 0.01, 0.02, 0.03])), Time(sec=5))
    assert message.distortion_model == "plumb_bob"
    assert list(message.d) == [0.1, -0.2, 0.01, 0.02, 0.03]
    assert (message.width, message.height, message.header.frame_id) == (640, 480, "camera_wrist_optical_frame")
    np.testing.assert_array_equal(np.array(message.k).reshape(3, 3), MATRIX)


def test_a_camera_that_tells_no_distortion_has_none():
    assert list(camera_info_to_message(describe(), Time()).d) == [0.0] * 5
