"""What a driver is told beside its own settings when a workcell builds it. A driver's `from_settings` takes one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stage_core.errors import ConfigurationError

if TYPE_CHECKING:
    from robot_drivers.arm import Arm

LOOPBACK = "127."


@dataclass(frozen=True, kw_only=True)
class DeviceContext:
    """Where and how a device is used.

    Attributes:
        name: Of the arm in topics, or of the camera in the workcell file.
        source: The workcell, for messages.
        control_rate_hz: Control steps per second.
        clock: The workcell clock, s.
        read_only: Connect and read; never send anything that moves, enables or configures.
        dry_run: The controller is a fake one: only loopback addresses are allowed.
        full_speed: False keeps to reduced dynamics (DESIGN 9.8).
        arm: For a gripper: the arm of the workcell, whose connection it may share.
    """

    name: str
    source: str
    control_rate_hz: float
    clock: Callable[[], float] = time.time
    read_only: bool = False
    dry_run: bool = False
    full_speed: bool = False
    arm: Arm | None = None

    def check_address(self, address: str, field: str) -> None:
        """Raise ConfigurationError for an address that is missing, or not loopback in a dry run."""
        if not address:
            raise ConfigurationError(
                f"{self.source}: {field} is empty; expected the controller's IP address. Write it there, or give robot_address:=ADDRESS."
            )
        if self.dry_run and not address.startswith(LOOPBACK):
            raise ConfigurationError(f"{self.source}: {field} is {address}; a dry run reaches loopback addresses (127.x.y.z) only.")


def settings_without_driver(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a device's settings without the key `driver`, which the workcell has used already."""
    return {key: value for key, value in settings.items() if key != "driver"}
