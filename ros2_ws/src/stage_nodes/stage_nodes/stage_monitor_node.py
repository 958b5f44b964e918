"""The stage monitor as a node: one StageObservation in, one StageStatus and its events out, each control step.

In a simulation the observation is the simulator's truth; on a robot it is joined from what the arm and the cameras measure
(`stage_inputs`). The observation *used* goes out on `stage/observation`, so that a log gives the same labels bit for bit (DESIGN 9.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from stage_msgs.msg import ArmCommand, ArmState, ObjectState, StageEvent, StageObservation, StageStatus, StepAcknowledgement

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
from stage_nodes.stage_inputs import SENSORS, TRUTH, InputSettings, StageInputs
from stage_nodes.stage_markers import StageMarkers
from stage_nodes.topics import (
    ARM_STATE,
    COMMAND_PREFIX,
    COMMAND_SOURCES,
    EVENT_DEPTH,
    LOCKSTEP_ACKNOWLEDGE,
    OBJECT_PREFIX,
    STAGE_EVENTS,
    STAGE_OBSERVATION,
    STAGE_STATUS,
    STATE_DEPTH,
    TRUTH_OBSERVATION,
    latched,
    leased,
    reliable,
)


@dataclass(frozen=True, kw_only=True)
class MonitorParameters:
    """Parameters of stage_monitor_node."""

    task_file: str = field(metadata={"description": "task file"})
    control_rate_hz: float = field(metadata={"description": "control steps per second"})
    observation_source: str = field(
        metadata={"description": "truth (a simulation's), arm (the arm's state alone) or sensors (estimated from arm, gripper and objects)"}
    )
    potential_mode: str = field(default="cumulative", metadata={"description": "cumulative or literal"})
    max_input_age_s: float = field(default=0.15, metadata={"description": "oldest truth or arm state that may be joined into a step"})
    tier: int = field(
        default=9, metadata={"description": "highest tier that may be used: 0 always there, 1 sensing, 2 perception, 3 learned, 9 truth"}
    )
    gripper_open_width_m: float = field(
        default=0.0, metadata={"description": "between the open finger tips; 0 takes it from the arm's state"}
    )
    gripper_closed_width_m: float = field(default=0.0, metadata={"description": "between the finger tips when closed on nothing"})
    markers: bool = field(default=True, metadata={"description": "publish RViz markers where visualization_msgs is installed"})
    lockstep: bool = field(default=False, metadata={"description": "acknowledge each step"})

    def __post_init__(self) -> None:
        if not self.control_rate_hz > 0:
            raise ConfigurationError(f"control_rate_hz is {self.control_rate_hz} Hz; expected > 0.")
        assert self.input_settings

    @property
    def input_settings(self) -> InputSettings:
        """Which inputs may be used. Raises ConfigurationError for settings that do not fit."""
        return InputSettings(
            source=self.observation_source,
            max_input_age_s=self.max_input_age_s,
            highest_tier=self.tier,
            gripper_open_width_m=self.gripper_open_width_m,
            gripper_closed_width_m=self.gripper_closed_width_m,
        )


class StageMonitorNode(Node):
    """Runs `StageMonitor` on a live stream."""

    def __init__(self) -> None:
        super().__init__("stage_monitor")
        self._parameters = read_parameters(self, MonitorParameters)
        self._task = load_task(self._parameters.task_file)
        self._monitor = StageMonitor(self._task, self._parameters.control_rate_hz, potential_mode=self._parameters.potential_mode)
        self._inputs = StageInputs(self._task, self._parameters.control_rate_hz, self._parameters.input_settings)
        self._episode = -1
        self._command_source = ""
        self._statuses = self.create_publisher(StageStatus, STAGE_STATUS, leased(STATE_DEPTH))
        self._observations = self.create_publisher(StageObservation, STAGE_OBSERVATION, reliable(STATE_DEPTH))
        self._events = self.create_publisher(StageEvent, STAGE_EVENTS, latched(EVENT_DEPTH))
        self._acknowledgements = self.create_publisher(StepAcknowledgement, LOCKSTEP_ACKNOWLEDGE, reliable(50))
        self._markers = StageMarkers(self, self._task) if self._parameters.markers else None
        self._subscribe(self._parameters.observation_source)
        self._diagnostics = NodeDiagnostics(self)
        limit = math.inf if self._parameters.lockstep else 3.0 / self._parameters.control_rate_hz
        self._diagnostics.watch("observations", max_age_s=limit)
        self.get_logger().info(
            f"task {self._task.name}: stages {', '.join(self._monitor.stage_names)}; from {self._parameters.observation_source},"
            f" up to tier {self._parameters.tier}"
        )

    def _subscribe(self, source: str) -> None:
        if source == TRUTH:
            self.create_subscription(StageObservation, TRUTH_OBSERVATION, self._on_truth, reliable(STATE_DEPTH))
            return
        self.create_subscription(ArmState, ARM_STATE, self._on_arm_state, reliable(STATE_DEPTH))
        if source == SENSORS:
            for name in {self._task.objects.name, self._task.goal.name}:
                self.create_subscription(ObjectState, OBJECT_PREFIX + name, self._on_object, reliable(STATE_DEPTH))
            for commander in COMMAND_SOURCES:
                self.create_subscription(ArmCommand, COMMAND_PREFIX + commander, self._on_command, reliable(STATE_DEPTH))

    def _on_truth(self, message: StageObservation) -> None:
        truth = stage_observation_from_message(message)
        self._start_afresh_if_new(truth.episode)
        self._inputs.add_truth(truth)
        self._step(truth.stamp, truth.sequence, truth.episode, message.header.frame_id)

    def _on_arm_state(self, message: ArmState) -> None:
        stamp = from_time(message.header.stamp)
        self._start_afresh_if_new(message.episode)
        self._command_source = message.source
        self._inputs.add_arm_state(
            stamp,
            ee_position=position_of(message.ee_pose),
            ee_orientation=orientation_of(message.ee_pose),
            gripper_width=message.gripper_width,
            gripper_opening=message.gripper_opening,
            gripper_effort=message.gripper_effort,
            external_wrench=np.array(message.external_wrench, dtype=np.float64),
        )
        self._step(stamp, message.sequence, message.episode, message.header.frame_id)

    def _on_object(self, message: ObjectState) -> None:
        self._inputs.add_thing(
            message.name,
            from_time(message.stamp),
            position_of(message.pose) if message.position_valid else None,
            orientation_of(message.pose) if message.orientation_valid else None,
            confidence=message.confidence,
        )

    def _on_command(self, message: ArmCommand) -> None:
        if message.source == self._command_source:  # what others say never reached the gripper
            self._inputs.add_gripper_command(message.gripper)

    def _start_afresh_if_new(self, episode: int) -> None:
        if episode != self._episode:
            self._episode = episode
            self._monitor.reset()
            self._inputs.reset()
            if self._markers is not None:
                self._markers.reset()

    def _step(self, stamp: float, sequence: int, episode: int, frame: str) -> None:
        message = stage_observation_to_message(self._inputs.build(stamp, sequence, episode), frame=frame)
        # What the monitor uses is what the message says, so that the log holds it to the last bit.
        observation = stage_observation_from_message(message)
        update = self._monitor.update(observation)
        self._observations.publish(message)
        self._statuses.publish(stage_status_to_message(update, observation, task=self._task.name, stage_names=self._monitor.stage_names))
        for event in update.events:
            self._events.publish(stage_event_to_message(event, observation, task=self._task.name))
        if self._parameters.lockstep:
            self._acknowledgements.publish(StepAcknowledgement(node=self.get_name(), sequence=sequence, episode=episode))
        if self._markers is not None:
            self._markers.publish(observation, update, frame)
        self._diagnostics.tick("observations")
        self._diagnostics.set_status(
            DiagnosticStatus.OK, f"stage {update.stage_name}", confidence=f"{update.confidence:.2f}", tier=update.tier
        )


def main() -> int:
    """Run the stage monitor as a process."""
    return run_node(StageMonitorNode)


if __name__ == "__main__":
    raise SystemExit(main())
