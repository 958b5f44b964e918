"""Builds `stage_msgs` with colcon, on a machine where ROS 2 Jazzy is installed and sourced."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from jazzy_overlay import joined_environment
from machine import Machine
from report import SetupError, clean_environment, run, say
from stamp import content_hash, is_current, write_stamp

RECIPE = "1"  # raise it when a change in this file must build the messages again


def colcon_command(source: Path, home: Path, ros_prefixes: Sequence[str]) -> list[str]:
    """Return the colcon call that installs the package into the environment's own overlay, `.venv/ros`."""
    return [
        *("colcon", "--log-base", str(home / "ros_log"), "build", "--merge-install"),
        *("--base-paths", str(source), "--build-base", str(home / "ros_build"), "--install-base", str(home / "ros")),
        *("--cmake-args", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
        f"-DCMAKE_PREFIX_PATH={';'.join(ros_prefixes)}",
        *(f"-DPython3_EXECUTABLE={home / 'bin' / 'python'}", f"-DPYTHON_EXECUTABLE={home / 'bin' / 'python'}"),
    ]


def build_messages_with_colcon(source: Path, home: Path, machine: Machine) -> bool:
    """Build the package unless the overlay holds exactly this version of it; return True when it was built.

    Raises:
        SetupError: If colcon is missing or the build fails.
    """
    stamp, expected = home / "ros" / "stage_build.sha256", content_hash([source], RECIPE)
    if is_current(stamp, expected):
        return False
    if shutil.which("colcon") is None:
        raise SetupError("colcon is not installed; run `sudo apt-get install python3-colcon-common-extensions`, then `make setup` again.")
    say("building stage_msgs with colcon (about 30 s)")
    for folder in ("ros", "ros_build"):
        shutil.rmtree(home / folder, ignore_errors=True)
    remedy = "the lines above say why; is /opt/ros/jazzy complete (ros-jazzy-desktop or ros-jazzy-ros-base)?"
    environment = clean_environment()
    # In a shell where ROS is not sourced the environment's record stands in for it.
    environment = joined_environment(environment, str(home / "ros"), machine.ros_prefixes, machine.python) or environment
    run(colcon_command(source, home, machine.ros_prefixes), environment=environment, remedy=remedy)
    write_stamp(stamp, expected)
    return True
