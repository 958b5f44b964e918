"""The report as one self-contained HTML page: no file beside it, no network, readable in ten years.

Start at `render_page`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from stage_bringup.report.charts import episode_chart, rate_bar
from stage_bringup.report.content import EpisodeView


def render_page(figures: dict[str, Any], episodes: Sequence[EpisodeView], processes: dict[str, int]) -> str:
    """Return the page.

    Args:
        figures: Of `summarise`, with trace_sha256, seeds, policy, wall_seconds and machine beside them.
        episodes: What to show of each episode.
        processes: Process name -> PID, of every process of the session.
    """
    title = f"{figures['task']}: {figures['successes']} of {figures['episodes']}"
    cards = "".join(episode_card(view, opened=index == 0) for index, view in enumerate(episodes))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Stage · {escape(title)}</title><style>{beside('page.css')}</style></head><body><main>"
        f"{header(figures)}{tiles(figures)}"
        f'<h2>Stages</h2><div class="card scroll">{stage_table(figures)}</div>'
        f"<h2>Episodes</h2>{cards}"
        f'<div class="columns"><section><h2>Latency</h2><div class="card scroll">{latency_table(episodes)}</div></section>'
        f'<section><h2>Processes</h2><div class="card scroll">{process_table(processes)}</div></section></div>'
        f"{footer(figures)}</main><script>{beside('page.js')}</script></body></html>\n"
    )


def beside(name: str) -> str:
    """Return the text of a file of this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def header(figures: dict[str, Any]) -> str:
    """Return the title and what was run."""
    seeds = figures.get("seeds") or ["?", "?"]
    return (
        f"<h1>{escape(str(figures['task']))}</h1>"
        f'<div class="quiet">policy <code>{escape(str(figures.get("policy", "")))}</code> · seeds {seeds[0]} to {seeds[1]} · '
        "arm, cameras, policy, stage monitor and recorder as ROS 2 nodes in processes of their own</div>"
    )


def tiles(figures: dict[str, Any]) -> str:
    """Return the figures a reader looks for first."""
    rate, bounds = figures["success_rate"], figures["interval_95"]
    shown = "–" if rate is None else f"{100 * rate:.0f} %"
    words = (
        ""
        if bounds is None
        else f"{figures['successes']} of {figures['episodes']}, 95 % interval {bounds[0]:.2f} to {bounds[1]:.2f} (Wilson)"
    )
    agreement = figures.get("monitor_agreement")
    steps = figures.get("mean_steps")
    entries = [
        (shown, f"success · {words}" + rate_bar(rate, bounds)),
        ("–" if agreement is None else f"{100 * agreement:.0f} %", "of episodes: the stage monitor's success is the simulation's own"),
        ("–" if steps is None else f"{steps:.0f}", "control steps per episode"),
        (f"{figures.get('wall_seconds', 0):.0f} s", "wall time of the session"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="card tile"><b>{value}</b><span>{text}</span></div>' for value, text in entries)
        + "</div>"
    )


def stage_table(figures: dict[str, Any]) -> str:
    """Return, per stage, how often it was reached and how long it took."""
    chain = {entry["stage"]: entry for entry in figures.get("conditional_stage_success", [])}
    rows = []
    for name, stage in figures["stages"].items():
        entry = chain.get(name)
        conditional = "–" if not entry or entry["rate"] is None else f"{entry['reached']} of {entry['of']}"
        rows.append(
            (
                escape(name),
                f"{stage['reached']} of {figures['episodes']}",
                conditional,
                seconds(stage.get("mean_entered_s")),
                seconds(stage["mean_s"]),
            )
        )
    return table(("stage", "reached", "of those that came so far", "entered after, mean", "time in it, mean"), rows)


def episode_card(view: EpisodeView, *, opened: bool) -> str:
    """Return one episode: a line, and behind it video, charts and events."""
    outcome, look = ("success", "good") if view.success else (escape(view.ended_by or "failure"), "bad")
    badge = f'<span class="badge {look}">{outcome}</span>'
    disagrees = "" if view.success == view.monitor_success else '<span class="badge bad">monitor disagrees</span>'
    link = f'<a href="{escape(view.link)}/">{escape(view.identifier)}</a>' if view.link else "no log"
    size = f'<span class="quiet">seed {view.seed} · {view.steps} steps</span>'
    line = f'<b>Episode {view.index}</b>{badge}{disagrees}{size}<span class="mono">{link}</span>'
    problem = f'<p class="bad">{escape(view.error)}</p>' if view.error else ""
    left = video_element(view) if view.video else '<p class="quiet">No video.</p>'
    return (
        f'<details class="card episode"{" open" if opened else ""}><summary>{line}</summary>{problem}'
        f'<div class="body"><div>{left}</div><div>{episode_chart(view)}{event_table(view)}</div></div></details>'
    )


def video_element(view: EpisodeView) -> str:
    """Return the video, inside the page."""
    data = base64.b64encode(view.video).decode("ascii")
    cameras = " and ".join(map(escape, view.cameras))
    return (
        f'<video controls muted loop playsinline preload="metadata" src="data:{view.video_type};base64,{data}"></video>'
        f'<div class="caption"><span>{cameras}</span><span class="clock mono">0.00 s</span></div>'
    )


def event_table(view: EpisodeView) -> str:
    """Return what the monitor saw, and why."""
    if not view.events:
        return ""
    rows = [(f"{time:.2f} s", escape(kind), escape(stage), escape(evidence)) for time, kind, stage, evidence in view.events]
    return f'<div class="events scroll">{table(("at", "event", "stage", "evidence"), rows)}</div>'


def latency_table(episodes: Sequence[EpisodeView]) -> str:
    """Return each hop's latency, median over the episodes of each episode's median and p99, and the worst p99."""
    hops = list(dict.fromkeys(hop for view in episodes for hop in view.latency))
    rows = []
    for hop in hops:
        measured = [view.latency[hop] for view in episodes if hop in view.latency]
        medians, tails = sorted(entry["median"] for entry in measured), sorted(entry["p99"] for entry in measured)
        rows.append((escape(hop), milliseconds(medians[len(medians) // 2]), milliseconds(tails[len(tails) // 2]), milliseconds(tails[-1])))
    return table(("hop", "median", "p99", "worst p99"), rows) if rows else '<span class="quiet">No policy was asked.</span>'


def process_table(processes: dict[str, int]) -> str:
    """Return every process with its PID."""
    return table(("process", "PID"), [(escape(name), f"<code>{pid}</code>") for name, pid in processes.items()])


def footer(figures: dict[str, Any]) -> str:
    """Return what the run depended on, so that it can be repeated."""
    machine = figures.get("machine") or {}
    packages = ", ".join(f"{escape(name)} {escape(str(version))}" for name, version in (machine.get("packages") or {}).items() if version)
    commit = machine.get("commit")
    words = [
        f"trace <code>{escape(str(figures['trace_sha256']))}</code>" if figures.get("trace_sha256") else "",
        f"{escape(str(machine.get('processor')))}, {machine.get('processors')} processors, {escape(str(machine.get('system')))}"
        if machine
        else "",
        f"Python {escape(str(machine.get('python')))}, {packages}" if machine else "",
        f"commit <code>{escape(commit[:12])}</code>{' with changes' if machine.get('dirty') else ''}" if commit else "",
    ]
    return "<footer>" + "<br>".join(word for word in words if word) + "</footer>"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; cells are HTML already."""
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def seconds(value: float | None) -> str:
    """Return `1.25 s`, or a dash."""
    return "–" if value is None else f"{value:.2f}\u00a0s"


def milliseconds(value: float | None) -> str:
    """Return `1.2 ms`, or a dash."""
    return "–" if value is None else f"{value:.1f}\u00a0ms"
