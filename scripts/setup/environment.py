"""The Python environment `.venv`: made once, then filled with torch, the dependencies and the project itself.

Every step carries a hash of what it was made from and is skipped while that is unchanged. pip is always called as `python -m pip`,
because the first line of a script in `.venv/bin` breaks when the path holds a space; pip's own configuration (mirrors, caches,
folders with wheels) is respected by not overriding any of it. Start at `install_dependencies`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from jazzy_overlay import install_overlay
from machine import Machine
from report import SetupError, clean_environment, run, say
from stamp import content_hash, is_current, write_stamp

EXTRAS = ("robot", "franka", "xarm", "grippers", "cameras", "server", "train", "sim", "report", "dev")
RECORD = "stage_environment.json"
WHEELS_EXTRA = "ros"  # left out where ROS 2 is installed on the machine
BUILD_TOOLS = ("hatchling",)  # in the environment, so that the project installs without a second, isolated one
PIP_REMEDY = (
    "the lines above say why; check the network and pip's configuration (`python -m pip config list`), then run `make setup` again."
)


def environment_python(root: Path) -> Path:
    """Return the environment's Python; the folder need not exist yet."""
    return root / ".venv" / "bin" / "python"


def read_record(root: Path) -> dict[str, Any]:
    """Return what the environment was made with, empty when there is no record."""
    record = root / ".venv" / RECORD
    return json.loads(record.read_text()) if record.is_file() else {}


def make_environment(root: Path, machine: Machine) -> Path:
    """Create `.venv` unless it is there and runs from here; return its Python.

    With ROS 2 installed the environment sees the system's packages, where rclpy lives.
    """
    home, before = root / ".venv", read_record(root)
    facts = {"root": str(root), "python": machine.python, "ros": machine.ros, "ros_prefixes": list(machine.ros_prefixes)}
    complete = before or next(home.glob("lib/python*/site-packages/pip/__main__.py"), None)
    if complete and _runs(environment_python(root), machine.python):
        changes = [
            f"{name} was {before[name]}, is {facts[name]}"
            for name in ("root", "python", "ros")
            if before.get(name, facts[name]) != facts[name]
        ]
        if not changes:
            return environment_python(root)
        say(f"making .venv again: {', '.join(changes)}")
    elif home.exists():
        say("making .venv again: it is incomplete or its Python does not run")
    else:
        say(f"making .venv with Python {machine.python}")
    shutil.rmtree(home, ignore_errors=True)
    options = ["--system-site-packages"] if machine.ros == "jazzy" else []
    run([sys.executable, "-m", "venv", *options, str(home)], environment=clean_environment(), remedy="install python3-venv.")
    if machine.ros == "jazzy":
        install_overlay(home, machine.ros_prefixes, machine.python)
    (home / RECORD).write_text(json.dumps(facts) + "\n")
    return environment_python(root)


def install_dependencies(root: Path, machine: Machine) -> bool:
    """Install torch first and then everything the extras name, at the pinned versions; return False when that is done already.

    Raises:
        SetupError: If pip fails.
    """
    python, extras = environment_python(root), selected_extras(machine)
    constraints = root / "constraints" / f"constraints-{machine.python}.txt"
    if not constraints.is_file():
        raise SetupError(f"{constraints} is missing; restore it from git.")
    requirements = collect_requirements(root / "pyproject.toml", extras)
    stamp, expected = root / ".venv" / "stage_dependencies.sha256", content_hash([constraints], *requirements)
    if is_current(stamp, expected):
        return False
    # torch alone and first: pip then takes the wheel its configuration offers (a CPU build, say), and nothing later replaces it.
    torch = [requirement for requirement in requirements if requirement.startswith("torch")]
    for step, names in (("torch", torch[:1]), (f"{len(requirements)} packages and what they need", requirements)):
        if names:
            say(f"installing {step} (minutes, mostly downloads)")
            pip = [str(python), "-m", "pip", "install", "--constraint", str(constraints), *names]
            run(pip, environment=clean_environment(), remedy=PIP_REMEDY, quiet=not sys.stdout.isatty())
    write_stamp(stamp, expected)
    return True


def install_project(root: Path) -> bool:
    """Install the project itself, editable; return False when nothing that an installation copies has changed.

    Python files are read from the checkout; launch files, package manifests and executables are copied into the environment, so a
    change in those installs again (about 2 s).
    """
    configuration = tomllib.loads((root / "pyproject.toml").read_text())
    wheel = configuration["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = [root / source for source in wheel.get("shared-data", {})]
    described = json.dumps([configuration["build-system"], configuration["project"], wheel], sort_keys=True)
    stamp, expected = root / ".venv" / "stage_project.sha256", content_hash(copied, described)
    if is_current(stamp, expected):
        return False
    say("installing the project")
    pip = [str(environment_python(root)), "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(root)]
    run(pip, environment=clean_environment(), remedy=PIP_REMEDY)
    write_stamp(stamp, expected)
    return True


def selected_extras(machine: Machine) -> tuple[str, ...]:
    """Return the extras to install: all, without the ROS wheels where ROS 2 itself is there."""
    return EXTRAS if machine.ros == "jazzy" else (*EXTRAS, WHEELS_EXTRA)


def collect_requirements(pyproject: Path, extras: tuple[str, ...]) -> list[str]:
    """Return the base requirements, those of the extras and the build tools, each once and in order."""
    project = tomllib.loads(pyproject.read_text())["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras), list(BUILD_TOOLS)]
    return list(dict.fromkeys(requirement for group in groups for requirement in group))


def _runs(python: Path, version: str) -> bool:
    """Return True when this Python starts and is of the version; without its packages (-S), which is quick."""
    ask = "import sys; print(*sys.version_info[:2], sep='.')"
    try:
        answer = subprocess.run([str(python), "-S", "-c", ask], capture_output=True, text=True, env=clean_environment(), check=False)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version
