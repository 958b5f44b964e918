"""The stage monitor: one StageObservation in, one StageUpdate out, at control rate.

The live node and the offline labeller call this same class, so that their labels are equal bit for bit. O(1) time and
memory per update. Start at `StageMonitor.update`.
"""

from __future__ import annotations

from typing import NamedTuple

from stage_core.costs import StageCosts
from stage_core.debounce import Debounce, frames_of
from stage_core.errors import ConfigurationError, nearest
from stage_core.observation import StageObservation
from stage_core.potentials import PotentialMode, StagePotential, cumulative_potential
from stage_core.separator import Change, Separator
from stage_core.shaping import shaping_term
from stage_core.signals import SignalReader, Signals
from stage_core.task import TaskConfig

ENTERED = "entered"
REGRESSION = "regression"
UNOBSERVABLE = "unobservable"
SUCCESS = "success"
SUCCESS_LOST = "success_lost"


class StageEvent(NamedTuple):
    """Something that happened to the stage.

    Attributes:
        kind: entered, regression, unobservable, success or success_lost.
        stage: Index into `StageMonitor.stage_names` after the event.
        stage_name: Its name.
        previous_stage: Index before the event.
        previous_stage_name: Its name.
        sequence: Control step.
        stamp: Of the observation, s.
        evidence: Which rule fired with which value, in words.
    """

    kind: str
    stage: int
    stage_name: str
    previous_stage: int
    previous_stage_name: str
    sequence: int
    stamp: float
    evidence: str


class StageUpdate(NamedTuple):
    """What the monitor says about one control step.

    Attributes:
        stage: Index into `StageMonitor.stage_names`.
        stage_name: Its name.
        success: The task was done in this episode; final.
        progress: Cumulative potential in [0, 1]; the last one is held while the potential is absent.
        potential: φ of the current stage in [0, 1], None where absent.
        cost: ℓ of the current stage's steps so far, >= 0, None where absent.
        shaped_reward: r' − r of equation 5 for the step that led here, with Φ kept at the end; 0 at the first step.
        confidence: In [0, 1], of what the current stage's potential needs.
        tier: Of the observation.
        events: What happened at this step.
    """

    stage: int
    stage_name: str
    success: bool
    progress: float
    potential: float | None
    cost: float | None
    shaped_reward: float
    confidence: float
    tier: int
    events: tuple[StageEvent, ...]


class StageMonitor:
    """Watches the stages of one task.

    Args:
        task: The task.
        control_rate_hz: `update` is called this often, once per control step.
        potential_mode: Which potential the shaped reward uses: `cumulative` (default) or `literal` (the paper's eq. 5).

    Raises:
        ConfigurationError: If the rate is not positive or the mode is unknown.
    """

    def __init__(self, task: TaskConfig, control_rate_hz: float, potential_mode: PotentialMode = "cumulative") -> None:
        if not control_rate_hz > 0.0:
            raise ConfigurationError(f"control_rate_hz is {control_rate_hz} Hz; expected > 0. Set the workcell's control rate.")
        if potential_mode not in ("cumulative", "literal"):
            raise ConfigurationError(f'potential_mode is "{potential_mode}". {nearest(potential_mode, ("cumulative", "literal"))}')
        self.task = task
        self.control_rate_hz = float(control_rate_hz)
        self.stage_names: tuple[str, ...] = (*task.stages, "success")
        self._stages = len(task.stages)
        self._literal = potential_mode == "literal"
        self._discount = task.potentials.discount
        self._scale = task.potentials.shaping_scale
        self._reader = SignalReader(task, control_rate_hz)
        self._separator = Separator(task, control_rate_hz)
        self._potential = StagePotential(task, control_rate_hz)
        self._costs = StageCosts(task, control_rate_hz)
        self._unobservable = Debounce(frames_of(task.thresholds.fall_debounce_s, control_rate_hz))
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self._reader.reset()
        self._separator.reset()
        self._costs.reset()
        self._unobservable.reset()
        self._started = False
        self._progress = 0.0
        self._shaping_potential: float | None = None

    @property
    def segment_costs(self) -> tuple[float | None, ...]:
        """ℓ_k of every working stage over the episode so far; None for a stage without steps."""
        return self._costs.costs()

    @property
    def shaping_potential(self) -> float | None:
        """Φ that equation 5 took at the last step where it was known: cumulative or literal, as asked for; None before any was."""
        return self._shaping_potential

    def update(self, observation: StageObservation) -> StageUpdate:
        """Take one control step's observation and return the stage, its potential, cost and shaping term.

        Args:
            observation: Fields that cannot be known are None; a number that is not finite counts as None.
        """
        signals = self._reader.read(observation)
        change = self._separator.update(signals)
        stage = self._separator.stage
        # After success φ is 1; how sure that is depends on what the last working stage needs.
        last = min(stage, self._stages - 1)
        potential, confidence = self._potential.evaluate(last, signals)
        if stage == self._stages:
            potential = 1.0
        shaped = self._shape(stage, last, potential, signals)
        lost_sight = self._unobservable.update(potential is None) and self._unobservable.count == self._unobservable.frames
        events: tuple[StageEvent, ...] = ()
        if change is not None or lost_sight or not self._started:
            events = self._events(change, lost_sight, stage, observation)
        self._started = True
        return StageUpdate(
            stage,
            self.stage_names[stage],
            stage == self._stages,
            self._progress,
            potential,
            self._costs.add(stage, signals),
            shaped,
            confidence,
            observation.tier,
            events,
        )

    def _shape(self, stage: int, last: int, potential: float | None, signals: Signals) -> float:
        """Return the shaping term; an absent potential holds the last one and adds nothing."""
        if potential is None:
            return 0.0
        current: float | None = cumulative_potential(stage, potential, self._stages)
        self._progress = current
        if self._literal:  # the paper has no potential for success itself: the last stage's is kept
            current = self._potential.evaluate_literal(last, signals)
            if current is None:
                return 0.0
        shaped = shaping_term(self._shaping_potential, current, discount=self._discount, scale=self._scale)
        self._shaping_potential = current
        return shaped

    def _events(self, change: Change | None, lost_sight: bool, stage: int, observation: StageObservation) -> tuple[StageEvent, ...]:
        events = []
        if not self._started:
            events.append(self._event(ENTERED, 0, 0, observation, "the episode began"))
        if change is not None:
            events.append(self._event(change.kind, change.stage, change.previous_stage, observation, change.evidence))
        if lost_sight:
            evidence = f"what {self.stage_names[stage]} needs was not known for {self._unobservable.frames} steps"
            events.append(self._event(UNOBSERVABLE, stage, stage, observation, evidence))
        return tuple(events)

    def _event(self, kind: str, stage: int, previous: int, observation: StageObservation, evidence: str) -> StageEvent:
        names = self.stage_names
        return StageEvent(kind, stage, names[stage], previous, names[previous], observation.sequence, observation.stamp, evidence)
