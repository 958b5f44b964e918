"""The stage separator: a latched state machine that says which stage of the task the arm is in (STARE 4.1).

The rules of each family are in `families/`; this file latches, debounces and reports. It reads StageObservations
alone, never an environment's success. Start at `Separator.update`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from stage_core.debounce import Debounce, frames_of
from stage_core.errors import ConfigurationError, nearest
from stage_core.signals import Signals
from stage_core.task import TaskConfig


class StageRules(ABC):
    """What one family of tasks looks for. Methods are called once per control step with that step's facts."""

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self.stages = task.stages
        self.thresholds = task.thresholds
        self.reset()

    def reset(self) -> None:  # noqa: B027  (most families remember nothing)
        """Start a new episode."""

    def observe(self, stage: int, signals: Signals) -> None:  # noqa: B027
        """Remember what later rules need; called first at every step with the stage before the step."""

    @abstractmethod
    def entries(self, signals: Signals) -> tuple[bool, bool, bool]:
        """Return whether the entry events of stages 1, 2 and 3 hold on sure evidence."""

    @abstractmethod
    def success(self, signals: Signals) -> bool | None:
        """Return whether the task is done: True or False on sure evidence, else None."""

    @abstractmethod
    def regression(self, stage: int, signals: Signals) -> int:
        """Return the stage to fall back to on positive evidence, or -1."""

    @abstractmethod
    def describe(self, kind: str, stage: int, signals: Signals) -> str:
        """Return in words which rule fired with which value. `kind` is entered, regression, success or success_lost."""


class Change(NamedTuple):
    """One change of the stage. `kind` is entered, regression, success or success_lost."""

    kind: str
    stage: int
    previous_stage: int
    evidence: str


class Separator:
    """Latches the stage of one task: the highest stage whose entry event was seen, one stage up per control step.

    Every entry event is debounced on its own, so a stage whose event was met while an earlier one was still being
    debounced follows at the next step, and no stage is skipped. A success that holds implies the stages before it.
    """

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self.rules = _rules_of(task, control_rate_hz)
        self.success_stage = len(task.stages)
        rise, fall = (frames_of(t, control_rate_hz) for t in (task.thresholds.rise_debounce_s, task.thresholds.fall_debounce_s))
        self._entries = [Debounce(rise) for _ in task.stages[1:]]
        self._success = Debounce(frames_of(task.thresholds.success_hold_s, control_rate_hz))
        self._fall = Debounce(fall)
        self._lost = Debounce(fall)
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self.stage = 0
        self.rules.reset()
        self._fall_target = -1
        self._success_was_lost = False
        for debounce in (*self._entries, self._success, self._fall, self._lost):
            debounce.reset()

    def update(self, signals: Signals) -> Change | None:
        """Take one control step's facts and return what changed, if anything."""
        rules, stage = self.rules, self.stage
        rules.observe(stage, signals)
        success = rules.success(signals)
        if stage == self.success_stage:
            return self._watch_success(success, signals)
        done = self._success.update(success)
        ready = [debounce.update(held) for debounce, held in zip(self._entries, rules.entries(signals), strict=True)]
        # A finished task is no evidence against its last stage, whatever the gripper did.
        target = -1 if success else rules.regression(stage, signals)
        if target != self._fall_target:
            self._fall.reset()
            self._fall_target = target
        if self._fall.update(target >= 0):
            return self._fall_back(target, signals)
        if stage + 1 < self.success_stage:
            if ready[stage]:
                return self._rise("entered", rules.describe("entered", stage + 1, signals))
            if done:
                return self._rise("entered", "implied by success: " + rules.describe("success", self.success_stage, signals))
        elif done:
            return self._rise("success", rules.describe("success", self.success_stage, signals))
        return None

    def _rise(self, kind: str, evidence: str) -> Change:
        self.stage += 1
        self._fall.reset()
        return Change(kind, self.stage, self.stage - 1, evidence)

    def _fall_back(self, target: int, signals: Signals) -> Change:
        previous, evidence = self.stage, self.rules.describe("regression", target, signals)
        self.stage = target
        # Stages above must be earned again.
        for debounce in self._entries[target:]:
            debounce.reset()
        self._fall.reset()
        self._fall_target = -1
        return Change("regression", target, previous, evidence)

    def _watch_success(self, success: bool | None, signals: Signals) -> Change | None:
        """Success is final for the episode; losing it is an event, once for every loss."""
        lost = self._lost.update(success is False)
        if success:
            self._success_was_lost = False
        if lost and not self._success_was_lost:
            self._success_was_lost = True
            evidence = self.rules.describe("success_lost", self.success_stage, signals)
            return Change("success_lost", self.success_stage, self.success_stage, evidence)
        return None


def _rules_of(task: TaskConfig, control_rate_hz: float) -> StageRules:
    from stage_core.families.lift_upright import LiftUprightRules
    from stage_core.families.pick_place import PickPlaceRules, StackRules
    from stage_core.families.push import PushRules

    rules = {"push": PushRules, "pull": PushRules, "pick_place": PickPlaceRules, "stack": StackRules, "lift_upright": LiftUprightRules}
    if task.family not in rules:
        raise ConfigurationError(f"family is {task.family!r}. {nearest(task.family, rules)}")
    return rules[task.family](task, control_rate_hz)
