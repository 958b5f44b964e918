"""What kind of machine this is: operating system and ROS 2. Pure decisions from text and variables, so that tests can play any machine."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from report import SetupError

ROS_HUMBLE = (
    "ROS 2 Humble (Ubuntu 22.04) has Python 3.10 and cannot run Stage; use Ubuntu 24.04 with Jazzy, or a shell without ROS on Debian 12."
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts that every later step depends on."""

    system: str  # "debian-12", "ubuntu-24.04" or "other" (where the user installs the system's packages by hand)
    ros: str  # "wheels" (ROS 2 from PyPI) or "jazzy" (the ROS 2 that is sourced in this shell)
    ros_prefixes: tuple[str, ...]  # AMENT_PREFIX_PATH, empty without ROS
    python: str  # "3.11" or "3.12": the version whose constraints file is used


def parse_os_release(text: str) -> dict[str, str]:
    """Return the fields of /etc/os-release, quotes removed."""
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            fields[name.strip()] = "".join(shlex.split(value))
    return fields


def describe_machine(os_release: str, environment: Mapping[str, str], python: tuple[int, int] = sys.version_info[:2]) -> Machine:
    """Decide how Stage is set up here.

    Args:
        os_release: Text of /etc/os-release, empty where there is none.
        environment: Variables of the shell; ROS_DISTRO and AMENT_PREFIX_PATH tell whether ROS 2 is sourced.
        python: Version of the Python that the environment is made from.

    Raises:
        SetupError: If the machine cannot run Stage; one line with what to use instead.
    """
    fields = parse_os_release(os_release)
    identity, version = fields.get("ID", ""), fields.get("VERSION_ID", "")
    distribution = environment.get("ROS_DISTRO", "")
    if distribution == "humble" or (identity == "ubuntu" and version == "22.04"):
        raise SetupError(ROS_HUMBLE)
    if distribution not in ("", "jazzy"):
        raise SetupError(f"ROS_DISTRO is {distribution!r}; expected 'jazzy' or unset. Source ROS 2 Jazzy, or use a shell without ROS.")
    if not (3, 11) <= python <= (3, 12):
        raise SetupError(f"Python is {python[0]}.{python[1]}; expected 3.11 or 3.12. Set STAGE_PYTHON=/path/to/python3.12.")
    if distribution == "jazzy" and python != (3, 12):
        raise SetupError(f"ROS 2 Jazzy needs Python 3.12, this is {python[0]}.{python[1]}; unset STAGE_PYTHON, or use a shell without ROS.")
    prefixes = tuple(part for part in environment.get("AMENT_PREFIX_PATH", "").split(":") if part)
    if distribution == "jazzy" and not prefixes:
        raise SetupError("ROS_DISTRO is 'jazzy' but AMENT_PREFIX_PATH is empty; source the setup.bash of your ROS 2, then run this again.")
    system = f"{identity}-{version}"
    return Machine(
        system=system if system in ("debian-12", "ubuntu-24.04") else "other",
        ros=distribution or "wheels",
        ros_prefixes=prefixes if distribution else (),
        python=f"{python[0]}.{python[1]}",
    )


def keep_ros(machine: Machine, made_with: Mapping[str, Any]) -> Machine:
    """Return the machine with the ROS 2 that its environment was made with.

    An environment that uses an installed ROS works in shells without ROS too, so setting up from such a shell must not replace it.

    Args:
        machine: What this shell looks like.
        made_with: The environment's record, empty when there is none.
    """
    prefixes = tuple(made_with.get("ros_prefixes", ()))
    if made_with.get("ros") == "jazzy" and machine.ros == "wheels" and prefixes and all(Path(prefix).is_dir() for prefix in prefixes):
        return replace(machine, ros="jazzy", ros_prefixes=prefixes)
    return machine
