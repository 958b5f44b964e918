"""Logs for the tests: real ROS messages through the real writer."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from stage_msgs.msg import ArmCommand, ArmState, EnvironmentOutcome, ObjectState, StageEvent, StageObservation, StageStatus
from std_msgs.msg import Header

from stage_recorder.definitions import message_definition
from stage_recorder.schema import new_episode_directory, new_metadata
from stage_recorder.writer import EpisodeWriter

STAGES = ["reach", "push", "success"]
STEP_NS = 50_000_000
INTRINSICS = [10.0, 0.0, 4.0, 0.0, 11.0, 3.0, 0.0, 0.0, 1.0]


def header(stamp_ns: int) -> Header:
    return Header(stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id="base")


def pose(generator: np.random.Generator) -> Pose:
    position, orientation = generator.normal(size=3), generator.normal(size=4)
    return Pose(
        position=Point(**dict(zip("xyz", position, strict=True))), orientation=Quaternion(**dict(zip("xyzw", orientation, strict=True)))
    )


def type_name(message: Any) -> str:
    return f"{type(message).__module__.split('.')[0]}/msg/{type(message).__name__}"


class Log:
    """An episode under construction; keeps what it wrote so that a test can compare."""

    def __init__(self, root: Path, task: str = "PushCube", **metadata: Any) -> None:
        self.directory = new_episode_directory(root, task)
        self.writer = EpisodeWriter(self.directory, new_metadata(self.directory.name, task=task, **metadata))
        self.written: dict[str, list[Any]] = {}

    def write(self, topic: str, message: Any) -> None:
        self.writer.add_topic(topic, type_name(message), message_definition(type_name(message)), latched=topic == "stage/events")
        now = time.time_ns()
        self.writer.write(topic, serialize_message(message), now, now)
        self.written.setdefault(topic, []).append(message)

    def close(self, value: str = "success") -> Path:
        return self.writer.close({"value": value, "by": "operator", "notes": ""})


def arm_state(generator: np.random.Generator, sequence: int, *, stamp_ns: int, episode: int = 1, source: str = "policy") -> ArmState:
    return ArmState(
        header=header(stamp_ns), sequence=sequence, episode=episode, joint_names=[f"joint{i}" for i in range(1, 8)],
        joint_positions=generator.normal(size=7), joint_velocities=generator.normal(size=7), joint_efforts=generator.normal(size=7),
        ee_pose=pose(generator), commanded_ee_pose=pose(generator), external_wrench=generator.normal(size=6),
        gripper_width=0.08 * generator.random(), gripper_opening=generator.random(), gripper_effort=math.nan, mode="moving", source=source,
    )  # fmt: skip


def arm_command(
    generator: np.random.Generator, sequence: int, *, stamp_ns: int, episode: int = 1, source: str = "policy", space: str = "ee_delta_pose"
) -> ArmCommand:
    return ArmCommand(
        header=header(stamp_ns), sequence=sequence, episode=episode, token=7, source=source, action_space=space, frame="base",
        values=[] if space == "hold" else generator.normal(size=6), reference="commanded", gripper=generator.random(), valid_for=0.1,
    )  # fmt: skip


def image(generator: np.random.Generator, stamp_ns: int, height: int = 6, width: int = 8) -> Image:
    data = generator.integers(0, 256, size=(height, width, 3), dtype=np.uint8).tobytes()
    return Image(header=header(stamp_ns), height=height, width=width, encoding="rgb8", step=3 * width, data=data)


def stage_observation(generator: np.random.Generator, sequence: int, *, stamp_ns: int, episode: int = 1) -> StageObservation:
    stamp = header(stamp_ns).stamp
    return StageObservation(
        header=header(stamp_ns), sequence=sequence, episode=episode, tier=9, ee_pose=pose(generator), ee_valid=True,
        object=ObjectState(name="object", pose=pose(generator), position_valid=True, orientation_valid=True, confidence=1.0, stamp=stamp),
        goal=ObjectState(name="goal", pose=pose(generator), position_valid=True, orientation_valid=False, confidence=0.5, stamp=stamp),
        grasped=1, contact=-1, released=0, object_static=1, contact_force=math.nan, gripper_width=0.04, gripper_effort=math.nan,
        confidence_names=["goal_position"], confidence_values=[0.5], input_names=["state", "object"], input_stamps=[stamp, stamp],
    )  # fmt: skip


def write_step(
    log: Log, generator: np.random.Generator, sequence: int, *, stamp_ns: int, episode: int = 1, space: str = "ee_delta_pose"
) -> None:
    """Write one lockstep step with everything in it."""
    log.write("arm/state", arm_state(generator, sequence, stamp_ns=stamp_ns, episode=episode))
    log.write("cameras/base/image_raw", image(generator, stamp_ns))
    log.write("cameras/base/camera_info", CameraInfo(header=header(stamp_ns), height=6, width=8, k=INTRINSICS, d=[0.5]))
    log.write("command/policy", arm_command(generator, sequence, stamp_ns=stamp_ns, episode=episode, space=space))
    log.write("command/intended", arm_command(generator, sequence, stamp_ns=stamp_ns, episode=episode))
    log.write("stage/observation", stage_observation(generator, sequence, stamp_ns=stamp_ns, episode=episode))
    stage = min(sequence // 4, 2)
    log.write(
        "stage/status",
        StageStatus(
            header=header(stamp_ns), sequence=sequence, episode=episode, task="PushCube", stage=stage, stage_name=STAGES[stage], stage_names=STAGES,
            success=stage == 2, progress=generator.random(), potential=generator.random() if sequence else math.nan, cost=generator.random(),
            shaped_reward=generator.normal(), confidence=1.0, tier=9,
        ),
    )  # fmt: skip
    if sequence and stage != min((sequence - 1) // 4, 2):
        event = StageEvent(header=header(stamp_ns), sequence=sequence, episode=episode, task="PushCube", kind="entered", stage=stage)
        event.stage_name, event.previous_stage, event.previous_stage_name, event.evidence = (
            STAGES[stage],
            stage - 1,
            STAGES[stage - 1],
            "moved",
        )
        log.write("stage/events", event)
    log.write("truth/outcome", EnvironmentOutcome(header=header(stamp_ns), sequence=sequence, episode=episode, success=stage == 2))


def lockstep_log(root: Path, steps: int = 10, seed: int = 0, **metadata: Any) -> Log:
    """Return a log of `steps` whole lockstep steps, not yet closed."""
    log, generator = Log(root, **metadata), np.random.default_rng(seed)
    for sequence in range(steps):
        write_step(log, generator, sequence, stamp_ns=3 * 10**9 + sequence * STEP_NS)
    return log
