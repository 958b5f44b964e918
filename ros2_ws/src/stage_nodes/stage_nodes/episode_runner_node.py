"""Runs episodes one after another: start the recorder, reset the workcell, let the source act, watch, stop, save.

A process of its own: it takes part in the lockstep, prints the stages as they happen, and computes the run's trace
from what it hears on the wire (DESIGN 9.4). Start at `EpisodeRunnerNode`.
"""

from __future__ import annotations

import threading

from rclpy.node import Node
from stage_msgs.msg import ArmCommand, ArmState, EnvironmentOutcome, PolicyStatus, StageEvent, StageStatus, StepAcknowledgement

from stage_core.errors import StageError
from stage_nodes.conversions import from_time
from stage_nodes.episode_loop import EpisodeLoop
from stage_nodes.episode_watch import EpisodeWatch
from stage_nodes.node_process import report, run_node
from stage_nodes.parameters import read_parameters
from stage_nodes.runner_parameters import RunnerParameters
from stage_nodes.topics import (
    ARM_STATE,
    COMMAND_PREFIX,
    EVENT_DEPTH,
    LOCKSTEP_ACKNOWLEDGE,
    POLICY_STATUS,
    STAGE_EVENTS,
    STAGE_STATUS,
    STATE_DEPTH,
    TRUTH_OUTCOME,
    latched,
    reliable,
)


class EpisodeRunnerNode(Node):
    """Feeds the present `EpisodeWatch` from the wire; the loop itself runs in a thread of its own."""

    exit_code: int | None = None

    def __init__(self) -> None:
        super().__init__("runner")
        self.parameters = read_parameters(self, RunnerParameters)
        self.changed = threading.Condition()
        self.watch: EpisodeWatch | None = None
        self.round_trips: list[float] = []
        self._episode = -1
        self._early: list[tuple] = []
        self._early_events: list[StageEvent] = []
        self._printed: set[tuple[int, int, str, int]] = set()
        self._acknowledgements = self.create_publisher(StepAcknowledgement, LOCKSTEP_ACKNOWLEDGE, reliable(50))
        self.create_subscription(ArmState, ARM_STATE, self._on_state, reliable(STATE_DEPTH))
        self.create_subscription(StageStatus, STAGE_STATUS, self._on_status, reliable(STATE_DEPTH))
        self.create_subscription(EnvironmentOutcome, TRUTH_OUTCOME, self._on_outcome, reliable(STATE_DEPTH))
        self.create_subscription(ArmCommand, COMMAND_PREFIX + self.parameters.source, self._on_command, reliable(STATE_DEPTH))
        self.create_subscription(StageEvent, STAGE_EVENTS, self._on_event, latched(EVENT_DEPTH))
        self.create_subscription(PolicyStatus, POLICY_STATUS, self._on_policy_status, reliable(STATE_DEPTH))
        self._thread = threading.Thread(target=self._run, name="episodes", daemon=True)
        self._thread.start()

    def begin_watch(self, watch: EpisodeWatch) -> None:
        """Follow a new episode; what comes before its number is known is kept until `set_episode`."""
        with self.changed:
            self.watch, self._episode, self._early, self._early_events, self.round_trips = watch, -1, [], [], []

    def set_episode(self, episode: int) -> None:
        """Follow the episode with this number, beginning with what has already come of it."""
        with self.changed:
            self._episode = episode
            early, self._early = self._early, []
            events, self._early_events = self._early_events, []
        for message, note in early:
            self._feed(message, note)
        for event in events:
            self._on_event(event)

    def _run(self) -> None:
        try:
            EpisodeLoop(self).run()
            self.exit_code = 0
        except StageError as error:
            report(error, self)
            self.exit_code = 1

    # ---- from the wire; a message of an episode that is over is not for this watch

    def _on_state(self, message: ArmState) -> None:
        self._feed(message, lambda watch: watch.state(message.sequence, from_time(message.header.stamp)))

    def _on_status(self, message: StageStatus) -> None:
        self._feed(message, lambda watch: watch.status(message.sequence, message.stage, list(message.stage_names), message.success))

    def _on_outcome(self, message: EnvironmentOutcome) -> None:
        self._feed(message, lambda watch: watch.outcome(message.sequence, message.success))

    def _on_command(self, message: ArmCommand) -> None:
        def note(watch: EpisodeWatch) -> list[int]:
            watch.command(message.sequence, tuple(message.values), message.gripper)
            return []

        self._feed(message, note)

    def _feed(self, message, note) -> None:
        with self.changed:
            if self.watch is None:
                return
            if self._episode < 0:
                self._early.append((message, note))
                return
            if message.episode != self._episode:
                return
            finished = note(self.watch)
            self.changed.notify_all()
        if self.parameters.lockstep:
            for sequence in finished:
                self._acknowledgements.publish(StepAcknowledgement(node=self.get_name(), sequence=sequence, episode=message.episode))

    def _on_policy_status(self, message: PolicyStatus) -> None:
        if message.episode == self._episode and message.chunks > len(self.round_trips):
            self.round_trips.append(message.round_trip)

    def _on_event(self, event: StageEvent) -> None:
        with self.changed:
            if self.watch is not None and self._episode < 0:
                self._early_events.append(event)
                return
        key = (event.episode, event.sequence, event.kind, event.stage)
        if self.parameters.quiet or self.watch is None or event.episode != self._episode or key in self._printed:
            return
        self._printed.add(key)
        seconds = event.sequence / self.parameters.control_rate_hz
        change = event.stage_name
        if event.kind not in (StageEvent.ENTERED, StageEvent.SUCCESS):
            change = f"{event.kind}: {event.previous_stage_name} -> {event.stage_name}"
        print(f"  {seconds:6.2f} s  {change:<12} {event.evidence}", flush=True)


def main() -> int:
    """Run the episodes as a process; its exit code is 0 when all of them were run."""
    return run_node(EpisodeRunnerNode)


if __name__ == "__main__":
    raise SystemExit(main())
