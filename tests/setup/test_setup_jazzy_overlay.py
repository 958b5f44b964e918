"""How the environment and an installed ROS 2 Jazzy are joined: search path and variables, decided without a ROS installation."""

import json
import os
import subprocess
import sys

import pytest
from jazzy_overlay import MARK, MODULE, install_overlay, joined_environment, ordered_path

ROS = "/opt/ros/jazzy/lib/python3.12/site-packages"
SITE = "/stage/.venv/lib/python3.12/site-packages"
SYSTEM = "/usr/lib/python3/dist-packages"
OVERLAY, PREFIX = "/stage/.venv/ros", "/opt/ros/jazzy"


def test_a_folder_of_pythonpath_with_a_numpy_moves_behind_the_environment():
    path = ["", "/home/me/workspace", ROS, "/usr/lib/python312.zip", SITE, SYSTEM]
    ordered = ordered_path(path, SITE, ["/home/me/workspace"])
    assert ordered == ["", ROS, "/usr/lib/python312.zip", SITE, "/home/me/workspace", SYSTEM]


def test_ros_folders_without_numpy_keep_their_place_before_the_environment():
    path = ["", ROS, SITE, SYSTEM]
    assert ordered_path(path, SITE, [SYSTEM]) == path


def test_no_entry_is_lost_or_doubled():
    path = ["", "a", "b", SITE, "c"]
    assert sorted(ordered_path(path, SITE, ["a", "b", "c"])) == sorted(path)


def test_a_path_without_the_environment_is_left_alone():
    assert ordered_path(["", ROS], SITE, [ROS]) == ["", ROS]


def test_in_a_shell_without_ros_all_variables_are_set():
    joined = joined_environment({"HOME": "/home/me"}, OVERLAY, [PREFIX], "3.12")
    assert joined["AMENT_PREFIX_PATH"] == f"{OVERLAY}{os.pathsep}{PREFIX}"
    assert joined["LD_LIBRARY_PATH"] == f"{OVERLAY}/lib{os.pathsep}{PREFIX}/lib"
    assert joined["PYTHONPATH"].split(os.pathsep) == [f"{OVERLAY}/lib/python3.12/site-packages", ROS]
    assert joined["ROS_DISTRO"] == "jazzy"
    assert joined["HOME"] == "/home/me"


def test_in_a_sourced_shell_only_the_overlay_is_put_in_front():
    sourced = {"AMENT_PREFIX_PATH": PREFIX, "LD_LIBRARY_PATH": f"{PREFIX}/lib:/usr/local/lib", "PYTHONPATH": ROS, "ROS_DISTRO": "jazzy"}
    joined = joined_environment(sourced, OVERLAY, [PREFIX], "3.12")
    assert joined["AMENT_PREFIX_PATH"] == f"{OVERLAY}{os.pathsep}{PREFIX}"
    assert joined["LD_LIBRARY_PATH"] == f"{OVERLAY}/lib{os.pathsep}{PREFIX}/lib:/usr/local/lib"


def test_a_process_that_has_the_variables_is_not_started_again():
    joined = joined_environment({}, OVERLAY, [PREFIX], "3.12")
    assert joined_environment(joined, OVERLAY, [PREFIX], "3.12") is None
    joined.pop(MARK)
    assert joined_environment(joined, OVERLAY, [PREFIX], "3.12") is None


def test_the_mark_prevents_a_second_restart_whatever_the_variables_say():
    assert joined_environment({MARK: "1"}, OVERLAY, [PREFIX], "3.12") is None


@pytest.fixture
def environment_with_overlay(tmp_path):
    """A real environment, in a folder with a space, joined to a made-up ROS prefix that holds a package and a wrong numpy."""
    home, ros = tmp_path / "my project" / ".venv", tmp_path / "ros"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = ros / "lib" / f"python{version}" / "site-packages"
    for folder, name, text in (
        (packages, "numpy", "origin = 'ros'"),
        (packages, "rclpy", "origin = 'ros'"),
        (home / "lib" / f"python{version}" / "site-packages", "numpy", "origin = 'environment'"),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
    install_overlay(home, [str(ros)], version)
    return home, ros


@pytest.mark.parametrize("sourced", [False, True])
def test_python_finds_ros_and_the_environments_own_numpy_in_any_shell(environment_with_overlay, sourced):
    home, ros = environment_with_overlay
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    variables = {"PATH": os.environ["PATH"]}
    if sourced:
        variables |= {
            "PYTHONPATH": str(ros / "lib" / f"python{version}" / "site-packages"),
            "AMENT_PREFIX_PATH": str(ros),
            "ROS_DISTRO": "jazzy",
        }
    ask = "import json, os, sys, numpy, rclpy; print(json.dumps([numpy.origin, rclpy.origin, os.environ['LD_LIBRARY_PATH'], sys.argv]))"
    answer = subprocess.run([home / "bin" / "python", "-c", ask, "an argument"], env=variables, capture_output=True, text=True, check=True)
    numpy_origin, rclpy_origin, libraries, arguments = json.loads(answer.stdout)
    assert (numpy_origin, rclpy_origin) == ("environment", "ros")
    assert libraries.split(os.pathsep) == [str(home / "ros" / "lib"), str(ros / "lib")]
    assert arguments == ["-c", "an argument"]


def test_the_overlay_is_one_pth_line_that_runs_the_module(environment_with_overlay):
    home, _ = environment_with_overlay
    (line,) = [file.read_text().strip() for file in home.glob(f"lib/python*/site-packages/{MODULE}.pth")]
    assert line == f"import {MODULE}; {MODULE}.activate()"
