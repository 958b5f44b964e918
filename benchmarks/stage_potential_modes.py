"""The paper's literal potential against the cumulative one on the same episodes: where is progress punished? Start at `compare_modes`.

Progress is a step at which the label rises by one stage (or to success); it is punished where the potential falls there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from stage_core.labels import label_observations
from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.potentials import PotentialMode
from stage_core.task import TaskConfig

RATE = 20.0  # Hz
ROUNDING = 1e-9


def compare_modes(task: TaskConfig, episodes: Iterable[list[StageObservation]]) -> dict[str, Any]:
    """Return how often and how hard each mode punishes progress, and the episode in which the literal one does so most.

    Args:
        task: The task.
        episodes: Observations of each episode.
    """
    modes: tuple[PotentialMode, PotentialMode] = ("literal", "cumulative")
    rises = 0
    drops: dict[str, list[float]] = {mode: [] for mode in modes}
    by_stage: Counter[str] = Counter()
    example: dict[str, Any] = {}
    deepest = 0.0
    names = (*task.stages, "success")
    for index, observations in enumerate(episodes):
        stages = label_observations(task, RATE, observations).stages.astype(np.int64)
        potentials = {mode: potentials_of(task, observations, mode) for mode in modes}
        rising = np.flatnonzero(np.diff(stages) > 0) + 1
        rises += len(rising)
        for mode in modes:
            change = potentials[mode][rising] - potentials[mode][rising - 1]
            drops[mode] += [-float(value) for value in change if value < -ROUNDING]
            if mode == "literal":
                by_stage.update(names[stages[step]] for step, value in zip(rising, change, strict=True) if value < -ROUNDING)
                loss = -float(change[change < 0.0].sum())
                if loss > deepest and stages[-1] == len(names) - 1:
                    deepest = loss
                    example = {
                        "episode": index,
                        "stages": stages.tolist(),
                        **{name: [round(float(v), 3) for v in values] for name, values in potentials.items()},
                    }
    return {
        "rises": rises,
        "punished": {
            mode: {"count": len(drops[mode]), "mean_drop": round(float(np.mean(drops[mode])), 4) if drops[mode] else 0.0} for mode in modes
        },
        "literal_by_entered_stage": dict(by_stage),
        "example": {"stage_names": names, "rate_hz": RATE, **example},
    }


def potentials_of(task: TaskConfig, observations: list[StageObservation], mode: PotentialMode) -> np.ndarray:
    """Return (T,) float64: the potential that equation 5 takes at each step, NaN before it is known."""
    monitor = StageMonitor(task, RATE, mode)
    values = []
    for observation in observations:
        monitor.update(observation)
        values.append(np.nan if monitor.shaping_potential is None else monitor.shaping_potential)
    return np.array(values, dtype=np.float64)
