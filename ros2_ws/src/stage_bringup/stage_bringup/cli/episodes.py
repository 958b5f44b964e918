"""`stage episodes`: list, show, repair and label what was recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from stage_bringup.cli import output
from stage_bringup.cli.options import CommonOptions, FigureOptions
from stage_core.errors import ConfigurationError, StageError, nearest

DEFAULT_ROOT = Path("episodes")


@dataclass(frozen=True, kw_only=True)
class ListOptions(FigureOptions):
    """List the episodes below a folder, oldest first."""

    root: tyro.conf.Positional[Path] = DEFAULT_ROOT
    """Folder to look below."""
    task: str = ""
    """Only this task."""
    outcome: Literal["", "success", "failure", "discarded", "unknown"] = ""
    """Only this outcome."""


@dataclass(frozen=True, kw_only=True)
class ShowOptions(FigureOptions):
    """Show what one episode holds: outcome, stages, topics, sources."""

    episode: tyro.conf.Positional[str]
    """Directory of the episode, or the beginning or end of its name."""
    root: Path = DEFAULT_ROOT
    """Folder in which a name is looked up."""


@dataclass(frozen=True, kw_only=True)
class RepairOptions(FigureOptions):
    """Repair interrupted episodes: index what a crash left, mark them interrupted. Saved episodes are never touched."""

    root: tyro.conf.Positional[Path] = DEFAULT_ROOT
    """Folder to look below."""


@dataclass(frozen=True, kw_only=True)
class LabelOptions(CommonOptions):
    """Give an episode another outcome. The old one is kept in its label history; the log is not touched."""

    episode: tyro.conf.Positional[str]
    """Directory of the episode, or the beginning or end of its name."""
    outcome: tyro.conf.Positional[Literal["success", "failure", "discarded", "unknown"]]
    """What it was."""
    by: str = "operator"
    """Who judged."""
    notes: str = ""
    """Why."""
    root: Path = DEFAULT_ROOT
    """Folder in which a name is looked up."""


Options = (
    Annotated[ListOptions, tyro.conf.subcommand("list")]
    | Annotated[ShowOptions, tyro.conf.subcommand("show")]
    | Annotated[RepairOptions, tyro.conf.subcommand("repair")]
    | Annotated[LabelOptions, tyro.conf.subcommand("label")]
)


def main(arguments: list[str]) -> int:
    """Parse `stage episodes ...` and run it; without a word it lists."""
    options = tyro.cli(
        Options,  # type: ignore[arg-type]
        prog="stage episodes",
        description=__doc__,
        args=arguments or ["list"],
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    return run(options)


def run(options: ListOptions | ShowOptions | RepairOptions | LabelOptions) -> int:
    """Run one of the four commands."""
    if isinstance(options, ListOptions):
        return list_command(options)
    if isinstance(options, ShowOptions):
        return show_command(options)
    if isinstance(options, RepairOptions):
        return repair_command(options)
    return label_command(options)


def list_command(options: ListOptions) -> int:
    """Print one line for each episode and the count of each outcome."""
    from stage_recorder.reader import list_episodes

    output.check_writable(options.json, "--json")
    found = [
        entry
        for entry in list_episodes(_folder(options.root))
        if (not options.task or entry.task == options.task) and (not options.outcome or entry.outcome == options.outcome)
    ]
    cells = [
        (
            entry.identifier,
            entry.task,
            entry.outcome or entry.state,
            entry.steps,
            None if entry.duration_s is None else round(entry.duration_s, 1),
            None if entry.bytes is None else round(entry.bytes / 1e6, 1),
            ", ".join(entry.flags),
        )
        for entry in found
    ]
    print(output.table(("episode", "task", "outcome", "steps", "s", "MB", "flags"), cells))
    counts = Counter(entry.outcome or entry.state for entry in found)
    print(f"episodes: {len(found)}  " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    for entry in found:
        if entry.problem:
            print(f"unreadable: {entry.problem}")
    output.write_json(options.json, {"episodes": [asdict(entry) for entry in found]})
    return 0


def show_command(options: ShowOptions) -> int:
    """Print what one episode holds."""
    from stage_recorder.reader import summarize
    from stage_recorder.schema import read_metadata

    output.check_writable(options.json, "--json")
    directory = find_episode(options.episode, options.root)
    metadata = read_metadata(directory)
    summary = summarize(directory)
    outcome = metadata["outcome"] or {}
    lines = [
        ("episode", metadata["id"]),
        ("task", f"{metadata['task']}  “{metadata['instruction']}”" if metadata["instruction"] else metadata["task"]),
        ("state", metadata["state"] + "".join(f", {flag}" for flag in metadata["flags"])),
        ("outcome", f"{outcome['value']} (by {outcome['by'] or 'nobody'}) {outcome['notes']}".rstrip() if outcome else "-"),
        ("workcell", metadata["workcell"] or metadata["settings"].get("workcell") or "-"),
        ("policy", metadata["policy"] or metadata["settings"].get("policy") or "-"),
        ("seed", metadata["seed"]),
        ("started", f"{metadata['started']}, {summary.duration_s or 0.0:.1f} s"),
        ("gaps", metadata["drops"].get("sequence_gaps", 0)),
    ]
    print("\n".join(f"{name:<10}{'-' if value is None else value}" for name, value in lines))
    if metadata["sources"]:
        cells = [
            (entry["source"], entry["commands"], round(entry["start_s"], 2), round(entry["end_s"], 2)) for entry in metadata["sources"]
        ]
        print("\n" + output.table(("source", "commands", "from s", "to s"), cells))
    stages = stage_rows(directory)
    if stages:
        print("\n" + output.table(("stage", "entered step", "entered s"), [(row["name"], row["step"], row["time_s"]) for row in stages]))
    topics = metadata["counts"].get("topics", {})
    if topics:
        print("\n" + output.table(("topic", "messages"), sorted(topics.items())))
    output.write_json(options.json, {"directory": directory, "metadata": metadata, "stages": stages})
    return 0


def stage_rows(directory: Path) -> list[dict[str, Any]]:
    """Return name, step and time (s since the first state) of every stage that was entered; empty without a stage monitor."""
    from stage_recorder.reader import read_episode
    from stage_recorder.schema import EpisodeError

    try:
        episode = read_episode(directory, images=False)
    except EpisodeError:  # a log without a single state has no stages either
        return []
    if not len(episode):
        return []
    return [
        {"name": event.stage_name, "kind": event.kind, "step": event.sequence, "time_s": round(event.stamp - float(episode.stamps[0]), 3)}
        for event in episode.stage_events
        if event.kind in ("entered", "success")
    ]


def repair_command(options: RepairOptions) -> int:
    """Repair, and name what was repaired and what could not be."""
    from stage_recorder.repair import repair_episode
    from stage_recorder.schema import episode_directories

    output.check_writable(options.json, "--json")
    repaired, problems = [], []
    for directory in episode_directories(_folder(options.root)):
        try:
            if repair_episode(directory):
                repaired.append(directory)
                print(f"repaired {directory}")
        except StageError as error:
            problems.append(str(error))
            print(f"not repaired: {error}")
    print(f"episodes repaired: {len(repaired)}" if repaired else "nothing to repair")
    output.write_json(options.json, {"repaired": repaired, "problems": problems})
    return 1 if problems else 0


def label_command(options: LabelOptions) -> int:
    """Write the outcome into episode.json."""
    from stage_recorder.schema import label_episode

    directory = find_episode(options.episode, options.root)
    labelled = label_episode(directory, options.outcome, by=options.by, notes=options.notes)
    before = labelled["labels"][-2]["value"] if len(labelled["labels"]) > 1 else "unlabelled"
    print(f"{directory.name}: {before} -> {options.outcome}")
    return 0


def find_episode(name: str, root: Path) -> Path:
    """Return the directory of an episode from its path, or from the beginning or end of its name below `root`.

    Raises:
        ConfigurationError: If no episode or more than one fits.
    """
    from stage_recorder.schema import EPISODE_FILE, episode_directories

    path = Path(name).expanduser()
    if (path / EPISODE_FILE).is_file():
        return path
    found = episode_directories(root)
    fitting = [directory for directory in found if directory.name.startswith(name) or directory.name.endswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigurationError(
            f'episode "{name}" fits {len(fitting)} below {root}, first {fitting[0].name}; expected one. Give more of its name.'
        )
    known = nearest(name, [directory.name for directory in found[-5:]])
    raise ConfigurationError(f'episode "{name}" is no directory and no name below {root}. {known} See: stage episodes list')


def _folder(root: Path) -> Path:
    if not root.expanduser().is_dir():
        raise ConfigurationError(f"{root} is no folder; expected one with episodes. Record some with: stage collect")
    return root.expanduser()
