"""`stage calibrate` as a user runs it, on an arm and a camera that a workcell file names."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path

import calibration_rig as rig
import numpy as np
import pytest
import yaml

from robot_drivers.calibration.transforms import difference, to_matrix
from robot_drivers.camera_extrinsics import extrinsics_of
from robot_drivers.workcell import load_workcell_config
from stage_bringup.cli import calibrate
from stage_core.errors import ConfigurationError, DeviceError

FAKE = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/fake.yaml"
SIMULATION = FAKE.parent / "maniskill.yaml"


@pytest.fixture(scope="module")
def guided():
    return rig.reachable_scene(count=13, seed=1)


@pytest.fixture
def workcell(tmp_path, guided):
    """Return a workcell file whose arm and camera are those of the rig."""
    rig.STAGE.prepare(*guided, tmp_path / "samples")
    content = yaml.safe_load(FAKE.read_text())
    content.update(name="bench", workcell="robot")
    content["settings"] = {"arm": {"driver": "calibration_rig:HandGuidedArm"}, "gripper": {"driver": "none"}}
    content["cameras"] = {"wrist": {"driver": "calibration_rig:StagedCamera"}, "other": {"driver": "nowhere:NotOpened"}}
    file = tmp_path / "bench.yaml"
    file.write_text("# my bench\n" + yaml.safe_dump(content, sort_keys=False))
    return file


def camera_arguments(file, *more):
    return ["camera", str(file), "--camera", "wrist", "--mount", "hand", "--square-mm", "30", *map(str, more)]


@pytest.mark.parametrize("name", ["board.pdf", "board.png"])
def test_the_board_is_written_and_the_next_command_told(tmp_path, capsys, name):
    assert calibrate.main(["board", "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / name).stat().st_size > 5000
    assert "stage calibrate camera" in capsys.readouterr().out


def test_samples_fit_and_file_in_one_run_and_again_without_a_robot(workcell, guided, tmp_path, capsys):
    samples, figures = tmp_path / "samples", tmp_path / "figures.json"
    more = ("--automatic", "--poses", "12", "--folder", samples, "--json", figures)
    assert calibrate.main(camera_arguments(workcell, *more)) == 0
    shown = capsys.readouterr().out
    assert "residual" in shown and "wrote cameras.wrist.extrinsics" in shown
    read = extrinsics_of(load_workcell_config(workcell), "wrist")
    distance, angle = difference(to_matrix(np.r_[read.position, read.orientation]), guided[0].camera)
    assert distance < 0.001 and np.degrees(angle) < 0.15
    assert workcell.read_text().startswith("# my bench\n")
    content = json.loads(figures.read_text())
    assert content["good"] and content["extrinsics"]["poses"] == len(content["samples"]) >= 12

    before = workcell.read_text()
    assert calibrate.main(camera_arguments(workcell, "--samples", samples, "--no-write")) == 0
    assert workcell.read_text() == before
    with pytest.raises(ConfigurationError, match=r"refused.*Squares of (29\.9|30\.0)\d mm would fit, not 28 mm"):
        calibrate.main([*camera_arguments(workcell, "--samples", samples)[:-4], "--square-mm", "28", "--samples", str(samples)])
    with pytest.raises(ConfigurationError, match="holds samples of camera wrist with --mount hand"):
        calibrate.main(["camera", str(workcell), "--camera", "wrist", "--mount", "fixed", "--square-mm", "30", "--samples", str(samples)])
    assert workcell.read_text() == before


def test_a_tool_centre_that_is_not_where_the_urdf_says_is_refused(workcell, tmp_path):
    content = yaml.safe_load(workcell.read_text())
    content["settings"]["arm"]["tool_error_m"] = 0.05
    workcell.write_text(yaml.safe_dump(content))
    with pytest.raises(DeviceError, match="reports its tool centre 0.0500 m"):
        calibrate.main(camera_arguments(workcell, "--automatic", "--poses", "12", "--folder", tmp_path / "samples"))


def test_a_bundled_file_is_refused_before_a_sample_is_taken():
    with pytest.raises(ConfigurationError, match="comes with Stage"):
        calibrate.main(["camera", "fake", "--camera", "base", "--mount", "fixed", "--square-mm", "30"])


def test_without_a_terminal_there_is_no_enter(workcell):
    with pytest.raises(ConfigurationError, match="Give --automatic"):
        calibrate.main(camera_arguments(workcell))


def test_an_unknown_camera_is_named_with_the_nearest_one(workcell):
    with pytest.raises(ConfigurationError, match='Did you mean "wrist"'):
        calibrate.main(["camera", str(workcell), "--camera", "wirst", "--mount", "hand", "--square-mm", "30", "--automatic"])


def test_a_simulation_is_refused(tmp_path):
    file = tmp_path / "simulation.yaml"
    file.write_text(SIMULATION.read_text())
    with pytest.raises(ConfigurationError, match="a simulation knows"):
        calibrate.main(["camera", str(file), "--camera", "base", "--mount", "fixed", "--square-mm", "30", "--automatic"])


@pytest.mark.parametrize(("more", "words"), [(("--poses", "8"), "expected at least 12"), (("--marker-mm", "35"), "0.4 to 0.9")])
def test_wrong_options_are_refused_in_words(workcell, more, words):
    with pytest.raises(ConfigurationError, match=words):
        calibrate.main(camera_arguments(workcell, "--automatic", *more))


def test_an_assumed_lens_is_refused_and_measured_on_request(workcell, guided, tmp_path):
    content = yaml.safe_load(workcell.read_text())
    content["cameras"]["wrist"]["uncalibrated"] = True
    workcell.write_text(yaml.safe_dump(content))
    more = ("--automatic", "--poses", "12", "--folder", tmp_path / "samples")
    with pytest.raises(ConfigurationError, match="Give --lens to measure it too"):
        calibrate.main(camera_arguments(workcell, *more))
    assert calibrate.main(camera_arguments(workcell, *more, "--lens")) == 0
    entry = load_workcell_config(workcell).cameras["wrist"]
    assert entry["fx"] == pytest.approx(rig.LENS.intrinsics[0, 0], rel=0.01) and "uncalibrated" not in entry
    assert entry["extrinsics"]["residual_mm"] < 1.0


def test_a_camera_that_tells_its_lens_is_not_measured(workcell):
    content = yaml.safe_load(workcell.read_text())
    content["cameras"]["wrist"]["driver"] = "realsense"
    workcell.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match="tells its lens itself"):
        calibrate.main(camera_arguments(workcell, "--automatic", "--lens"))


def test_keys_of_a_terminal_are_read_without_waiting(monkeypatch):
    from robot_drivers.calibration.session import Key

    keyboard, terminal = os.openpty()
    with os.fdopen(terminal, "r") as stdin, os.fdopen(keyboard, "wb", buffering=0) as typed:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert calibrate._read_key() is Key.NONE
        for text, key in ((b"\n", Key.TAKE), (b"u\n", Key.UNDO), (b"F\n", Key.FINISH), (b"x\n", Key.NONE), (b"\x04", Key.FINISH)):
            typed.write(text)
            assert select.select([stdin], [], [], 5.0)[0], "the terminal passed nothing on"
            assert calibrate._read_key() is key
