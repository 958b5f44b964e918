"""`stage label`: the stage monitor run again over recorded stage observations; the labels are kept beside the log.

They are compared with the live labels bit by bit. `--rebuild` also joins the raw topics again and tells what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from stage_bringup.cli import output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError, StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Label recorded episodes again; stage_labels.npz and stage_labels.json (with where they come from) are left beside each log.

    What is up to date is passed over, so an interrupted run goes on where it stopped. Exits with 1 where a label differs from the
    live one: labels must not depend on when they are made.
    """

    episodes: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of episodes, or directories that hold some."""
    task: str = ""
    """Label with this task file instead of the recorded task; the labels are then expected to differ."""
    potential_mode: Literal["cumulative", "literal"] = "cumulative"
    """Which potential the shaped rewards use; the live monitor's is cumulative."""
    rebuild: bool = False
    """Also join the raw topics again by stamp and tell how that differs from the recorded stage observations."""
    again: bool = False
    """Also label what is up to date."""
    dry_run: bool = False
    """Compare only; write no labels."""


def run(options: Options) -> int:
    """Label and compare."""
    output.check_writable(options.json, "--json")
    directories = find_episodes(options.episodes)

    from stage_bringup.labelling import LabelSettings

    settings = LabelSettings(
        task=options.task, potential_mode=options.potential_mode, write=not options.dry_run, again=options.again or options.dry_run
    )
    rows, problems = label_all(directories, settings, rebuild=options.rebuild)
    cells = [
        (row["episode"], row["task"], row["steps"], row["different_steps"], row["highest_stage"], "written" if row["written"] else "")
        for row in rows
    ]
    print(output.table(("episode", "task", "steps", "different", "highest stage", "labels"), cells))
    if options.rebuild:
        print(f"\n{rebuild_table(rows)}")
    output.write_json(options.json, {"episodes": rows, "problems": problems})
    if problems:
        more = f" ({len(problems)} of {len(directories)} episodes could not be labelled)" if len(directories) > 1 else ""
        raise StageError(problems[0]["problem"] + more)
    differing = [row for row in rows if row["different_steps"]]
    if differing and not options.task:
        first = differing[0]
        raise StageError(
            f"{len(differing)} of {len(rows)} episodes differ, first {first['episode']} at step {first['first_difference']}"
            f" in {first['field']}. Was another version or task file used?"
        )
    return 0


def label_all(directories: list[Path], settings: Any, *, rebuild: bool = False) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Label episodes one after another with a progress line; one that cannot be labelled does not keep the others back.

    Returns:
        One row for each labelled episode (`labelling.label_episode`, with `rebuild` where asked for), and one entry with
        `episode` and `problem` for each of the others.
    """
    from stage_bringup.labelling import label_episode
    from stage_bringup.labelling_rebuild import rebuild_episode

    progress = output.Progress(len(directories), "labelling")
    rows, problems = [], []
    for done, directory in enumerate(directories, 1):
        try:
            row = label_episode(directory, settings)
            if rebuild:
                row["rebuild"] = rebuild_episode(directory, settings.task)
            rows.append(row)
        except StageError as error:
            problems.append({"episode": directory.name, "problem": str(error)})
        if len(directories) > 1:
            progress.update(done, directory.name)
    return rows, problems


def rebuild_table(rows: list[dict[str, Any]]) -> str:
    """Return what joining the raw topics again changed, one line per episode."""
    cells = []
    for row in rows:
        found = row["rebuild"]
        worst = ", ".join(f"{name} ({count})" for name, count in found["different_fields"].items()) or "nothing"
        counts = (found["steps"], found["different_steps"], found["different_labels"], found["different_as_recorded"])
        cells.append((row["episode"], found["source"], *counts, worst))
    return output.table(("joined again", "source", "steps", "different", "other stage", "in log order", "fields (steps)"), cells)


def find_episodes(paths: tuple[Path, ...]) -> list[Path]:
    """Return the episode directories among and below the paths.

    Raises:
        ConfigurationError: If a path does not exist or holds no episode.
    """
    if not paths:
        raise ConfigurationError("no episode is named; expected directories of episodes. See: stage episodes list")
    found = []
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"{path} does not exist; expected the directory of an episode. See: stage episodes list")
        below = sorted(file.parent for file in path.rglob("episode.json"))
        if not below:
            raise ConfigurationError(f"{path} holds no episode.json; expected the directory of an episode. See: stage episodes list")
        found += below
    return found
