"""A camera that draws: a square where the tool is, a bar that moves with every frame. No hardware, hardly any CPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.camera import Camera, CameraDescription, CameraFrame
from robot_drivers.device_context import DeviceContext
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, DeadlineError, DeviceError

FIELD_M = 1.0  # the picture shows this much of the table, m
ELSEWHERE = np.array([0.37, 0.0, 0.2])  # where the picture shows the tool of an arm that lives in another process


@dataclass(frozen=True, kw_only=True)
class FakeCameraSettings:
    """One entry of `cameras`: size in pixels, frames per second (None: the control rate), and `extrinsics` as `camera_extrinsics` reads them."""

    width_px: int = 128
    height_px: int = 128
    rate_hz: float | None = None
    extrinsics: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for key in ("width_px", "height_px"):
            if not 16 <= getattr(self, key) <= 4096:
                raise ConfigurationError(f"{key} is {getattr(self, key)}; expected 16 to 4096 pixels.")
        if self.rate_hz is not None and not 0.1 <= self.rate_hz <= 240.0:
            raise ConfigurationError(f"rate_hz is {self.rate_hz} Hz; expected 0.1 to 240 Hz. Hertz, not a period?")


class FakeCamera(Camera):
    """Looks straight down on the table in front of the arm."""

    def __init__(
        self,
        name: str,
        *,
        width: int,
        height: int,
        rate_hz: float,
        tool_position: Callable[[], np.ndarray],
        clock: Callable[[], float] = time.time,
        frame_count: Callable[[], int] | None = None,
    ) -> None:
        """Describe a camera.

        Args:
            name: In topics and in the policy's contract.
            width: Pixels.
            height: Pixels.
            rate_hz: Frames per second.
            tool_position: Gives (3,) m of the tool centre in the arm base frame, for the picture.
            clock: The workcell clock, s.
            frame_count: The control step in a simulation, which then makes the frames; None: they come by time.
        """
        focal = width / FIELD_M  # as seen from 1 m above
        self._description = CameraDescription(
            name=name,
            width=width,
            height=height,
            rate_hz=rate_hz,
            optical_frame=f"camera_{name}_optical_frame",
            intrinsics=np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]]),
        )
        self._tool_position = tool_position
        self._clock = clock
        self._frame_count = frame_count
        self._gone = threading.Event()
        self._gone.set()
        self._last = -1
        self._background = self._draw_background()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> FakeCamera:
        """Return a camera whose picture shows the tool at a fixed place: in a dry run it stands for a real one.

        Raises:
            ConfigurationError: For an unknown key, a wrong value, or one of width_px, height_px and rate_hz missing.
        """
        for key in ("width_px", "height_px", "rate_hz"):
            if settings.get(key) is None:
                raise ConfigurationError(f"{context.source}.{key} is missing; it is required. Add it to the file.")
        checked = from_mapping(FakeCameraSettings, settings, source=context.source, field="")
        return cls(
            context.name,
            width=checked.width_px,
            height=checked.height_px,
            rate_hz=checked.rate_hz,
            tool_position=lambda: ELSEWHERE,
            clock=context.clock,
        )

    @property
    def description(self) -> CameraDescription:
        return self._description

    def connect(self) -> None:
        if self._gone.is_set():
            self._since = time.monotonic()
            self._last = -1
            self._gone.clear()

    def read(self, *, timeout: float = 0.5) -> CameraFrame:
        if self._gone.is_set():
            raise DeviceError(f'camera "{self._description.name}" is not connected; expected connect() before its use.')
        deadline = time.monotonic() + timeout
        while (number := self._available()) == self._last:
            wait = min(self._until_next(), deadline - time.monotonic())
            if wait <= 0.0:
                raise DeadlineError(
                    f'camera "{self._description.name}" has no new frame after {timeout:g} s. Wait for longer than its period.'
                )
            if self._gone.wait(wait):
                raise DeviceError(f'camera "{self._description.name}" was disconnected while a frame was waited for.')
        self._last = number
        return CameraFrame(stamp=self._clock(), sequence=number, image=self._draw(number))

    def disconnect(self) -> None:
        self._gone.set()

    def _available(self) -> int:
        """Return the number of the newest frame."""
        if self._frame_count is not None:
            return self._frame_count()
        return int((time.monotonic() - self._since) * self._description.rate_hz)

    def _until_next(self) -> float:
        if self._frame_count is not None:
            return 0.005  # a step of the simulation may come at any time
        return max(1e-4, self._since + (self._last + 1) / self._description.rate_hz - time.monotonic())

    def _draw_background(self) -> np.ndarray:
        height, width = self._description.height, self._description.width
        image = np.empty((height, width, 3), dtype=np.uint8)
        image[..., 0] = np.linspace(40, 90, height, dtype=np.uint8)[:, None]
        image[..., 1] = np.linspace(60, 120, width, dtype=np.uint8)[None, :]
        image[..., 2] = 70
        return image

    def _draw(self, number: int) -> np.ndarray:
        height, width = self._description.height, self._description.width
        image = self._background.copy()
        x, y, z = self._tool_position()
        # x of the base points up in the picture, y to the left; higher is larger
        row, column = int((0.8 - x / FIELD_M) * height), int((0.5 - y / FIELD_M) * width)
        half = max(2, int(0.03 * width * (1.0 + float(np.clip(z, 0.0, 1.0)))))
        top, left = max(0, row - half), max(0, column - half)
        image[top : max(0, row + half), left : max(0, column + half)] = (220, 90, 40)
        bar = number % width
        image[-max(2, height // 32) :, bar : bar + max(2, width // 32)] = (240, 240, 240)
        return image
