"""Pictures of stages with matplotlib: one episode's timeline, conditional success over many, literal against cumulative potential.

Every function takes labels and writes one PNG; nothing here reads a log. Start at `draw_timeline`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stage_bringup.cli.output import write_atomically
from stage_core.errors import MissingDependencyError
from stage_core.labels import EpisodeLabels
from stage_core.monitor import ENTERED, REGRESSION, SUCCESS, SUCCESS_LOST, UNOBSERVABLE
from stage_core.statistics import StageSuccess

# Told apart also by colour-blind eyes (Okabe and Ito 2008); the last one is success.
STAGE_COLOURS = ("#56b4e9", "#e69f00", "#0072b2", "#cc79a7", "#009e73")
WRONG, QUIET = "#d55e00", "#777777"
EVENT_MARKS = {
    ENTERED: ("^", "#222222"),
    REGRESSION: ("v", WRONG),
    SUCCESS: ("*", "#009e73"),
    SUCCESS_LOST: ("X", WRONG),
    UNOBSERVABLE: ("x", QUIET),
}
WIDTH_IN, RESOLUTION = 9.0, 130
MOST_EVENTS = 14
LEAST_FALL = 0.01  # of a potential; an object that settles moves by less


def draw_timeline(path: Path, labels: EpisodeLabels, times: np.ndarray, *, title: str, outcomes: np.ndarray | None = None) -> Path:
    """Draw one episode: stages as bands, potentials and cost as curves, events as marks with their evidence below.

    Args:
        path: The PNG.
        labels: Of T control steps.
        times: (T,) float64 s after the first step.
        title: Above the picture.
        outcomes: (T,) bool, a simulation's own judgement, drawn for comparison; None without one.
    """
    shown = [event for event in labels.events if event.kind != ENTERED or event.stage > 0]
    figure = _figure(5.0 + 0.2 * min(len(shown), MOST_EVENTS))
    bands, curves, costs, words = figure.subplots(
        4, 1, height_ratios=[0.45, 3.0, 1.2, 0.25 + 0.25 * min(len(shown), MOST_EVENTS)], sharex=False
    )
    end = _end(times)
    _draw_bands(bands, labels, times, end)
    bands.set_title(title, loc="left", fontsize=10)
    curves.plot(times, labels.progress, color="#222222", linewidth=1.8, label="Φ, whole task (cumulative)")
    curves.plot(times, labels.potentials, color="#0072b2", linewidth=1.0, linestyle="--", label="φ, present stage")
    if np.min(labels.confidences, initial=1.0) < 1.0:
        curves.plot(times, labels.confidences, color=QUIET, linewidth=0.8, linestyle=":", label="confidence")
    if outcomes is not None and np.any(outcomes):
        curves.axvline(times[int(np.argmax(outcomes))], color="#009e73", linewidth=1.0, label="success, says the simulation")
    curves.set_ylim(-0.03, 1.05)
    curves.set_ylabel("potential")
    _draw_marks(curves, shown, labels, times)
    curves.legend(loc="best", fontsize=7, framealpha=0.85)
    costs.plot(times, labels.costs, color="#cc79a7", linewidth=1.2)
    costs.set_ylabel("cost ℓ")
    costs.set_xlabel("time, s", labelpad=1)
    for axes in (curves, costs):
        axes.set_xlim(0.0, end)
        axes.grid(alpha=0.25)
    _write_events(words, shown, labels, times)
    return _save(figure, path)


def _draw_bands(axes: Any, labels: EpisodeLabels, times: np.ndarray, end: float) -> None:
    """Draw one coloured block per stretch of a stage, with its name where there is room."""
    edges = np.flatnonzero(np.diff(labels.stages.astype(int))) + 1
    starts = [0, *edges.tolist()] if len(times) else []
    for place, start in enumerate(starts):
        left = float(times[start])
        right = float(times[starts[place + 1]]) if place + 1 < len(starts) else end
        stage = int(labels.stages[start])
        axes.axvspan(left, right, color=stage_colour(stage, len(labels.stage_names)))
        if (right - left) / max(end, 1e-9) > 0.014 * len(labels.stage_names[stage]):
            axes.text((left + right) / 2, 0.5, labels.stage_names[stage], ha="center", va="center", fontsize=8, color="white")
    axes.set_xlim(0.0, end)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.set_xticks([])


def stage_colour(stage: int, names: int) -> str:
    """Return a stage's colour; success, the last of `names`, is always green."""
    return STAGE_COLOURS[-1] if stage == names - 1 else STAGE_COLOURS[stage % (len(STAGE_COLOURS) - 1)]


def _draw_marks(axes: Any, events: Sequence[Any], labels: EpisodeLabels, times: np.ndarray) -> None:
    rows = _rows_of(events, labels, times)
    for number, (event, row) in enumerate(zip(events, rows, strict=True), 1):
        mark, colour = EVENT_MARKS[event.kind]
        axes.plot(times[row], labels.progress[row], mark, color=colour, markersize=8 if mark == "*" else 6, zorder=5)
        if number <= MOST_EVENTS:
            axes.annotate(str(number), (times[row], labels.progress[row]), textcoords="offset points", xytext=(4, -9), fontsize=7)


def _rows_of(events: Sequence[Any], labels: EpisodeLabels, times: np.ndarray) -> list[int]:
    """Return the row of each event: an event's stage begins at its step, and stamps may count from anywhere."""
    first = next((event.sequence for event in labels.events), 0)
    return [min(max(0, event.sequence - first), len(times) - 1) for event in events]


def _write_events(axes: Any, events: Sequence[Any], labels: EpisodeLabels, times: np.ndarray) -> None:
    axes.axis("off")
    lines = []
    for number, (event, row) in enumerate(zip(events, _rows_of(events, labels, times), strict=True), 1):
        change = event.stage_name if event.kind in (ENTERED, SUCCESS) else f"{event.kind}: {event.previous_stage_name} → {event.stage_name}"
        lines.append(f"{number}  {times[row]:.2f} s  {change}: {event.evidence}")
    if len(lines) > MOST_EVENTS:
        lines = [*lines[: MOST_EVENTS - 1], f"… and {len(lines) - MOST_EVENTS + 1} more"]
    axes.text(0.0, 1.0, "\n".join(lines), va="top", fontsize=7, family="monospace", transform=axes.transAxes)


def draw_conditional_success(path: Path, groups: Mapping[str, Sequence[StageSuccess]], *, title: str) -> Path:
    """Draw P(stage | the stage before it) as bars with Wilson 95 % intervals, one group of bars per condition (paper figure 5).

    Args:
        path: The PNG.
        groups: Condition -> one entry per stage after the first; the same stages in each.
        title: Above the picture.
    """
    figure = _figure(3.6)
    axes = figure.subplots()
    names = [entry.name for entry in next(iter(groups.values()))]
    width = 0.8 / len(groups)
    for place, (condition, entries) in enumerate(groups.items()):
        for index, entry in enumerate(entries):
            x = index - 0.4 + (place + 0.5) * width
            colour = STAGE_COLOURS[place % len(STAGE_COLOURS)] if len(groups) > 1 else stage_colour(index + 1, len(names) + 1)
            if not entry.trials:
                axes.text(x, 0.02, "no trial", rotation=90, ha="center", va="bottom", fontsize=7, color=QUIET)
                continue
            axes.bar(x, entry.rate, width * 0.92, color=colour, label=condition if index == 0 and len(groups) > 1 else None)
            errors = [[entry.rate - entry.low], [entry.high - entry.rate]]
            axes.errorbar(x, entry.rate, yerr=errors, color="#222222", capsize=4, linewidth=1.2)
            axes.text(x, 0.02, f"{entry.reached}/{entry.trials}", ha="center", va="bottom", fontsize=7, color="white")
    axes.set_xticks(range(len(names)), [f"{name}\n| {before}" for before, name in _pairs(names, groups)])
    axes.set_ylim(0.0, 1.05)
    axes.set_ylabel("share, 95 % Wilson interval")
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="y", alpha=0.25)
    if len(groups) > 1:
        axes.legend(fontsize=8)
    return _save(figure, path)


def _pairs(names: list[str], groups: Mapping[str, Sequence[StageSuccess]]) -> list[tuple[str, str]]:
    """Return (stage before, stage); the first stage is where every episode begins."""
    return list(zip(["begin", *names[:-1]], names, strict=True))


def draw_literal_against_cumulative(
    path: Path, labels: EpisodeLabels, times: np.ndarray, literal: np.ndarray, literal_rewards: np.ndarray, *, title: str
) -> Path:
    """Draw both potentials and both shaping terms of one episode; steps where `literal` punishes progress are marked.

    Args:
        path: The PNG.
        labels: In mode cumulative.
        times: (T,) float64 s after the first step.
        literal: (T,) the paper's own φ, NaN where absent.
        literal_rewards: (T,) r' − r with it.
        title: Above the picture.
    """
    figure = _figure(5.6)
    bands, upper, lower = figure.subplots(3, 1, height_ratios=[0.45, 2.4, 2.4])
    end = _end(times)
    _draw_bands(bands, labels, times, end)
    bands.set_title(title, loc="left", fontsize=10)
    punished = punished_steps(labels, literal)
    for axes, cumulative, other in ((upper, labels.progress, literal), (lower, labels.shaped_rewards, literal_rewards)):
        axes.plot(times, cumulative, color="#222222", linewidth=1.8, label="cumulative, (k + φ)/K")
        axes.plot(times, other, color=WRONG, linewidth=1.3, label="literal, eq. 5 as printed")
        axes.plot(times[punished], other[punished], "v", color=WRONG, markersize=8, label="the stage rises, the literal potential falls")
        axes.set_xlim(0.0, end)
        axes.grid(alpha=0.25)
    upper.set_ylabel("potential")
    upper.set_ylim(-0.03, 1.05)
    upper.legend(fontsize=7, loc="best")
    lower.axhline(0.0, color=QUIET, linewidth=0.8)
    lower.set_ylabel("shaping term r' − r")
    lower.set_xlabel("time, s")
    return _save(figure, path)


def punished_steps(labels: EpisodeLabels, potentials: np.ndarray) -> np.ndarray:
    """Return the rows where the stage rises and a potential falls by more than `LEAST_FALL`: progress is punished there.

    Args:
        labels: Of T control steps.
        potentials: (T,) float64, NaN where absent, which is never a fall.
    """
    rises = np.flatnonzero(np.diff(labels.stages.astype(int)) > 0) + 1
    return rises[potentials[rises] < potentials[rises - 1] - LEAST_FALL]


def _end(times: np.ndarray) -> float:
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    return float(times[-1]) + step if len(times) else 1.0


def _figure(height_in: float) -> Any:
    """Return an empty figure; no window is ever opened.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "matplotlib is not installed; pictures need it. Install it: pip install 'stage-robotics[report]'"
        ) from None
    return Figure(figsize=(WIDTH_IN, height_in), dpi=RESOLUTION, layout="constrained")


def _save(figure: Any, path: Path) -> Path:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return write_atomically(path, stream.getvalue())
