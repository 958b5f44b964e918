"""Files of the command line are whole or absent; tables and JSON are plain."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from stage_bringup.cli import output
from stage_core.errors import ConfigurationError


def test_an_interrupted_write_leaves_the_old_file_whole_and_no_other(tmp_path):
    path = tmp_path / "figures.json"
    output.write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        output.write_atomically(path, "\ud800")  # cannot be encoded: fails before anything is replaced
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_parents_are_made(tmp_path):
    path = output.write_atomically(tmp_path / "a" / "b" / "c.txt", "text")
    assert path.read_text() == "text"


def test_nan_becomes_null_and_numpy_becomes_numbers(tmp_path):
    path = tmp_path / "figures.json"
    output.write_json(path, {"rate": float("nan"), "array": np.arange(3), "count": np.int64(4), "path": tmp_path})
    assert json.loads(path.read_text()) == {"rate": None, "array": [0, 1, 2], "count": 4, "path": str(tmp_path)}


def test_numbers_are_aligned_right_and_none_is_a_dash():
    lines = output.table(("name", "steps"), [("a", 5), ("bb", 120), ("c", None)]).splitlines()
    assert lines[2:] == ["a         5", "bb      120", "c         -"]


def test_checking_a_path_writes_nothing(tmp_path):
    output.check_writable(tmp_path / "new" / "figures.json", "--json")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_refused_as_a_file(tmp_path):
    with pytest.raises(ConfigurationError, match="--json is .* which is a directory"):
        output.check_writable(tmp_path, "--json")


def test_a_file_is_refused_as_a_directory(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigurationError, match="--report is .* which is a file"):
        output.check_writable(tmp_path / "taken", "--report", directory=True)


def test_progress_off_a_terminal_is_one_line_per_tenth():
    stream = io.StringIO()
    progress = output.Progress(100, "episodes", stream)
    for done in range(101):
        progress.update(done)
    assert len(stream.getvalue().splitlines()) == 11
