"""From image to pose in the base frame for the cameras of a workcell, without ROS."""

from __future__ import annotations

import array
import sys
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image

from robot_drivers.calibration.transforms import difference, exponential, invert, to_matrix, to_pose
from robot_drivers.camera import CameraDescription, CameraFrame
from robot_drivers.camera_extrinsics import CameraExtrinsics
from robot_drivers.perception.settings import Tag, TagObject, load_perception
from stage_core.errors import ConfigurationError
from stage_nodes.conversions import depth_from_message, depth_to_message, object_state_to_message
from stage_nodes.object_watch import HISTORY, HandHistory, ObjectWatch

sys.path.insert(0, str(Path(__file__).parents[1] / "robot_drivers"))
import perception_rig as rig

CONFIG = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config"
TAG = Tag(id=7, size_m=0.03, object_position_m=(0.0, 0.0, -0.02), object_orientation_xyzw=(0.0, 0.0, 0.0, 1.0))
CUBE = TagObject(method="tag", camera="wrist", family="tag36h11", tags=(TAG,))


def extrinsics(parent: str, pose: np.ndarray, **more) -> CameraExtrinsics:
    position, orientation = tuple(pose[:3]), tuple(pose[3:])
    return CameraExtrinsics(
        parent_frame=parent,
        position_m=position,
        orientation_xyzw=orientation,
        residual_mm=0.0,
        residual_deg=0.0,
        date="",
        method="",
        **more,
    )


def test_a_camera_on_a_moving_hand_places_the_cube_by_the_hand_pose_of_the_images_own_time():
    model, mount = rig.camera(), np.array([0.05, 0.0, -0.08, 0.0, 0.0, 0.0, 1.0])
    watch = ObjectWatch("wrist", {"cube": CUBE}, extrinsics("ee", mount))
    hand = HandHistory()
    for k in range(10):  # 0.2 m/s: a frame of 50 ms is 10 mm
        hand.add(0.05 * k, to_pose(exponential(np.array([0.3 + 0.01 * k, 0.0, 0.4, np.pi, 0.0, 0.0]))))
    stamp = 0.275  # between two states
    camera = to_matrix(hand.at(stamp)) @ to_matrix(mount)
    cube = exponential(np.array([0.41, 0.02, 0.03, 0.0, 0.0, 0.3]))
    tag = invert(camera) @ cube @ invert(TAG.object_in_tag)
    image = rig.photograph(rig.draw_tag(model, tag, size=0.03), noise=3.0, blur=0.7)
    seen = watch.look(image, None, model, hand.at(stamp))["cube"]
    assert np.linalg.norm(seen.position - cube[:3, 3]) < 0.002
    late = watch.look(image, None, model, hand.at(0.45))["cube"]
    assert np.linalg.norm(late.position - cube[:3, 3]) > 0.03


def test_without_the_hands_pose_a_camera_on_the_hand_places_nothing():
    watch = ObjectWatch("wrist", {"cube": CUBE}, extrinsics("ee", np.array([0.0, 0, 0, 0, 0, 0, 1])))
    assert watch.look(np.zeros((480, 640, 3), np.uint8), None, rig.camera(), None) == {"cube": None}


def test_a_hand_pose_is_interpolated_and_never_made_up():
    hand = HandHistory()
    assert hand.at(0.0) is None
    hand.add(1.0, np.array([0.0, 0, 0, 0, 0, 0, 1.0]))
    hand.add(1.1, np.array([0.1, 0, 0, 0, 0, np.sin(0.1), np.cos(0.1)]))
    between = hand.at(1.025)
    expected = exponential(np.array([0.025, 0.0, 0.0, 0.0, 0.0, 0.05]))
    assert difference(to_matrix(between), expected) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert hand.at(1.15)[0] == 0.1
    assert hand.at(1.3) is None
    assert hand.at(0.8) is None
    assert (hand.covers(1.1), hand.covers(1.11)) == (True, False)


def test_a_clock_that_went_back_begins_a_new_history_and_memory_is_bounded():
    hand = HandHistory()
    for k in range(2 * HISTORY):
        hand.add(0.01 * k, np.array([0.0, 0, 0, 0, 0, 0, 1.0]))
    assert len(hand._entries) == HISTORY
    hand.add(0.0, np.array([0.5, 0, 0, 0, 0, 0, 1.0]))
    assert hand.at(5.0) is None
    assert hand.at(0.0)[0] == 0.5


def test_a_camera_with_other_intrinsics_than_it_was_calibrated_with_is_refused():
    calibrated = rig.camera()
    watch = ObjectWatch("wrist", {"cube": CUBE}, extrinsics("base", np.array([0.0, 0, 0, 0, 0, 0, 1]), intrinsics_sha256=calibrated.sha256))
    watch.check(calibrated)
    with pytest.raises(ConfigurationError, match="stage calibrate camera"):
        watch.check(rig.camera(focal=500.0))


def test_the_bundled_perception_files_load():
    for path in (CONFIG / "perception").glob("*.yaml"):
        assert load_perception(path)


def depth_message(encoding: str, values: np.ndarray) -> Image:
    message = Image(height=values.shape[0], width=values.shape[1], encoding=encoding)
    message.data = array.array("B", values.tobytes())
    return message


def test_depth_travels_in_metres_and_unknown_stays_unknown():
    depth = np.array([[0.5, np.nan], [1.25, 3.0]], np.float32)
    frame = CameraFrame(stamp=3.5, sequence=0, image=np.zeros((2, 2, 3), np.uint8), depth=depth)
    description = CameraDescription(
        name="base", width=2, height=2, rate_hz=30.0, optical_frame="optical", intrinsics=np.eye(3), has_depth=True
    )
    message = depth_to_message(frame, description)
    assert (message.encoding, message.header.stamp.nanosec, message.header.frame_id) == ("32FC1", 500_000_000, "optical")
    np.testing.assert_array_equal(depth_from_message(message), depth)


def test_depth_of_other_drivers_in_millimetres_is_read_with_0_as_unknown():
    read = depth_from_message(depth_message("16UC1", np.array([[0, 1250]], np.uint16)))
    np.testing.assert_array_equal(read, np.array([[np.nan, 1.25]], np.float32))
    with pytest.raises(ValueError, match="expected 32FC1"):
        depth_from_message(depth_message("mono8", np.zeros((1, 1), np.uint8)))


def test_an_object_that_is_not_seen_travels_as_invalid_with_no_confidence():
    message = object_state_to_message("cube", None, Time(sec=4))
    assert (message.position_valid, message.orientation_valid, message.confidence, message.stamp.sec) == (False, False, 0.0, 4)
