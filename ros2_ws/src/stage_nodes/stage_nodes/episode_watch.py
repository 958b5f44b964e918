"""Follows one episode step by step and says when it is over. No ROS here; the runner feeds it plain values.

A step is complete when its state, stage and, in a simulation, the simulator's own judgement are in. The episode ends
`settle_steps` after the first success, so that a success that does not last is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stage_nodes.trace import TraceHash


@dataclass
class StageVisit:
    """When a stage was first entered, and how many steps were spent in it altogether, regressions counted."""

    name: str
    entered_step: int | None = None
    entered_s: float | None = None
    steps: int = 0


@dataclass
class _Step:
    stamp: float | None = None
    stage: int | None = None
    monitor_success: bool = False
    environment_success: bool | None = None
    command: tuple[tuple[float, ...], float] | None = None


@dataclass
class EpisodeWatch:
    """What is known of the running episode.

    Attributes:
        horizon_steps: The episode ends as a time-out at this step.
        settle_steps: Steps to go on after the first success.
        expects_status: A stage monitor takes part.
        expects_outcome: A simulation judges each step.
        expects_commands: Every step is answered by a command (lockstep), so the trace can wait for it. False: real time, where
            a step that never becomes whole is passed over.
        skipped_steps: How many were.
    """

    horizon_steps: int
    settle_steps: int
    expects_status: bool = True
    expects_outcome: bool = True
    expects_commands: bool = True
    trace: TraceHash = field(default_factory=TraceHash)
    visits: list[StageVisit] = field(default_factory=list)
    ended_by: str = ""
    end_step: int | None = None
    monitor_success: bool | None = None
    environment_success: bool | None = None
    success_once: bool = False
    skipped_steps: int = 0
    start_stamp: float | None = None
    end_stamp: float | None = None
    trace_bytes: bytearray = field(default_factory=bytearray)
    _steps: dict[int, _Step] = field(default_factory=dict)
    _next: int = 0
    _next_trace: int = 0
    _success_step: int | None = None

    def state(self, sequence: int, stamp: float) -> list[int]:
        """Note a state; return the steps that are complete now and not the last, to be acknowledged."""
        self._at(sequence).stamp = stamp
        return self._evaluate()

    def status(self, sequence: int, stage: int, stage_names: list[str], success: bool) -> list[int]:
        """Note a stage; return as `state`."""
        if not self.visits:
            self.visits = [StageVisit(name) for name in stage_names]
        step = self._at(sequence)
        step.stage, step.monitor_success = stage, success
        self._extend_trace()
        return self._evaluate()

    def outcome(self, sequence: int, success: bool) -> list[int]:
        """Note the simulation's own judgement; return as `state`."""
        self._at(sequence).environment_success = success
        return self._evaluate()

    def command(self, sequence: int, values: tuple[float, ...], gripper: float) -> None:
        """Note the command that answered a step."""
        step = self._at(sequence)
        if step.command is None:
            step.command = (values, gripper)
            self._extend_trace()

    @property
    def over(self) -> bool:
        """True when the last step was seen and every command up to it is in the trace."""
        return self.end_step is not None and (not self.expects_commands or self._next_trace > self.end_step)

    @property
    def steps(self) -> int:
        """Steps seen complete so far."""
        return self._next

    def _at(self, sequence: int) -> _Step:
        return self._steps.setdefault(sequence, _Step())

    def _evaluate(self) -> list[int]:
        finished = []
        while self.end_step is None:
            step = self._steps.get(self._next)
            if step is None or not self._complete(step):
                later = self._later_complete()
                if later is None:
                    break
                # In real time a message may never come: a step without its stage or state is passed over, and counted.
                self.skipped_steps += later - self._next
                for sequence in range(self._next, later):
                    self._steps.pop(sequence, None)
                self._next = self._next_trace = later
                continue
            self._finish(self._next, step)
            if self.end_step is None:
                finished.append(self._next)
            self._next += 1
        self._extend_trace()
        return finished

    def _later_complete(self) -> int | None:
        """Return the first later step that is complete, in real time only: in lockstep every step is waited for."""
        if self.expects_commands:
            return None
        return min((sequence for sequence, step in self._steps.items() if sequence > self._next and self._complete(step)), default=None)

    def _complete(self, step: _Step) -> bool:
        if step.stamp is None or (self.expects_status and step.stage is None):
            return False
        return not (self.expects_outcome and step.environment_success is None)

    def _finish(self, sequence: int, step: _Step) -> None:
        self.start_stamp = step.stamp if self.start_stamp is None else self.start_stamp
        self.end_stamp = step.stamp
        self.monitor_success = step.monitor_success if self.expects_status else None
        self.environment_success = step.environment_success
        self._visit(sequence, step)
        success = bool(step.environment_success) if self.expects_outcome else step.monitor_success
        self.success_once = self.success_once or success
        if success and self._success_step is None:
            self._success_step = sequence
        if self._success_step is not None and sequence >= self._success_step + self.settle_steps:
            self._end(sequence, "success" if success else "success lost")
        elif sequence >= self.horizon_steps:
            self._end(sequence, "timeout")

    def _visit(self, sequence: int, step: _Step) -> None:
        if step.stage is None or not self.visits:
            return
        index = len(self.visits) - 1 if step.monitor_success else step.stage
        visit = self.visits[index]
        if visit.entered_step is None:
            visit.entered_step, visit.entered_s = sequence, step.stamp - self.start_stamp
        visit.steps += 1

    def _end(self, sequence: int, reason: str) -> None:
        self.end_step, self.ended_by = sequence, reason

    def _extend_trace(self) -> None:
        while (step := self._steps.get(self._next_trace)) is not None:
            past_end = self.end_step is not None and self._next_trace > self.end_step
            if past_end or self._next_trace >= self._next or step.command is None:
                return
            values, gripper = step.command
            self.trace_bytes += self.trace.add(self._next_trace, values, gripper, step.stage or 0)
            del self._steps[self._next_trace]
            self._next_trace += 1
