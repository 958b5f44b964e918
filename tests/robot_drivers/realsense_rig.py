"""A software RealSense behind the real librealsense: a device that streams colour and depth from a thread, with faults to inject."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from robot_drivers.camera_realsense_facts import load_realsense

SERIAL = "012345678901"
WIDTH, HEIGHT, RATE_HZ = 160, 120, 30
FOCAL, CENTER = 150.0, (80.0, 60.0)
DEPTH_M = 0.8
PICTURE = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)  # RGB: no two colours alike, no symmetry
PICTURE[:, : WIDTH // 2] = (220, 40, 10)
PICTURE[:, WIDTH // 2 :] = (10, 60, 200)
PICTURE[: HEIGHT // 3, : WIDTH // 4] = (30, 230, 90)

OPTIONS = {
    "enable_auto_exposure": (0.0, 1.0, 1.0, 1.0),
    "exposure": (1.0, 10000.0, 1.0, 166.0),
    "gain": (0.0, 128.0, 1.0, 64.0),
    "enable_auto_white_balance": (0.0, 1.0, 1.0, 1.0),
    "white_balance": (2800.0, 6500.0, 10.0, 4600.0),
}


def with_bar(picture: np.ndarray, number: int) -> np.ndarray:
    """Return the picture with a bar at the bottom whose place tells the frame's number, modulo 40."""
    picture, column = picture.copy(), 4 * (number % 40)
    picture[-6:] = 0
    picture[-6:, column : column + 4] = 255
    return picture


def number_of(image: np.ndarray) -> int:
    """Return the number, modulo 40, that the bar tells."""
    return int(image[-3, :, 0].astype(int).reshape(40, 4).sum(axis=1).argmax())


class RealSenseRig:
    """A context with software devices; `settings(serial)` is a workcell entry for one of them."""

    def __init__(self) -> None:
        self.library = load_realsense()
        self.context = self.library.context()
        self.kept: list[Any] = []  # a context forgets a software device unless somebody holds its arrival
        self.context.set_devices_changed_callback(self.kept.append)
        self.devices: dict[str, SoftwareCamera] = {}

    def plug_in(self, serial: str = SERIAL, **options: Any) -> SoftwareCamera:
        self.devices[serial] = SoftwareCamera(self, serial, **options)
        return self.devices[serial]

    def unplug_all(self) -> None:
        for device in self.devices.values():
            device.stop()
        self.devices.clear()
        self.kept.clear()

    def close(self) -> None:
        self.unplug_all()


class SoftwareCamera:
    """One software device and the thread that feeds it."""

    def __init__(self, rig: RealSenseRig, serial: str, *, usb: str = "3.2", domain: str = "global_time", offset_s: float = 0.0) -> None:
        library = self.library = rig.library
        self.device = library.software_device()
        facts = {"serial_number": serial, "name": "Software RealSense", "firmware_version": "5.16.0.1", "usb_type_descriptor": usb}
        for key, value in facts.items():
            self.device.register_info(getattr(library.camera_info, key), value)
        self.color, self.depth = self.device.add_sensor("RGB Camera"), self.device.add_sensor("Stereo Module")
        self.color_profile = self.color.add_video_stream(self._stream(library.stream.color, 1, library.format.rgb8, 3), True)
        self.depth_profile = self.depth.add_video_stream(self._stream(library.stream.depth, 2, library.format.z16, 2), True)
        self.depth.add_read_only_option(library.option.depth_units, 0.001)
        for name, (low, high, step, default) in OPTIONS.items():
            limits = library.option_range()
            limits.min, limits.max, limits.step, limits.default = low, high, step, default
            self.color.add_option(getattr(library.option, name), limits, True)
        same = library.extrinsics()
        same.rotation, same.translation = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
        self.depth_profile.register_extrinsics_to(self.color_profile, same)
        self.color_profile.register_extrinsics_to(self.depth_profile, same)
        self.domain, self.offset_s, self.picture = getattr(library.timestamp_domain, domain), offset_s, PICTURE
        self.captured: dict[int, float] = {}  # frame number -> time.time() at its capture
        self.silent = threading.Event()
        self._stop = threading.Event()
        self.device.add_to(rig.context)
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def option(self, name: str) -> float:
        return self.color.get_option(getattr(self.library.option, name))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)

    def _stream(self, kind: Any, uid: int, form: Any, bytes_per_pixel: int) -> Any:
        stream, lens = self.library.video_stream(), self.library.intrinsics()
        lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = WIDTH, HEIGHT, FOCAL, FOCAL, *CENTER
        lens.model, lens.coeffs = self.library.distortion.inverse_brown_conrady, [0.0] * 5
        stream.type, stream.index, stream.uid, stream.fmt, stream.intrinsics = kind, 0, uid, form, lens
        stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, RATE_HZ, bytes_per_pixel
        return stream

    def _feed(self) -> None:
        depth = np.full((HEIGHT, WIDTH), round(DEPTH_M * 1000), dtype=np.uint16)
        depth[:10] = 0  # unknown
        number, due = 0, time.monotonic()
        metadata = self.library.frame_metadata_value
        while not self._stop.is_set():
            number, due = number + 1, due + 1.0 / RATE_HZ
            if not self.silent.is_set():
                now = time.time()
                self.captured[number] = now
                self.color.set_metadata(metadata.actual_exposure, 8300)
                self.color.set_metadata(metadata.gain_level, 80)
                self.color.set_metadata(metadata.white_balance, 5000)
                for sensor, profile, pixels, size in (
                    (self.color, self.color_profile, with_bar(self.picture, number), 3),
                    (self.depth, self.depth_profile, depth, 2),
                ):
                    frame = self.library.software_video_frame()
                    frame.pixels, frame.stride, frame.bpp, frame.frame_number = pixels, WIDTH * size, size, number
                    frame.timestamp, frame.domain = 1000.0 * (now + self.offset_s), self.domain
                    frame.profile = profile.as_video_stream_profile()
                    if size == 2:
                        frame.depth_units = 0.001
                    sensor.on_video_frame(frame)
            self._stop.wait(max(0.0, due - time.monotonic()))
