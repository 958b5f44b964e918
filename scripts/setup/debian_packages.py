"""The system's packages: which are needed, which are missing, and how they are installed.

Debian 12's own software Vulkan driver (Mesa 22.3) cannot start ManiSkill's renderer, so there the driver comes from
bookworm-backports; the mirror is read from the machine's own package sources, whatever it is. Start at `install_missing`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from machine import Machine
from report import SetupError, run, say

ENVIRONMENT = ("python3-venv", "python3-dev")
MESSAGES = ("cmake", "g++", "ament-cmake", "ament-cmake-ros", "ament-cmake-python", "python3-ament-package")
# What the wheels of ManiSkill and OpenCV load: Vulkan with a software driver, GL, X11 and GLib.
SIMULATION = ("libvulkan1", "mesa-vulkan-drivers", "libgl1", "libx11-6", "libxext6", "libsm6")
CAMERAS = ("libusb-1.0-0",)  # pyrealsense2 cannot be imported without it
GLIB = {"debian-12": "libglib2.0-0", "ubuntu-24.04": "libglib2.0-0t64"}
COLCON = ("python3-colcon-common-extensions",)
OLDEST_MESA = 23
BACKPORTS = "bookworm-backports"
BACKPORTS_FILE = Path("/etc/apt/sources.list.d/stage-backports.list")
SOURCES = Path("/etc/apt")


def needed_packages(machine: Machine) -> tuple[str, ...]:
    """Return the names of all system packages this kind of machine needs."""
    build = (*COLCON, "cmake", "g++") if machine.ros == "jazzy" else MESSAGES
    return (*ENVIRONMENT, *build, *SIMULATION, *CAMERAS, GLIB[machine.system])


def missing_packages(needed: tuple[str, ...], installed: dict[str, str]) -> list[str]:
    """Return which packages are absent or, for the Vulkan driver, too old.

    Args:
        needed: Package names.
        installed: Installed packages, name → version.
    """
    missing = [name for name in needed if name not in installed]
    driver = installed.get("mesa-vulkan-drivers", "")
    if driver and mesa_major(driver) < OLDEST_MESA:
        missing.append("mesa-vulkan-drivers")
    return missing


def mesa_major(version: str) -> int:
    """Return Mesa's major version from a Debian version such as '25.0.7-2~bpo12+1' or '1:25.0.7-2', 0 when it cannot be read."""
    match = re.match(r"(?:\d+:)?(\d+)", version)
    return int(match.group(1)) if match else 0


def installed_packages(names: tuple[str, ...]) -> dict[str, str]:
    """Ask dpkg which of the packages are installed; return name → version."""
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}\t${Package}\t${Version}\n", *names]
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()  # non-zero when one is unknown
    fields = [line.split("\t") for line in lines]
    return {name: version for status, name, version in fields if status.startswith("ii")}


def find_mirror(sources: str) -> tuple[str, str]:
    """Return (mirror, options) of the machine's own bookworm archive from the text of its package sources.

    Both of apt's forms are read: one-line (`deb [options] URI bookworm main`) and deb822 (`URIs:`, `Suites:`, `Signed-By:`).

    Raises:
        SetupError: If no source names bookworm.
    """
    for options, uri in re.findall(r"^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+bookworm\s", sources, re.MULTILINE):
        return uri, options.strip()
    for block in re.split(r"\n\s*\n", sources):
        fields = dict(re.findall(r"^([A-Za-z-]+):\s*(.+)$", block, re.MULTILINE))
        if "bookworm" in fields.get("Suites", "").split():
            key = fields.get("Signed-By", "").strip()
            return fields["URIs"].split()[0], f"[signed-by={key}]" if key.startswith("/") else ""
    raise SetupError("no package source names Debian's bookworm; add bookworm-backports by hand, then run `make setup` again.")


def backports_line(sources: str) -> str | None:
    """Return the apt source line to add, or None when backports is there already."""
    active = "\n".join(line for line in sources.splitlines() if not line.lstrip().startswith("#"))
    if BACKPORTS in active:
        return None
    uri, options = find_mirror(active)
    return " ".join(part for part in ("deb", options, uri, BACKPORTS, "main") if part)


def install_commands(missing: list[str], machine: Machine, sources: str) -> list[list[str]]:
    """Return the commands that install the packages, to be run as root and in this order."""
    commands = []
    from_backports = machine.system == "debian-12" and "mesa-vulkan-drivers" in missing
    if from_backports and (line := backports_line(sources)):
        commands.append(["sh", "-c", f"echo {shlex.quote(line)} > {BACKPORTS_FILE}"])
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    commands.append([*environment, "apt-get", "update", "-qq"])
    plain = [name for name in missing if not (from_backports and name == "mesa-vulkan-drivers")]
    install = [*environment, "apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    if plain:
        commands.append([*install, *plain])
    if from_backports:
        commands.append([*install, "--target-release", BACKPORTS, "mesa-vulkan-drivers"])
    return commands


def read_sources(root: Path = SOURCES) -> str:
    """Return the text of all of apt's source files."""
    files = [root / "sources.list", *sorted((root / "sources.list.d").glob("*.list")), *sorted((root / "sources.list.d").glob("*.sources"))]
    return "\n\n".join(file.read_text() for file in files if file.is_file())


def line_to_run(missing: list[str], commands: list[list[str]]) -> str:
    """Return what a user who cannot become root here is told: which packages, and the one line that installs them."""
    one_line = " && ".join(shlex.join(["sudo", *command]) for command in commands)
    return f"system packages are missing ({' '.join(missing)}); run this line, then `make setup` again:\n{one_line}"


def _sudo_can_ask() -> bool:
    """Return True when sudo exists and either a person can type a password or none is needed."""
    if shutil.which("sudo") is None:
        return False
    return os.isatty(0) or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def install_missing(machine: Machine) -> None:
    """Install what is missing: as root directly, else with sudo, else print the one line to run and stop.

    Raises:
        SetupError: If packages are missing and this user cannot install them.
    """
    if machine.system == "other":
        say("this is neither Debian 12 nor Ubuntu 24.04: install a C++ compiler, cmake, ament_cmake and a Vulkan driver by hand")
        return
    needed = needed_packages(machine)
    missing = missing_packages(needed, installed_packages(needed))
    if not missing:
        return
    commands = install_commands(missing, machine, read_sources())
    if os.geteuid() != 0:
        if not _sudo_can_ask():
            raise SetupError(line_to_run(missing, commands))
        commands = [["sudo", *command] for command in commands]
    say(f"installing {len(missing)} system packages: {' '.join(missing)}")
    for command in commands:
        run(command, remedy="check the machine's package sources and network, then run `make setup` again.", quiet=os.geteuid() == 0)
