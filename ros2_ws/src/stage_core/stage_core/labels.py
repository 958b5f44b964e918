"""Stage labels of a recorded episode: the same monitor as live, run over the stored StageObservations.

Start at `label_observations`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stage_core.monitor import StageEvent, StageMonitor
from stage_core.observation import StageObservation
from stage_core.potentials import PotentialMode
from stage_core.task import TaskConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeLabels:
    """Labels of T control steps.

    Attributes:
        stage_names: Working stages in order, then success.
        stages: (T,) uint8, index into `stage_names`.
        progress: (T,) float64 in [0, 1], the cumulative potential.
        potentials: (T,) float64 in [0, 1], of the current stage; NaN where absent.
        costs: (T,) float64 >= 0, of the current stage so far; NaN where absent.
        shaped_rewards: (T,) float64, r' − r.
        confidences: (T,) float64 in [0, 1].
        tiers: (T,) uint8.
        events: In order.
        segment_costs: ℓ_k of every working stage, None for one without steps.
        success: The task was done.
    """

    stage_names: tuple[str, ...]
    stages: np.ndarray
    progress: np.ndarray
    potentials: np.ndarray
    costs: np.ndarray
    shaped_rewards: np.ndarray
    confidences: np.ndarray
    tiers: np.ndarray
    events: tuple[StageEvent, ...]
    segment_costs: tuple[float | None, ...]
    success: bool

    @property
    def highest_stage(self) -> int:
        """The highest stage that was reached; -1 for an episode without steps."""
        return int(self.stages.max()) if len(self.stages) else -1


def label_observations(
    task: TaskConfig,
    control_rate_hz: float,
    observations: Iterable[StageObservation],
    potential_mode: PotentialMode = "cumulative",
) -> EpisodeLabels:
    """Return the labels of one episode, bit for bit as the live monitor gave them.

    Args:
        task: The task.
        control_rate_hz: Control steps per second.
        observations: One for every control step, in order.
        potential_mode: As for `StageMonitor`.
    """
    monitor = StageMonitor(task, control_rate_hz, potential_mode)
    updates = [monitor.update(observation) for observation in observations]

    def numbers(name: str) -> np.ndarray:
        values = (getattr(update, name) for update in updates)
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)

    return EpisodeLabels(
        stage_names=monitor.stage_names,
        stages=np.array([update.stage for update in updates], dtype=np.uint8),
        progress=numbers("progress"),
        potentials=numbers("potential"),
        costs=numbers("cost"),
        shaped_rewards=numbers("shaped_reward"),
        confidences=numbers("confidence"),
        tiers=np.array([update.tier for update in updates], dtype=np.uint8),
        events=tuple(event for update in updates for event in update.events),
        segment_costs=monitor.segment_costs,
        success=bool(updates) and updates[-1].success,
    )
