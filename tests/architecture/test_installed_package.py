"""What an installation puts below the prefix: ament's index, launch files, configuration and executables."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = Path(sys.prefix)
PACKAGES = ("stage_core", "stage_recorder", "stage_nodes", "stage_bringup", "stage_msgs")
EXECUTABLES = ("arm_node", "camera_node", "policy_node", "stage_monitor_node", "recorder_node", "demonstrator_node", "episode_runner_node")
LAUNCH_FILES = ("fake", "maniskill", "franka", "xarm")


@pytest.mark.parametrize("package", PACKAGES)
def test_ament_finds_every_package(package):
    from ament_index_python.packages import get_packages_with_prefixes

    if (PREFIX / "share" / "ament_index" / "resource_index" / "packages" / "stage_core").is_file():
        assert (PREFIX / "share" / "ament_index" / "resource_index" / "packages" / package).exists()
        assert (PREFIX / "share" / package / "package.xml").is_file()
    else:  # installed by colcon
        assert package in get_packages_with_prefixes()


@pytest.mark.parametrize("name", EXECUTABLES)
def test_every_node_is_an_executable_that_runs_the_environments_python(name):
    launcher = PREFIX / "lib" / "stage_nodes" / name
    assert launcher.stat().st_mode & 0o111
    assert (launcher.parent / "../../bin/python3").resolve() == (PREFIX / "bin" / "python3").resolve()


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_launch_files_are_installed_as_they_are_in_the_checkout(name):
    installed = PREFIX / "share" / "stage_bringup" / "launch" / f"{name}.launch.py"
    source = ROOT / "ros2_ws" / "src" / "stage_bringup" / "launch" / f"{name}.launch.py"
    assert installed.read_text() == source.read_text(), "run `make setup`: launch files are copied into the environment"


def test_the_messages_are_importable_and_lossless():
    from rclpy.serialization import deserialize_message, serialize_message
    from stage_msgs.msg import ArmCommand

    command = ArmCommand(sequence=7, values=[0.25, -1.5])
    assert deserialize_message(serialize_message(command), ArmCommand) == command


@pytest.mark.slow
def test_a_wheel_holds_all_packages_and_everything_below_the_prefix(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(pip, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for package in (*PACKAGES[:-1], "robot_drivers", "policy_server", "offline_rl", "sim_bridge"):
        assert f"{package}/__init__.py" in names
    data = next(name.split("/")[0] for name in names if ".data/" in name)
    for name in LAUNCH_FILES:
        assert f"{data}/data/share/stage_bringup/launch/{name}.launch.py" in names
    assert f"{data}/data/share/stage_bringup/config/tasks/push_cube.yaml" in names
    for name in EXECUTABLES:
        assert zipfile.ZipFile(wheel).getinfo(f"{data}/data/lib/stage_nodes/{name}").external_attr >> 16 & 0o111
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]
