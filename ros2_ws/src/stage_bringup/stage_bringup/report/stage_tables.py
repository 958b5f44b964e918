"""Stage tables over many episodes: how often each stage was reached, how long it took, what it cost. Start at `duration_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stage_bringup.cli.output import interval, percent
from stage_core.labels import EpisodeLabels
from stage_core.monitor import REGRESSION


def conditions_of(episodes: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the episodes by their condition; one group called "all" where there is only one condition."""
    groups: dict[str, list[Any]] = {}
    for episode in episodes:
        groups.setdefault(episode.condition or "none", []).append(episode)
    return groups if len(groups) > 1 else {"all": list(episodes)}


def duration_rows(labels: Sequence[EpisodeLabels], control_rate_hz: float) -> list[dict[str, Any]]:
    """Return one row per working stage, over the episodes that were in it.

    Args:
        labels: Of one task.
        control_rate_hz: Control steps per second.

    Returns:
        stage, episodes, median_s, low_s and high_s (10th and 90th percentile), median_cost, regressions (fallen back from it);
        None where no episode was in the stage.
    """
    rows = []
    for stage, name in enumerate(labels[0].stage_names[:-1]):
        counts = [int((entry.stages == stage).sum()) for entry in labels]
        seconds = np.array([count for count in counts if count]) / control_rate_hz
        costs = [entry.segment_costs[stage] for entry in labels if entry.segment_costs[stage] is not None]
        low, median, high = np.percentile(seconds, [10, 50, 90]) if len(seconds) else (None, None, None)
        rows.append(
            {
                "stage": name,
                "episodes": len(seconds),
                "median_s": median,
                "low_s": low,
                "high_s": high,
                "median_cost": float(np.median(costs)) if costs else None,
                "regressions": sum(
                    event.kind == REGRESSION and event.previous_stage == stage for entry in labels for event in entry.events
                ),
            }
        )
    return rows


def task_markdown(name: str, figures: dict[str, Any]) -> str:
    """Return one task's tables."""
    parts = [f"## {name}: {figures['successes']} of {figures['episodes']} episodes succeeded", ""]
    for condition, entries in figures["conditional_success"].items():
        heading = "stage" if condition == "all" else f"stage ({condition})"
        rows = [
            (
                entry["name"],
                f"{entry['reached']} / {entry['trials']}",
                percent(entry["rate"] if entry["trials"] else None),
                interval((entry["low"], entry["high"])),
            )
            for entry in entries
        ]
        parts += [markdown_table((heading, "reached / in the stage before", "share", "95 %"), rows), ""]
    rows = [
        (
            row["stage"],
            str(row["episodes"]),
            _seconds(row["median_s"]),
            f"{_seconds(row['low_s'])} to {_seconds(row['high_s'])}",
            "-" if row["median_cost"] is None else f"{row['median_cost']:.3g}",
            str(row["regressions"]),
        )
        for row in figures["durations"]
    ]
    parts += [markdown_table(("stage", "episodes", "median, s", "10 % to 90 %, s", "median cost", "fell back"), rows), ""]
    counts = figures["literal"]
    parts.append(
        f"Of {counts['rises']} rises of the stage, the potential falls at {counts['literal_falls']} with `literal`"
        f" and at {counts['cumulative_falls']} with `cumulative`."
    )
    return "\n".join(parts)


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(headers), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
