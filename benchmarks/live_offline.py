"""Live stage labels against `stage label` on the logs of the same episodes: every number and every event, bit for bit.

Scripted episodes run state-only through the nodes, half of them with an induced failure; the live side is what the monitor's
process put on the wire. A second labelling with another threshold must differ, else the comparison would prove nothing. Start at `run`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stage_bringup.cli.collect import failure_cycle
from stage_bringup.cli.workcells import state_only
from stage_bringup.configuration_files import find_task
from stage_bringup.session import SessionRequest, run_session
from stage_core.configuration import load_yaml
from stage_core.errors import StageError
from stage_recorder.cdr import message_decoder
from stage_recorder.label_files import read_labels
from stage_recorder.records import iterate_messages
from stage_recorder.schema import STAGE_EVENTS, STAGE_STATUS, mcap_file
from stage_recorder.streams import seconds

TASKS = ("PushCube", "PullCube", "PickCube", "StackCube", "LiftPegUpright")
EPISODES, QUICK_EPISODES, FIRST_SEED = 20, 3, 30_000
NUMBERS = {
    "stage": "stages", "progress": "progress", "potential": "potentials", "cost": "costs", "shaped_reward": "shaped_rewards",
    "confidence": "confidences", "tier": "tiers",
}  # fmt: skip
EVENT_FIELDS = ("kind", "stage", "stage_name", "previous_stage", "previous_stage_name", "sequence", "evidence")


def run(quick: bool) -> dict[str, Any]:
    """Return how many steps and events differ between the live topics and `stage label`.

    Args:
        quick: PushCube and StackCube alone, three episodes each.
    """
    tasks, episodes = (("PushCube", "StackCube"), QUICK_EPISODES) if quick else (TASKS, EPISODES)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="stage_live_offline_") as name:
        folder = Path(name)
        directories = {task: record(task, episodes, folder) for task in tasks}
        label(folder / "episodes")
        for task in tasks:
            rows += [{"task": task, **compare(directory)} for directory in directories[task]]
        other = label(folder / "episodes" / tasks[0], task_file=with_other_threshold(tasks[0], folder))
    value = {"different_steps": total(rows, "different_steps"), "different_events": total(rows, "different_events")}
    sensitive = sum(row["different_steps"] for row in other["episodes"]) > 0
    complete = all(sum(row["task"] == task for row in rows) == episodes for task in tasks) and all(row["steps"] for row in rows)
    return {
        "value": value,
        "limit": {"different_steps": 0, "different_events": 0},
        "passed": not any(value.values()) and sensitive and complete,
        "details": {
            "episodes_per_task": episodes,
            "steps": total(rows, "steps"),
            "events": total(rows, "events"),
            "numbers_compared_per_step": list(NUMBERS),
            "highest_stage_per_task": {task: dict(Counter(row["highest_stage"] for row in rows if row["task"] == task)) for task in tasks},
            "regressions": total(rows, "regressions"),
            "another_threshold_is_noticed": sensitive,
            "differences": [row for row in rows if row["different_steps"] or row["different_events"]],
        },
    }


def record(task: str, episodes: int, folder: Path) -> list[Path]:
    """Record scripted episodes of one task, failures among them, and return their directories."""
    from sim_bridge.demonstrations import FAILURES

    result = run_session(
        SessionRequest(
            workcell=state_only("maniskill", folder),
            task=task,
            episodes=episodes,
            seed=FIRST_SEED,
            source="script",
            lockstep=True,
            episode_root=folder / "episodes" / task,
            demonstrator_noise=0.004,
            demonstrator_failures=failure_cycle(tuple(FAILURES[task]), 0.5),
            quiet=True,
        )
    )
    return [Path(episode.directory) for episode in result.episodes]


def label(folder: Path, task_file: Path | None = None) -> dict[str, Any]:
    """Run `stage label` in a process of its own and return its figures; with another task file it only compares.

    Raises:
        StageError: If it fails otherwise than by finding differences.
    """
    figures = folder / "figures.json"
    command = [sys.executable, "-m", "stage_bringup.cli.main", "label", str(folder), "--json", str(figures)]
    command += ["--task", str(task_file), "--dry-run"] if task_file else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not figures.is_file():
        raise StageError(f"stage label ended with code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(figures.read_text(encoding="utf-8"))


def with_other_threshold(task: str, folder: Path) -> Path:
    """Write a copy of a task's file whose reach potential has another scale, and return its path."""
    content = load_yaml(find_task(task))
    content.setdefault("potentials", {})["reach_distance_m"] = 0.11
    path = folder / "other_threshold.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def compare(directory: Path) -> dict[str, Any]:
    """Return where one episode's live topics and the labels beside its log differ."""
    statuses, events = live_topics(directory)
    labels, arrays, content = read_labels(directory)
    different = np.array([status["sequence"] for status in statuses]) != arrays["sequences"]
    for field, name in NUMBERS.items():
        different |= bits([status[field] for status in statuses]) != bits(arrays[name])
    live = [(*(event[field] for field in EVENT_FIELDS), seconds(event["header"]["stamp"])) for event in events]
    again = [(*(getattr(event, field) for field in EVENT_FIELDS), event.stamp) for event in labels.events]
    same_end = bool(statuses) and bool(statuses[-1]["success"]) == labels.success
    return {
        "episode": directory.name,
        "steps": len(statuses),
        "different_steps": int(different.sum()) + (not same_end),
        "events": len(live),
        "different_events": sum(one != other for one, other in zip(live, again, strict=False)) + abs(len(live) - len(again)),
        "regressions": sum(event["kind"] == "regression" for event in events),
        "highest_stage": labels.stage_names[labels.highest_stage],
        "monitor_version": content.provenance.monitor_version,
    }


def live_topics(directory: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the StageStatus and StageEvent messages of an episode as they went over the wire, each once, in order.

    The latched events of the episode before may stand in a log too: they carry another episode number.
    """
    types: dict[str, tuple[str, str]] = {}
    found: dict[str, dict[Any, dict[str, Any]]] = {STAGE_STATUS: {}, STAGE_EVENTS: {}}
    for entry in iterate_messages(mcap_file(directory), types):
        topic = "/".join(entry.topic.strip("/").split("/")[-2:])
        if topic in found:
            message = message_decoder(*types[entry.topic])(entry.content)
            key = (message["episode"], message["sequence"], message.get("kind"), message["stage"])
            found[topic][key] = message
    number = Counter(message["episode"] for message in found[STAGE_STATUS].values()).most_common(1)[0][0]
    statuses, events = ([message for key, message in found[topic].items() if key[0] == number] for topic in (STAGE_STATUS, STAGE_EVENTS))
    return sorted(statuses, key=lambda message: message["sequence"]), events


def bits(values: Any) -> np.ndarray:
    """Return (T,) uint64: the bits of float64 numbers, with one pattern for every NaN."""
    numbers = np.array(values, dtype=np.float64)
    numbers[np.isnan(numbers)] = np.nan
    return numbers.view(np.uint64)


def total(rows: list[dict[str, Any]], name: str) -> int:
    """Return the sum of one figure over the rows."""
    return sum(int(row[name]) for row in rows)
