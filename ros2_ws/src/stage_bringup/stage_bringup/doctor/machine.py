"""The machine itself: disk, shared memory, processors, the policy server's port, and the middleware's settings. Start anywhere."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

from stage_bringup.doctor.finding import Finding, noted

RECORDING_GB = 20.0  # with less, a session with real cameras ends soon


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


def check_disk(directory: Path, minimum_gb: float = 2.0, *, real_cameras: bool = False, recording_gb: float = RECORDING_GB) -> Finding:
    """Space for episodes: about 1 MB per simulated episode, about 1 GB per minute with real cameras."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free / 1e9
    if free < minimum_gb or not os.access(directory, os.W_OK):
        remedy = f"free at least {minimum_gb:.0f} GB in a directory of your own, or name another with --episode-root"
        return Finding(name="disk", ok=False, required=True, found=f"{free:.0f} GB free", remedy=remedy)
    if real_cameras and free < recording_gb:
        remedy = f"free {recording_gb:.0f} GB, or name another disk with --episode-root: two cameras write about 1 GB a minute"
        return noted("disk", f"{free:.0f} GB free, about {free:.0f} minutes of recording", remedy)
    return Finding(name="disk", ok=True, required=True, found=f"{free:.0f} GB free")


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
