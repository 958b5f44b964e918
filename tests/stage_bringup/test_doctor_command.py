"""`stage doctor`'s options: what they ask for, and what is refused before anything is looked at."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from stage_bringup import doctor
from stage_bringup.cli.doctor import Options, robot_request
from stage_bringup.doctor.robot import robot_checks
from stage_core.errors import ConfigurationError

WORKCELL = """
workcell: robot
settings:
  arm: {driver: xarm, address: 127.0.0.9, control_port: 50502}
  gripper: {driver: robotiq, transport: rtu, port: /no/such/line}
cameras:
  front: {driver: opencv, path: /dev/no-such-camera}
"""


@pytest.fixture
def workcell(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(WORKCELL)
    return file


def test_without_robot_options_only_this_machine_is_looked_at():
    assert robot_request(Options()) is None


def test_a_workcell_file_gives_robot_address_port_and_cameras(workcell):
    request = robot_request(Options(workcell=str(workcell)))
    assert (request.robot, request.address, request.control_port) == ("xarm", "127.0.0.9", 50502)
    assert list(request.wanted_cameras) == ["front"] and request.serial_port == "/no/such/line"


def test_an_address_on_the_command_line_stands_above_the_files(workcell):
    assert robot_request(Options(workcell=str(workcell), address="127.0.0.10")).address == "127.0.0.10"


def test_a_franka_told_to_ignore_the_kernel_is_not_failed_for_it(tmp_path):
    file = tmp_path / "franka.yaml"
    file.write_text("settings: {arm: {driver: franka, address: 172.16.0.2, realtime: ignore}}\n")
    assert not robot_request(Options(workcell=str(file))).enforce_realtime
    file.write_text("settings: {arm: {driver: franka, address: 172.16.0.2, realtime: enforce}}\n")
    assert robot_request(Options(workcell=str(file))).enforce_realtime


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "172.16.0.2"}, "--robot franka"),
        ({"policy_host": "gpu"}, "host:port"),
        ({"policy_host": "gpu:99999"}, "port from 1 to 65535"),
        ({"workcell": "no/such/file.yaml"}, "no/such/file.yaml"),
        ({"port": 0}, "--port is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    from stage_bringup.cli.doctor import run

    with pytest.raises(ConfigurationError, match=words):
        run(Options(**options))


def test_a_robot_that_is_not_the_files_is_refused(workcell):
    with pytest.raises(ConfigurationError, match="driver xarm"):
        robot_request(Options(robot="franka", workcell=str(workcell)))


def test_a_workcell_file_that_is_none_is_refused_in_words(tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text("settings: [1, 2]\n")
    with pytest.raises(ConfigurationError, match="settings is"):
        robot_request(Options(workcell=str(file)))


def test_what_does_not_apply_is_left_out():
    names = {finding.name for finding in robot_checks(doctor.RobotRequest(robot="xarm"))}
    assert names == {"xArm SDK", "controller"}  # no kernel, no limits: 100 Hz needs neither
    assert robot_checks(doctor.RobotRequest()) == []


def test_a_fake_franka_on_this_pc_needs_no_real_time_rights():
    findings = robot_checks(doctor.RobotRequest(robot="franka", address="127.77.0.1", tries=3))
    names = {finding.name for finding in findings}
    assert "rtprio" not in names and "memlock" not in names
    assert not any(finding.required and not finding.ok for finding in findings if finding.name == "real-time kernel")


def test_every_line_of_the_robot_part_that_is_not_ok_has_a_remedy(workcell):
    request = robot_request(Options(workcell=str(workcell), cameras=True, policy_host="127.0.0.1:9", peer="127.0.0.1"))
    findings = robot_checks(request)
    assert len(findings) >= 6
    assert [finding.name for finding in findings if bool(finding.remedy) == finding.ok] == []


def test_the_command_prints_and_writes_the_robot_part_and_fails_for_what_is_missing(tmp_path):
    path = tmp_path / "doctor.json"
    command = [sys.executable, "-m", "stage_bringup.cli.main", "doctor", "--robot", "xarm", "--address", "127.77.0.2", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stderr  # nobody answers there
    assert "needed before this machine can run Stage with this xarm" in done.stdout
    findings = {finding["name"]: finding for finding in json.loads(path.read_text())["findings"]}
    assert findings["python"]["ok"] and findings["network card"]["ok"]
    assert not findings["controller"]["ok"] and findings["controller"]["remedy"] in done.stdout
