"""The committed figures: a table from the files, every one with commit and machine."""

from __future__ import annotations

import json

from benchmarks import evidence
from stage_bringup import benchmarking

RESULT = {
    "claim": "a monitor update takes at most 50 µs",
    "value": {"median_us": 17.64},
    "limit": 50.0,
    "passed": True,
    "machine": {"commit": "0123456789abcdef", "dirty": True, "processors": 2, "processor": "Some CPU"},
}


def test_a_row_names_value_limit_commit_and_machine():
    line = evidence.row("monitor", RESULT)
    assert "median us 17.64" in line and "| 50 |" in line and "012345678 with changes" in line and "2 × Some CPU" in line


def test_a_missed_limit_stands_out():
    assert "**no**" in evidence.row("monitor", RESULT | {"passed": False})


def test_every_committed_figure_is_an_entry_with_its_machine():
    for file in evidence.DIRECTORY.glob("*.json"):
        result = json.loads(file.read_text(encoding="utf-8"))
        assert result["name"] in benchmarking.ENTRIES, file
        assert {"claim", "value", "limit", "passed", "machine", "details"} <= set(result), file
        assert not result["quick"], f"{file} was measured with --quick"
