"""Publishes what one control step measured: state, joint states, clock, truth and the simulation's own judgement."""

from __future__ import annotations

from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from stage_msgs.msg import ArmState, EnvironmentOutcome, StageObservation

from robot_drivers.workcell import Workcell
from stage_nodes.conversions import arm_state_to_message, joint_state_to_message, stage_observation_to_message, to_time
from stage_nodes.topics import ARM_STATE, CLOCK, JOINT_STATES, STATE_DEPTH, TRUTH_OBSERVATION, TRUTH_OUTCOME, leased, reliable
from stage_nodes.transforms import TransformPublisher


class StepPublisher:
    """Owns the publishers of a workcell's state."""

    def __init__(self, node: Node, workcell: Workcell, transforms: TransformPublisher) -> None:
        self._workcell = workcell
        self._transforms = transforms
        self._states = node.create_publisher(ArmState, ARM_STATE, leased(STATE_DEPTH))
        self._joints = node.create_publisher(JointState, JOINT_STATES, reliable(STATE_DEPTH))
        self._clock = node.create_publisher(Clock, CLOCK, reliable(10)) if workcell.config.simulated_clock else None
        self._truth = node.create_publisher(StageObservation, TRUTH_OBSERVATION, reliable(STATE_DEPTH))
        self._outcome = node.create_publisher(EnvironmentOutcome, TRUTH_OUTCOME, reliable(STATE_DEPTH))

    def publish(self, *, episode: int, sequence: int) -> ArmState:
        """Read the workcell once and publish it as step `sequence` of `episode`.

        Raises:
            DeviceError: If the arm's link is lost.
        """
        workcell, safe_arm = self._workcell, self._workcell.safe_arm
        description = safe_arm.description
        stamp = to_time(workcell.now())
        if self._clock is not None:
            self._clock.publish(Clock(clock=stamp))
        truth = workcell.read_truth()
        if truth is not None:
            message = stage_observation_to_message(truth, frame=description.base_frame)
            message.sequence, message.episode = sequence, episode
            self._truth.publish(message)
        success = workcell.read_success()
        if success is not None:
            outcome = EnvironmentOutcome(sequence=sequence, episode=episode, success=bool(success))
            outcome.header.stamp = stamp
            self._outcome.publish(outcome)
        state = self._state_message(description, episode, sequence)
        self._states.publish(state)
        self._joints.publish(joint_state_to_message(state))
        self._transforms.publish_tool(state.header.stamp, description.base_frame, description.ee_link, state.ee_pose)
        return state

    def _state_message(self, description, episode: int, sequence: int) -> ArmState:
        safe_arm = self._workcell.safe_arm
        message = arm_state_to_message(
            safe_arm.read_state(),
            safe_arm.read_gripper(),
            commanded_pose=safe_arm.commanded_pose(),
            joint_names=description.joint_names,
            frame=description.base_frame,
            sequence=sequence,
            episode=episode,
        )
        status = safe_arm.status()
        message.mode = status.mode.value
        message.hold_reason = status.hold_reason
        message.source = status.source
        return message
