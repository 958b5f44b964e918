"""The border to OpenCV's VideoCapture: BGR becomes RGB, and the driver's time stamps become workcell time.

The drivers' only file that imports cv2. Start at `OpenCVSource`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_drivers.camera import CameraDescription
from robot_drivers.camera_capture import FrameSource, RawFrame
from robot_drivers.camera_clock import ClockMapping
from robot_drivers.camera_lens import turn_image
from robot_drivers.camera_v4l import find_video_devices
from stage_core.errors import ConfigurationError, DeviceError, MissingDependencyError

if TYPE_CHECKING:
    from robot_drivers.opencv_camera import OpenCVSettings

logger = logging.getLogger(__name__)

FIRST_FRAME_S = 5.0
RATE_TOLERANCE = 0.02
V4L_EXPOSURE_UNIT_S = 1e-4  # V4L2_CID_EXPOSURE_ABSOLUTE
V4L_MANUAL, V4L_AUTOMATIC = 1, 3  # V4L2_EXPOSURE_MANUAL, V4L2_EXPOSURE_APERTURE_PRIORITY


def load_opencv() -> Any:
    """Return the module cv2.

    Raises:
        MissingDependencyError: Naming what to install.
    """
    # Without this a V4L2 device that went silent holds `grab` for 10 s; OpenCV reads the variable when it opens a device.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            f"OpenCV cannot be imported ({error}); expected it for a UVC camera. Run: pip install 'stage-robotics[cameras]'"
        ) from None
    return cv2


def is_device(path: str) -> bool:
    """Return True for a path of a device, False for a file or a pattern of images."""
    return path.startswith("/dev/")


def probe_mode(path: str, wanted: tuple[int, int, int]) -> tuple[int, int, float]:
    """Return the width, height and frames per second that a device or file gives when it is asked for `wanted`.

    Raises:
        DeviceError: If it cannot be opened.
    """
    library = load_opencv()
    capture = library.VideoCapture(path, library.CAP_V4L2 if is_device(path) else library.CAP_ANY)
    try:
        if not capture.isOpened():
            raise DeviceError(f"{path} cannot be opened. Is another program using it? Try: fuser -v {path}")
        if is_device(path):
            capture.set(library.CAP_PROP_FOURCC, library.VideoWriter_fourcc(*"MJPG"))
            for key, value in zip((library.CAP_PROP_FRAME_WIDTH, library.CAP_PROP_FRAME_HEIGHT, library.CAP_PROP_FPS), wanted, strict=True):
                capture.set(key, value)
        size = int(capture.get(library.CAP_PROP_FRAME_WIDTH)), int(capture.get(library.CAP_PROP_FRAME_HEIGHT))
        return (*size, float(capture.get(library.CAP_PROP_FPS)) or float(wanted[2]))
    finally:
        capture.release()


class OpenCVSource(FrameSource):
    """Frames of a UVC device, or of a file that plays at its rate and begins anew at its end."""

    def __init__(
        self,
        description: CameraDescription,
        settings: OpenCVSettings,
        *,
        clock: Callable[[], float],
        where: str,
        configure: bool,
        open_capture: Callable[[str], Any] | None,
    ) -> None:
        """Prepare; see `OpenCVCamera` for the arguments."""
        self._description, self._settings = description, settings
        self._clock, self._where, self._configure = clock, where, configure
        self._open_capture = open_capture or self._open_with_opencv
        self._injected = open_capture is not None
        self._device = is_device(settings.path)
        self._mapping = ClockMapping()
        self._capture: Any = None
        self._last_position = -1.0

    def open(self) -> CameraDescription:
        self._library = load_opencv()
        settings = self._settings
        self._check_path()
        self._capture = self._open_capture(settings.path)
        if not self._capture.isOpened():
            self.close()
            raise DeviceError(
                f"{self._where}: {settings.path} cannot be opened. Is another program using it? Try: fuser -v {settings.path}"
            )
        if self._device:
            self._configure_device()
        self._check_size_and_rate()
        self._due = time.monotonic()
        self._warm_up()
        if settings.uncalibrated:
            logger.warning(
                "%s: the lens of %s is not calibrated; a field of view of 60 degrees is assumed. Measure it: docs/cameras.md",
                self._where,
                settings.path,
            )
        return self._description

    def next_frame(self, timeout: float) -> RawFrame | None:
        if not self._device and not self._wait_until_due(timeout):
            return None
        if not self._capture.grab():
            if self._device:
                fault = self.find_fault()
                if fault:
                    raise DeviceError(fault)
                time.sleep(min(timeout, 0.02))  # a dead device answers at once, and must not take a whole core
                return None
            self._begin_anew()
        stamp = self._stamp()
        came, image = self._capture.retrieve()
        if not came or image is None:
            return None
        self._check_image(image)
        image = self._library.cvtColor(image, self._library.COLOR_BGR2RGB)  # a new array: the capture reuses its own
        return RawFrame(stamp=stamp, number=None, image=turn_image(image, self._settings.turn_deg), exposure=self._settings.exposure_s)

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def find_fault(self) -> str:
        path = self._settings.path
        return f"there is no device {path} any more" if self._device and not self._injected and not Path(path).exists() else ""

    def _open_with_opencv(self, path: str) -> Any:
        library = self._library
        return library.VideoCapture(path, library.CAP_V4L2 if self._device else library.CAP_ANY)

    def _check_path(self) -> None:
        path = self._settings.path
        if self._injected:
            return
        if self._device and not Path(path).exists():
            others = ", ".join(f"{device.path} ({device.name})" for device in find_video_devices())
            raise DeviceError(
                f"{self._where}: there is no device {path}. {f'Connected: {others}.' if others else 'No UVC camera is connected.'}"
            )
        if not self._device and "%" not in path and not Path(path).is_file():
            raise ConfigurationError(
                f"{self._where}: path is {path}, which does not exist; expected a device, a video or images (%04d.png)."
            )
        if self._device and "/by-" not in path:
            logger.warning("%s: %s may be another camera after a restart. Use its path in /dev/v4l/by-id: stage cameras", self._where, path)

    def _configure_device(self) -> None:
        library, settings, capture = self._library, self._settings, self._capture
        capture.set(library.CAP_PROP_FOURCC, library.VideoWriter_fourcc(*settings.fourcc))  # first: the sizes depend on it
        capture.set(library.CAP_PROP_FRAME_WIDTH, settings.width_px)
        capture.set(library.CAP_PROP_FRAME_HEIGHT, settings.height_px)
        capture.set(library.CAP_PROP_FPS, settings.rate_hz)
        capture.set(library.CAP_PROP_BUFFERSIZE, 1)  # an older frame is of no use
        got = int(capture.get(library.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("ascii", errors="replace")
        if got.strip("\0") and got != settings.fourcc:
            logger.warning("%s: %s sends %s; fourcc is %s. Its rate may be lower.", self._where, settings.path, got, settings.fourcc)
        if not self._configure:
            return
        capture.set(library.CAP_PROP_AUTOFOCUS, float(settings.autofocus))
        capture.set(library.CAP_PROP_AUTO_EXPOSURE, V4L_AUTOMATIC if settings.exposure_s is None else V4L_MANUAL)
        self._fix(library.CAP_PROP_EXPOSURE, settings.exposure_s, "exposure_s", V4L_EXPOSURE_UNIT_S)
        capture.set(library.CAP_PROP_AUTO_WB, float(settings.white_balance_k is None))
        self._fix(library.CAP_PROP_WB_TEMPERATURE, settings.white_balance_k, "white_balance_k", 1.0)

    def _fix(self, key: int, value: float | None, field: str, unit: float) -> None:
        """Set a fixed value, where there is one, and refuse a device that does not take it."""
        if value is not None and not self._capture.set(key, value / unit):
            raise ConfigurationError(
                f"{self._where}: {field} is {value:g}, but {self._settings.path} does not take it. Change it or take it out."
            )

    def _check_size_and_rate(self) -> None:
        library, settings, capture = self._library, self._settings, self._capture
        found = (int(capture.get(library.CAP_PROP_FRAME_WIDTH)), int(capture.get(library.CAP_PROP_FRAME_HEIGHT)))
        asked = (settings.width_px, settings.height_px)
        if found != asked:
            raise ConfigurationError(
                f"{self._where}: {settings.path} gives {found[0]} x {found[1]}; width_px and height_px are {asked[0]} x {asked[1]}. Write a size that it has."
            )
        rate = float(capture.get(library.CAP_PROP_FPS))
        sequence = not self._device and "%" in settings.path  # images have no rate of their own
        if rate > 0.0 and not sequence and abs(rate / settings.rate_hz - 1.0) > RATE_TOLERANCE:
            raise ConfigurationError(
                f"{self._where}: {settings.path} gives {rate:g} frames per second; rate_hz is {settings.rate_hz:g}. Write a rate that it has."
            )

    def _check_image(self, image: np.ndarray) -> None:
        expected = (self._settings.height_px, self._settings.width_px, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise DeviceError(f"{self._settings.path} gave a picture of {image.shape} {image.dtype}; expected {expected} uint8")

    def _warm_up(self) -> None:
        """Wait for the first frame of a device, then let its exposure settle."""
        if not self._device:
            return
        deadline = time.monotonic() + FIRST_FRAME_S
        while self.next_frame(0.5) is None:
            if time.monotonic() > deadline:
                raise DeviceError(
                    f"{self._where}: {self._settings.path} sent no frame within {FIRST_FRAME_S:g} s. Is it one of several cameras on one USB hub?"
                )
        deadline = time.monotonic() + self._settings.warm_up_s
        while time.monotonic() < deadline:
            self.next_frame(0.5)

    def _wait_until_due(self, timeout: float) -> bool:
        """Wait for the moment of a file's next frame; return False if it is further away than `timeout` seconds."""
        now = time.monotonic()
        if self._due - now > timeout:
            time.sleep(timeout)
            return False
        time.sleep(max(0.0, self._due - now))
        # Frames that were missed are not made up for: the file goes on from now.
        self._due = max(self._due, now - 1.0 / self._settings.rate_hz) + 1.0 / self._settings.rate_hz
        return True

    def _begin_anew(self) -> None:
        self.close()
        self._capture = self._open_capture(self._settings.path)
        if not self._capture.grab():
            raise DeviceError(f"{self._settings.path} holds no frame that can be read. Is it whole?")

    def _stamp(self) -> float:
        arrival, now = self._clock(), time.monotonic()
        if not self._device:
            return self._mapping.arrived(arrival)
        position = float(self._capture.get(self._library.CAP_PROP_POS_MSEC)) / 1000.0
        if position <= 0.0 or position == self._last_position:  # this driver stamps nothing
            return self._mapping.arrived(arrival)
        self._last_position = position
        return self._mapping.known(position, arrival, now)  # V4L2 stamps by the steady clock
