"""The tool centre on `tf` and the calibrated cameras on `tf_static`, for RViz, MoveIt and other ROS tools; Stage itself reads neither.

Only where `tf2_msgs` can be imported, as on any ROS machine; elsewhere nothing is published. As in nav2 the topics are relative:
they are `/tf` and `/tf_static` for one robot, `/left/tf` for a robot in the namespace `left`, and frame ids carry no prefix. So the
frames are the ones in the headers of states and images, and two arms never share a tree. Tools join one of them by remapping:
`rviz2 --ros-args -r /tf:=/left/tf -r /tf_static:=/left/tf_static`. Start at `TransformPublisher`.
"""

from __future__ import annotations

import importlib

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, TransformStamped
from rclpy.node import Node

from robot_drivers.arm import ArmDescription
from robot_drivers.camera_extrinsics import CameraExtrinsics, extrinsics_of
from robot_drivers.poses import pose_distance
from robot_drivers.workcell import Workcell
from stage_nodes.conversions import nanoseconds_of, to_pose, to_time
from stage_nodes.topics import TRANSFORMS, TRANSFORMS_STATIC, latched, reliable

TRANSFORM_DEPTH = 100  # what tf2's own broadcaster keeps
SAME_TOOL = (1e-4, 1e-3)  # m, rad: closer than this, two tools are one


class TransformPublisher:
    """Publishes frames; every method does nothing where `tf2_msgs` is missing."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._message_type = transform_message_type()
        self._last_tool_ns = -1
        if self._message_type is not None:
            self._moving = node.create_publisher(self._message_type, TRANSFORMS, reliable(TRANSFORM_DEPTH))
            self._still = node.create_publisher(self._message_type, TRANSFORMS_STATIC, latched())

    @property
    def publishes(self) -> bool:
        """True where `tf2_msgs` can be imported."""
        return self._message_type is not None

    def publish_tool(self, stamp: Time, base_frame: str, tool_frame: str, pose: Pose) -> None:
        """Publish the tool centre, once per stamp: tf2 warns of repeated data.

        Args:
            stamp: Measurement time of the pose, as in the state's header.
            base_frame: `ArmDescription.base_frame`.
            tool_frame: `ArmDescription.ee_link`.
            pose: Of the tool centre in the base frame, m and xyzw.
        """
        if not self.publishes or nanoseconds_of(stamp) == self._last_tool_ns:
            return
        self._last_tool_ns = nanoseconds_of(stamp)
        self._moving.publish(self._message_type(transforms=[to_transform(stamp, base_frame, tool_frame, pose)]))

    def publish_cameras(self, workcell: Workcell) -> None:
        """Publish where the calibrated cameras of a workcell are, latched; without a calibrated one publish nothing.

        Raises:
            ConfigurationError: If the block `extrinsics` of a camera holds a wrong key or value.
        """
        if not self.publishes:
            return
        description, stamp, transforms = workcell.safe_arm.description, to_time(workcell.now()), []
        for name in workcell.config.cameras:
            extrinsics = extrinsics_of(workcell.config, name)
            if extrinsics is None:
                continue
            if is_of_another_tool(extrinsics, description):
                self._node.get_logger().warning(
                    f"camera {name} is not on {TRANSFORMS_STATIC}: it was calibrated with another flange_to_tool. Calibrate it again."
                )
                continue
            optical_frame = workcell.cameras[name].description.optical_frame
            transforms.append(camera_transform(extrinsics, description, optical_frame, stamp))
        if transforms:
            self._still.publish(self._message_type(transforms=transforms))


def transform_message_type() -> type | None:
    """Return `tf2_msgs/TFMessage`, None where the package is missing: no wheel of it exists, every ROS machine has it."""
    try:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    except ImportError:
        return None


def to_transform(stamp: Time, parent: str, child: str, pose: Pose) -> TransformStamped:
    """Return the transform of a frame `child` whose pose in `parent` is `pose`, m and xyzw."""
    message = TransformStamped(child_frame_id=child)
    message.header.stamp, message.header.frame_id = stamp, parent
    for axis in "xyz":
        setattr(message.transform.translation, axis, getattr(pose.position, axis))
    message.transform.rotation = pose.orientation
    return message


def camera_transform(extrinsics: CameraExtrinsics, description: ArmDescription, optical_frame: str, stamp: Time) -> TransformStamped:
    """Return the transform of a camera's optical frame; the workcell file's `base` and `ee` become the arm's own frame names."""
    frames = {"base": description.base_frame, "ee": description.ee_link}
    parent = frames.get(extrinsics.parent_frame, extrinsics.parent_frame)
    return to_transform(stamp, parent, optical_frame, to_pose(extrinsics.position, extrinsics.orientation))


def is_of_another_tool(extrinsics: CameraExtrinsics, description: ArmDescription) -> bool:
    """Return True for a camera on the hand that was calibrated with another tool: its pose in the tool's frame is wrong now."""
    if extrinsics.parent_frame != "ee" or extrinsics.flange_to_tool is None:
        return False
    distance, angle = pose_distance(np.asarray(description.flange_to_tool), np.asarray(extrinsics.flange_to_tool))
    return distance > SAME_TOOL[0] or angle > SAME_TOOL[1]
