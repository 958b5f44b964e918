"""The stage monitor as a node: one StageObservation in, one StageStatus and its events out, each control step.

In a simulation the observation is the simulator's truth; on a robot it is joined from what the arm measures. The
observation *used* goes out on `stage/observation`, so that a log gives the same labels bit for bit (DESIGN 9.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from stage_msgs.msg import ArmState, StageEvent, StageObservation, StageStatus, StepAcknowledgement

from stage_core.builder import StageObservationBuilder
from stage_core.errors import ConfigurationError
from stage_core.monitor import StageMonitor
from stage_core.task import load_task
from stage_nodes.conversions import (
    from_time,
    orientation_of,
    position_of,
    stage_event_to_message,
    stage_observation_from_message,
    stage_observation_to_message,
    stage_status_to_message,
)
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.node_process import run_node
from stage_nodes.parameters import read_parameters
from stage_nodes.topics import (
    ARM_STATE,
    EVENT_DEPTH,
    LOCKSTEP_ACKNOWLEDGE,
    STAGE_EVENTS,
    STAGE_OBSERVATION,
    STAGE_STATUS,
    STATE_DEPTH,
    TRUTH_OBSERVATION,
    latched,
    leased,
    reliable,
)

TRUTH, ARM = "truth", "arm"
_TRUTH_FIELDS = [
    "ee_position",
    "ee_orientation",
    "object_position",
    "object_orientation",
    "goal_position",
    "goal_orientation",
    "grasped",
    "contact",
    "released",
    "object_static",
    "contact_force",
    "gripper_width",
    "gripper_effort",
    "tier",
    "confidence",
]


@dataclass(frozen=True, kw_only=True)
class MonitorParameters:
    """Parameters of stage_monitor_node."""

    task_file: str = field(metadata={"description": "task file"})
    control_rate_hz: float = field(metadata={"description": "control steps per second"})
    observation_source: str = field(metadata={"description": "truth (a simulation's) or arm (what the arm measures)"})
    potential_mode: str = field(default="cumulative", metadata={"description": "cumulative or literal"})
    max_input_age_s: float = field(default=0.15, metadata={"description": "oldest input that may be joined into a step"})
    lockstep: bool = field(default=False, metadata={"description": "acknowledge each step"})

    def __post_init__(self) -> None:
        if self.observation_source not in (TRUTH, ARM):
            raise ConfigurationError(f"observation_source is {self.observation_source!r}; expected truth or arm.")
        if not self.control_rate_hz > 0:
            raise ConfigurationError(f"control_rate_hz is {self.control_rate_hz} Hz; expected > 0.")


class StageMonitorNode(Node):
    """Runs `StageMonitor` on a live stream."""

    def __init__(self) -> None:
        super().__init__("stage_monitor")
        self._parameters = read_parameters(self, MonitorParameters)
        self._task = load_task(self._parameters.task_file)
        self._monitor = StageMonitor(self._task, self._parameters.control_rate_hz, potential_mode=self._parameters.potential_mode)
        self._builder = self._new_builder()
        self._episode = -1
        self._statuses = self.create_publisher(StageStatus, STAGE_STATUS, leased(STATE_DEPTH))
        self._observations = self.create_publisher(StageObservation, STAGE_OBSERVATION, reliable(STATE_DEPTH))
        self._events = self.create_publisher(StageEvent, STAGE_EVENTS, latched(EVENT_DEPTH))
        self._acknowledgements = self.create_publisher(StepAcknowledgement, LOCKSTEP_ACKNOWLEDGE, reliable(50))
        if self._parameters.observation_source == TRUTH:
            self.create_subscription(StageObservation, TRUTH_OBSERVATION, self._on_truth, reliable(STATE_DEPTH))
        else:
            self.create_subscription(ArmState, ARM_STATE, self._on_arm_state, reliable(STATE_DEPTH))
        self._diagnostics = NodeDiagnostics(self)
        limit = math.inf if self._parameters.lockstep else 3.0 / self._parameters.control_rate_hz
        self._diagnostics.watch("observations", max_age_s=limit)
        self.get_logger().info(f"task {self._task.name}: stages {', '.join(self._monitor.stage_names)}")

    def _new_builder(self) -> StageObservationBuilder:
        return StageObservationBuilder({self._parameters.observation_source: self._parameters.max_input_age_s})

    def _on_truth(self, message: StageObservation) -> None:
        truth = stage_observation_from_message(message)
        self._start_afresh_if_new(truth.episode)
        self._builder.add(TRUTH, truth.stamp, **{name: getattr(truth, name) for name in _TRUTH_FIELDS})
        self._step(truth.stamp, truth.sequence, truth.episode, message.header.frame_id)

    def _on_arm_state(self, message: ArmState) -> None:
        stamp = from_time(message.header.stamp)
        self._start_afresh_if_new(message.episode)
        self._builder.add(
            ARM,
            stamp,
            ee_position=position_of(message.ee_pose),
            ee_orientation=orientation_of(message.ee_pose),
            gripper_width=None if math.isnan(message.gripper_width) else message.gripper_width,
            gripper_effort=None if math.isnan(message.gripper_effort) else message.gripper_effort,
        )
        self._step(stamp, message.sequence, message.episode, message.header.frame_id)

    def _start_afresh_if_new(self, episode: int) -> None:
        if episode != self._episode:
            self._episode = episode
            self._monitor.reset()
            self._builder = self._new_builder()

    def _step(self, stamp: float, sequence: int, episode: int, frame: str) -> None:
        observation = self._builder.build(stamp, sequence, episode)
        update = self._monitor.update(observation)
        self._observations.publish(stage_observation_to_message(observation, frame=frame))
        self._statuses.publish(stage_status_to_message(update, observation, task=self._task.name, stage_names=self._monitor.stage_names))
        for event in update.events:
            self._events.publish(stage_event_to_message(event, observation, task=self._task.name))
        if self._parameters.lockstep:
            self._acknowledgements.publish(StepAcknowledgement(node=self.get_name(), sequence=sequence, episode=episode))
        self._diagnostics.tick("observations")
        self._diagnostics.set_status(DiagnosticStatus.OK, f"stage {update.stage_name}", confidence=f"{update.confidence:.2f}")


def main() -> int:
    """Run the stage monitor as a process."""
    return run_node(StageMonitorNode)


if __name__ == "__main__":
    raise SystemExit(main())
