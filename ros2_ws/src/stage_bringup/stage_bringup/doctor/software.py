"""The software that Stage stands on: Python, numpy, torch, ROS 2, the messages, the simulator, a video encoder. Start at `check_import`.

Imports that are slow or could crash are tried in processes of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stage_bringup.doctor.finding import Finding

IMPORT_TIMEOUT_S = 120.0  # a cold disk and two slow cores; a broken driver hangs for ever


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Python 3.11 and 3.12 are tested."""
    ok = (3, 11) <= tuple(version) <= (3, 12)
    found = f"{version[0]}.{version[1]} in {Path(sys.prefix).name}"
    return Finding(name="python", ok=ok, required=True, found=found, remedy="" if ok else "use Python 3.11 or 3.12, then: make setup")


def check_numpy() -> Finding:
    """numpy 1.26 is the common ground of ROS Jazzy, the simulator and openpi's client."""
    import numpy

    ok = int(numpy.__version__.split(".")[0]) < 2
    remedy = "" if ok else 'the simulator\'s planner needs numpy 1.26: pip install "numpy<2" (a robot PC runs with numpy 2)'
    return Finding(name="numpy", ok=ok, required=False, found=numpy.__version__, remedy=remedy)


def check_torch() -> Finding:
    """torch, for the policy server and training; a robot PC does without."""
    return check_import("torch", "import torch; print(torch.__version__)", required=False, remedy="make setup, or: pip install torch")


def check_rclpy() -> Finding:
    """rclpy, with a middleware that loads."""
    code = "import rclpy; rclpy.get_rmw_implementation_identifier(); print(rclpy.get_rmw_implementation_identifier())"
    return check_import("rclpy", code, required=True, remedy="make setup, or source ROS 2 Jazzy and run it again")


def check_messages() -> Finding:
    """stage_msgs, built for this Python."""
    code = "from stage_msgs.msg import ArmState; ArmState.__class__.__import_type_support__(); print('built')"
    return check_import("stage_msgs", code, required=True, remedy="make setup builds it into the environment")


def check_simulator() -> Finding:
    """ManiSkill3; only simulation needs it."""
    # mani_skill itself takes 10 s to import; its simulator and the metadata tell as much.
    code = "import sapien; from importlib.metadata import version; print(version('mani-skill'))"
    return check_import("maniskill", code, required=False, remedy="make setup, or: pip install mani-skill==3.0.1")


def check_video() -> Finding:
    """A video encoder for the report page."""
    code = "import av; print('H.264' if 'libx264' in av.codecs_available else 'VP9')"
    return check_import("video", code, required=False, remedy="pip install av, else reports have no video")


def check_import(name: str, code: str, *, required: bool, remedy: str) -> Finding:
    """Run a line of Python in a process of its own; its last line of output is what was found."""
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Finding(name=name, ok=False, required=required, found=f"no answer within {IMPORT_TIMEOUT_S:.0f} s", remedy=remedy)
    if done.returncode == 0:
        return Finding(name=name, ok=True, required=required, found=(done.stdout.strip().splitlines() or ["ok"])[-1])
    last = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
    return Finding(name=name, ok=False, required=required, found=last[:160], remedy=remedy)
