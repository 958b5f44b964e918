"""Intel RealSense cameras by serial number: colour, and depth aligned to it. Start at `RealSenseCamera`.

Capture, newest-frame reading and reconnecting are those of `CapturingCamera`; librealsense is met in `camera_realsense`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.camera import CameraDescription
from robot_drivers.camera_capture import CapturingCamera
from robot_drivers.camera_extrinsics import CameraExtrinsics
from robot_drivers.camera_realsense import RealSenseSource
from robot_drivers.camera_settings import check_common
from robot_drivers.device_context import DeviceContext
from stage_core.configuration import from_mapping


@dataclass(frozen=True, kw_only=True)
class RealSenseSettings:
    """One entry of `cameras` with `driver: realsense`.

    Attributes:
        serial: Serial number as `stage cameras` lists it, in quotes so that a leading zero stays.
        width_px: Width of the colour stream, pixels, before turning.
        height_px: Height of the colour stream, pixels, before turning.
        rate_hz: Frames per second.
        depth: True adds depth, aligned to the colour image.
        warm_up_s: Frames of the first seconds are dropped while automatic exposure settles, s.
        lock_exposure: True holds exposure, gain and white balance as they are after the warm-up.
        exposure_s: A fixed exposure of the colour image, s; None leaves it automatic.
        white_balance_k: A fixed white balance, kelvin; None leaves it automatic.
        turn_deg: Turns the picture clockwise: 0, 90, 180 or 270, for a camera that is mounted so.
        reconnect_s: How long a camera that went away is tried again, s.
        file: A recording (.db3) to play at its rate, again and again, in the camera's place.
        extrinsics: Written by `stage calibrate camera`.
    """

    serial: str
    width_px: int
    height_px: int
    rate_hz: float
    depth: bool = False
    warm_up_s: float = 1.0
    lock_exposure: bool = False
    exposure_s: float | None = None
    white_balance_k: float | None = None
    turn_deg: int = 0
    reconnect_s: float = 60.0
    file: str = ""
    extrinsics: CameraExtrinsics | None = None

    def __post_init__(self) -> None:
        check_common(self)


class RealSenseCamera(CapturingCamera):
    """A RealSense camera; `connect` refuses an empty serial number and names those that it found."""

    def __init__(
        self,
        name: str,
        settings: RealSenseSettings,
        *,
        clock: Callable[[], float] = time.time,
        source: str = "camera",
        configure: bool = True,
        context: Any = None,
    ) -> None:
        """Describe a camera; nothing is opened and pyrealsense2 is not imported yet.

        Args:
            name: In topics and in the policy's contract.
            settings: As in the workcell file.
            clock: The workcell clock, s.
            source: Where the settings come from, for messages.
            configure: False leaves exposure and white balance of the camera as they are.
            context: A `pyrealsense2.context` to find the camera in, such as one with a software device; None: this computer's.
        """
        turned = settings.turn_deg in (90, 270)
        description = CameraDescription(
            name=name,
            width=settings.height_px if turned else settings.width_px,
            height=settings.width_px if turned else settings.height_px,
            rate_hz=settings.rate_hz,
            optical_frame=f"camera_{name}_optical_frame",
            intrinsics=np.full((3, 3), np.nan),  # the camera tells them at `connect`
            has_depth=settings.depth,
        )
        device = settings.file or f"serial {settings.serial}"
        frames = RealSenseSource(description, settings, clock=clock, where=source, configure=configure, context=context)
        super().__init__(description, frames, reconnect_s=settings.reconnect_s, device=device)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> RealSenseCamera:
        """Return the camera of a workcell entry. Raises ConfigurationError for an unknown key or a wrong value."""
        checked = from_mapping(RealSenseSettings, settings, source=context.source, field="")
        return cls(context.name, checked, clock=context.clock, source=context.source, configure=not context.read_only)
