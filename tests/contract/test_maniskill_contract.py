"""The same contracts on the simulated Panda, its hand and its cameras."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from robot_drivers.checks import check_arm, check_camera

MANISKILL = Path(__file__).parents[2] / "ros2_ws" / "src" / "stage_bringup" / "config" / "workcells" / "maniskill.yaml"


def test_the_simulated_panda_and_its_hand_keep_the_contract(tmp_path) -> None:
    content = {**yaml.safe_load(MANISKILL.read_text()), "cameras": {}}
    without_cameras = tmp_path / "maniskill.yaml"
    without_cameras.write_text(yaml.safe_dump(content))
    report = check_arm(without_cameras)
    assert report.passed, str(report)


@pytest.mark.slow
def test_the_simulated_cameras_keep_the_contract() -> None:
    report = check_camera(MANISKILL)
    assert report.passed, str(report)
