"""Plays a recorded episode into a live stage monitor and tells whether its labels are the recorded ones (`stage replay`).

The next control step is played when the monitor has answered the one before, at the recorded pace or any other. It never plays
beside a live arm. Start at `StageReplayNode`.
"""

from __future__ import annotations

import importlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from stage_msgs.msg import StageEvent, StageStatus

from stage_core.errors import ConfigurationError, DeadlineError, StageError
from stage_nodes.node_process import report, run_node
from stage_nodes.parameters import read_parameters
from stage_nodes.stage_replay import COMPARED, ReplayLog
from stage_nodes.topics import ARM_STATE, EVENT_DEPTH, STAGE_EVENTS, STAGE_STATUS, STATE_DEPTH, latched, reliable

POLL_S = 0.02
DISCOVERY_S = 3.2  # Fast DDS finds some participants only with its second round of announcements, after 3 s
OTHERS_S = 2.0  # longest wait for a reader of what a step is joined from
SETTLE_S = 0.001  # topics may overtake each other: what a step is joined from gets this ahead of it


@dataclass(frozen=True, kw_only=True)
class ReplayParameters:
    """Parameters of stage_replay_node."""

    episode: str = field(metadata={"description": "directory of the episode"})
    rate: float = field(default=1.0, metadata={"description": "1 plays as recorded, 2 twice as fast, 0 as fast as the monitor answers"})
    raw: bool = field(default=False, metadata={"description": "play the raw inputs instead of the stage observations that were used"})
    observation_source: str = field(default="truth", metadata={"description": "for raw: the monitor's observation_source"})
    must_agree: bool = field(default=True, metadata={"description": "end with exit code 1 where a label is not the recorded one"})
    deadline_s: float = field(default=20.0, metadata={"description": "longest wait for the monitor"})

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1000.0:
            raise ConfigurationError(f"rate is {self.rate}; expected 0 to 1000. 1 plays as recorded.")
        if not self.deadline_s > 0.0:
            raise ConfigurationError(f"deadline_s is {self.deadline_s} s; expected > 0.")


class StageReplayNode(Node):
    """Publishes in a thread of its own; statuses and events come in on the executor's."""

    exit_code: int | None = None

    def __init__(self) -> None:
        super().__init__("stage_replay")
        self._parameters = read_parameters(self, ReplayParameters)
        self._log = ReplayLog(
            Path(self._parameters.episode).expanduser(), raw=self._parameters.raw, source=self._parameters.observation_source
        )
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._printed: set[tuple[int, str, int]] = set()
        self.create_subscription(StageStatus, STAGE_STATUS, self._on_status, reliable(STATE_DEPTH))
        self.create_subscription(StageEvent, STAGE_EVENTS, self._on_event, latched(EVENT_DEPTH))
        threading.Thread(target=self._run, name="replay", daemon=True).start()

    def _run(self) -> None:
        try:
            self.exit_code = self._play()
        except StageError as error:
            report(error, self)
            self.exit_code = 1

    def _play(self) -> int:
        """Play everything and return the exit code."""
        different: dict[int, list[str]] = {}
        outputs = self._open()
        begun, first_ns, steps, unsettled = time.monotonic(), None, 0, False
        for message in self._log.messages():
            output = outputs[message.topic]
            if steps == 0:
                self._refuse_a_live_arm(outputs)
            if message.step is None:
                output.publish(message.content)
                unsettled = True
                continue
            first_ns = message.stamp_ns if first_ns is None else first_ns
            if self._parameters.rate > 0.0:
                due = begun + (message.stamp_ns - first_ns) * 1e-9 / self._parameters.rate
                time.sleep(max(0.0, due - time.monotonic()))
            self._refuse_a_live_arm(outputs)
            if unsettled and self._parameters.raw:
                time.sleep(SETTLE_S)
                unsettled = False
            output.publish(message.content)
            found = self._log.differing(self._answer_to(message.step))
            if found:
                different[message.step] = found
            steps += 1
        words = "no label differs from the recorded one"
        if different:
            first = next(iter(different))
            words = f"{len(different)} labels differ from the recorded ones, first at step {first}: {', '.join(different[first])}"
        print(f"{steps} steps replayed in {time.monotonic() - begun:.1f} s; {words}", flush=True)
        return int(bool(different) and self._parameters.must_agree)

    def _open(self) -> dict[str, Publisher]:
        """Return the publishers, once the monitor listens to what it is fed with.

        Raises:
            DeadlineError: If no monitor comes.
        """
        outputs = {}
        for topic, type_name in self._log.topics().items():
            package, folder, name = type_name.split("/")
            kind = getattr(importlib.import_module(f"{package}.{folder}"), name)
            outputs[topic] = self.create_publisher(kind, topic, reliable(STATE_DEPTH))
        trigger, *others = self._log.inputs
        self._wait(lambda: outputs[trigger].get_subscription_count() > 0, f"no stage monitor reads {trigger}")
        self._wait(lambda: self.count_publishers(STAGE_STATUS) > 0, "no stage monitor publishes stage/status")
        time.sleep(DISCOVERY_S)  # an arm that was here before has been found by then
        until = time.monotonic() + OTHERS_S  # a look at a thing that the task does not name has no reader
        while time.monotonic() < until and not all(outputs[topic].get_subscription_count() for topic in others):
            time.sleep(POLL_S)
        return outputs

    def _refuse_a_live_arm(self, outputs: dict[str, Publisher]) -> None:
        if self.count_publishers(ARM_STATE) > (ARM_STATE in outputs):
            raise ConfigurationError(
                "somebody else publishes arm/state here; a replay must not mix with a live arm. Use another namespace."
            )

    def _answer_to(self, step: int) -> dict[str, Any]:
        self._wait(lambda: step in self._answers, f"the stage monitor did not answer step {step}")
        with self._changed:
            return self._answers.pop(step)

    def _wait(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + self._parameters.deadline_s
        with self._changed:
            while not condition():
                if time.monotonic() > deadline:
                    raise DeadlineError(f"{what} within {self._parameters.deadline_s:g} s. Does stage_monitor_node run in this namespace?")
                self._changed.wait(POLL_S)

    def _on_status(self, message: StageStatus) -> None:
        with self._changed:
            if message.episode == self._log.episode:
                self._answers[message.sequence] = {name: getattr(message, name) for name in ("sequence", *COMPARED)}
            self._changed.notify_all()

    def _on_event(self, event: StageEvent) -> None:
        key = (event.sequence, event.kind, event.stage)
        if event.episode != self._log.episode or key in self._printed:
            return
        self._printed.add(key)
        change = event.stage_name
        if event.kind not in (StageEvent.ENTERED, StageEvent.SUCCESS):
            change = f"{event.kind}: {event.previous_stage_name} -> {event.stage_name}"
        print(f"  step {event.sequence:4d}  {change:<12} {event.evidence}", flush=True)


def main() -> int:
    """Play one episode as a process; its exit code is 0 when every label was the recorded one."""
    return run_node(StageReplayNode)


if __name__ == "__main__":
    raise SystemExit(main())
