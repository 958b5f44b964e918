"""Which libfranka speaks to which robot system image, and what to install where this build does not fit.

Source: libfranka's change log and compatibility table; franky's table of robot server versions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BUILD_INTERFACE = 10  # franky-control 2.0.0 = libfranka 0.21.2


@dataclass(frozen=True)
class SystemImage:
    """One row: interface version of the robot server, robot, oldest system image, libfranka, and the wheel's libfranka."""

    interface: int
    robot: str
    system: str
    libfranka: str
    wheel: str


MATRIX = (
    SystemImage(10, "FR3", "5.9.0", "0.18.0 or newer", "0.21.2"),
    SystemImage(9, "FR3", "5.7.2", "0.15.0 to 0.17.x", "0.17.0"),
    SystemImage(8, "FR3", "5.7.0", "0.14.x", "0.14.2"),
    SystemImage(7, "FR3", "5.5.0", "0.13.3 to 0.13.x", "0.13.3"),
    SystemImage(6, "FR3", "5.2.0", "0.10.0 to 0.13.2", "0.12.1"),
    SystemImage(5, "FER (Panda)", "4.2.1", "0.9.x", "0.9.2"),
    SystemImage(4, "FER (Panda)", "4.0.0", "0.8.0", "0.8.0"),
    SystemImage(3, "FER (Panda)", "3.0.0", "0.5.0 to 0.7.1", "0.7.1"),
)


def interface_of(text: str) -> int | None:
    """Return the robot's interface version that libfranka names in its message, None where it names none."""
    found = re.search(r"server version:?\s*(\d+)", text)
    return int(found.group(1)) if found else None


def describe_incompatible(interface: int | None) -> str:
    """Return in words why this build cannot talk to a robot of that interface version, and what to install.

    Args:
        interface: From `interface_of`.
    """
    build = f"this build (franky-control 2.0.0, libfranka 0.21.2) speaks interface {BUILD_INTERFACE} alone: FR3 with system 5.9.0 or newer"
    row = next((entry for entry in MATRIX if entry.interface == interface), None)
    if interface is not None and interface <= 5:
        system = f"system {row.system}, libfranka {row.libfranka}" if row else "libfranka before 0.10"
        return (
            f"FER/Panda is not supported by this build: the robot speaks interface {interface} ({system}), and {build}. Use a FR3; "
            "the table in docs/franka.md names the wheels for a FER, with which this driver was never tried."
        )
    if row is None:
        newer = interface is not None and interface > BUILD_INTERFACE
        advice = "Install a newer franky-control" if newer else "Update the robot's system image"
        return f"the robot speaks interface {interface if interface is not None else 'unknown'}; {build}. {advice}."
    return (
        f"the robot speaks interface {interface} ({row.robot}, system {row.system}, libfranka {row.libfranka}); {build}. Update the robot's system "
        f"image in Desk, or install the wheel built for libfranka {row.wheel} (docs/franka.md, versions)."
    )
