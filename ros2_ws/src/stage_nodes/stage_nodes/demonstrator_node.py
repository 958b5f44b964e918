"""A scripted demonstrator as a command source of its own: it may see the simulation's truth, a policy may not.

It commands through the same door as a policy or an operator, so its demonstrations are recorded through the nodes.
What it meant before noise goes out on `command/intended`: the label that a policy learns from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from rclpy.node import Node
from stage_msgs.msg import ArmCommand as ArmCommandMessage
from stage_msgs.msg import ArmState, StageObservation

from robot_drivers.arm import ActionSpace, ArmCommand
from stage_core.configuration import load_class
from stage_nodes.command_source import CommandSource
from stage_nodes.conversions import command_to_message, from_time, orientation_of, position_of, stage_observation_from_message
from stage_nodes.node_process import run_node
from stage_nodes.parameters import read_parameters
from stage_nodes.topics import ARM_STATE, COMMAND_INTENDED, DEMONSTRATOR_RUN, STATE_DEPTH, TRUTH_OBSERVATION, reliable

VALID_PERIODS = 1.8


@dataclass(frozen=True, kw_only=True)
class DemonstratorParameters:
    """Parameters of demonstrator_node."""

    demonstrator: str = field(metadata={"description": "module:Class of the demonstrator"})
    task: str = field(metadata={"description": "task name"})
    control_rate_hz: float = field(metadata={"description": "control steps per second"})
    seed: int = field(default=0, metadata={"description": "seed of the first episode; each further one counts up"})
    noise: float = field(default=0.0, metadata={"description": "action noise, as the demonstrator defines it"})
    failures: tuple[str, ...] = field(default=(), metadata={"description": "induced failures, cycled over episodes; none = no failure"})


class DemonstratorNode(Node):
    """Answers each state with the demonstrator's action while it holds the arm."""

    def __init__(self) -> None:
        super().__init__("demonstrator")
        self._parameters = read_parameters(self, DemonstratorParameters)
        self._kind = load_class(self._parameters.demonstrator, {}, what="demonstrator")
        self._demonstrator = None
        self._episode = -1
        self._state: ArmState | None = None
        self._truth: StageObservation | None = None
        self._answered: tuple[int, int] | None = None
        self._source = CommandSource(self, "script", DEMONSTRATOR_RUN, on_started=self._try_step)
        self._intended = self.create_publisher(ArmCommandMessage, COMMAND_INTENDED, reliable(10))
        self.create_subscription(ArmState, ARM_STATE, self._on_state, reliable(STATE_DEPTH))
        self.create_subscription(StageObservation, TRUTH_OBSERVATION, self._on_truth, reliable(STATE_DEPTH))

    def _on_state(self, message: ArmState) -> None:
        self._state = message
        if message.episode != self._episode:
            self._episode = message.episode
            self._begin_episode()
        self._try_step()

    def _on_truth(self, message: StageObservation) -> None:
        self._truth = message
        self._try_step()

    def _begin_episode(self) -> None:
        index = max(self._episode - 1, 0)
        failures = self._parameters.failures
        failure = failures[index % len(failures)] if failures else "none"
        seed = self._parameters.seed + index
        self._demonstrator = self._kind(noise=self._parameters.noise, failure="" if failure == "none" else failure, seed=seed)
        self._demonstrator.reset(self._parameters.task, seed)

    def _try_step(self) -> None:
        state, truth = self._state, self._truth
        if not self._source.active or state is None or truth is None:
            return
        key = (state.episode, state.sequence)
        if key != (truth.episode, truth.sequence) or key == self._answered:
            return
        self._answered = key
        action = self._demonstrator.act(
            stage_observation_from_message(truth),
            position_of(state.ee_pose),
            orientation_of(state.ee_pose),
            state.gripper_opening,
            np.concatenate([position_of(state.commanded_ee_pose), orientation_of(state.commanded_ee_pose)]),
        )
        command = ArmCommand(
            stamp=from_time(state.header.stamp),
            action_space=ActionSpace.EE_DELTA_POSE,
            values=np.asarray(action.values, dtype=np.float64),
            gripper=float(action.gripper),
            valid_for=VALID_PERIODS / self._parameters.control_rate_hz,
            source="script",
            sequence=state.sequence,
            token=self._source.token,
        )
        intended = command_to_message(command, episode=state.episode, frame_id=state.header.frame_id)
        intended.values = [float(value) for value in action.intended_values]
        intended.gripper = float(action.intended_gripper)
        self._intended.publish(intended)
        self._source.publish(command_to_message(command, episode=state.episode, frame_id=state.header.frame_id))


def main() -> int:
    """Run the demonstrator as a process."""
    return run_node(DemonstratorNode)


if __name__ == "__main__":
    raise SystemExit(main())
