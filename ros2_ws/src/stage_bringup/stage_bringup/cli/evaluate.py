"""`stage evaluate`: success of a policy per task and condition, with Wilson intervals, over seeds no demonstration used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stage_bringup.cli import names, output
from stage_bringup.cli.options import FigureOptions
from stage_bringup.configuration_files import find_task, known_tasks
from stage_core.errors import ConfigurationError, StageError

Condition = Literal["policy", "black-images", "other-instruction"]


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Measure a policy: success and conditional stage success with intervals, also with black images and another task's words."""

    task: tuple[str, ...] = ("PushCube",)
    """One or more tasks."""
    policy: str = ""
    """A bundled policy, a checkpoint folder or host:port; empty takes each task's bundled policy."""
    episodes: int = 50
    """Episodes per task and condition."""
    seed: int = 50_000
    """Seed of the first episode; from 50000 on, no demonstration was recorded."""
    conditions: tuple[Condition, ...] = ("policy",)
    """policy: as it is. black-images: every image is black. other-instruction: the words of another task."""
    other_task: str = ""
    """Whose instruction `other-instruction` gives; empty takes the next bundled task."""
    episode_root: Path = Path("episodes")
    """Directory of the episode logs."""
    no_record: bool = False
    """Do not keep episode logs."""


def run(options: Options) -> int:
    """Evaluate. Returns 0 when every episode ran to its end."""
    if options.episodes < 1:
        raise ConfigurationError(f"--episodes is {options.episodes}; expected at least 1.")
    if not 0 <= options.seed < 2**31:
        raise ConfigurationError(f"--seed is {options.seed}; expected 0 to 2147483647.")
    plans = [plan(options, names.resolve_task(task), condition) for task in options.task for condition in options.conditions]
    output.check_writable(options.json, "--json")
    output.check_writable(options.episode_root, "--episode-root", directory=True)

    rows = []
    for entry in plans:
        rows.append(evaluate_one(entry))
        print(evaluation_table(rows[-1:]), flush=True)
    from stage_bringup.report.summary import machine_facts

    figures = {
        "episodes": options.episodes,
        "seeds": [options.seed, options.seed + options.episodes - 1],
        "held_out": options.seed >= 50_000,
        "results": rows,
        "comparisons": comparisons(rows),
        "machine": machine_facts(),
    }
    print(f"\nseeds {options.seed} to {options.seed + options.episodes - 1}{', held out' if figures['held_out'] else ', NOT held out'}")
    print(evaluation_table(rows))
    for entry in figures["comparisons"]:
        apart = "apart" if entry["intervals_apart"] else "NOT apart"
        print(f"{entry['task']}: policy against {entry['condition']}: intervals {apart}")
    output.write_json(options.json, figures)
    errors = [error for row in rows for error in row["errors"]]
    if errors:
        raise StageError(f"{len(errors)} episodes did not run to their end: {errors[0]}")
    return 0


def plan(options: Options, task: str, condition: Condition) -> dict[str, Any]:
    """Return what to run for one task and condition: the condition's name and the arguments of `SessionRequest`."""
    instruction = None
    if condition == "other-instruction":
        instruction = instruction_of(other_task(task, options.other_task))
    return {
        "condition": condition,
        "request": {
            "workcell": "maniskill",
            "task": task,
            "episodes": options.episodes,
            "seed": options.seed,
            "source": "policy",
            "policy": names.resolve_policy(options.policy or names.default_policy(task)),
            "instruction": instruction,
            "image_ablation": "black" if condition == "black-images" else "none",
            "lockstep": True,
            "episode_root": options.episode_root,
            "record": not options.no_record,
            "quiet": True,
        },
    }


def evaluate_one(entry: dict[str, Any]) -> dict[str, Any]:
    """Run one task under one condition and return its row of figures."""
    from stage_bringup.report.summary import summarise
    from stage_bringup.session import SessionRequest, run_session

    request = entry["request"]
    counter = output.EpisodeCounter(request["episodes"], f"{request['task']} {entry['condition']}")
    result = run_session(SessionRequest(**request, on_line=counter.take))
    return summarise(request["task"], result.episodes) | {
        "condition": entry["condition"],
        "policy": request["policy"],
        "instruction": request["instruction"],
        "seeds": [request["seed"], request["seed"] + request["episodes"] - 1],
        "trace_sha256": result.trace_sha256,
        "wall_seconds": result.wall_seconds,
    }


def other_task(task: str, wanted: str) -> str:
    """Return whose instruction is given instead of the task's own: the one asked for, else the next bundled task."""
    if wanted:
        return names.resolve_task(wanted, "--other-task")
    known = list(known_tasks())
    return known[(known.index(task) + 1) % len(known)] if task in known else known[0]


def instruction_of(task: str) -> str:
    """Return the first instruction of a bundled task."""
    from stage_core.configuration import load_yaml

    instructions = load_yaml(find_task(task))["instructions"]
    return instructions if isinstance(instructions, str) else str(instructions[0])


def comparisons(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, per task and condition other than `policy`, whether its interval lies wholly below the policy's."""
    result = []
    for row in rows:
        base = next((entry for entry in rows if entry["task"] == row["task"] and entry["condition"] == "policy"), None)
        if base is None or row["condition"] == "policy":
            continue
        result.append(
            {
                "task": row["task"],
                "condition": row["condition"],
                "difference": base["success_rate"] - row["success_rate"],
                "intervals_apart": row["interval_95"][1] < base["interval_95"][0],
            }
        )
    return result


def evaluation_table(rows: list[dict[str, Any]]) -> str:
    """Return one line per task and condition, with how many of those that reached a stage reached the next."""
    cells = []
    for row in rows:
        chain = "  ".join(f"{entry['stage']} {entry['reached']}/{entry['of']}" for entry in row["conditional_stage_success"])
        rate = f"{row['successes']}/{row['episodes']}"
        cells.append((row["task"], row["condition"], rate, output.percent(row["success_rate"]), output.interval(row["interval_95"]), chain))
    return output.table(("task", "condition", "success", "rate", "95 % interval", "reached, of those that came so far"), cells)
