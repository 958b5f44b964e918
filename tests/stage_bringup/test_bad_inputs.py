"""Bad inputs over the whole project: each gives one line with the field, the value and the remedy, and leaves nothing behind.

A row is (id, what a user does, fragments the line must hold). `cli` rows go through the `stage` command, the others
call the function that a node or command calls first.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_inputs_arm import ARM_ROWS
from bad_inputs_files import FILE_ROWS
from bad_inputs_server import SERVER_ROWS

from stage_bringup.cli import main as stage
from stage_core.errors import StageError

Row = tuple[str, Callable[[Path], object], tuple[str, ...]]


def cli(*arguments: str) -> Callable[[Path], object]:
    """Return a call of the `stage` command; `{here}` in an argument is the test's own directory."""
    return lambda here: stage.dispatch([argument.replace("{here}", str(here)) for argument in arguments])


COMMAND_ROWS: list[Row] = [
    ("unknown command", cli("demmo"), ('no command "demmo"', 'Did you mean "demo"?')),
    ("unknown task", cli("demo", "--task", "PushCub"), ('--task is "PushCub"', 'Did you mean "PushCube"?')),
    ("task file not there", cli("demo", "--task", "mine.yaml"), ('--task is "mine.yaml"', "does not exist", "Check the path")),
    ("no episodes", cli("demo", "--episodes", "0"), ("--episodes is 0", "at least 1")),
    ("negative seed", cli("demo", "--seed", "-1"), ("--seed is -1", "expected 0 to 2147483647")),
    ("unknown policy", cli("demo", "--policy", "pushcub"), ("--policy", '"pushcub" does not exist', 'Did you mean "pushcube"?')),
    ("checkpoint not there", cli("demo", "--policy", "runs/last"), ("--policy", '"runs/last" does not exist', "checkpoint folder")),
    ("folder is no checkpoint", cli("demo", "--policy", "{here}"), ("--policy", "has no contract.json", "stage train")),
    ("server port out of range", cli("demo", "--policy", "localhost:99999"), ("--policy is localhost:99999", "port from 1 to 65535")),
    ("json is a directory", cli("demo", "--policy", "scripted", "--json", "{here}"), ("--json is", "is a directory", "Add a file name")),
    (
        "report is a file",
        cli("demo", "--policy", "scripted", "--report", "{here}/taken"),
        ("--report is", "is a file", "Name another path"),
    ),
    (
        "json below a file",
        cli("demo", "--policy", "scripted", "--json", "{here}/taken/a.json"),
        ("--json is", "taken is a file", "Name another path"),
    ),
    ("serve on port 0", cli("serve", "--policy", "scripted", "--port", "0"), ("--port is 0", "expected 1 to 65535")),
    ("serve a server", cli("serve", "--policy", "localhost:8000"), ("--policy is localhost:8000", "Name a bundled one")),
    ("unknown workcell", cli("up", "manyskill"), ('workcell "manyskill" does not exist', 'Did you mean "maniskill"?')),
    ("workcell file not there", cli("up", "cells/mine.yaml"), ("cells/mine.yaml", "does not exist", "Check the path")),
    ("franka without an address", cli("up", "franka"), ("address is empty", "controller's IP address", "robot_address:=ADDRESS")),
    ("xarm without an address", cli("up", "xarm"), ("address is empty", "controller's IP address", "robot_address:=ADDRESS")),
    ("a dry run on a real network", cli("up", "xarm", "--dry-run", "--robot-address", "10.0.0.2"), ("10.0.0.2", "loopback")),
    ("an address for a simulation", cli("up", "fake", "--robot-address", "10.0.0.2"), ("robot_address", "no real robot")),
    (
        "parameter file not there",
        cli("up", "fake", "--params-file", "p.yaml"),
        ("--params-file is p.yaml", "does not exist", "Check the path"),
    ),
    (
        "discovery misspelt",
        cli("up", "fake", "--source", "none", "--discovery", "everywhere"),
        ("discovery is 'everywhere'", "localhost or subnet"),
    ),
    (
        "unknown other task",
        cli("evaluate", "--conditions", "other-instruction", "--other-task", "Pour"),
        ('--other-task is "Pour"', "Known:"),
    ),
    ("training on evaluation seeds", cli("collect", "--seed", "49990"), ("--seed is 49990", "expected 0 to 49999", "judge policies")),
    ("noise over 1", cli("collect", "--noise", "2"), ("--noise is 2.0 m", "expected 0 to 0.02 m", "Metres, not centimetres?")),
    ("share over 1", cli("collect", "--failures", "all", "--failure-share", "40"), ("--failure-share is 40.0", "expected 0 to 1")),
    ("unknown failure", cli("collect", "--failures", "mis"), ("--failures", '"mis"', 'Did you mean "miss"?')),
    ("unknown method", cli("train", "bcc"), ('"bcc"', 'Did you mean "bc"?')),
    ("method of a later version", cli("train", "sta-tpo"), ('"sta-tpo"', "not part of this version", "Known: bc")),
    ("train without data", cli("train", "bc", "--episodes", "{here}/nowhere", "--output", "{here}/run"), ("nowhere",)),
    ("unknown figure", cli("bench", "overheat"), ('"overheat"', 'Did you mean "overhead"?')),
    ("episode not there", cli("label", "{here}/none"), ("none does not exist", "stage episodes list")),
    ("no episode inside", cli("label", "{here}/empty"), ("holds no episode.json", "stage episodes list")),
    ("doctor on port 70000", cli("doctor", "--port", "70000"), ("--port is 70000", "expected 1 to 65535")),
    ("bundle of an unknown workcell", cli("support-bundle", "--workcell", "fakke"), ('"fakke" does not exist', 'Did you mean "fake"?')),
    ("check an unknown arm", cli("check-arm", "maniskil"), ('"maniskil" does not exist', 'Did you mean "maniskill"?')),
    ("check an arm of a missing module", cli("check-arm", "nolab.arms:Arm"), ("nolab.arms", "Check the spelling")),
    ("environment of domain 300", cli("env", "--domain", "300"), ("--domain is 300", "expected 0 to 232")),
]
ROWS = COMMAND_ROWS + FILE_ROWS + SERVER_ROWS + ARM_ROWS


def snapshot(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory with its content."""
    return {str(file.relative_to(directory)): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()}


def children() -> list[str]:
    """Return this process's children."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory of the user's, with a file and an empty directory in it."""
    shutil.rmtree(tmp_path, ignore_errors=True)
    (tmp_path / "empty").mkdir(parents=True)
    (tmp_path / "taken").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_at_least_forty_bad_inputs():
    assert len(ROWS) >= 40
    assert len({identifier for identifier, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("call", "fragments"), [row[1:] for row in ROWS], ids=[row[0].replace(" ", "-") for row in ROWS])
def test_bad_input_gives_one_line_with_field_value_and_remedy_and_leaves_nothing(call, fragments, here):
    before, processes = snapshot(here), children()
    with pytest.raises(StageError) as refusal:
        call(here)
    # A contract mismatch shows a table of both sides below its line; every other error is one line.
    line, *table = str(refusal.value).splitlines()
    missing = [fragment for fragment in fragments if fragment not in line]
    assert missing == [], line
    assert not table or "policy wants" in table[0]
    assert not re.search(r"Traceback|<class|object at 0x", line)
    assert snapshot(here) == before, "a partial file was left"
    assert children() == processes, "a process was left"
