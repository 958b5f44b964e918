"""What an episode log holds: every topic of the graph with its type and how many of its messages may wait."""

from __future__ import annotations

from dataclasses import dataclass

from sensor_msgs.msg import CameraInfo, Image, JointState
from stage_msgs.msg import (
    ArmCommand,
    ArmState,
    EnvironmentOutcome,
    ImageInfo,
    ObjectState,
    PolicyStatus,
    SafetyStatus,
    StageEvent,
    StageObservation,
    StageStatus,
)

from stage_nodes import topics


@dataclass(frozen=True)
class RecordedTopic:
    """One topic of the log. `group` is what it counts as for a complete step, empty if a step can be whole without it."""

    name: str
    kind: type
    group: str = ""
    latched: bool = False

    @property
    def type_name(self) -> str:
        """For example stage_msgs/msg/ArmState."""
        package, folder = self.kind.__module__.split(".")[:2]
        return f"{package}/{folder}/{self.kind.__name__}"


def recorded_topics(cameras: tuple[str, ...], *, truth: bool, monitor: bool, objects: tuple[str, ...] = ()) -> list[RecordedTopic]:
    """Return the topics of a graph.

    Args:
        cameras: Camera names.
        truth: The workcell is a simulation that tells its truth.
        monitor: A stage monitor takes part.
        objects: Names of the things whose poses are looked for.
    """
    listed = [
        RecordedTopic(topics.ARM_STATE, ArmState, group="state"),
        RecordedTopic(topics.JOINT_STATES, JointState),
        RecordedTopic(topics.COMMAND_INTENDED, ArmCommand),
        RecordedTopic(topics.STAGE_OBSERVATION, StageObservation, group="observation" if monitor else ""),
        RecordedTopic(topics.STAGE_STATUS, StageStatus, group="status" if monitor else ""),
        RecordedTopic(topics.STAGE_EVENTS, StageEvent, latched=True),
        RecordedTopic(topics.OPERATOR_SUCCESS, EnvironmentOutcome),
        RecordedTopic(topics.POLICY_STATUS, PolicyStatus),
        RecordedTopic(topics.SAFETY_STATUS, SafetyStatus, latched=True),
    ]
    listed += [RecordedTopic(topics.COMMAND_PREFIX + source, ArmCommand, group="command") for source in topics.COMMAND_SOURCES]
    listed += [RecordedTopic(topics.OBJECT_PREFIX + name, ObjectState) for name in objects]
    if truth:
        listed.append(RecordedTopic(topics.TRUTH_OBSERVATION, StageObservation, group="truth"))
        listed.append(RecordedTopic(topics.TRUTH_OUTCOME, EnvironmentOutcome, group="outcome"))
    for camera in cameras:
        listed.append(RecordedTopic(topics.camera_topic(camera, "image_raw"), Image, group=f"camera {camera}"))
        listed.append(RecordedTopic(topics.camera_topic(camera, "camera_info"), CameraInfo))
        listed.append(RecordedTopic(topics.camera_topic(camera, "image_info"), ImageInfo))
    return listed
