"""Exposure, gain and white balance of a RealSense colour sensor: fixed values, or those that the automatic found.

The colour sensor counts exposure in 100 us, a stereo module (which is also the colour sensor of a D405) in 1 us.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from stage_core.errors import ConfigurationError

if TYPE_CHECKING:
    from robot_drivers.realsense_camera import RealSenseSettings

logger = logging.getLogger(__name__)

COLOR_EXPOSURE_UNIT_S = 1e-4
STEREO_EXPOSURE_UNIT_S = 1e-6


def exposure_unit_s(sensor: Any) -> float:
    """Return what one unit of the option `exposure` is, s."""
    return STEREO_EXPOSURE_UNIT_S if sensor.is_depth_sensor() else COLOR_EXPOSURE_UNIT_S


def apply_fixed(library: Any, sensor: Any, exposure_s: float | None, white_balance_k: float | None, *, where: str) -> None:
    """Set what the user fixed and leave the rest automatic.

    Args:
        library: The module pyrealsense2.
        sensor: The colour sensor.
        exposure_s: s, or None for automatic.
        white_balance_k: Kelvin, or None for automatic.
        where: For messages.

    Raises:
        ConfigurationError: If the sensor does not have the option, or not that value, with its range.
    """
    option = library.option
    _automatic(sensor, option.enable_auto_exposure, exposure_s is None)
    _automatic(sensor, option.enable_auto_white_balance, white_balance_k is None)
    if exposure_s is not None:
        unit = exposure_unit_s(sensor)
        _set(sensor, option.exposure, exposure_s / unit, where=where, field="exposure_s", scale=unit, unit="s")
    if white_balance_k is not None:
        _set(sensor, option.white_balance, white_balance_k, where=where, field="white_balance_k", scale=1.0, unit="K")


def lock(library: Any, sensor: Any, seen: dict[str, int | None], settings: RealSenseSettings, *, where: str) -> None:
    """Hold exposure, gain and white balance where the automatic brought them.

    Args:
        library: The module pyrealsense2.
        sensor: The colour sensor.
        seen: Metadata of the newest frame: `actual_exposure` (us), `gain_level` (the sensor's steps), `white_balance` (kelvin).
        settings: What the user fixed already stays.
        where: For messages.
    """
    option = library.option
    held = {}
    if settings.exposure_s is None and sensor.supports(option.enable_auto_exposure):
        _automatic(sensor, option.enable_auto_exposure, False)
        if seen["actual_exposure"] is not None:
            held["exposure"] = seen["actual_exposure"] * 1e-6 / exposure_unit_s(sensor)
        if seen["gain_level"] is not None:
            held["gain"] = float(seen["gain_level"])
    if settings.white_balance_k is None and sensor.supports(option.enable_auto_white_balance):
        _automatic(sensor, option.enable_auto_white_balance, False)
        if seen["white_balance"] is not None:
            held["white_balance"] = float(seen["white_balance"])
    for name, value in held.items():
        key = getattr(option, name)
        if sensor.supports(key):
            limits = sensor.get_option_range(key)
            steps = round((value - limits.min) / limits.step) if limits.step else value - limits.min
            sensor.set_option(key, min(limits.max, max(limits.min, limits.min + steps * (limits.step or 1.0))))
    logger.info("%s: exposure held at %s", where, held or "what the camera has (it tells no values)")


def _automatic(sensor: Any, key: Any, on: bool) -> None:
    if sensor.supports(key):
        sensor.set_option(key, 1.0 if on else 0.0)


def _set(sensor: Any, key: Any, value: float, *, where: str, field: str, scale: float, unit: str) -> None:
    if not sensor.supports(key):
        raise ConfigurationError(f"{where}: {field} is set, but this camera has no such option. Take it out.")
    limits = sensor.get_option_range(key)
    if not limits.min <= value <= limits.max:
        raise ConfigurationError(
            f"{where}: {field} is {value * scale:g} {unit}; this camera takes {limits.min * scale:g} to {limits.max * scale:g} {unit}."
        )
    sensor.set_option(key, limits.min + round((value - limits.min) / limits.step) * limits.step if limits.step else value)
