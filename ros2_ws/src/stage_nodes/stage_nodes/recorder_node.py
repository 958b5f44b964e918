"""The recorder as a process of its own: every topic of an episode, byte for byte, into one crash-safe MCAP (DESIGN 6).

It never slows the control loop: messages come as serialized bytes and go to the writer without being decoded; only
`arm/state` is read, for gaps in its sequence.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from stage_msgs.msg import ArmState, EpisodeStatus, SafetyStatus, StepAcknowledgement
from stage_msgs.srv import StartEpisode, StopEpisode

from stage_core.errors import ConfigurationError, StageError
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.node_process import run_node
from stage_nodes.parameters import read_parameters
from stage_nodes.recorded_topics import RecordedTopic, recorded_topics
from stage_nodes.recording import Recording
from stage_nodes.step_completeness import StepCompleteness, stamp_of
from stage_nodes.topics import (
    ARM_STATE,
    EPISODE_START,
    EPISODE_STATUS,
    EPISODE_STOP,
    EVENT_DEPTH,
    LOCKSTEP_ACKNOWLEDGE,
    NOT_YET,
    RECORDER_DEPTH,
    SAFETY_STATUS,
    latched,
    leased_and_latched,
    reliable,
)
from stage_recorder.repair import repair_interrupted

DISCOVERY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class RecorderParameters:
    """Parameters of recorder_node."""

    episode_root: str = field(metadata={"description": "folder that episodes are saved below"})
    cameras: tuple[str, ...] = field(default=(), metadata={"description": "camera names to record"})
    objects: tuple[str, ...] = field(default=(), metadata={"description": "names of the things whose poses are recorded (objects/<name>)"})
    truth: bool = field(default=False, metadata={"description": "the workcell is a simulation that tells its truth"})
    monitor: bool = field(default=True, metadata={"description": "a stage monitor takes part"})
    task_file: str = field(default="", metadata={"description": "YAML file of the task; a copy goes into each episode"})
    lockstep: bool = field(default=False, metadata={"description": "acknowledge each step once all of it is recorded"})
    expected: tuple[str, ...] = field(
        default=(),
        metadata={"description": "topics that must have a publisher before an episode begins, so that its first messages are not lost"},
    )
    flowing: tuple[str, ...] = field(
        default=(), metadata={"description": "topics that flow all the time: an episode does not begin before each of them was heard"}
    )
    settings_json: str = field(default="{}", metadata={"description": "what else belongs into episode.json"})


class RecorderNode(Node):
    """Serves episode/start and episode/stop and writes what comes between."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._parameters = read_parameters(self, RecorderParameters)
        self._root = Path(self._parameters.episode_root).expanduser()
        for directory in repair_interrupted(self._root):
            self.get_logger().warning(f"an interrupted episode was repaired: {directory}")
        self._task_file = _read(self._parameters.task_file)
        self._unheard = set(self._parameters.flowing)
        self._patient_until: float | None = None  # when an episode begins although something was not heard
        self._recording: Recording | None = None
        self._safety: SafetyStatus | None = None
        self._topics = recorded_topics(
            self._parameters.cameras,
            truth=self._parameters.truth,
            monitor=self._parameters.monitor,
            objects=self._parameters.objects,
        )
        self._completeness = StepCompleteness(tuple({topic.group for topic in self._topics if topic.group}))
        self._steps: dict[int, tuple[int, int]] = {}
        self._acknowledgements = self.create_publisher(StepAcknowledgement, LOCKSTEP_ACKNOWLEDGE, reliable(50))
        self._status_publisher = self.create_publisher(EpisodeStatus, EPISODE_STATUS, leased_and_latched())
        for topic in self._topics:
            self._subscribe(topic)
        self.create_service(StartEpisode, EPISODE_START, self._start)
        self.create_service(StopEpisode, EPISODE_STOP, self._stop)
        self._diagnostics = NodeDiagnostics(self)
        self.create_timer(0.5, self._publish_status, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._publish_status()

    def _subscribe(self, topic: RecordedTopic) -> None:
        qos = latched(EVENT_DEPTH) if topic.latched else reliable(RECORDER_DEPTH)
        self.create_subscription(topic.kind, topic.name, lambda content: self._receive(topic, content), qos, raw=True)

    def _receive(self, topic: RecordedTopic, content: bytes) -> None:
        self._unheard.discard(topic.name)
        recording = self._recording
        if recording is not None:
            try:
                recording.write(topic.name, content)
            except StageError as error:
                self._abandon(str(error))
        if topic.name == ARM_STATE:
            state = deserialize_message(content, ArmState)
            if recording is not None:
                recording.note_state(state)
            self._steps[stamp_of(content)] = (state.episode, state.sequence)
            while len(self._steps) > 64:
                del self._steps[next(iter(self._steps))]
        if topic.name == SAFETY_STATUS:
            self._safety = deserialize_message(content, SafetyStatus)
            if recording is not None:
                recording.note_safety(self._safety)
        if self._parameters.lockstep and topic.group:
            self._complete(topic.group, stamp_of(content))

    def _complete(self, group: str, stamp: int) -> None:
        if self._completeness.add(group, stamp):
            episode, sequence = self._steps[stamp]
            self._acknowledgements.publish(StepAcknowledgement(node=self.get_name(), sequence=sequence, episode=episode))

    def _start(self, request: StartEpisode.Request, answer: StartEpisode.Response) -> StartEpisode.Response:
        if self._recording is not None:
            answer.message = f"episode {self._recording.identifier} is being recorded. Stop it before the next one."
            return answer
        if words := self._not_yet():
            answer.message = words
            return answer
        self._wait_for_publishers()
        try:
            settings = {**json.loads(self._parameters.settings_json), **json.loads(request.settings_json or "{}")}
            self._recording = Recording(self._root, self._topics, request, settings, self._task_file)
            if self._safety is not None:
                self._recording.note_safety(self._safety)
        except (StageError, json.JSONDecodeError) as error:
            answer.message = str(error)
            self._publish_status(EpisodeStatus.FAILED, str(error))
            return answer
        answer.accepted, answer.episode_id, answer.directory = True, self._recording.identifier, str(self._recording.directory)
        answer.message = f"recording {self._recording.directory}"
        self.get_logger().info(answer.message)
        self._publish_status()
        return answer

    def _not_yet(self) -> str:
        """Return that something which flows was not heard yet, "" where all of it was, or was waited for long enough.

        A publisher that this node has found may not have found this node: what it sends meanwhile is lost.
        """
        now = time.monotonic()
        self._patient_until = self._patient_until or now + DISCOVERY_S
        if not self._unheard:
            return ""
        missing = ", ".join(sorted(self._unheard))
        if now < self._patient_until:
            return f"{NOT_YET}{missing} was not heard so far. Ask again in a moment."
        self.get_logger().warning(f"nothing came on {missing} for {DISCOVERY_S:g} s; the episode begins without")
        return ""

    def _wait_for_publishers(self) -> None:
        """Wait until everything expected is found; DDS finds some participants only with its second round of announcements, after 3 s."""
        deadline = time.monotonic() + DISCOVERY_S
        while missing := [name for name in self._parameters.expected if self.count_publishers(name) == 0]:
            if time.monotonic() > deadline:
                self.get_logger().warning(f"nobody publishes {', '.join(missing)} yet; the episode begins without")
                return
            time.sleep(0.02)

    def _stop(self, request: StopEpisode.Request, answer: StopEpisode.Response) -> StopEpisode.Response:
        if self._recording is None:
            answer.message = "no episode is being recorded. Start one first."
            return answer
        recording, self._recording = self._recording, None
        begun = time.monotonic()
        try:
            directory = recording.save(request.outcome or "unknown", request.outcome_by or "operator", request.notes)
        except StageError as error:
            answer.message = str(error)
            self._publish_status(EpisodeStatus.FAILED, str(error))
            return answer
        answer.accepted, answer.directory = True, str(directory)
        answer.seconds_to_save = time.monotonic() - begun
        answer.message = f"saved {directory}"
        self.get_logger().info(f"{answer.message} in {answer.seconds_to_save:.3f} s")
        self._publish_status(EpisodeStatus.SAVED, answer.message)
        return answer

    def _abandon(self, words: str) -> None:
        """The disk is full or gone: keep what is written, stop writing, say so."""
        recording, self._recording = self._recording, None
        recording.abandon(words)
        self.get_logger().error(words)
        self._publish_status(EpisodeStatus.FAILED, words)

    def _publish_status(self, state: str | None = None, words: str = "") -> None:
        recording = self._recording
        message = EpisodeStatus(state=state or (EpisodeStatus.RECORDING if recording else EpisodeStatus.IDLE), message=words)
        message.header.stamp = self.get_clock().now().to_msg()
        if recording is not None:
            message.episode_id, message.directory = recording.identifier, str(recording.directory)
            message.task, message.instruction = recording.task, recording.instruction
            message.messages, message.bytes, message.sequence_gaps = recording.messages, recording.bytes, recording.gaps
        level = DiagnosticStatus.ERROR if message.state == EpisodeStatus.FAILED else DiagnosticStatus.OK
        self._diagnostics.set_status(level, words or message.state, messages=message.messages, gaps=message.sequence_gaps)
        self._status_publisher.publish(message)

    def close(self) -> None:
        """Save an episode that is still open: Ctrl-C loses nothing."""
        if self._recording is not None:
            self._recording.save("unknown", "shutdown", "the recorder was shut down while recording")
            self._recording = None


def _read(path: str) -> str:
    """Return the task file as it is now, when the stage monitor reads it too. Raises ConfigurationError."""
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except OSError as error:
        raise ConfigurationError(f"task_file {path} cannot be read: {error.strerror}. Check the path.") from None


def main() -> int:
    """Run the recorder as a process."""
    return run_node(RecorderNode)


if __name__ == "__main__":
    raise SystemExit(main())
