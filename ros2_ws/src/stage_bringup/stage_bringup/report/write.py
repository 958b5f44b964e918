"""Writes the report of a session: reads the episode logs, makes the page. Start at `write_report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stage_bringup.cli.output import write_atomically, write_json
from stage_bringup.report.content import view_episode
from stage_bringup.report.page import render_page

MOST_VIDEOS = 24  # about 50 kB each; the page stays quick to open


def write_report(directory: Path, result: Any, figures: dict[str, Any]) -> Path:
    """Write `index.html` and `figures.json` into a directory.

    Args:
        directory: Made where it does not exist.
        result: `SessionResult` of `stage_bringup.session`.
        figures: Of `summarise`, with what the page's header and footer say.

    Returns:
        The page.
    """
    views = []
    for place, entry in enumerate(result.episodes):
        with_video = place < MOST_VIDEOS
        views.append(view_episode(entry, read_log(entry, images=with_video), directory, with_video=with_video))
    page = write_atomically(directory / "index.html", render_page(figures, views, result.processes))
    write_json(directory / "figures.json", figures)
    return page


def read_log(entry: Any, *, images: bool) -> Any | None:
    """Return the episode's log, None where it was not recorded."""
    if not entry.directory or not Path(entry.directory).is_dir():
        return None
    from stage_recorder.reader import read_episode

    return read_episode(entry.directory, images=images)
