"""The only place where ROS messages become core data and back. Units and orders are the same on both sides: m, rad, s, N, xyzw."""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose
from sensor_msgs.msg import CameraInfo, Image, JointState
from stage_msgs.msg import ArmCommand as ArmCommandMessage
from stage_msgs.msg import ArmState as ArmStateMessage
from stage_msgs.msg import ObjectState, StageStatus
from stage_msgs.msg import StageEvent as StageEventMessage
from stage_msgs.msg import StageObservation as StageObservationMessage

from robot_drivers.arm import ActionSpace, ArmCommand, ArmState
from robot_drivers.camera import CameraDescription, CameraFrame
from robot_drivers.gripper import GripperState
from robot_drivers.perception.seen_pose import SeenPose
from stage_core.monitor import StageEvent, StageUpdate
from stage_core.observation import StageObservation

NANOSECONDS = 1_000_000_000


def to_time(stamp: float) -> Time:
    """Return a ROS time for `stamp` in seconds, rounded to 1 ns; `from_time` gives a stamp that came from a message back bit for bit."""
    whole = math.floor(stamp)  # stamp * 1e9 has no bits left for nanoseconds on a wall clock
    nanoseconds = whole * NANOSECONDS + round((stamp - whole) * NANOSECONDS)
    return Time(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)


def from_time(time: Time) -> float:
    """Return a ROS time in seconds."""
    return time.sec + time.nanosec / NANOSECONDS


def nanoseconds_of(time: Time) -> int:
    """Return a ROS time in whole nanoseconds, the key by which images are joined to states."""
    return time.sec * NANOSECONDS + time.nanosec


def to_pose(position: np.ndarray, orientation: np.ndarray) -> Pose:
    """Return a message for a (3,) position in m and a (4,) xyzw orientation."""
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = (float(value) for value in position)
    pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = (float(value) for value in orientation)
    return pose


def position_of(pose: Pose) -> np.ndarray:
    """Return the (3,) float64 position in m."""
    return np.array([pose.position.x, pose.position.y, pose.position.z])


def orientation_of(pose: Pose) -> np.ndarray:
    """Return the (4,) float64 xyzw orientation."""
    return np.array([pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w])


def arm_state_to_message(
    state: ArmState,
    gripper: GripperState | None,
    *,
    commanded_pose: np.ndarray,
    joint_names: tuple[str, ...],
    frame: str,
    sequence: int,
    episode: int,
) -> ArmStateMessage:
    """Return the message of one arm state; `commanded_pose` is (7,) m and xyzw in the base frame `frame`."""
    message = ArmStateMessage(sequence=sequence, episode=episode, joint_names=list(joint_names))
    message.header.stamp = to_time(state.stamp)
    message.header.frame_id = frame
    message.joint_positions = array.array("d", state.joint_positions)
    message.joint_velocities = array.array("d", state.joint_velocities)
    if state.joint_efforts is not None:
        message.joint_efforts = array.array("d", state.joint_efforts)
    message.ee_pose = to_pose(state.ee_position, state.ee_orientation)
    message.commanded_ee_pose = to_pose(commanded_pose[:3], commanded_pose[3:])
    if state.external_wrench is not None:
        message.external_wrench = array.array("d", state.external_wrench)
    message.gripper_width = gripper.width if gripper else math.nan
    message.gripper_opening = gripper.opening if gripper else math.nan
    message.gripper_effort = gripper.effort if gripper and gripper.effort is not None else math.nan
    message.mode = state.mode.value
    message.fault = state.fault
    return message


def state_arrays(message: ArmStateMessage) -> dict[str, np.ndarray]:
    """Return the arrays that a policy's contract can name, each 1-D float64."""
    return {
        "joint_positions": np.array(message.joint_positions),
        "joint_velocities": np.array(message.joint_velocities),
        "ee_position": position_of(message.ee_pose),
        "ee_orientation": orientation_of(message.ee_pose),
        "gripper_opening": np.array([message.gripper_opening]),
        "gripper_width": np.array([message.gripper_width]),
    }


def joint_state_to_message(message: ArmStateMessage) -> JointState:
    """Return the standard JointState of an arm state."""
    joints = JointState(header=message.header, name=list(message.joint_names))
    joints.position = message.joint_positions
    joints.velocity = message.joint_velocities
    joints.effort = message.joint_efforts
    return joints


def command_to_message(command: ArmCommand, *, episode: int, frame_id: str = "") -> ArmCommandMessage:
    """Return the message of one command."""
    message = ArmCommandMessage(
        sequence=command.sequence,
        episode=episode,
        token=command.token,
        source=command.source,
        action_space=command.action_space.value,
        frame=command.frame,
        reference=command.reference,
        gripper=math.nan if command.gripper is None else float(command.gripper),
        valid_for=float(command.valid_for),
    )
    message.header.stamp = to_time(command.stamp)
    message.header.frame_id = frame_id
    message.values = array.array("d", command.values)
    return message


def command_from_message(message: ArmCommandMessage) -> ArmCommand:
    """Return one command.

    Raises:
        ValueError: If the action space is unknown.
    """
    return ArmCommand(
        stamp=from_time(message.header.stamp),
        action_space=ActionSpace(message.action_space),
        values=np.array(message.values, dtype=np.float64),
        valid_for=message.valid_for,
        gripper=None if math.isnan(message.gripper) else message.gripper,
        frame=message.frame or "base",
        reference=message.reference or "commanded",
        source=message.source,
        sequence=message.sequence,
        token=message.token,
    )


def image_to_message(frame: CameraFrame, description: CameraDescription) -> Image:
    """Return an rgb8 image message; array.array is the one fast way into a byte field of rclpy."""
    height, width = frame.image.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width)
    message.header.stamp = to_time(frame.stamp)
    message.header.frame_id = description.optical_frame
    message.data = array.array("B", frame.image.tobytes())
    return message


def image_from_message(message: Image) -> np.ndarray:
    """Return the (H, W, 3) uint8 RGB image of an rgb8 or bgr8 message, without a copy for rgb8.

    Raises:
        ValueError: For any other encoding.
    """
    if message.encoding not in ("rgb8", "bgr8"):
        raise ValueError(f'image encoding is "{message.encoding}"; expected rgb8 or bgr8. Convert it in the camera\'s driver.')
    image = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.width, 3)
    return image if message.encoding == "rgb8" else image[..., ::-1]


def depth_to_message(frame: CameraFrame, description: CameraDescription) -> Image:
    """Return the 32FC1 message, m, of a frame's depth, which is aligned to its image and has the same stamp."""
    height, width = frame.depth.shape
    message = Image(height=height, width=width, encoding="32FC1", is_bigendian=0, step=4 * width)
    message.header.stamp = to_time(frame.stamp)
    message.header.frame_id = description.optical_frame
    message.data = array.array("B", np.ascontiguousarray(frame.depth, dtype="<f4").tobytes())
    return message


def depth_from_message(message: Image) -> np.ndarray:
    """Return (H, W) float32 m of a 32FC1 message (m) or a 16UC1 one (mm, as many ROS drivers send; 0 becomes NaN).

    Raises:
        ValueError: For any other encoding.
    """
    if message.encoding == "32FC1":
        return np.frombuffer(message.data, dtype="<f4").reshape(message.height, message.width)
    if message.encoding == "16UC1":
        millimetres = np.frombuffer(message.data, dtype="<u2").reshape(message.height, message.width)
        return np.where(millimetres == 0, np.float32(np.nan), millimetres.astype(np.float32) / np.float32(1000.0))
    raise ValueError(f'depth encoding is "{message.encoding}"; expected 32FC1 (m) or 16UC1 (mm). Convert it in the camera\'s driver.')


def camera_info_to_message(description: CameraDescription, stamp: Time) -> CameraInfo:
    """Return the CameraInfo of a camera; its image is not rectified, so `p` is the camera matrix with the distortion left to `d`."""
    distortion = [float(value) for value in description.distortion]
    message = CameraInfo(height=description.height, width=description.width, distortion_model="plumb_bob", d=distortion)
    message.header.stamp = stamp
    message.header.frame_id = description.optical_frame
    matrix = np.asarray(description.intrinsics, dtype=np.float64)
    message.k = matrix.ravel()
    message.r = np.eye(3).ravel()
    message.p = np.hstack([matrix, np.zeros((3, 1))]).ravel()
    return message


def _flag(value: bool | None) -> int:
    return -1 if value is None else int(value)


def _unflag(value: int) -> bool | None:
    return None if value < 0 else bool(value)


def _object_to_message(
    name: str, position: np.ndarray | None, orientation: np.ndarray | None, confidence: float, stamp: Time
) -> ObjectState:
    message = ObjectState(name=name, position_valid=position is not None, orientation_valid=orientation is not None, confidence=confidence)
    message.stamp = stamp
    zero, identity = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
    message.pose = to_pose(zero if position is None else position, identity if orientation is None else orientation)
    return message


def object_state_to_message(name: str, seen: SeenPose | None, stamp: Time) -> ObjectState:
    """Return the message of one look at a thing, its pose in the arm base frame; None, not seen, becomes invalid marks."""
    if seen is None:
        return _object_to_message(name, None, None, 0.0, stamp)
    return _object_to_message(name, seen.position, seen.orientation, seen.confidence, stamp)


def stage_observation_to_message(observation: StageObservation, *, frame: str) -> StageObservationMessage:
    """Return the message of a stage observation; None becomes an invalid mark, never a number."""
    message = StageObservationMessage(sequence=observation.sequence, episode=observation.episode, tier=observation.tier)
    message.header.stamp = to_time(observation.stamp)
    message.header.frame_id = frame
    message.ee_valid = observation.ee_position is not None and observation.ee_orientation is not None
    if message.ee_valid:
        message.ee_pose = to_pose(observation.ee_position, observation.ee_orientation)
    for name in ("object", "goal"):
        position, orientation = getattr(observation, f"{name}_position"), getattr(observation, f"{name}_orientation")
        stamp = to_time(observation.input_stamps.get(name, observation.stamp))
        setattr(message, name, _object_to_message(name, position, orientation, observation.confidence_of(f"{name}_position"), stamp))
    for name in ("grasped", "contact", "released", "object_static"):
        setattr(message, name, _flag(getattr(observation, name)))
    for name in ("contact_force", "gripper_width", "gripper_effort"):
        value = getattr(observation, name)
        setattr(message, name, math.nan if value is None else float(value))
    message.confidence_names = list(observation.confidence)
    message.confidence_values = [float(value) for value in observation.confidence.values()]
    message.input_names = list(observation.input_stamps)
    message.input_stamps = [to_time(stamp) for stamp in observation.input_stamps.values()]
    return message


def stage_observation_from_message(message: StageObservationMessage) -> StageObservation:
    """Return the stage observation of a message."""
    number = lambda value: None if math.isnan(value) else value  # noqa: E731
    obj, goal = message.object, message.goal
    return StageObservation(
        stamp=from_time(message.header.stamp),
        sequence=message.sequence,
        episode=message.episode,
        tier=message.tier,
        ee_position=position_of(message.ee_pose) if message.ee_valid else None,
        ee_orientation=orientation_of(message.ee_pose) if message.ee_valid else None,
        object_position=position_of(obj.pose) if obj.position_valid else None,
        object_orientation=orientation_of(obj.pose) if obj.orientation_valid else None,
        goal_position=position_of(goal.pose) if goal.position_valid else None,
        goal_orientation=orientation_of(goal.pose) if goal.orientation_valid else None,
        grasped=_unflag(message.grasped),
        contact=_unflag(message.contact),
        released=_unflag(message.released),
        object_static=_unflag(message.object_static),
        contact_force=number(message.contact_force),
        gripper_width=number(message.gripper_width),
        gripper_effort=number(message.gripper_effort),
        confidence=dict(zip(message.confidence_names, message.confidence_values, strict=True)),
        input_stamps={name: from_time(stamp) for name, stamp in zip(message.input_names, message.input_stamps, strict=True)},
    )


def stage_status_to_message(update: StageUpdate, observation: StageObservation, *, task: str, stage_names: tuple[str, ...]) -> StageStatus:
    """Return the status of one control step; what is absent becomes NaN."""
    message = StageStatus(
        sequence=observation.sequence,
        episode=observation.episode,
        task=task,
        stage=update.stage,
        stage_name=update.stage_name,
        stage_names=list(stage_names),
        success=update.success,
        progress=float(update.progress),
        potential=math.nan if update.potential is None else float(update.potential),
        cost=math.nan if update.cost is None else float(update.cost),
        shaped_reward=float(update.shaped_reward),
        confidence=float(update.confidence),
        tier=update.tier,
    )
    message.header.stamp = to_time(observation.stamp)
    return message


def stage_event_to_message(event: StageEvent, observation: StageObservation, *, task: str) -> StageEventMessage:
    """Return the message of one stage event."""
    message = StageEventMessage(
        sequence=observation.sequence,
        episode=observation.episode,
        task=task,
        kind=event.kind,
        stage=event.stage,
        stage_name=event.stage_name,
        previous_stage=event.previous_stage,
        previous_stage_name=event.previous_stage_name,
        evidence=event.evidence,
    )
    message.header.stamp = to_time(observation.stamp)
    return message
