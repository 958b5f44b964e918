"""Sets Stage up on this machine: system packages, `.venv`, the project, and the ROS messages. Doing it again changes nothing.

Run it through `make setup` (or `make messages` for the last step alone); both go through scripts/setup.sh, which finds a Python.
Standard library only: it runs before anything is installed. The steps, in order: `machine`, `debian_packages`, `environment`, `messages`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from pathlib import Path

from colcon_messages import build_messages_with_colcon
from debian_packages import install_missing
from environment import environment_python, install_dependencies, install_project, make_environment, read_record
from machine import Machine, describe_machine, keep_ros
from messages import build_messages
from report import SetupError, say

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = ROOT / "ros2_ws" / "src" / "stage_msgs"


def set_up(only_messages: bool) -> list[str]:
    """Do every step that is not done yet; return the names of the steps that changed something."""
    os_release = Path("/etc/os-release")
    machine = describe_machine(os_release.read_text() if os_release.is_file() else "", os.environ)
    machine = keep_ros(machine, read_record(ROOT))
    if only_messages:
        return ["messages"] if _build_messages(machine) else []
    done = []
    install_missing(machine)
    make_environment(ROOT, machine)
    for name, step in (
        ("dependencies", lambda: install_dependencies(ROOT, machine)),
        ("project", lambda: install_project(ROOT)),
        ("messages", lambda: _build_messages(machine)),
    ):
        if step():
            done.append(name)
    return done


def _build_messages(machine: Machine) -> bool:
    if machine.ros == "jazzy":
        return build_messages_with_colcon(MESSAGES, ROOT / ".venv", machine)
    return build_messages(MESSAGES, environment_python(ROOT))


def main() -> int:
    """Run from the command line; return 0 when Stage is ready, 1 with one line of what to do otherwise."""
    parser = argparse.ArgumentParser(prog="scripts/setup.sh", description="Set Stage up on this machine.")
    parser.add_argument("--only-messages", action="store_true", help="build stage_msgs into an environment that is there already")
    arguments = parser.parse_args()
    start = time.monotonic()
    # Two `make` at once would write into one environment: the second waits, and then finds nothing to do. No file is left.
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another set-up of this checkout")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        done = set_up(arguments.only_messages)
    except SetupError as error:
        print(f"stage set-up: {error}", file=sys.stderr)
        return 1
    if done:
        say(f"ready after {time.monotonic() - start:.0f} s ({', '.join(done)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
