"""What a ManiSkill workcell file may say, checked before anything heavy is imported."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from robot_drivers.workcell import WorkcellConfig, open_workcell
from sim_bridge.maniskill_settings import TASKS, CameraSettings, check_cameras
from stage_core.errors import ConfigurationError


def test_an_unknown_task_names_the_nearest_one(bundled_config: WorkcellConfig) -> None:
    with pytest.raises(ConfigurationError, match='task "PushCub" is not supported. Did you mean "PushCube"'):
        open_workcell(bundled_config, task="PushCub")


def test_an_unknown_setting_names_the_nearest_one(bundled_config: WorkcellConfig) -> None:
    wrong = dataclasses.replace(bundled_config, settings={"simulation_rate": 100})
    with pytest.raises(ConfigurationError, match='settings.simulation_rate is not a known key. Did you mean "simulation_rate_hz"'):
        open_workcell(wrong, task="PushCube")


def test_physics_steps_must_fill_a_control_period(bundled_config: WorkcellConfig) -> None:
    wrong = dataclasses.replace(bundled_config, settings={"simulation_rate_hz": 110})
    with pytest.raises(ConfigurationError, match="simulation_rate_hz is 110 Hz; expected a whole multiple of control_rate_hz = 20 Hz"):
        open_workcell(wrong, task="PushCube")


def test_a_simulation_without_a_simulated_clock_is_refused(bundled_config: WorkcellConfig) -> None:
    with pytest.raises(ConfigurationError, match="simulated_clock is false"):
        open_workcell(dataclasses.replace(bundled_config, simulated_clock=False), task="PushCube")


def test_only_the_tasks_own_camera_may_come_without_a_place() -> None:
    assert check_cameras({"base": {}}, source="file") == {"base": CameraSettings()}
    with pytest.raises(ConfigurationError, match="cameras.side has no position_m"):
        check_cameras({"side": {}}, source="file")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"field_of_view_rad": 60.0}, "Radians, not degrees"),
        ({"width_px": 0}, "width_px is 0"),
        ({"position_m": [1.0, 0.0, 0.5]}, "exactly one of look_at_m and orientation_xyzw"),
        ({"position_m": [0.0, 0.0, 0.0], "orientation_xyzw": [0.0, 0.0, 0.0, 2.0]}, "length 1"),
        ({"position_m": [0.0, 0.0, 0.1], "look_at_m": [0.0, 0.0, 0.0], "mount_link": "panda_hand"}, "does not go with mount_link"),
    ],
)
def test_a_wrong_camera_is_refused_in_words(settings: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        check_cameras({"side": settings}, source="file")


def test_describing_a_workcell_imports_no_simulator(bundled_config: WorkcellConfig) -> None:
    script = (
        "import sys; from robot_drivers.workcell import load_workcell_config, open_workcell; from conftest import WORKCELL_FILE;"
        f"cells = [open_workcell(load_workcell_config(WORKCELL_FILE), task=task) for task in {tuple(TASKS)!r}];"
        "print(cells[0].arm.description.joint_names[0], cells[0].cameras['base'].description.width);"
        "print([name for name in ('torch', 'sapien', 'mani_skill', 'gymnasium') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=__file__.rsplit("/", 1)[0], check=True)
    assert answer.stdout.split("\n")[:2] == ["panda_joint1 128", "[]"]
