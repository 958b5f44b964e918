"""Is this PC quick enough for a 1 kHz controller: kernel, graphics driver, limits, clock rates and CPUs set apart. Start at `check_kernel`.

libfranka answers every millisecond, so these checks are made for Franka alone; an xArm streams at 100 Hz and does without.
Every check takes the files or values it looks at, as /proc and /sys give them on Linux.
"""

from __future__ import annotations

import os
import platform
import re
import resource
from pathlib import Path

from stage_bringup.doctor.finding import Finding, failed, good, noted

NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASS = "0x03"
LOWEST_RTPRIO = 99  # libfranka asks for the highest priority there is
LOWEST_MEMLOCK = 102400 * 1024  # bytes; what Franka's own set-up grants
CAPABILITY_SYS_NICE, CAPABILITY_IPC_LOCK = 23, 14
BUILD_ANYWAY = "sudo IGNORE_PREEMPT_RT_PRESENCE=1 dkms autoinstall -k $(uname -r)"


def is_realtime(realtime_file: Path = Path("/sys/kernel/realtime"), version: str = platform.version()) -> bool:
    """Return True for a PREEMPT_RT kernel.

    Args:
        realtime_file: Holds 1 on most real-time kernels; others lack it.
        version: As `uname -v` prints it; PREEMPT_DYNAMIC and PREEMPT are ordinary kernels.
    """
    return _text(realtime_file) == "1" or re.search(r"\bPREEMPT[_ ]RT\b", version) is not None


def check_kernel(*, realtime: bool, has_nvidia: bool, enforced: bool = True, release: str = platform.release()) -> Finding:
    """libfranka refuses to control without a real-time kernel unless it is told not to look.

    Args:
        realtime: From `is_realtime`.
        has_nvidia: Whether an NVIDIA card is in this PC; its driver decides what the remedy costs.
        enforced: False where the workcell file lets the driver run without one.
        release: As `uname -r` prints it.
    """
    if realtime:
        return good("real-time kernel", f"{release}, PREEMPT_RT", required=True)
    remedy = "Ubuntu: sudo pro attach, then sudo pro enable realtime-kernel; Debian: apt install linux-image-rt-amd64; reboot"
    if has_nvidia:
        remedy += (
            "; the NVIDIA driver's build refuses such a kernel unless IGNORE_PREEMPT_RT_PRESENCE=1 is set while it is installed:"
            " better keep the GPU in a second PC (docs/two_computers.md)"
        )
    finding = failed if enforced else noted
    return finding("real-time kernel", f"{release} is an ordinary kernel; a 1 kHz loop misses its turns", remedy)


def has_nvidia_card(pci_devices: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Return True where the PCI bus holds a display controller of NVIDIA."""
    return any(
        _text(device / "vendor") == NVIDIA_VENDOR and _text(device / "class").startswith(DISPLAY_CLASS) for device in _entries(pci_devices)
    )


def check_nvidia(*, realtime: bool, has_card: bool, driver: Path = Path("/proc/driver/nvidia/version")) -> Finding | None:
    """The NVIDIA driver and a real-time kernel in one PC: NVIDIA does not support it and its build refuses.

    Args:
        realtime: From `is_realtime`.
        has_card: From `has_nvidia_card`.
        driver: Exists while the kernel module is loaded; its first line names the version.

    Returns:
        None where there is no card, or an ordinary kernel (which `check_kernel` has reported).
    """
    if not has_card or not realtime:
        return None
    lines = _text(driver).splitlines()
    if not lines:
        remedy = f"{BUILD_ANYWAY}, and put the variable into /etc/environment for later updates; or use the GPU of a second PC"
        return noted("NVIDIA driver", "not loaded: its build refuses a PREEMPT_RT kernel", remedy)
    found = re.search(r"\d+\.\d+(\.\d+)?", lines[0])
    words = f"{found.group(0) if found else lines[0]} loaded on a PREEMPT_RT kernel; NVIDIA does not support the pair"
    return noted(
        "NVIDIA driver", words, "keep inference off this PC where the arm reports communication errors: stage serve on a second PC"
    )


def check_rtprio(limits: tuple[int, int] | None = None, capabilities: int | None = None) -> Finding:
    """The right to run at real-time priority 99, by limit or by CAP_SYS_NICE.

    Args:
        limits: (soft, hard) of RLIMIT_RTPRIO; None asks this process. -1 is no limit.
        capabilities: Effective capability bits; None asks this process.
    """
    soft, _hard = resource.getrlimit(resource.RLIMIT_RTPRIO) if limits is None else limits
    bits = _capabilities() if capabilities is None else capabilities
    if soft == resource.RLIM_INFINITY or soft >= LOWEST_RTPRIO:
        return good("rtprio", f"limit {_limit(soft)}", required=True)
    if bits >> CAPABILITY_SYS_NICE & 1:
        return good("rtprio", "CAP_SYS_NICE", required=True)
    remedy = (
        "sudo groupadd -f realtime; sudo usermod -aG realtime $USER; put '@realtime - rtprio 99' and '@realtime - memlock 102400'"
        " into /etc/security/limits.d/realtime.conf; log out and in (container: --ulimit rtprio=99 --cap-add SYS_NICE)"
    )
    return failed("rtprio", f"limit {soft}; libfranka needs {LOWEST_RTPRIO}", remedy)


def check_memlock(limits: tuple[int, int] | None = None, capabilities: int | None = None) -> Finding:
    """The right to keep memory from being swapped out, so that no page fault breaks the 1 kHz loop.

    Args:
        limits: (soft, hard) of RLIMIT_MEMLOCK, bytes; None asks this process. -1 is no limit.
        capabilities: Effective capability bits; None asks this process.
    """
    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK) if limits is None else limits
    bits = _capabilities() if capabilities is None else capabilities
    if soft == resource.RLIM_INFINITY or soft >= LOWEST_MEMLOCK:
        return good("memlock", f"limit {_limit(soft, scale=1 << 20, unit=' MiB')}")
    if bits >> CAPABILITY_IPC_LOCK & 1:
        return good("memlock", "CAP_IPC_LOCK")
    remedy = "put '@realtime - memlock 102400' into /etc/security/limits.d/realtime.conf, log out and in (container: --ulimit memlock=-1)"
    return noted("memlock", f"limit {soft / (1 << 20):.0f} MiB; {LOWEST_MEMLOCK >> 20} MiB wanted", remedy)


def check_governor(processors: Path = Path("/sys/devices/system/cpu")) -> Finding | None:
    """CPUs that save power wake up late. None where the system does not let its clock rate be governed (most virtual machines)."""
    governors = {
        device.name: governor for device in _entries(processors, "cpu[0-9]*") if (governor := _text(device / "cpufreq/scaling_governor"))
    }
    if not governors:
        return None
    slow = sorted(name for name, governor in governors.items() if governor != "performance")
    if not slow:
        return good("CPU governor", f"performance on {len(governors)} CPUs")
    remedy = "sudo cpupower frequency-set -g performance, and at every start (Ubuntu: cpufrequtils with GOVERNOR=performance)"
    return noted("CPU governor", f"{governors[slow[0]]} on {len(slow)} of {len(governors)} CPUs", remedy)


def check_isolation(isolated: Path = Path("/sys/devices/system/cpu/isolated"), count: int | None = None) -> Finding | None:
    """Whether CPUs are set apart for the control loop; a hint, and none on a PC with fewer than four."""
    total = (os.cpu_count() or 1) if count is None else count
    apart = _text(isolated)
    if apart:
        return good("CPU isolation", f"CPU {apart} set apart; start arm_node there: taskset -c {apart}")
    if total < 4 or not isolated.exists():
        return None
    remedy = f"only if the arm still reports communication errors: isolcpus={total - 1} on the kernel's command line"
    return noted("CPU isolation", f"none of {total} CPUs is set apart", remedy)


def _capabilities(status: Path = Path("/proc/self/status")) -> int:
    """Return this process's effective capability bits, 0 where they cannot be read."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", _text(status), re.MULTILINE)
    return int(found.group(1), 16) if found else 0


def _limit(value: int, *, scale: int = 1, unit: str = "") -> str:
    return "none" if value == resource.RLIM_INFINITY else f"{value // scale}{unit}"


def _entries(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []


def _text(path: Path) -> str:
    """Return a file's text, "" where it is missing or cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
