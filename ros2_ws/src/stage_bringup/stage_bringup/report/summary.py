"""The figures of a session: success with its interval, how far each stage was reached, how long it took.

Start at `summarise`; its result is what `stage demo --json` and `stage evaluate --json` write.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from stage_core.statistics import conditional_stage_success, wilson_interval


def succeeded(episode: Any) -> bool:
    """Return the success that counts: the simulation's own judgement where there is one, else the monitor's."""
    return bool(episode.monitor_success if episode.environment_success is None else episode.environment_success)


def summarise(task: str, episodes: Sequence[Any]) -> dict[str, Any]:
    """Return the figures of one task's episodes.

    Args:
        task: Name of the task.
        episodes: `EpisodeResult`s of `stage_bringup.session`, in the order they ran.

    Returns:
        task, episodes, successes, success_rate (None without an episode), interval_95 (Wilson),
        stages (`stage_figures`), conditional_stage_success, monitor_agreement (share of episodes in which the
        monitor's success is the simulation's), mean_steps, errors.
    """
    count = len(episodes)
    successes = sum(map(succeeded, episodes))
    judged = [episode for episode in episodes if episode.environment_success is not None]
    agreeing = sum(bool(episode.monitor_success) == bool(episode.environment_success) for episode in judged)
    return {
        "task": task,
        "episodes": count,
        "successes": successes,
        "success_rate": successes / count if count else None,
        "interval_95": list(wilson_interval(successes, count)) if count else None,
        "stages": stage_figures(episodes),
        "conditional_stage_success": conditional_success(episodes),
        "monitor_agreement": agreeing / len(judged) if judged else None,
        "mean_steps": mean([episode.steps for episode in episodes]),
        "errors": [episode.error for episode in episodes if episode.error],
    }


def stage_figures(episodes: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Return per stage, in order: `reached` (episodes that came at least so far), `mean_s` (mean time spent in it, s) and
    `mean_entered_s` (mean time at which it was entered, s after the start); None where no episode has a value."""
    names = stage_names(episodes)
    highest = [highest_stage(episode) for episode in episodes]
    figures = {}
    for index, name in enumerate(names):
        entries = [stage for episode in episodes for stage in episode.stages if stage["name"] == name and stage["entered_step"] is not None]
        figures[name] = {
            "reached": sum(stage >= index for stage in highest),
            "mean_s": mean([stage["duration_s"] for stage in entries]),
            "mean_entered_s": mean([stage["entered_s"] for stage in entries]),
        }
    return figures


def stage_names(episodes: Sequence[Any]) -> list[str]:
    """Return the stages in order, success last; empty without an episode."""
    return next(([stage["name"] for stage in episode.stages] for episode in episodes if episode.stages), [])


def highest_stage(episode: Any) -> int:
    """Return the index of the highest stage that was entered, -1 for none."""
    return max((index for index, stage in enumerate(episode.stages) if stage["entered_step"] is not None), default=-1)


def conditional_success(episodes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return, for each stage after the first, how many of the episodes that reached the one before it went on to reach it.

    Returns:
        A list of {stage, of, reached, rate, interval_95}; rate and interval are None where no episode came that far.
    """
    return [
        {
            "stage": entry.name,
            "of": entry.trials,
            "reached": entry.reached,
            "rate": entry.rate if entry.trials else None,
            "interval_95": [entry.low, entry.high] if entry.trials else None,
        }
        for entry in conditional_stage_success([highest_stage(episode) for episode in episodes], stage_names(episodes))
    ]


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the finite values, None if there is none."""
    finite = [float(value) for value in values if value is not None and math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def machine_facts() -> dict[str, Any]:
    """Return what a figure depends on: machine, processor count, memory, Python and package versions, commit if known."""
    import os
    import platform
    import subprocess
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    def output(*command: str) -> str | None:
        try:
            done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False)
        except OSError:
            return None
        return done.stdout.strip() or None if done.returncode == 0 else None

    processor = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
    )
    memory = next((int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), None)
    system = next(
        (line.split("=", 1)[1].strip('"') for line in _lines("/etc/os-release") if line.startswith("PRETTY_NAME")), platform.system()
    )
    return {
        "system": system,
        "processor": processor,
        "processors": len(os.sched_getaffinity(0)),
        "memory_mb": memory,
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in ("numpy", "torch", "mani-skill", "ros-rclpy", "tyro")},
        "commit": output("git", "rev-parse", "HEAD"),
        # Earlier figures of the same run are no change to what is measured.
        "dirty": bool(output("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/docs/evidence")),
    }


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().splitlines()
    except OSError:
        return []
