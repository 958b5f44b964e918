"""Rows of test_bad_inputs: task, workcell and episode files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from robot_drivers.workcell import load_workcell_config, open_workcell
from stage_bringup.configuration_files import find_configuration, find_task
from stage_bringup.graph import GraphRequest, describe_graph
from stage_core.task import load_task


def changed(path: Path, changes: dict[str, Any]) -> str:
    """Return the text of a YAML file with some dotted keys changed; the value ... removes the key."""
    content = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        *parents, key = dotted.split(".")
        place = content
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ...:
            place.pop(key)
        else:
            place[key] = value
    return yaml.safe_dump(content)


def loaded(load: Callable[[Path], object], text: Callable[[], str], name: str) -> Callable[[Path], object]:
    """Return a call that loads a file with this text, kept outside the user's directory."""

    def call(here: Path) -> object:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / name
            file.write_text(text())
            return load(file)

    return call


def task(changes: dict[str, Any], base: str = "PushCube") -> Callable[[Path], object]:
    return loaded(load_task, lambda: changed(find_task(base), changes), "mine.yaml")


def workcell(changes: dict[str, Any], load: Callable[[Path], object] = load_workcell_config) -> Callable[[Path], object]:
    return loaded(load, lambda: changed(find_configuration("workcells", "fake"), changes), "cell.yaml")


def opened(file: Path) -> object:
    return open_workcell(load_workcell_config(file), task="PushCube")


def graph(**request: Any) -> Callable[[Path], object]:
    return lambda here: describe_graph(GraphRequest(**{"workcell": "maniskill", "task": "PushCube", "policy": "scripted"} | request))


def read_missing_episode(here: Path) -> object:
    from stage_recorder.reader import read_episode

    return read_episode(here / "no_episode")


FILE_ROWS = [
    ("task with an unknown key", task({"thresholds.goal_radius": 0.1}), ("mine.yaml", "thresholds.goal_radius", "goal_radius_m")),
    ("task in centimetres", task({"thresholds.goal_radius_m": 10.0}), ("goal_radius_m is 10.0 m", "<= 0.5", "Metres, not centimetres?")),
    (
        "task in degrees",
        task({"thresholds.upright_angle_rad": 5.0}, "LiftPegUpright"),
        ("upright_angle_rad is 5.0 rad", "Radians, not degrees?"),
    ),
    ("task in milliseconds", task({"thresholds.rise_debounce_s": 100.0}), ("rise_debounce_s is 100.0 s", "Seconds, not milliseconds?")),
    ("task with NaN", task({"thresholds.goal_radius_m": float("nan")}), ("thresholds.goal_radius_m is NaN", "expected a number")),
    ("task without a time-out", task({"timeout_s": ...}), ("timeout_s is missing", "required", "Add it")),
    ("task with text for a number", task({"timeout_s": "long"}), ("timeout_s is 'long'", "expected a number")),
    ("task of an unknown family", task({"family": "juggle"}), ("family is 'juggle'", "Known: lift_upright")),
    ("task of another schema", task({"schema_version": 2}), ("schema_version is 2", "expected 1")),
    ("task that is not YAML", loaded(load_task, lambda: "name: [PushCube", "mine.yaml"), ("mine.yaml:", "is not YAML", "Mend that line")),
    ("task that is a list", loaded(load_task, lambda: "- PushCube", "mine.yaml"), ("mine.yaml holds list", "expected a mapping")),
    ("workcell with an unknown key", workcell({"control_rate": 20.0}), ("control_rate is not a known key", "control_rate_hz")),
    ("workcell with a period", workcell({"control_rate_hz": 0.05}), ("control_rate_hz is 0.05 Hz", "1 to 1000 Hz", "not a period?")),
    ("workcell without limits", workcell({"safety": ...}), ("safety is missing", "required")),
    ("workcell that resumes before it holds", workcell({"auto_resume_s": -1.0}), ("auto_resume_s is -1.0 s", "Use 0 on a real robot")),
    ("workcell of an unknown class", workcell({"workcell": "fakee"}, opened), ('workcell "fakee" does not exist', 'Did you mean "fake"?')),
    (
        "workcell of a missing module",
        workcell({"workcell": "nolab.cells:Cell"}, opened),
        ("nolab.cells", "Check the spelling and PYTHONPATH"),
    ),
    ("lockstep on real time", graph(workcell="fake", lockstep=True), ("lockstep is true", "real time", "simulation only")),
    ("script without truth", graph(workcell="fake", source="script"), ("source is script", "no truth", "Use a simulation")),
    ("unknown source", graph(source="telepathy"), ("source is 'telepathy'", "policy, script or none")),
    ("recording not there", read_missing_episode, ("no_episode",)),
]
