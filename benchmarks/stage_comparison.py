"""Stage labels against the truth: confusion, entry errors in frames, false and missed success. Start at `compare`.

An entry is a step at which the stage rises. Each true entry is paired with the labeller's nearest unused entry of the same stage
in the episode; one that finds none within `FARTHEST` frames is missed, one of the labeller's that is left over is false.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stage_core.statistics import wilson_interval

FARTHEST = 40  # frames
CLOSE = 2  # frames; the specification's tolerance
DISTANCES_M = (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2)  # tried by the trivial labeller


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One episode of T steps and what a labeller made of it.

    Attributes:
        seed: Of the scene.
        failure: What was induced.
        true_stages: (T,) with the frames that an event must hold.
        bare_stages: (T,) from the first frame of each event.
        force_stages: (T,) as `true_stages`, where push and pull need a force.
        stages: (T,) the labeller's.
        true_success: ManiSkill's judgement.
        final_distance: Of the object to where it belongs at the end, m.
    """

    seed: int
    failure: str
    true_stages: np.ndarray
    bare_stages: np.ndarray
    force_stages: np.ndarray
    stages: np.ndarray
    true_success: bool
    final_distance: float

    @property
    def success(self) -> bool:
        """The labeller's judgement."""
        return bool((self.stages == 4).any())


def compare(episodes: Sequence[Judged], names: Sequence[str]) -> dict[str, Any]:
    """Return one table: everything that is said of one labeller on one task.

    Args:
        episodes: At least one.
        names: The stages, success last.
    """
    truth = np.concatenate([episode.true_stages for episode in episodes])
    labels = np.concatenate([episode.stages for episode in episodes]).astype(np.int64)
    return {
        "episodes": len(episodes),
        "steps": len(truth),
        "step_agreement": share(truth == labels),
        "confusion": confusion(truth, labels, len(names)),
        "entries": {
            "after_its_frames": entry_figures(episodes, names, bare=False),
            "from_the_first_frame": entry_figures(episodes, names, bare=True),
        },
        "success": success_figures(episodes),
        "regressions": {
            "true": sum(falls(episode.true_stages) for episode in episodes),
            "labelled": sum(falls(episode.stages) for episode in episodes),
        },
    }


def confusion(truth: np.ndarray, labels: np.ndarray, count: int) -> list[list[int]]:
    """Return how many steps of true stage i (row) were labelled j (column)."""
    table = np.zeros((count, count), dtype=np.int64)
    np.add.at(table, (truth, labels), 1)
    return table.tolist()


def entry_figures(episodes: Sequence[Judged], names: Sequence[str], *, bare: bool) -> dict[str, Any]:
    """Return the errors of the entries into every stage, in frames, later positive."""
    errors: list[int] = []
    missed, false = Counter[str](), Counter[str]()
    for episode in episodes:
        true, found = entries(episode.bare_stages if bare else episode.true_stages), entries(episode.stages)
        for stage, step in true:
            near = [other for kind, other in found if kind == stage and abs(other - step) <= FARTHEST]
            if not near:
                missed[names[stage]] += 1
                continue
            best = min(near, key=lambda other: abs(other - step))
            found.remove((stage, best))
            errors.append(best - step)
        false.update(names[stage] for stage, _ in found)
    total = len(errors) + sum(missed.values())
    sizes = np.abs(errors)
    return {
        "true": total,
        "within_2_frames": round(float((sizes <= CLOSE).sum()) / total, 4) if total else None,
        "median": float(np.median(errors)) if errors else None,
        "p95_size": round(float(np.percentile(sizes, 95)), 2) if errors else None,
        "histogram": {str(error): count for error, count in sorted(Counter(int(np.clip(error, -10, 10)) for error in errors).items())},
        "missed": dict(missed),
        "false": dict(false),
    }


def entries(stages: np.ndarray) -> list[tuple[int, int]]:
    """Return (stage, step) of every rise; the first stage is there from the beginning and is none."""
    return [(int(stages[step]), int(step)) for step in np.flatnonzero(np.diff(stages.astype(np.int64)) > 0) + 1]


def falls(stages: np.ndarray) -> int:
    """Return how often the stage falls."""
    return int((np.diff(stages.astype(np.int64)) < 0).sum())


def success_figures(episodes: Sequence[Judged]) -> dict[str, Any]:
    """Return how often a labeller's success is ManiSkill's, and the two ways in which it is not, with Wilson intervals."""
    wrong = [episode for episode in episodes if episode.success != episode.true_success]
    failed = sum(not episode.true_success for episode in episodes)
    false = sum(not episode.true_success for episode in wrong)
    missed = len(wrong) - false
    return {
        "agreement": rate(len(episodes) - len(wrong), len(episodes)),
        "false_success": rate(false, failed),
        "missed_success": rate(missed, len(episodes) - failed),
        "wrong_seeds": [f"{episode.seed} {episode.failure}".strip() for episode in wrong][:12],
    }


def trivial(episodes: Sequence[Judged]) -> dict[str, Any]:
    """Return what labellers make of the same episodes that look at nothing, or at the last distance alone."""
    counts = {limit: sum((episode.final_distance <= limit) == episode.true_success for episode in episodes) for limit in DISTANCES_M}
    best = max(counts, key=lambda limit: counts[limit])
    truth = np.concatenate([episode.true_stages for episode in episodes])
    return {
        "always_success": rate(sum(episode.true_success for episode in episodes), len(episodes)),
        # Its threshold is the best one for the task, found afterwards: better than anybody could have set it.
        "final_distance": {"limit_m": best} | rate(counts[best], len(episodes)),
        "commonest_stage_step_agreement": share(truth == np.bincount(truth).argmax()),
    }


def rate(count: int, trials: int) -> dict[str, Any]:
    """Return a rate with its Wilson 95 % interval."""
    low, high = wilson_interval(count, trials)
    return {
        "count": count,
        "of": trials,
        "rate": round(count / trials, 4) if trials else None,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def share(holds: np.ndarray) -> float:
    """Return the share of True."""
    return round(float(np.mean(holds)), 4)
