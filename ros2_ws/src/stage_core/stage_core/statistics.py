"""Success rates with their intervals. Start at `wilson_interval` and `conditional_stage_success`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate; (0, 1) without trials.

    Args:
        successes: 0 <= successes <= trials.
        trials: >= 0.
        confidence: In (0, 1).

    Raises:
        ValueError: If the numbers do not fit.

    Source: Wilson 1927; Brown, Cai and DasGupta 2001.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes is {successes} of {trials} trials; expected 0 <= successes <= trials. Count again.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}; expected 0 < value < 1, for example 0.95.")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    rate, squared = successes / trials, z * z
    centre = rate + squared / (2.0 * trials)
    half = z * math.sqrt(rate * (1.0 - rate) / trials + squared / (4.0 * trials * trials))
    scale = 1.0 + squared / trials
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == trials else min(1.0, (centre + half) / scale)
    return low, high


@dataclass(frozen=True, kw_only=True)
class StageSuccess:
    """How often a stage was reached by those that reached the one before it: P(stage_k | stage_{k-1}).

    Attributes:
        name: The stage.
        reached: Episodes that reached it.
        trials: Episodes that reached the stage before it.
        rate: reached / trials, NaN without trials.
        low, high: Wilson interval.
    """

    name: str
    reached: int
    trials: int
    rate: float
    low: float
    high: float


def conditional_stage_success(
    highest_stages: Iterable[int], stage_names: Sequence[str], confidence: float = 0.95
) -> tuple[StageSuccess, ...]:
    """Return P(stage_k | stage_{k-1}) for every stage after the first, success being the last (STARE figure 5).

    Args:
        highest_stages: Per episode, index of the highest stage that was reached; a latched stage implies those before it.
        stage_names: Working stages in order, then success.
        confidence: Of the intervals.

    Raises:
        ValueError: If an index is outside `stage_names`.
    """
    highest = [int(stage) for stage in highest_stages]
    for stage in highest:
        if not -1 <= stage < len(stage_names):
            raise ValueError(f"highest stage is {stage}; expected -1 to {len(stage_names) - 1}. Do the labels belong to this task?")
    results = []
    for k in range(1, len(stage_names)):
        trials = sum(stage >= k - 1 for stage in highest)
        reached = sum(stage >= k for stage in highest)
        low, high = wilson_interval(reached, trials, confidence)
        rate = reached / trials if trials else math.nan
        results.append(StageSuccess(name=stage_names[k], reached=reached, trials=trials, rate=rate, low=low, high=high))
    return tuple(results)
