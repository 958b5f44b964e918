"""The entry `driver: none`: a workcell without a gripper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robot_drivers.device_context import DeviceContext
from stage_core.errors import ConfigurationError


class NoGripper:
    """Stands where a gripper driver would, and builds none."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> None:
        """Return None.

        Raises:
            ConfigurationError: If there are settings, which would have no effect.
        """
        if settings:
            raise ConfigurationError(
                f"{context.source}: {next(iter(settings))} is set beside driver: none; expected no settings. Remove it, or name a gripper."
            )


no_gripper = NoGripper
