"""`stage stages`: pictures and tables of the stages of recorded episodes.

One timeline per episode; over many, how often each stage was reached from the one before it and how long it took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from stage_bringup.cli import names, output
from stage_bringup.cli.label import find_episodes
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError, StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Draw stage timelines, conditional success and stage durations into a folder; the tables are also printed."""

    episodes: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of episodes, or directories that hold some."""
    output: Path = Path("reports/stages")
    """Folder for the pictures, stages.md and stages.json."""
    task: str = ""
    """Use this task file instead of the recorded task."""
    most_timelines: int = 24
    """Draw at most this many timelines; the tables count every episode."""


@dataclass(kw_only=True, eq=False)
class LabelledEpisode:
    """One episode with its labels.

    Attributes:
        name: Of its directory.
        task: `TaskConfig`.
        condition: Of episode.json.
        rate_hz: Control steps per second.
        times: (T,) s after the first step.
        labels: `EpisodeLabels`, mode cumulative.
        observations: As the monitor used them.
        outcomes: (T,) bool of a simulation, or None.
    """

    name: str
    task: Any
    condition: str
    rate_hz: float
    times: Any
    labels: Any
    observations: list[Any] = field(repr=False)
    outcomes: Any = None


def run(options: Options) -> int:
    """Label, draw and print. Returns 0; an episode without stages is named and left out."""
    output.check_writable(options.json, "--json")
    output.check_writable(options.output, "--output", directory=True)
    if options.most_timelines < 0:
        raise ConfigurationError(f"--most-timelines is {options.most_timelines}; expected at least 0.")
    task = names.resolve_task(options.task) if options.task else ""
    episodes, problems = read_all(find_episodes(options.episodes), task)
    if not episodes:
        raise StageError(problems[0])
    figures = describe(episodes, options.output, options.most_timelines)
    figures["left_out"] = problems
    text = as_markdown(figures)
    print(text)
    output.write_atomically(options.output / "stages.md", text + "\n")
    output.write_json(options.output / "stages.json", figures)
    output.write_json(options.json, figures)
    return 0


def read_all(directories: list[Path], task_name: str = "") -> tuple[list[LabelledEpisode], list[str]]:
    """Return every episode that has stages, and one line for each that has none."""
    progress = output.Progress(len(directories), "reading")
    episodes, problems = [], []
    for done, directory in enumerate(directories, 1):
        try:
            episodes.append(read_labelled(directory, task_name))
        except StageError as error:
            problems.append(str(error))
        if len(directories) > 1:
            progress.update(done, directory.name)
    return episodes, problems


def read_labelled(directory: Path, task_name: str = "") -> LabelledEpisode:
    """Return one episode with labels made from the stage observations in its log.

    Raises:
        StageError: If it cannot be read or has no stage observations.
    """
    from stage_bringup.configuration_files import find_episode_task
    from stage_core.labels import label_observations
    from stage_core.task import load_task
    from stage_recorder.reader import read_episode

    episode = read_episode(directory, images=False)
    if episode.stages is None or not episode.stage_observations:
        raise ConfigurationError(f"{directory} holds no stage observations; it was recorded without a stage monitor. Record it again.")
    if not episode.metadata["control_rate_hz"]:
        raise ConfigurationError(f"{directory}: episode.json has no control_rate_hz; durations count steps of it. Add it there.")
    task, rate = load_task(find_episode_task(directory, episode.task, task_name)), float(episode.metadata["control_rate_hz"])
    return LabelledEpisode(
        name=directory.name,
        task=task,
        condition=episode.metadata["condition"],
        rate_hz=rate,
        times=episode.stamps - episode.stamps[0],
        labels=label_observations(task, rate, episode.stage_observations),
        observations=episode.stage_observations,
        outcomes=episode.outcomes,
    )


def describe(episodes: Sequence[LabelledEpisode], folder: Path, most_timelines: int) -> dict[str, Any]:
    """Draw everything into `folder` and return the figures, per task."""
    from stage_bringup.report.stage_pictures import draw_timeline

    pictures = []
    for episode in episodes[:most_timelines]:
        title = f"{episode.task.name}: {episode.name}"
        path = folder / f"timeline_{episode.name}.png"
        pictures.append(draw_timeline(path, episode.labels, episode.times, title=title, outcomes=episode.outcomes).name)
    by_task: dict[str, list[LabelledEpisode]] = {}
    for episode in episodes:
        by_task.setdefault(episode.task.name, []).append(episode)
    return {"timelines": pictures, "tasks": {name: describe_task(name, group, folder) for name, group in by_task.items()}}


def describe_task(name: str, episodes: Sequence[LabelledEpisode], folder: Path) -> dict[str, Any]:
    """Return one task's conditional success, durations and potentials, and draw their pictures."""
    from stage_bringup.report.stage_pictures import draw_conditional_success
    from stage_bringup.report.stage_tables import conditions_of, duration_rows
    from stage_core.statistics import conditional_stage_success

    stage_names = episodes[0].labels.stage_names
    groups = {
        condition: conditional_stage_success([episode.labels.highest_stage for episode in group], stage_names)
        for condition, group in conditions_of(episodes).items()
    }
    picture = draw_conditional_success(
        folder / f"conditional_success_{name}.png", groups, title=f"{name}: conditional stage success, {len(episodes)} episodes"
    )
    return {
        "episodes": len(episodes),
        "successes": sum(episode.labels.success for episode in episodes),
        "conditional_success": {condition: [vars(entry) for entry in entries] for condition, entries in groups.items()},
        "durations": duration_rows([episode.labels for episode in episodes], episodes[0].rate_hz),
        "conditional_success_picture": picture.name,
        "literal": compare_potentials(name, episodes, folder),
    }


def compare_potentials(name: str, episodes: Sequence[LabelledEpisode], folder: Path) -> dict[str, Any]:
    """Count where a potential falls though the stage rises, and draw the episode that came furthest in the fewest steps."""
    from stage_bringup.labelling import literal_potentials
    from stage_bringup.report.stage_pictures import draw_literal_against_cumulative, punished_steps
    from stage_core.labels import label_observations

    counts = {"rises": 0, "literal_falls": 0, "cumulative_falls": 0}
    for episode in episodes:
        labels = episode.labels
        counts["rises"] += int((labels.stages[1:] > labels.stages[:-1]).sum())
        counts["literal_falls"] += len(punished_steps(labels, literal_potentials(episode.task, episode.rate_hz, episode.observations)))
        counts["cumulative_falls"] += len(punished_steps(labels, labels.progress))
    shown = min(episodes, key=lambda episode: (-episode.labels.highest_stage, len(episode.times)))
    picture = draw_literal_against_cumulative(
        folder / f"literal_against_cumulative_{name}.png",
        shown.labels,
        shown.times,
        literal_potentials(shown.task, shown.rate_hz, shown.observations),
        label_observations(shown.task, shown.rate_hz, shown.observations, "literal").shaped_rewards,
        title=f"{name}: potentials of {shown.name}",
    )
    return {**counts, "picture": picture.name}


def as_markdown(figures: dict[str, Any]) -> str:
    """Return the tables as Markdown that also reads well on a terminal."""
    from stage_bringup.report.stage_tables import task_markdown

    parts = [task_markdown(name, entry) for name, entry in figures["tasks"].items()]
    if figures["left_out"]:
        parts.append("Left out:\n\n" + "\n".join(f"- {problem}" for problem in figures["left_out"]))
    return "\n\n".join(parts)
