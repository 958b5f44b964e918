"""`stage label`: the stage monitor run again over recorded stage observations, compared with the live labels bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from stage_bringup.cli import output
from stage_bringup.cli.options import FigureOptions
from stage_bringup.configuration_files import find_task
from stage_core.errors import ConfigurationError, StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Label recorded episodes again. Exits with 1 where a label differs from the live one: labels must not depend on when they are made."""

    episodes: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of episodes, or directories that hold some."""
    task: str = ""
    """Label with this task file instead of the recorded task; the labels are then expected to differ."""


def run(options: Options) -> int:
    """Label and compare."""
    output.check_writable(options.json, "--json")
    directories = find_episodes(options.episodes)
    rows = [relabel(directory, options.task) for directory in directories]
    cells = [(row["episode"], row["task"], row["steps"], row["different_steps"], row["highest_stage"]) for row in rows]
    print(output.table(("episode", "task", "steps", "different", "highest stage"), cells))
    output.write_json(options.json, {"episodes": rows})
    differing = [row for row in rows if row["different_steps"]]
    if differing and not options.task:
        first = differing[0]
        raise StageError(
            f"{len(differing)} of {len(rows)} episodes differ, first {first['episode']} at step {first['first_difference']}"
            f" in {first['field']}. Was another version or task file used?"
        )
    return 0


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


def relabel(directory: Path, task_name: str = "") -> dict[str, Any]:
    """Return how one episode's labels compare with those made again from its stage observations.

    Compared bit by bit: stage, progress, potential, cost, shaped reward.
    """
    import numpy as np

    from stage_bringup.cli import names
    from stage_core.labels import label_observations
    from stage_core.task import load_task
    from stage_recorder.reader import read_episode

    episode = read_episode(directory, images=False)
    if episode.stages is None or not episode.stage_observations:
        raise ConfigurationError(f"{directory} holds no stage observations; it was recorded without a stage monitor. Record it again.")
    task = load_task(find_task(names.resolve_task(task_name or episode.task)))
    labels = label_observations(task, float(episode.metadata["control_rate_hz"]), episode.stage_observations)
    pairs = {
        "stage": (episode.stages, labels.stages),
        "progress": (episode.progress, labels.progress),
        "potential": (episode.potentials, labels.potentials),
        "cost": (episode.costs, labels.costs),
        "shaped_reward": (episode.shaped_rewards, labels.shaped_rewards),
    }
    different = {name: differing_steps(live, again) for name, (live, again) in pairs.items() if live is not None}
    anywhere = np.any(np.stack(list(different.values())), axis=0)
    first = int(np.argmax(anywhere)) if anywhere.any() else None
    return {
        "episode": directory.name,
        "task": task.name,
        "steps": len(labels.stages),
        "different_steps": int(anywhere.sum()),
        "first_difference": first,
        "field": "" if first is None else next(name for name, steps in different.items() if steps[first]),
        "highest_stage": labels.stage_names[labels.highest_stage] if len(labels.stages) else "",
    }


def differing_steps(live: Any, again: Any) -> Any:
    """Return (T,) bool: True where two series differ in any bit; absent (NaN) equals absent."""
    import numpy as np

    live, again = np.asarray(live, dtype=np.float64), np.asarray(again, dtype=np.float64)
    return ~((live == again) | (np.isnan(live) & np.isnan(again)))
