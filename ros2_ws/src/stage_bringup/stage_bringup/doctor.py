"""What a machine must have to run Stage: each check is a function that returns a finding with a remedy.

Start at `run_checks`. Imports that are slow or could crash (torch, rclpy, the simulator, its Vulkan driver) are tried
in processes of their own, side by side.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

IMPORT_TIMEOUT_S = 120.0  # a cold disk and two slow cores; a broken driver hangs for ever


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of `stage doctor`.

    Attributes:
        name: What was looked at.
        ok: True where nothing has to be done.
        required: False where Stage runs without it, with less.
        found: What there is, in words, with units.
        remedy: What to do; empty where `ok`.
    """

    name: str
    ok: bool
    required: bool
    found: str
    remedy: str = ""


def run_checks(directory: Path, port: int) -> list[Finding]:
    """Return the findings in the order they are printed.

    Args:
        directory: Where episodes will be written.
        port: TCP port the policy server will use.
    """
    checks: list[Callable[[], Finding]] = [
        check_python,
        check_numpy,
        check_torch,
        check_rclpy,
        check_messages,
        check_simulator,
        check_vulkan,
        check_middleware,
        check_video,
        lambda: check_disk(directory),
        check_shared_memory,
        lambda: check_port(port),
        check_processors,
        check_clock,
    ]
    with ThreadPoolExecutor(max_workers=3) as pool:
        return list(pool.map(lambda check: check(), checks))


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


def check_vulkan() -> Finding:
    """A Vulkan driver that SAPIEN can render with; Debian 12's own mesa 22.3 is too old."""
    code = "import sapien; from sapien import render; system = render.RenderSystem('cpu'); print(system.device.name)"
    remedy = "install mesa-vulkan-drivers 24 or newer (Debian 12: from bookworm-backports), then run stage doctor again"
    return check_import("vulkan", code, required=False, remedy=remedy)


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


def check_middleware() -> Finding:
    """Fast DDS loses large images unless the profile that the graph exports is set."""
    chosen = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if chosen != "rmw_fastrtps_cpp":
        return Finding(name="middleware", ok=True, required=False, found=f"{chosen} (left as it is; tested with rmw_fastrtps_cpp)")
    profile = os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE", "")
    if profile and not Path(profile).is_file():
        remedy = 'run: eval "$(stage env)"'
        return Finding(
            name="middleware", ok=False, required=True, found=f"FASTRTPS_DEFAULT_PROFILES_FILE names {profile}, not there", remedy=remedy
        )
    found = f"{chosen}, profile {Path(profile).name}" if profile else f"{chosen}; the graph sets its own profile, other shells: stage env"
    return Finding(name="middleware", ok=True, required=False, found=found)


def check_disk(directory: Path, minimum_gb: float = 2.0) -> Finding:
    """Space for episodes: about 1 MB per simulated episode, about 1 GB per minute with real cameras."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free / 1e9
    ok = free >= minimum_gb and os.access(directory, os.W_OK)
    remedy = "" if ok else f"free at least {minimum_gb:.0f} GB in a directory of your own, or name another with --episode-root"
    return Finding(name="disk", ok=ok, required=True, found=f"{free:.0f} GB free", remedy=remedy)


def check_shared_memory(path: Path = Path("/dev/shm"), minimum_mb: float = 256.0) -> Finding:
    """Fast DDS passes images through shared memory, 32 MB per process."""
    if not path.is_dir():
        return Finding(
            name="shared memory",
            ok=False,
            required=True,
            found=f"no {path}",
            remedy="mount a tmpfs there, or give the container --shm-size 1g",
        )
    free = shutil.disk_usage(path).free / 1e6
    ok = free >= minimum_mb
    remedy = "" if ok else f"give the container --shm-size 1g, or remove what is left over in {path}"
    return Finding(name="shared memory", ok=ok, required=True, found=f"{free:.0f} MB free", remedy=remedy)


def check_port(port: int) -> Finding:
    """The policy server's port is free; a server that already answers there is named."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            remedy = f"stop what listens there, or choose another: stage serve --port {port + 1}"
            return Finding(name="port", ok=False, required=False, found=f"{port} is taken", remedy=remedy)
    return Finding(name="port", ok=True, required=False, found=f"{port} is free")


def check_processors(minimum: int = 2) -> Finding:
    """The demo's six processes want two processors."""
    count = len(os.sched_getaffinity(0))
    remedy = "" if count >= minimum else "expect less than real time"
    return Finding(name="processors", ok=count >= minimum, required=False, found=f"{count} × {platform.machine()}", remedy=remedy)


def check_clock() -> Finding:
    """The kernel's word on whether the clock is synchronised; it matters when ROS runs on two PCs (limit 5 ms)."""

    class Timex(ctypes.Structure):
        _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long)]
        _fields_ += [("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * 256)]

    timex = Timex()
    try:
        ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return Finding(name="clock", ok=True, required=False, found="not known on this system")
    unsynchronised = bool(timex.status & 0x40)  # STA_UNSYNC
    if unsynchronised:
        remedy = "only for ROS on two PCs: install chrony and let it settle"
        return Finding(name="clock", ok=False, required=False, found="not synchronised", remedy=remedy)
    return Finding(name="clock", ok=True, required=False, found=f"synchronised, error below {timex.maxerror / 1000:.0f} ms")
