"""The arm as a node: state out, commands in through SafeArm, one control step at a time.

Also hosts the cameras of a workcell whose devices must share a process (a simulation). Start at `ArmNode`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rclpy.clock import Clock, ClockType
from stage_msgs.msg import ArmCommand, StepAcknowledgement
from stage_msgs.srv import ResetWorkcell

from robot_drivers.unclean_end import InUse
from robot_drivers.workcell import Workcell, open_workcell
from stage_core.errors import DeviceError, StageError
from stage_nodes.camera_node import CameraNode
from stage_nodes.command_gateway import CommandGateway
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.lifecycle import StageLifecycleNode
from stage_nodes.liveliness_watch import LivelinessWatch
from stage_nodes.lockstep import LockstepGate
from stage_nodes.node_process import ask_for_precedence, run_node
from stage_nodes.operator_services import OperatorServices
from stage_nodes.parameters import read_parameters
from stage_nodes.safety_reporter import SafetyReporter
from stage_nodes.step_publisher import StepPublisher
from stage_nodes.topics import ARM_STATE, LOCKSTEP_ACKNOWLEDGE, WORKCELL_RESET, reliable
from stage_nodes.transforms import TransformPublisher
from stage_nodes.workcell_parameters import WorkcellParameters


@dataclass(frozen=True, kw_only=True)
class ArmParameters(WorkcellParameters):
    """Parameters of arm_node."""

    lockstep: str = field(default="", metadata={"description": "true or false; empty keeps the workcell file's"})
    lockstep_with: tuple[str, ...] = field(default=(), metadata={"description": "nodes that must acknowledge each step"})
    lockstep_deadline_s: float = field(default=30.0, metadata={"description": "wall seconds a step may wait for its answers"})
    required: tuple[str, ...] = field(default=(), metadata={"description": "nodes whose death holds the arm"})


class ArmNode(StageLifecycleNode):
    """Owns the workcell: the only node that can move the arm."""

    def __init__(self) -> None:
        super().__init__("arm")
        self.parameters = read_parameters(self, ArmParameters)
        self.companions: list[CameraNode] = []
        self._workcell: Workcell | None = None
        self._in_use: InUse | None = None
        self._episode = 0
        self._sequence = 0
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    def bring_up(self) -> None:
        config = self.parameters.load()
        if not config.simulated_clock:
            ask_for_precedence()
        if self.parameters.lockstep:
            config = replace(config, lockstep=self.parameters.lockstep == "true")
        self._workcell = open_workcell(config, task=self.parameters.task)
        self._workcell.safe_arm.connect()
        if self._workcell.moves_metal and not config.read_only:
            self._in_use = InUse(f"{config.name} {self.get_namespace()} {config.settings.get('arm', {}).get('address', '')}")
            if self._in_use.begin():
                self._workcell.safe_arm.require_operator("the last session ended without tidying up; look at the arm, then resume")
        if config.shared_process:
            self.companions = [CameraNode(name, camera, namespace=self.get_namespace()) for name, camera in self._workcell.cameras.items()]
            for camera_node in self.companions:
                camera_node.autostart()

    def start(self) -> None:
        config = self._workcell.config
        self._gate = LockstepGate(self.parameters.lockstep_with, deadline_s=self.parameters.lockstep_deadline_s)
        transforms = TransformPublisher(self)
        transforms.publish_cameras(self._workcell)
        self._publisher = StepPublisher(self, self._workcell, transforms)
        self._watch = LivelinessWatch(self, self.parameters.required, self._node_lost)
        self._gateway = CommandGateway(
            self, self._workcell.safe_arm, on_command=self._answered, on_source=self._source_changed, veto=self._watch.veto
        )
        self._operator = OperatorServices(self, self._workcell)
        self.create_service(ResetWorkcell, WORKCELL_RESET, self._reset)
        self._diagnostics = NodeDiagnostics(self)
        self._diagnostics.watch(ARM_STATE, max_age_s=float("inf") if config.lockstep else 3.0 / config.control_rate_hz)
        self._safety = SafetyReporter(self, self._workcell, self._diagnostics)
        if config.lockstep:
            self.create_subscription(StepAcknowledgement, LOCKSTEP_ACKNOWLEDGE, self._acknowledged, reliable(50))
        else:
            if not config.simulated_clock:
                self._workcell.safe_arm.start_loop()
            self.create_timer(1.0 / config.control_rate_hz, self._paced_step, clock=self._steady)
        self.create_timer(0.25, self._supervise, clock=self._steady)
        kinds = {"dry run on fake controllers": config.dry_run, "read-only": config.read_only, "lockstep": config.lockstep}
        if self._workcell.moves_metal and not config.full_speed:
            kinds["reduced speed"] = True
        self.get_logger().info(
            f"workcell {config.name}: {config.control_rate_hz:g} Hz, {', '.join(kind for kind, true in kinds.items() if true) or 'real time'}. "
            "Software stops are not a safety function: keep the hardware stop in reach."
        )

    def shut_down(self) -> None:
        if self._workcell is not None:
            self._workcell.close()
        if self._in_use is not None:
            self._in_use.end()

    # ---- one control step

    def _publish_step(self) -> None:
        self._publisher.publish(episode=self._episode, sequence=self._sequence)
        self._safety.report()
        self._diagnostics.tick(ARM_STATE)
        for camera_node in self.companions:
            camera_node.publish_frame(episode=self._episode)
        if self._workcell.config.lockstep:
            self._gate.open(self._episode, self._sequence)

    def _advance(self) -> None:
        try:
            self._workcell.step()
            self._sequence += 1
            self._publish_step()
        except DeviceError as error:
            self._fail(str(error))

    def _paced_step(self) -> None:
        self._advance()

    def _answered(self, message: ArmCommand) -> None:
        if self._workcell.config.lockstep and self._gate.command(message.episode, message.sequence):
            self._advance()

    def _acknowledged(self, message: StepAcknowledgement) -> None:
        if self._gate.acknowledge(message.node, message.episode, message.sequence) and self._workcell.safe_arm.source != "none":
            self._advance()

    # ---- episodes, sources, faults

    def _reset(self, request: ResetWorkcell.Request, answer: ResetWorkcell.Response) -> ResetWorkcell.Response:
        safe_arm = self._workcell.safe_arm
        if safe_arm.source != "none":
            answer.message = f"source {safe_arm.source} commands the arm; expected none. Stop it before the reset."
            return answer
        try:
            self._workcell.reset(request.seed)
        except StageError as error:
            answer.message = str(error)
            return answer
        self._episode += 1
        self._sequence = 0
        answer.accepted, answer.episode = True, self._episode
        answer.message = f"episode {self._episode}, seed {request.seed}"
        self._publish_step()
        return answer

    def _source_changed(self, source: str) -> None:
        self._gate.restart_clock()

    def _node_lost(self, words: str) -> None:
        self.get_logger().error(words)
        self._workcell.safe_arm.hold(words)

    def _supervise(self) -> None:
        """Report the mode, refuse a second arm, and end a lockstep that waits for somebody who does not come."""
        if self.count_publishers(ARM_STATE) > 1:
            self._fail(
                f"a second arm publishes on {self.resolve_topic_name(ARM_STATE)}; expected one. Give each arm a namespace of its own."
            )
        status = self._safety.report()
        if self._workcell.config.lockstep and status.source != "none" and self._gate.overdue():
            missing = ", ".join(self._gate.missing())
            self._fail(
                f"step {self._sequence} of episode {self._episode} waited {self.parameters.lockstep_deadline_s:g} s for: {missing}. "
                "Start the missing node again, or take it out of lockstep_with."
            )

    def _fail(self, words: str) -> None:
        self.get_logger().error(words)
        self._workcell.safe_arm.hold(words)
        self.exit_code = 1


def main() -> int:
    """Run the arm as a process."""

    def make() -> ArmNode:
        node = ArmNode()
        node.autostart()
        return node

    return run_node(make)


if __name__ == "__main__":
    raise SystemExit(main())
