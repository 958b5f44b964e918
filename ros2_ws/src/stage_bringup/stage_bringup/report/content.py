"""What a report page holds, as plain data: one `EpisodeView` per episode, taken from its log.

Start at `view_episode`. Nothing here knows HTML.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stage_bringup.report.latency import read_latency
from stage_bringup.report.summary import succeeded
from stage_bringup.report.video import encode_video


@dataclass(frozen=True, kw_only=True)
class StageSpan:
    """A stretch of one stage: `stage` index, `start` and `end` in s after the episode's first step."""

    stage: int
    start: float
    end: float


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeView:
    """One episode as the page shows it.

    Attributes:
        index: Place in the session, from 0.
        seed: Seed of the scene.
        identifier: Name of the log.
        link: Path of the log's directory, relative to the page.
        success: The success that counts.
        monitor_success: The stage monitor's own.
        ended_by: success, timeout, ...
        steps: Control steps.
        times: (T,) float64 s after the first step.
        stage_names: Working stages and "success".
        spans: Stretches of one stage, in order.
        potentials: (T,) float64 in [0, 1], the cumulative potential; NaN where absent; empty without a monitor.
        events: (time s, kind, stage name, evidence) of every stage event.
        video: Encoded video, empty without images.
        video_type: Its MIME type.
        cameras: Names of the cameras in the video, left to right.
        latency: Hop -> {median, p99} ms.
        error: Why the episode has no end or no log; empty without one.
    """

    index: int
    seed: int
    identifier: str
    link: str
    success: bool
    monitor_success: bool
    ended_by: str
    steps: int
    times: np.ndarray
    stage_names: list[str]
    spans: list[StageSpan]
    potentials: np.ndarray
    events: list[tuple[float, str, str, str]]
    video: bytes = b""
    video_type: str = ""
    cameras: list[str] = field(default_factory=list)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    error: str = ""


def view_episode(result: Any, episode: Any | None, page_directory: Path, *, with_video: bool = True, rate_hz: float = 20.0) -> EpisodeView:
    """Return what the page shows of one episode.

    Args:
        result: `EpisodeResult` of the session.
        episode: `stage_core.episode.Episode` read from its log, or None where there is none.
        page_directory: Directory of the page, for the link.
        with_video: False leaves the images out.
        rate_hz: Playback rate where the stamps do not tell it.
    """
    directory = Path(result.directory) if result.directory else None
    times = np.zeros(0) if episode is None else np.asarray(episode.stamps, dtype=np.float64)
    times = times - times[0] if len(times) else times
    names = list(episode.stage_names) if episode is not None else [stage["name"] for stage in result.stages]
    has_stages = episode is not None and episode.stages is not None
    video, video_type, cameras = b"", "", []
    if with_video and episode is not None and episode.images:
        period = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        cameras = sorted(episode.images)
        video, video_type = encode_video([episode.images[name] for name in cameras], 1.0 / period if period > 0 else rate_hz)
    return EpisodeView(
        index=result.index,
        seed=result.seed,
        identifier=result.episode_id,
        link=os.path.relpath(directory.absolute(), page_directory.absolute()) if directory else "",
        success=succeeded(result),
        monitor_success=bool(result.monitor_success),
        ended_by=result.ended_by,
        steps=result.steps,
        times=times,
        stage_names=names,
        spans=stage_spans(times, np.asarray(episode.stages)) if has_stages else [],
        potentials=np.asarray(episode.progress, dtype=np.float64) if has_stages and episode.progress is not None else np.zeros(0),
        events=list_events(episode) if episode is not None else [],
        video=video,
        video_type=video_type,
        cameras=cameras,
        latency=read_latency(directory) if directory is not None and directory.is_dir() else {},
        error=result.error,
    )


def stage_spans(times: np.ndarray, stages: np.ndarray) -> list[StageSpan]:
    """Return the stretches of equal stage.

    Args:
        times: (T,) float64 s, rising.
        stages: (T,) uint8 index into the stage names.
    """
    if not len(times):
        return []
    starts = [0, *(np.flatnonzero(np.diff(stages.astype(int))) + 1).tolist()]
    # The last step counts one period, so that a success at the very end is still visible.
    period = float(times[-1] - times[0]) / max(len(times) - 1, 1)
    ends = [float(times[start]) for start in starts[1:]] + [float(times[-1]) + period]
    return [StageSpan(stage=int(stages[start]), start=float(times[start]), end=end) for start, end in zip(starts, ends, strict=True)]


def list_events(episode: Any) -> list[tuple[float, str, str, str]]:
    """Return (time s, kind, stage name, evidence) of the episode's stage events."""
    if not len(episode.stamps):
        return []
    start = float(episode.stamps[0])
    return [
        (float(event.stamp) - start, str(event.kind), str(event.stage_name), str(event.evidence)) for event in episode.stage_events or []
    ]
