"""The report's charts as SVG text: stage timeline and potential curve on one time axis, and the bar of a rate.

Colours come from the page's CSS variables, so that the charts follow its light and dark looks. Start at `episode_chart`.
"""

from __future__ import annotations

from html import escape

import numpy as np

from stage_bringup.report.content import EpisodeView, StageSpan

WIDTH, LEFT, RIGHT = 720, 40, 12  # user units; the page scales the picture
BAND_TOP, BAND_HEIGHT = 8, 30
CURVE_TOP, CURVE_HEIGHT = 52, 120
HEIGHT = CURVE_TOP + CURVE_HEIGHT + 34


def episode_chart(view: EpisodeView) -> str:
    """Return stage timeline above potential curve; the line with class `playhead` follows the video."""
    if not len(view.times) or not view.spans:
        return '<p class="quiet">No stages were recorded.</p>'
    duration = max(view.spans[-1].end, 1e-6)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" data-duration="{duration:.3f}"',
        f' data-left="{LEFT}" data-right="{WIDTH - RIGHT}">',
        f"<title>Stages and potential of episode {view.index}</title>",
        *timeline(view.spans, view.stage_names, duration),
        *potential_axes(),
        *boundaries(view.spans, duration),
        potential_curve(view.times, view.potentials, duration),
        *time_axis(duration),
        f'<line class="playhead" x1="{LEFT}" x2="{LEFT}" y1="{BAND_TOP}" y2="{CURVE_TOP + CURVE_HEIGHT}"/>',
        "</svg>",
    ]
    return "".join(parts)


def horizontal(time: float, duration: float) -> float:
    """Return the x of a time in s."""
    return LEFT + (WIDTH - LEFT - RIGHT) * time / duration


def vertical(potential: float) -> float:
    """Return the y of a potential in [0, 1]."""
    return CURVE_TOP + CURVE_HEIGHT * (1.0 - potential)


def timeline(spans: list[StageSpan], names: list[str], duration: float) -> list[str]:
    """Return one coloured block per stretch; its name stands inside where there is room, always in its tooltip."""
    parts = []
    for span in spans:
        left, right = horizontal(span.start, duration), horizontal(span.end, duration)
        name = names[span.stage] if span.stage < len(names) else str(span.stage)
        shown = escape(name) if right - left > 8 * len(name) + 6 else ""
        parts.append(
            f"<g><title>{escape(name)}: {span.start:.2f} to {span.end:.2f} s</title>"
            f'<rect class="{stage_class(span.stage, names)}" x="{left:.1f}" y="{BAND_TOP}"'
            f' width="{max(right - left, 1.5):.1f}" height="{BAND_HEIGHT}" rx="3"/>'
            f'<text class="band" x="{(left + right) / 2:.1f}" y="{BAND_TOP + BAND_HEIGHT / 2 + 4}">{shown}</text></g>'
        )
    return parts


def stage_class(stage: int, names: list[str]) -> str:
    """Return the CSS class of a stage; success is the last name."""
    return "stage-success" if names and stage == len(names) - 1 else f"stage-{stage % 5}"


def potential_axes() -> list[str]:
    """Return the horizontal grid with its labels."""
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = vertical(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if value in (0.0, 0.5, 1.0):
            parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    return parts


def boundaries(spans: list[StageSpan], duration: float) -> list[str]:
    """Return a thin line wherever the stage changes."""
    xs = [horizontal(span.start, duration) for span in spans[1:]]
    return [f'<line class="boundary" x1="{x:.1f}" x2="{x:.1f}" y1="{CURVE_TOP}" y2="{CURVE_TOP + CURVE_HEIGHT}"/>' for x in xs]


def potential_curve(times: np.ndarray, potentials: np.ndarray, duration: float) -> str:
    """Return the curve, broken where the potential is absent."""
    path, pen_down = [], False
    for time, potential in zip(times, potentials, strict=False):
        if not np.isfinite(potential):
            pen_down = False
            continue
        path.append(f"{'L' if pen_down else 'M'}{horizontal(float(time), duration):.1f} {vertical(float(np.clip(potential, 0, 1))):.1f}")
        pen_down = True
    return f'<path class="curve" d="{" ".join(path)}"/>' if path else ""


def time_axis(duration: float) -> list[str]:
    """Return the ticks of the time axis, in s, about six of them."""
    step = next((step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60) if duration / step <= 8), 120)
    y = CURVE_TOP + CURVE_HEIGHT + 16
    parts = []
    for index in range(int(duration / step) + 1):
        x = horizontal(index * step, duration)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{index * step:g}</text>')
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{y + 15}" text-anchor="end">time, s</text>')
    parts.append(f'<text class="tick" x="{LEFT}" y="{y + 15}">cumulative potential over time</text>')
    return parts


def rate_bar(rate: float | None, interval: list[float] | None) -> str:
    """Return a rate in [0, 1] as a bar with its interval."""
    if rate is None or interval is None:
        return ""
    low, high = (300 * bound for bound in interval)
    return (
        '<svg class="rate" viewBox="0 0 300 26" role="img">'
        f"<title>{100 * rate:.0f} %, 95 % interval {interval[0]:.2f} to {interval[1]:.2f}</title>"
        '<rect class="track" x="0" y="8" width="300" height="10" rx="5"/>'
        f'<rect class="fill" x="0" y="8" width="{300 * rate:.1f}" height="10" rx="5"/>'
        f'<path class="whisker" d="M{low:.1f} 13 H{high:.1f} M{low:.1f} 4 V22 M{high:.1f} 4 V22"/></svg>'
    )
