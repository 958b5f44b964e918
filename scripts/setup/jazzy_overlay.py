"""Joins the environment and an installed ROS 2 Jazzy, so that `.venv/bin/python` needs no variables.

This file is copied into the environment and runs at every start of its Python. Two things are wrong there without it:
PYTHONPATH, which ROS sets, comes before the environment, so a numpy that lies in one of its folders would be loaded instead of the
pinned one; and the libraries of `stage_msgs` are found by LD_LIBRARY_PATH alone, which is read only when a process starts.
Start at `activate`. The decisions are pure functions, tested with made-up variables.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

MODULE = "stage_jazzy_overlay"
MARK = "_STAGE_JAZZY_OVERLAY"  # set after the one restart, so that there is never a second


def ordered_path(path: Sequence[str], site_packages: str, shadowing: Sequence[str]) -> list[str]:
    """Return the module search path with the environment's packages before the folders that would shadow them.

    Args:
        path: sys.path as Python made it.
        site_packages: The environment's own folder of packages, an entry of `path`.
        shadowing: Entries of `path` that hold a package the environment pins (numpy).

    Returns:
        The same entries; those in `shadowing` that came before `site_packages` now follow it, all else keeps its order.
    """
    if site_packages not in path:
        return list(path)
    border = path.index(site_packages)
    late = [entry for entry in path[:border] if entry in shadowing]
    early = [entry for entry in path[:border] if entry not in shadowing]
    return [*early, site_packages, *late, *path[border + 1 :]]


def joined_environment(environment: Mapping[str, str], overlay: str, ros_prefixes: Sequence[str], python: str) -> dict[str, str] | None:
    """Return the variables this process should have been started with, or None when it has them.

    Args:
        environment: The process's variables.
        overlay: Prefix that colcon installed stage_msgs into.
        ros_prefixes: ROS prefixes that were sourced when the environment was made, nearest first.
        python: Version, such as "3.12".
    """
    prefixes = [overlay, *ros_prefixes]
    wanted = {
        "AMENT_PREFIX_PATH": prefixes,
        "LD_LIBRARY_PATH": [f"{prefix}/lib" for prefix in prefixes],
        "PYTHONPATH": [f"{prefix}/lib/python{python}/site-packages" for prefix in prefixes],
    }
    joined = dict(environment)
    for name, folders in wanted.items():
        present = [part for part in environment.get(name, "").split(os.pathsep) if part]
        absent = [folder for folder in folders if folder not in present]
        joined[name] = os.pathsep.join([*absent, *present])
    if joined == dict(environment) or environment.get(MARK):
        return None
    return joined | {MARK: "1", "ROS_DISTRO": environment.get("ROS_DISTRO", "jazzy"), "ROS_VERSION": "2"}


def activate() -> None:
    """Restart Python once with the joined variables, then order the search path. Called by the environment's `.pth` file."""
    here = Path(__file__).resolve().parent
    facts = json.loads((here / f"{MODULE}.json").read_text())
    environment = joined_environment(os.environ, facts["overlay"], facts["ros_prefixes"], facts["python"])
    if environment is not None:
        os.execve(sys.executable, sys.orig_argv, environment)
    site_packages = next((entry for entry in sys.path if os.path.realpath(entry) == str(here)), str(here))
    shadowing = [entry for entry in sys.path if entry and (Path(entry) / "numpy").is_dir() and os.path.realpath(entry) != str(here)]
    sys.path[:] = ordered_path(sys.path, site_packages, shadowing)


def install_overlay(home: Path, ros_prefixes: Sequence[str], python: str) -> None:
    """Copy this file into an environment and have it run at every start.

    Args:
        home: The environment's folder.
        ros_prefixes: AMENT_PREFIX_PATH of the sourced ROS 2.
        python: Version of the environment's Python, such as "3.12".
    """
    site_packages = home / "lib" / f"python{python}" / "site-packages"
    shutil.copyfile(__file__, site_packages / f"{MODULE}.py")
    facts = {"overlay": str(home / "ros"), "ros_prefixes": list(ros_prefixes), "python": python}
    (site_packages / f"{MODULE}.json").write_text(json.dumps(facts) + "\n")
    (site_packages / f"{MODULE}.pth").write_text(f"import {MODULE}; {MODULE}.activate()\n")
