"""Ranges that the settings of every real camera keep. Start at `check_common`."""

from __future__ import annotations

from typing import Protocol

from robot_drivers.camera_lens import TURNS_DEG
from stage_core.errors import ConfigurationError


class CommonSettings(Protocol):
    """What the settings of every real camera have; see `RealSenseSettings` for each one's meaning."""

    width_px: int
    height_px: int
    rate_hz: float
    warm_up_s: float
    exposure_s: float | None
    white_balance_k: float | None
    turn_deg: int
    reconnect_s: float


def check_common(settings: CommonSettings) -> None:
    """Raise ConfigurationError, naming the field, for a value that no camera can have."""
    for key in ("width_px", "height_px"):
        if not 16 <= getattr(settings, key) <= 8192:
            raise ConfigurationError(f"{key} is {getattr(settings, key)}; expected 16 to 8192 pixels.")
    if not 0.1 <= settings.rate_hz <= 300.0:
        raise ConfigurationError(f"rate_hz is {settings.rate_hz} Hz; expected 0.1 to 300 Hz. Hertz, not a period?")
    if not 0.0 <= settings.warm_up_s <= 10.0:
        raise ConfigurationError(f"warm_up_s is {settings.warm_up_s} s; expected 0 to 10 s. Seconds, not frames?")
    if settings.exposure_s is not None and not 1e-6 <= settings.exposure_s <= 1.0:
        raise ConfigurationError(f"exposure_s is {settings.exposure_s} s; expected 0.000001 to 1 s. Seconds, not microseconds?")
    if settings.white_balance_k is not None and not 2000.0 <= settings.white_balance_k <= 10000.0:
        raise ConfigurationError(f"white_balance_k is {settings.white_balance_k} K; expected 2000 to 10000 K.")
    if settings.turn_deg not in TURNS_DEG:
        raise ConfigurationError(f"turn_deg is {settings.turn_deg}; expected 0, 90, 180 or 270 degrees, clockwise.")
    if not 0.0 <= settings.reconnect_s <= 3600.0:
        raise ConfigurationError(f"reconnect_s is {settings.reconnect_s} s; expected 0 to 3600 s.")
