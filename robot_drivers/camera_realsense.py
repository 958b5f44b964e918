"""The border to librealsense: devices become descriptions, frame sets become RGB images, metres and workcell time.

Start at `RealSenseSource`. What a device says of itself is read in `camera_realsense_facts`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_drivers.camera import CameraDescription
from robot_drivers.camera_capture import FrameSource, RawFrame
from robot_drivers.camera_clock import ClockMapping
from robot_drivers.camera_exposure import apply_fixed, lock
from robot_drivers.camera_lens import camera_matrix, turn_image, turn_lens
from robot_drivers.camera_realsense_facts import color_modes, find_devices, information, load_realsense, plumb_bob
from stage_core.errors import ConfigurationError, DeviceError

if TYPE_CHECKING:
    from robot_drivers.realsense_camera import RealSenseSettings

logger = logging.getLogger(__name__)

FIRST_FRAME_S = 5.0  # a camera on a slow hub needs a second or two
MICROSECOND = 1e-6


class RealSenseSource(FrameSource):
    """Frames of one RealSense camera, or of a recording."""

    def __init__(
        self,
        description: CameraDescription,
        settings: RealSenseSettings,
        *,
        clock: Callable[[], float],
        where: str,
        configure: bool,
        context: Any,
    ) -> None:
        """Prepare; see `RealSenseCamera` for the arguments."""
        self._description, self._settings = description, settings
        self._clock, self._where, self._configure, self._context = clock, where, configure, context
        self._mapping = ClockMapping()
        self._pipeline: Any = None
        self._device: Any = None

    def open(self) -> CameraDescription:
        self._library = library = load_realsense()
        if self._context is None:
            self._context = library.context()
        settings = self._settings
        configuration = library.config()
        if settings.file:
            if not Path(settings.file).is_file():
                raise ConfigurationError(f"{self._where}: file is {settings.file}, which does not exist; expected a recording (.db3).")
            configuration.enable_device_from_file(settings.file, True)
        else:
            self._device = self._find_device()
            configuration.enable_device(settings.serial)
            size = (settings.width_px, settings.height_px)
            configuration.enable_stream(library.stream.color, *size, library.format.rgb8, round(settings.rate_hz))
            if settings.depth:
                # Its own resolution is the camera's choice: it is aligned to the colour image in any case.
                configuration.enable_stream(library.stream.depth, library.format.z16, round(settings.rate_hz))
        self._pipeline = library.pipeline(self._context)
        try:
            profile = self._pipeline.start(configuration)
        except RuntimeError as error:
            self._pipeline = None
            raise self._start_error(str(error)) from None
        found = self._describe(profile)
        self._align = library.align(library.stream.color) if settings.depth else None
        self._last_number = -1
        self._warm_up(self._color_sensor(profile))
        return found

    def next_frame(self, timeout: float) -> RawFrame | None:
        frames = self._wait(timeout)
        if frames is None:
            return None
        color = frames.get_color_frame()
        stamp = self._stamp(color)
        depth = None
        if self._align is not None:
            depth_frame = self._align.process(frames).get_depth_frame()
            raw = np.asanyarray(depth_frame.get_data())
            depth = raw.astype(np.float32) * np.float32(depth_frame.get_units())
            depth[raw == 0] = np.nan
            depth = turn_image(depth, self._settings.turn_deg)
        image = np.asanyarray(color.get_data())
        image = image.copy() if self._settings.turn_deg == 0 else turn_image(image, self._settings.turn_deg)  # the SDK reuses its buffer
        exposure = self.metadata(color, "actual_exposure")
        return RawFrame(
            stamp=stamp,
            number=color.get_frame_number(),
            image=image,
            depth=depth,
            exposure=None if exposure is None else exposure * MICROSECOND,
        )

    def close(self) -> None:
        pipeline, self._pipeline, self._device = self._pipeline, None, None
        if pipeline is not None:
            try:
                pipeline.stop()
            except RuntimeError as error:
                logger.debug("stopping a pipeline: %s", error)

    def find_fault(self) -> str:
        settings = self._settings
        if not settings.file and settings.serial not in find_devices(self._library, self._context):
            return f"there is no RealSense with serial {settings.serial} on this computer any more"
        return ""

    def metadata(self, frame: Any, key: str) -> int | None:
        """Return a frame's metadata, None where this camera or kernel gives none."""
        value = getattr(self._library.frame_metadata_value, key)
        return frame.get_frame_metadata(value) if frame.supports_frame_metadata(value) else None

    def _wait(self, timeout: float) -> Any:
        """Return the next frame set with a new colour image (and depth where asked for), None if there is none in time."""
        deadline = time.monotonic() + timeout
        while (remaining := deadline - time.monotonic()) > 0.0:
            try:
                came, frames = self._pipeline.try_wait_for_frames(max(1, int(1000 * remaining)))
            except RuntimeError as error:
                raise DeviceError(self.find_fault() or f"librealsense says: {error}") from None
            if not came:
                return None
            color = frames.get_color_frame()
            # The SDK pairs one colour image with several depth images; only a new colour image is a new frame.
            if color and color.get_frame_number() != self._last_number and (self._align is None or frames.get_depth_frame()):
                self._last_number = color.get_frame_number()
                return frames
        return None

    def _stamp(self, color: Any) -> float:
        arrival, now, device_s = self._clock(), time.time(), color.get_timestamp() / 1000.0
        if color.get_frame_timestamp_domain() == self._library.timestamp_domain.hardware_clock:
            return self._mapping.measured(device_s, arrival)
        return self._mapping.known(device_s, arrival, now)

    def _find_device(self) -> Any:
        devices = find_devices(self._library, self._context)
        words = ", ".join(f"{serial} ({information(self._library, device, 'name')})" for serial, device in devices.items())
        found = f"Connected: {words}." if words else "No RealSense is connected: check the USB 3 cable, then run: stage cameras"
        serial = self._settings.serial
        if not serial:
            raise ConfigurationError(f"{self._where}: serial is empty; expected the serial number of a RealSense. {found}")
        if serial not in devices:
            raise DeviceError(f"{self._where}: there is no RealSense with serial {serial}. {found}")
        usb = information(self._library, devices[serial], "usb_type_descriptor")
        if usb.startswith("2"):
            logger.warning(
                "%s: RealSense %s is on USB %s; expected USB 3. Rates are low and frames are lost: use a USB 3 port and cable.",
                self._where,
                serial,
                usb,
            )
        return devices[serial]

    def _start_error(self, words: str) -> DeviceError:
        """Return why the pipeline did not start, in words."""
        settings, library = self._settings, self._library
        if settings.file:
            return DeviceError(
                f"{self._where}: {settings.file} cannot be played: {words}. Was it recorded by this version of librealsense?"
            )
        if "resolve" in words:
            listed = ", ".join(f"{width} x {height} at {rate} Hz" for width, height, rate in color_modes(library, self._device))
            asked = f"{settings.width_px} x {settings.height_px} at {settings.rate_hz:g} Hz{' with depth' if settings.depth else ''}"
            return DeviceError(
                f"{self._where}: RealSense {settings.serial} does not offer {asked}. It offers in colour: {listed or 'nothing'}."
            )
        return DeviceError(f"{self._where}: RealSense {settings.serial} did not start: {words}. Is another program using it?")

    def _describe(self, profile: Any) -> CameraDescription:
        """Return the description with the facts of the colour stream that runs."""
        library, settings = self._library, self._settings
        kinds = {stream.stream_type(): stream for stream in profile.get_streams()}
        missing = [kind.name for kind in (library.stream.color, library.stream.depth)[: 1 + settings.depth] if kind not in kinds]
        if missing:
            raise DeviceError(f"{self._where}: {settings.file or settings.serial} has no {' and no '.join(missing)} stream; expected one.")
        stream = kinds[library.stream.color].as_video_stream_profile()
        lens = stream.get_intrinsics()
        if (lens.width, lens.height) != (settings.width_px, settings.height_px):
            raise ConfigurationError(
                f"{self._where}: the picture is {lens.width} x {lens.height}; width_px and height_px are {settings.width_px} x {settings.height_px}."
            )
        if stream.format() != library.format.rgb8:
            raise DeviceError(f"{self._where}: the colour stream is {stream.format().name}; expected rgb8. Record it so.")
        matrix = camera_matrix(lens.fx, lens.fy, lens.ppx, lens.ppy)
        distortion = plumb_bob(library, lens, matrix, where=self._where)
        matrix, distortion, width, height = turn_lens(matrix, distortion, lens.width, lens.height, settings.turn_deg)
        return replace(self._description, width=width, height=height, intrinsics=matrix, distortion=distortion, rate_hz=float(stream.fps()))

    def _color_sensor(self, profile: Any) -> Any:
        """Return the sensor that makes the colour stream (the stereo module itself on a D405), None in a recording."""
        if self._settings.file:
            return None
        for sensor in profile.get_device().query_sensors():
            if any(stream.stream_type() == self._library.stream.color for stream in sensor.get_stream_profiles()):
                return sensor
        return None

    def _warm_up(self, sensor: Any) -> None:
        """Wait for the first frame, let the exposure settle, then hold it where that is asked for."""
        library, settings = self._library, self._settings
        first = self._wait(FIRST_FRAME_S)
        if first is None:
            device = settings.file or f"RealSense {settings.serial}"
            raise DeviceError(f"{self._where}: {device} sent no frame within {FIRST_FRAME_S:g} s of its start. Use a USB 3 port and cable.")
        if settings.file or sensor is None:
            return
        if self._configure:
            if sensor.supports(library.option.global_time_enabled):
                sensor.set_option(library.option.global_time_enabled, 1.0)
            apply_fixed(library, sensor, settings.exposure_s, settings.white_balance_k, where=self._where)
        deadline, newest = time.monotonic() + settings.warm_up_s, first
        while time.monotonic() < deadline:
            newest = self._wait(min(0.5, max(0.001, deadline - time.monotonic()))) or newest
        if settings.lock_exposure and self._configure:
            color = newest.get_color_frame()
            keys = ("actual_exposure", "gain_level", "white_balance")
            before = float(np.asanyarray(color.get_data()).mean())
            lock(library, sensor, {key: self.metadata(color, key) for key in keys}, settings, where=self._where)
            self._compare_brightness(before)

    def _compare_brightness(self, before: float) -> None:
        """Warn where locking changed the picture: some colour sensors do not tell the exposure that they chose."""
        after = before
        for _ in range(8):  # a new exposure shows after up to six frames
            frames = self._wait(1.0)
            after = after if frames is None else float(np.asanyarray(frames.get_color_frame().get_data()).mean())
        if abs(after - before) > 0.15 * max(before, 1.0):
            logger.warning(
                "%s: locking the exposure changed the mean brightness from %.0f to %.0f of 255. Set exposure_s and white_balance_k instead.",
                self._where,
                before,
                after,
            )
