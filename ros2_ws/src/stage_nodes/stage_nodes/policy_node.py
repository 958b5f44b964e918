"""The policy client as a node: state and images in, chunks from the server, one command per control step out.

It sees cameras, the arm's own state and the instruction, never the simulation's truth. Start at `PolicyNode._step`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image
from stage_msgs.msg import ArmState, PolicyStatus

from policy_server.action_chunking import ChunkSchedule
from policy_server.client import PolicyClient
from policy_server.contract import PolicyContract, check_contract, contract_from_metadata, load_contract
from policy_server.observation import build_observation
from policy_server.transforms import split_action
from robot_drivers.arm import ActionSpace, ArmCommand
from stage_core.errors import ConfigurationError, ContractMismatchError
from stage_nodes.command_source import CommandSource
from stage_nodes.conversions import command_to_message, from_time, state_arrays
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.inference_worker import Answer, InferenceWorker, Request
from stage_nodes.lifecycle import StageLifecycleNode
from stage_nodes.node_process import ask_for_precedence, run_node
from stage_nodes.observation_collector import ObservationCollector
from stage_nodes.parameters import read_parameters
from stage_nodes.topics import ARM_STATE, POLICY_RUN, POLICY_STATUS, STATE_DEPTH, best_effort, camera_topic, leased, reliable

VALID_PERIODS = 1.8  # braking begins within two control periods of the last valid action


@dataclass(frozen=True, kw_only=True)
class PolicyParameters:
    """Parameters of policy_node."""

    host: str = field(metadata={"description": "host of the policy server"})
    port: int = field(metadata={"description": "port of the policy server"})
    instruction: str = field(metadata={"description": "what the policy is told"})
    control_rate_hz: float = field(metadata={"description": "control steps per second of the workcell"})
    robot_model: str = field(metadata={"description": "the workcell's robot model, for the contract"})
    max_chunk_age_s: float = field(metadata={"description": "longest run of a chunk after its observation, <= horizon / rate"})
    max_image_age_s: float = field(default=0.15, metadata={"description": "oldest image that may be joined to a state"})
    deadline_s: float = field(default=1.0, metadata={"description": "longest wait for one reply"})
    connect_deadline_s: float = field(default=60.0, metadata={"description": "longest wait for the server to come up"})
    contract: str = field(default="", metadata={"description": "contract file for a server that sends none"})
    api_key: str = field(default="", metadata={"description": "API key of the server"})
    seed: int = field(default=0, metadata={"description": "seed of the policy's noise"})
    image_ablation: str = field(default="none", metadata={"description": "none, or black: the policy sees black images"})
    lockstep: bool = field(default=False, metadata={"description": "answer every step, waiting for the server"})

    def __post_init__(self) -> None:
        if self.image_ablation not in ("none", "black"):
            raise ConfigurationError(f"image_ablation is {self.image_ablation!r}; expected none or black.")
        if not self.max_chunk_age_s > 0:
            raise ConfigurationError(f"max_chunk_age_s is {self.max_chunk_age_s} s; expected > 0.")


class PolicyNode(StageLifecycleNode):
    """Runs one policy on one arm."""

    def __init__(self) -> None:
        super().__init__("policy")
        self.parameters = read_parameters(self, PolicyParameters)
        self._worker: InferenceWorker | None = None
        self._checked = False
        self._answered: tuple[int, int] | None = None
        self._episode = -1
        self._status = PolicyStatus(instruction=self.parameters.instruction, chunk_age=math.nan, server_inference=math.nan)

    def bring_up(self) -> None:
        parameters = self.parameters
        client = PolicyClient(
            parameters.host, parameters.port, api_key=parameters.api_key or None, connect_timeout_s=parameters.connect_deadline_s
        )
        metadata = client.connect(wait_s=parameters.connect_deadline_s)
        contract = contract_from_metadata(metadata)
        if contract is None:
            if not parameters.contract:
                raise ConfigurationError(
                    f"the server on {parameters.host}:{parameters.port} sends no contract; expected one, or a contract file. "
                    "Pass the parameter contract:=FILE for a plain openpi server."
                )
            contract = load_contract(parameters.contract)
        limit = contract.horizon / contract.control_rate_hz
        if parameters.max_chunk_age_s > limit + 1e-9:
            raise ConfigurationError(f"max_chunk_age_s is {parameters.max_chunk_age_s:g} s; expected at most horizon / rate = {limit:g} s.")
        self._contract: PolicyContract = contract
        self._status.policy_name = contract.policy_name
        self._worker = InferenceWorker(client, deadline_s=parameters.deadline_s)
        self._begin_episode()

    def start(self) -> None:
        parameters, lockstep = self.parameters, self.parameters.lockstep
        if not lockstep:
            ask_for_precedence()
        cameras = tuple(camera.name for camera in self._contract.cameras)
        self._collector = ObservationCollector(cameras, lockstep=lockstep, max_age_s=parameters.max_image_age_s)
        self._source = CommandSource(self, "policy", POLICY_RUN, on_started=self._on_started)
        self._statuses = self.create_publisher(PolicyStatus, POLICY_STATUS, leased(STATE_DEPTH))
        self._diagnostics = NodeDiagnostics(self)
        max_age = math.inf if lockstep else 3.0 / parameters.control_rate_hz
        self._diagnostics.watch(ARM_STATE, max_age_s=max_age)
        for camera in cameras:
            topic = camera_topic(camera, "image_raw")
            self._diagnostics.watch(topic, max_age_s=max_age)
            # Lockstep must see every image; otherwise only the newest counts.
            qos = reliable(10) if lockstep else best_effort()
            self.create_subscription(Image, topic, lambda message, camera=camera, topic=topic: self._on_image(camera, topic, message), qos)
        self.create_subscription(ArmState, ARM_STATE, self._on_state, reliable(STATE_DEPTH) if lockstep else best_effort())
        self._worker.start()
        self.get_logger().info(f"policy {self._contract.policy_name} on {parameters.host}:{parameters.port}: {parameters.instruction!r}")

    def shut_down(self) -> None:
        if self._worker is not None:
            self._worker.close()

    # ---- inputs

    def _on_started(self) -> None:
        self._begin_episode()
        self._try_step()

    def _begin_episode(self) -> None:
        period = 1.0 / self._contract.control_rate_hz
        self._schedule = ChunkSchedule(period, self.parameters.max_chunk_age_s)
        self._steps_since_request = None
        self._status.chunks = self._status.underruns = self._status.dropped_actions = 0

    def _on_state(self, message: ArmState) -> None:
        self._diagnostics.tick(ARM_STATE)
        self._collector.state = message
        self._source.note_source(message.source)
        if message.episode != self._episode:
            self._episode = message.episode
            self._begin_episode()
        self._try_step()

    def _on_image(self, camera: str, topic: str, message: Image) -> None:
        self._diagnostics.tick(topic)
        self._collector.add_image(camera, message)
        if self.parameters.lockstep:
            self._try_step()

    # ---- one control step

    def _try_step(self) -> None:
        state = self._collector.state
        if state is None or not self._source.active:
            return
        key = (state.episode, state.sequence)
        if key == self._answered:
            return
        missing = self._collector.missing()
        if missing and self.parameters.lockstep:
            return  # the image of this step is still on its way
        self._answered = key
        if missing:
            self._publish_status(state, f"no fresh image from {', '.join(missing)}; the arm holds")
            return
        try:
            self._step(state)
        except (ContractMismatchError, ConfigurationError) as error:
            self._give_up(str(error))

    def _step(self, state: ArmState) -> None:
        if not self._checked:
            self._check_contract(state)
        now = from_time(state.header.stamp)
        for answer in self._worker.answers():
            self._take(answer, now)
        if self.parameters.lockstep and self._needs_chunk(now):
            self._request_chunk(state, now)
        due = self._schedule.due(now)
        if due is not None:
            self._send(state, now, ActionSpace(self._contract.action.space), due[0])
        elif self.parameters.lockstep:
            self._send(state, now, ActionSpace.HOLD, None)
        if not self.parameters.lockstep and self._needs_chunk(now):  # after the action that is due: an observation takes time to build
            self._request_chunk(state, now)
        if self._steps_since_request is not None:
            self._steps_since_request += 1
        self._publish_status(state)

    def _needs_chunk(self, now: float) -> bool:
        if self._worker.busy:
            return False
        asked = self._steps_since_request
        return asked is None or asked >= self._contract.execute or (asked > 0 and self._schedule.is_over(now))

    def _request_chunk(self, state: ArmState, now: float) -> None:
        images = self._collector.images()
        if self.parameters.image_ablation == "black":
            images = {name: np.zeros_like(image) for name, image in images.items()}
        observation = build_observation(self._contract, state_arrays(state), images, self.parameters.instruction)
        seed = ((self.parameters.seed * 1_000_003 + state.episode) * 1_000_003 + state.sequence) % 2**63
        request = Request(observation, now, state.episode, state.sequence, seed)
        self._steps_since_request = 0
        if self.parameters.lockstep:
            answer = self._worker.ask_and_wait(request)
            self._take(answer, now)
            if answer.reply is None:
                self._give_up(answer.error)
        else:
            self._worker.ask(request)

    def _take(self, answer: Answer, now: float) -> None:
        if answer.reply is None:
            self._status.message = answer.error
            self._steps_since_request = None
            self.get_logger().warning(answer.error, throttle_duration_sec=1.0)
            return
        if answer.request.episode != self._episode:
            return
        self._schedule.add(np.asarray(answer.reply.actions), answer.request.stamp, now)
        self._status.message = ""
        self._status.chunks += 1
        self._status.round_trip = answer.reply.round_trip_s
        self._status.decode = answer.reply.decode_s
        inference = answer.reply.server_inference_s
        self._status.server_inference = math.nan if inference is None else inference

    def _send(self, state: ArmState, now: float, space: ActionSpace, row: np.ndarray | None) -> None:
        action = self._contract.action
        values, gripper = (np.zeros(0), None) if row is None else split_action(row, action.gripper_convention)
        command = ArmCommand(
            stamp=now,
            action_space=space,
            values=values,
            gripper=gripper,
            valid_for=VALID_PERIODS / self._contract.control_rate_hz,
            frame=action.frame,
            reference=action.reference,
            source="policy",
            sequence=state.sequence,
            token=self._source.token,
        )
        self._source.publish(command_to_message(command, episode=state.episode, frame_id=state.header.frame_id))

    def _check_contract(self, state: ArmState) -> None:
        arrays = state_arrays(state)
        check_contract(
            self._contract,
            cameras=self._collector.sizes(),
            joint_names=tuple(state.joint_names),
            control_rate_hz=self.parameters.control_rate_hz,
            action_spaces=tuple(space for space in ActionSpace if space != ActionSpace.HOLD),
            state_fields=tuple(name for name, array in arrays.items() if len(array) and np.isfinite(array).all()),
            robot_model=self.parameters.robot_model,
        )
        self._checked = True

    def _give_up(self, words: str) -> None:
        """Give the arm back and end: nothing moves on a mismatch, and a lockstep cannot go on without the server."""
        self.get_logger().error(words)
        self._source.release()
        self._status.server_state, self._status.message = "failed", words
        self.exit_code = 1

    def _publish_status(self, state: ArmState, words: str | None = None) -> None:
        status, now = self._status, from_time(state.header.stamp)
        status.header.stamp = state.header.stamp
        status.sequence, status.episode = state.sequence, state.episode
        status.server_state = self._worker.state
        if words is not None:
            status.message = words
        status.chunk_age = self._schedule.age(now)
        status.underruns, status.dropped_actions = self._schedule.underruns, self._schedule.dropped
        status.executing = self._source.active
        self._statuses.publish(status)
        level = DiagnosticStatus.OK if not status.message else DiagnosticStatus.WARN
        self._diagnostics.set_status(level, status.message or status.server_state, round_trip_ms=f"{1e3 * status.round_trip:.1f}")


def main() -> int:
    """Run the policy client as a process."""

    def make() -> PolicyNode:
        node = PolicyNode()
        node.autostart()
        return node

    return run_node(make)


if __name__ == "__main__":
    raise SystemExit(main())
