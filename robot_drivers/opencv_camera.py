"""Cameras that speak UVC, by path, and video files or image sequences in their place. Start at `OpenCVCamera`.

Capture, newest-frame reading and reconnecting are those of `CapturingCamera`; OpenCV is met in `camera_opencv`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.camera import CameraDescription
from robot_drivers.camera_capture import CapturingCamera
from robot_drivers.camera_extrinsics import CameraExtrinsics
from robot_drivers.camera_lens import camera_matrix, turn_lens
from robot_drivers.camera_opencv import OpenCVSource
from robot_drivers.camera_settings import check_common
from robot_drivers.device_context import DeviceContext
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError

ASSUMED_FIELD_OF_VIEW = math.radians(60.0)  # across, of a camera that nobody calibrated


@dataclass(frozen=True, kw_only=True)
class OpenCVSettings:
    """One entry of `cameras` with `driver: opencv`.

    Attributes:
        path: /dev/v4l/by-id/... as `stage cameras` lists it; or a video file, or images as frames/%04d.png.
        width_px: Pixels, before turning.
        height_px: Pixels, before turning.
        rate_hz: Frames per second. A video file must have the same.
        fx: Focal length, pixels, at this size. All four, or `uncalibrated: true`.
        fy: Focal length, pixels.
        cx: Principal point, pixels.
        cy: Principal point, pixels.
        distortion: (5,) plumb-bob k1 k2 p1 p2 k3, as OpenCV has them.
        uncalibrated: True says that nobody measured the lens: a field of view of 60 degrees is assumed.
        fourcc: Pixel format that the device is asked for.
        exposure_s: A fixed exposure, s; None leaves it automatic.
        white_balance_k: A fixed white balance, kelvin; None leaves it automatic.
        autofocus: True lets the lens refocus, which changes its intrinsics.
        warm_up_s: Frames of the first seconds are dropped while automatic exposure settles, s.
        turn_deg: Turns the picture clockwise: 0, 90, 180 or 270.
        reconnect_s: How long a camera that went away is tried again, s.
        extrinsics: Written by `stage calibrate camera`.
    """

    path: str
    width_px: int
    height_px: int
    rate_hz: float
    fx: float | None = None
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    uncalibrated: bool = False
    fourcc: str = "MJPG"
    exposure_s: float | None = None
    white_balance_k: float | None = None
    autofocus: bool = False
    warm_up_s: float = 0.5
    turn_deg: int = 0
    reconnect_s: float = 60.0
    extrinsics: CameraExtrinsics | None = None

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigurationError("path is empty; expected /dev/v4l/by-id/... or a video file. List cameras with: stage cameras")
        check_common(self)
        lens = (self.fx, self.fy, self.cx, self.cy)
        if self.uncalibrated == (None not in lens) or (self.uncalibrated and any(value is not None for value in lens)):
            raise ConfigurationError(
                f"uncalibrated is {self.uncalibrated} with fx, fy, cx, cy = {lens}; expected all four numbers (pixels), or uncalibrated: true."
            )
        if not self.uncalibrated and not all(0.0 < value < 1e5 for value in lens):
            raise ConfigurationError(f"fx, fy, cx, cy are {lens}; expected pixels, > 0.")
        if len(self.fourcc) != 4:
            raise ConfigurationError(f"fourcc is {self.fourcc!r}; expected four letters such as MJPG or YUYV.")

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) pixels, before turning; assumed for an uncalibrated camera."""
        if self.uncalibrated:
            focal = 0.5 * self.width_px / math.tan(0.5 * ASSUMED_FIELD_OF_VIEW)
            return camera_matrix(focal, focal, 0.5 * (self.width_px - 1), 0.5 * (self.height_px - 1))
        return camera_matrix(self.fx, self.fy, self.cx, self.cy)


class OpenCVCamera(CapturingCamera):
    """A UVC camera, a video file that plays again and again at its rate, or a sequence of images."""

    def __init__(
        self,
        name: str,
        settings: OpenCVSettings,
        *,
        clock: Callable[[], float] = time.time,
        source: str = "camera",
        configure: bool = True,
        open_capture: Callable[[str], Any] | None = None,
    ) -> None:
        """Describe a camera; nothing is opened and OpenCV is not imported yet.

        Args:
            name: In topics and in the policy's contract.
            settings: As in the workcell file.
            clock: The workcell clock, s.
            source: Where the settings come from, for messages.
            configure: False leaves exposure, white balance and focus of the camera as they are.
            open_capture: Makes a `cv2.VideoCapture`, or what behaves like one, of a path; None: OpenCV does.
        """
        matrix, distortion, width, height = turn_lens(
            settings.matrix, np.array(settings.distortion), settings.width_px, settings.height_px, settings.turn_deg
        )
        description = CameraDescription(
            name=name,
            width=width,
            height=height,
            rate_hz=settings.rate_hz,
            optical_frame=f"camera_{name}_optical_frame",
            intrinsics=matrix,
            distortion=distortion,
        )
        frames = OpenCVSource(description, settings, clock=clock, where=source, configure=configure, open_capture=open_capture)
        super().__init__(description, frames, reconnect_s=settings.reconnect_s, device=settings.path)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> OpenCVCamera:
        """Return the camera of a workcell entry. Raises ConfigurationError for an unknown key or a wrong value."""
        checked = from_mapping(OpenCVSettings, settings, source=context.source, field="")
        return cls(context.name, checked, clock=context.clock, source=context.source, configure=not context.read_only)
