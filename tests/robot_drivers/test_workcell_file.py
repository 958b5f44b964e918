"""A workcell file keeps its comments, order and form when a camera is written into it, and is whole or untouched."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from robot_drivers.camera_extrinsics import CameraExtrinsics, extrinsics_of
from robot_drivers.workcell import load_workcell_config
from robot_drivers.workcell_file import add_camera, update_camera
from stage_core.errors import ConfigurationError

BUNDLED = Path(__file__).parents[2] / "ros2_ws" / "src" / "stage_bringup" / "config" / "workcells"
POSE = {
    "parent_frame": "base",
    "position_m": np.array([0.5, -0.25, 0.75]),
    "orientation_xyzw": (0.0, 1.0, 0.0, 0.0),
    "residual_mm": 0.4,
    "residual_deg": np.float64(0.1),
    "date": "2026-05-04",
    "method": "fixed, ChArUco 5x7, 20 poses",
}


@pytest.fixture
def own(tmp_path) -> Path:
    path = tmp_path / "my_cell.yaml"
    path.write_text((BUNDLED / "fake.yaml").read_text())
    return path


def lines_outside_of_cameras(text: str) -> list[str]:
    lines, inside, kept = text.splitlines(), False, []
    for line in lines:
        if line and not line[0].isspace():
            inside = line.startswith("cameras:")
        if not inside:
            kept.append(line)
    return kept


def test_a_new_camera_stands_beside_the_old_one_and_everything_else_is_as_it_was(own):
    before = own.read_text()
    add_camera(own, "wrist", {"driver": "realsense", "serial": "012345", "width_px": 640, "height_px": 480, "rate_hz": 30, "depth": False})
    after = own.read_text()
    assert lines_outside_of_cameras(after) == lines_outside_of_cameras(before)
    assert "  base: {width_px: 128, height_px: 128, rate_hz: 20.0}\n" in after
    cameras = load_workcell_config(own).cameras
    assert list(cameras) == ["base", "wrist"]
    assert cameras["wrist"]["serial"] == "012345"  # still text: a leading zero survives
    assert own.with_name("my_cell.yaml.bak").read_text() == before


@pytest.mark.parametrize("name", sorted(path.stem for path in BUNDLED.glob("*.yaml")))
def test_comments_of_every_bundled_file_survive(name, tmp_path):
    path = tmp_path / "copy.yaml"
    before = (BUNDLED / f"{name}.yaml").read_text()
    path.write_text(before)
    add_camera(path, "added", {"driver": "fake", "width_px": 64, "height_px": 48, "rate_hz": 10})
    after = path.read_text()
    assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in before.splitlines() if "#" in line
    ]
    assert lines_outside_of_cameras(after) == lines_outside_of_cameras(before)


def test_extrinsics_are_written_and_read_back(own):
    update_camera(own, "base", {"extrinsics": POSE})
    config = load_workcell_config(own)
    assert config.cameras["base"]["width_px"] == 128
    read = extrinsics_of(config, "base")
    assert isinstance(read, CameraExtrinsics)
    np.testing.assert_array_equal(read.position, (0.5, -0.25, 0.75))
    np.testing.assert_array_equal(read.orientation, (0.0, 1.0, 0.0, 0.0))
    assert (read.parent_frame, read.date, read.residual_mm, read.residual_deg) == ("base", "2026-05-04", 0.4, 0.1)
    update_camera(own, "base", {"extrinsics": {**POSE, "date": "2026-06-01"}})
    assert extrinsics_of(load_workcell_config(own), "base").date == "2026-06-01"


def test_a_camera_that_was_never_calibrated_has_no_extrinsics(own):
    assert extrinsics_of(load_workcell_config(own), "base") is None


def test_a_date_that_yaml_reads_as_one_is_a_date_all_the_same():
    assert CameraExtrinsics(**{**POSE, "position_m": (0.0, 0.0, 1.0), "date": datetime.date(2026, 5, 4)}).date == "2026-05-04"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("position_m", [500.0, 0.0, 750.0], "millimetres"),
        ("orientation_xyzw", [0.0, 0.0, 90.0, 0.0], "expected 1"),
        ("residual_mm", -1.0, "residual_mm is -1.0"),
        ("parent_frame", "", "parent_frame is empty"),
        ("residual_cm", 1.0, "residual_cm is not a known key"),
    ],
)
def test_wrong_extrinsics_are_refused_by_the_field_that_is_wrong(own, key, value, words):
    update_camera(own, "base", {"extrinsics": {**POSE, key: value}})
    with pytest.raises(ConfigurationError, match=words):
        extrinsics_of(load_workcell_config(own), "base")


def test_a_none_takes_a_key_away_and_an_unknown_camera_is_named_with_the_nearest(own):
    update_camera(own, "base", {"rate_hz": None})
    assert "rate_hz" not in load_workcell_config(own).cameras["base"]
    with pytest.raises(ConfigurationError, match='"base"'):
        update_camera(own, "bas", {"rate_hz": 5.0})


def test_a_taken_name_is_refused_unless_it_is_to_be_replaced(own):
    with pytest.raises(ConfigurationError, match="already"):
        add_camera(own, "base", {"driver": "fake"})
    add_camera(own, "base", {"driver": "fake", "width_px": 32}, replace=True)
    assert load_workcell_config(own).cameras["base"] == {"driver": "fake", "width_px": 32}


@pytest.mark.parametrize("name", ["Wrist", "my camera", "2nd", "a/b", ""])
def test_a_name_that_no_topic_can_have_is_refused(own, name):
    with pytest.raises(ConfigurationError, match="lower-case"):
        add_camera(own, name, {"driver": "fake"})


def test_a_bundled_file_is_not_changed_and_the_words_say_to_copy_it():
    before = (BUNDLED / "fake.yaml").read_bytes()
    with pytest.raises(ConfigurationError, match="Copy it first"):
        update_camera(BUNDLED / "fake.yaml", "base", {"rate_hz": 5.0})
    assert (BUNDLED / "fake.yaml").read_bytes() == before


def test_a_change_that_would_break_the_file_leaves_it_and_names_the_users_path(own, tmp_path):
    own.write_text(own.read_text().replace("schema_version: 1", "schema_version: 2"))
    before = own.read_bytes()
    with pytest.raises(ConfigurationError, match="my_cell.yaml: schema_version is 2"):
        add_camera(own, "wrist", {"driver": "fake"})
    assert own.read_bytes() == before
    assert list(tmp_path.iterdir()) == [own]


def test_a_file_without_cameras_and_one_with_windows_line_ends_are_served(own):
    text = "".join(line for line in own.read_text().splitlines(keepends=True) if "base:" not in line and "cameras:" not in line)
    own.write_bytes(text.rstrip("\n").replace("\n", "\r\n").encode())
    add_camera(own, "wrist", {"driver": "fake", "width_px": 64})
    assert load_workcell_config(own).cameras == {"wrist": {"driver": "fake", "width_px": 64}}
    assert b"\n" not in own.read_bytes().replace(b"\r\n", b"")
