"""`stage episodes` on real logs."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from stage_bringup.cli.main import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stage_recorder"))
from recorded_logs import lockstep_log


@pytest.fixture
def root(tmp_path):
    """Two saved episodes and one as a crash leaves it."""
    for seed, value in enumerate(("success", "failure")):
        lockstep_log(tmp_path / "saved", steps=9, seed=seed, instruction="push it").close(value)
    log = lockstep_log(tmp_path / "elsewhere", steps=3)
    name = log.directory.name
    shutil.copytree(log.directory, tmp_path / "saved" / name)  # a copy carries no lock
    log.close()
    shutil.copy(tmp_path / "elsewhere" / name / f"{name}_0.mcap", tmp_path / "saved" / name)
    return tmp_path / "saved"


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["episodes", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_shows_every_episode_and_counts_outcomes(root, capsys):
    code, out, _ = run(capsys, "list", root)
    assert code == 0
    assert "episodes: 3  1 failure, 1 recording, 1 success" in out
    code, out, _ = run(capsys, "list", root, "--outcome", "success", "--json", root / "list.json")
    (entry,) = json.loads((root / "list.json").read_text())["episodes"]
    assert (code, entry["steps"], entry["outcome"]) == (0, 9, "success")


def test_show_tells_stages_topics_and_outcome_by_the_end_of_a_name(root, capsys):
    name = next(path.name for path in sorted(root.iterdir()) if json.loads((path / "episode.json").read_text())["outcome"])
    code, out, _ = run(capsys, "show", name[-6:], "--root", root)
    assert code == 0
    assert "push it" in out and "/arm/state" in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith(("push  ", "success  "))] == [["push", "4"], ["success", "8"]]


def test_repair_names_what_it_repaired_and_has_nothing_to_do_after(root, capsys):
    code, out, _ = run(capsys, "repair", root)
    assert (code, out.count("repaired /")) == (0, 1)
    assert "episodes repaired: 1" in out
    assert "nothing to repair" in run(capsys, "repair", root)[1]
    assert "interrupted" in run(capsys, "list", root)[1]


def test_label_replaces_the_outcome(root, capsys):
    name = next(
        path.name
        for path in sorted(root.iterdir())
        if (json.loads((path / "episode.json").read_text())["outcome"] or {}).get("value") == "success"
    )
    code, out, _ = run(capsys, "label", name, "failure", "--notes", "it slipped", "--root", root)
    assert (code, out.strip()) == (0, f"{name}: success -> failure")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "nowhere"), "nowhere is no folder"),
        (("show", "abc", "--root", "nowhere"), 'episode "abc" is no directory'),
        (("label", "abc", "failure", "--root", "nowhere"), 'episode "abc" is no directory'),
    ],
)
def test_a_wrong_name_gives_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert words in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == []
