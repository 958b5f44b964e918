import sys
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time

from robot_drivers.camera_extrinsics import CameraExtrinsics
from robot_drivers.workcell import Workcell, load_workcell_config, open_workcell
from stage_bringup.configuration_files import find_configuration
from stage_nodes.conversions import to_pose
from stage_nodes.transforms import TransformPublisher, camera_transform, is_of_another_tool, to_transform, transform_message_type

POSE = to_pose([0.4, -0.1, 0.3], [1.0, 0.0, 0.0, 0.0])
STAMP = Time(sec=12, nanosec=345)


@dataclass
class Frames:
    """Stands in for tf2_msgs/TFMessage, which has no wheel."""

    transforms: list


@dataclass
class Publishers:
    """What a node is asked for, and what is published."""

    topics: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)

    def create_publisher(self, kind, topic, qos):
        published = self.topics.setdefault(topic, [])
        return SimpleNamespace(publish=published.append)

    def get_logger(self):
        return SimpleNamespace(warning=self.warnings.append)


@pytest.fixture
def node_with_tf2(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", SimpleNamespace(TFMessage=Frames))
    return Publishers()


def extrinsics(**changes) -> CameraExtrinsics:
    values = {"parent_frame": "base", "position_m": (1.0, 0.2, 0.5), "orientation_xyzw": (0.0, 0.6, 0.0, 0.8)}
    return CameraExtrinsics(**{**values, "residual_mm": 0.1, "residual_deg": 0.1, "date": "2026-05-04", "method": "board", **changes})


def fake_workcell(**cameras: CameraExtrinsics | None) -> Workcell:
    config = load_workcell_config(find_configuration("workcells", "fake"))
    entry = {"width_px": 64, "height_px": 64, "rate_hz": 20.0}
    workcell = open_workcell(replace(config, cameras={name: dict(entry) for name in cameras}))
    for name, block in cameras.items():
        if block is not None:  # added afterwards: the fake camera takes no extrinsics
            workcell.config.cameras[name]["extrinsics"] = vars(block)
    return workcell


def test_a_pose_becomes_the_transform_from_parent_to_child_number_for_number():
    message = to_transform(STAMP, "fr3_link0", "stage_tool", POSE)
    assert (message.header.frame_id, message.child_frame_id, message.header.stamp) == ("fr3_link0", "stage_tool", STAMP)
    translation, rotation = message.transform.translation, message.transform.rotation
    assert (translation.x, translation.y, translation.z) == (0.4, -0.1, 0.3)
    assert (rotation.x, rotation.y, rotation.z, rotation.w) == (1.0, 0.0, 0.0, 0.0)


def test_a_standing_camera_is_in_the_base_frame_and_one_on_the_hand_in_the_tool_frame():
    description = fake_workcell().arm.description
    standing = camera_transform(extrinsics(), description, "camera_base_optical_frame", STAMP)
    hanging = camera_transform(extrinsics(parent_frame="ee"), description, "camera_wrist_optical_frame", STAMP)
    assert (standing.header.frame_id, standing.child_frame_id) == ("fake_base", "camera_base_optical_frame")
    assert hanging.header.frame_id == "fake_tool"


def test_without_tf2_msgs_nothing_is_published_and_nothing_fails(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs", None)  # an import of it fails now, also where it is installed
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", None)
    node = Publishers()
    transforms = TransformPublisher(node)
    transforms.publish_tool(STAMP, "base", "tool", POSE)
    transforms.publish_cameras(fake_workcell(base=extrinsics()))
    assert transform_message_type() is None and not transforms.publishes and node.topics == {}


def test_a_stamp_that_was_published_already_is_left_out(node_with_tf2):
    transforms = TransformPublisher(node_with_tf2)
    for stamp in (STAMP, STAMP, Time(sec=13)):
        transforms.publish_tool(stamp, "base", "tool", POSE)
    assert [message.transforms[0].header.stamp.sec for message in node_with_tf2.topics["tf"]] == [12, 13]


def test_all_calibrated_cameras_go_out_in_one_message_and_the_others_not(node_with_tf2):
    TransformPublisher(node_with_tf2).publish_cameras(
        fake_workcell(base=extrinsics(), side=None, top=extrinsics(position_m=(0.0, 0.0, 1.0)))
    )
    (message,) = node_with_tf2.topics["tf_static"]
    assert [transform.child_frame_id for transform in message.transforms] == ["camera_base_optical_frame", "camera_top_optical_frame"]


def test_a_camera_calibrated_with_another_tool_is_left_out_and_named(node_with_tf2):
    tool = tuple(fake_workcell().arm.description.flange_to_tool + np.array([0.0, 0.0, 0.02, 0.0, 0.0, 0.0, 0.0]))
    hanging = extrinsics(parent_frame="ee", flange_to_tool=tool)
    TransformPublisher(node_with_tf2).publish_cameras(fake_workcell(wrist=hanging))
    assert node_with_tf2.topics["tf_static"] == [] and "camera wrist" in node_with_tf2.warnings[0]


def test_another_tool_does_not_matter_to_a_camera_that_stands():
    description = fake_workcell().arm.description
    assert not is_of_another_tool(extrinsics(flange_to_tool=(0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 1.0)), description)
