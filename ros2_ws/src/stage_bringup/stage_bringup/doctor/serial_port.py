"""The serial line of a gripper: there, open to this user, and quick. Start at `check_serial_port`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stage_bringup.doctor.finding import Finding, failed, good, noted

DRIVERS = Path("/sys/bus/usb-serial/devices")
LARGEST_LATENCY_MS = 4  # an FTDI adapter waits 16 ms before it hands a short answer on; the gripper is asked every 25 ms


def may_open(file: Path) -> bool:
    """Return True where this user may read and write a file."""
    return os.access(file, os.R_OK | os.W_OK)


def check_serial_port(port: Path, drivers: Path = DRIVERS, may_open: Callable[[Path], bool] = may_open) -> Finding:
    """The device that a workcell file names for a gripper on a serial line.

    Args:
        port: Device file, or a name for it below /dev/serial/by-id.
        drivers: As /sys/bus/usb-serial/devices.
        may_open: Tells for one file whether this user may open it.
    """
    name = "gripper's serial line"
    if not port.exists():
        return failed(name, f"{port} is not there", "plug the adapter in; ls /dev/serial/by-id shows its name for settings.gripper.port")
    if not may_open(port):
        remedy = "sudo usermod -aG dialout $USER, log out and in (container: --device, docs/containers.md)"
        return failed(name, f"this user may not open {port}", remedy)
    timer = drivers / port.resolve().name / "latency_timer"
    if timer.is_file() and (latency_ms := int(timer.read_text())) > LARGEST_LATENCY_MS:
        return noted(name, f"{port} holds answers back for {latency_ms} ms", f"echo 1 | sudo tee {timer}")
    return good(name, f"{port} is there", required=True)
