"""Which cameras are connected, what they see, and what a workcell file says of them. Start at `find_cameras`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robot_drivers.camera import CameraDescription, CameraFrame
from robot_drivers.camera_opencv import load_opencv, probe_mode
from robot_drivers.camera_realsense_facts import color_modes, find_devices, information, load_realsense
from robot_drivers.camera_v4l import VideoDevice, find_video_devices
from robot_drivers.opencv_camera import OpenCVCamera, OpenCVSettings
from robot_drivers.realsense_camera import RealSenseCamera, RealSenseSettings
from stage_core.errors import DeviceError, MissingDependencyError

WANTED = (640, 480, 30)  # enough for every policy here, and in every camera's list


@dataclass(frozen=True, kw_only=True)
class FoundCamera:
    """One connected camera.

    Attributes:
        driver: As a workcell file names it: realsense or opencv.
        device: Serial number or path, as the workcell file wants it.
        name: Model, as the device tells it.
        firmware: Version, empty where there is none.
        usb: USB version of its link, empty where it is not told.
        modes: (width, height, frames per second) in colour; empty where they are asked for at opening.
        formats: Four-letter codes of pixel formats, for a UVC camera.
    """

    driver: str
    device: str
    name: str
    firmware: str = ""
    usb: str = ""
    modes: tuple[tuple[int, int, int], ...] = ()
    formats: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What the user should know of it, empty where all is well."""
        return f"on USB {self.usb}: use a USB 3 port and cable" if self.usb.startswith("2") else ""


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """Cameras in the order of their serial numbers and paths, and what could not be looked for."""

    cameras: tuple[FoundCamera, ...]
    problems: tuple[str, ...]


def find_cameras(context: Any = None, video_devices: list[VideoDevice] | None = None) -> Discovery:
    """Return every RealSense and UVC camera of this computer; a missing package is a problem in the answer, not an error.

    Args:
        context: A `pyrealsense2.context` to look in; None: this computer's.
        video_devices: The UVC cameras; None: this computer's.
    """
    cameras, problems = [], []
    try:
        library = load_realsense()
        for serial, device in find_devices(library, context or library.context()).items():
            cameras.append(
                FoundCamera(
                    driver="realsense",
                    device=serial,
                    name=information(library, device, "name"),
                    firmware=information(library, device, "firmware_version"),
                    usb=information(library, device, "usb_type_descriptor"),
                    modes=tuple(color_modes(library, device)),
                )
            )
    except MissingDependencyError as error:
        problems.append(str(error))
    except RuntimeError as error:  # librealsense without access to the USB devices
        problems.append(f"librealsense cannot look for devices: {error}. Install its udev rules: docs/cameras.md")
    for device in find_video_devices() if video_devices is None else video_devices:
        cameras.append(FoundCamera(driver="opencv", device=device.path, name=device.name, formats=device.formats))
    return Discovery(cameras=tuple(cameras), problems=tuple(problems))


def choose_mode(modes: tuple[tuple[int, int, int], ...]) -> tuple[int, int, int]:
    """Return the mode nearest to WANTED: the size first, then the rate.

    Raises:
        DeviceError: If there is none.
    """
    if not modes:
        raise DeviceError("the camera offers no colour stream; expected one. Use another camera.")
    return min(modes, key=lambda mode: (abs(mode[0] - WANTED[0]) + abs(mode[1] - WANTED[1]), abs(mode[2] - WANTED[2])))


def workcell_entry(found: FoundCamera, *, depth: bool = False) -> dict[str, Any]:
    """Return what a workcell file says of a camera. A UVC camera is opened for a moment to ask its size.

    Raises:
        DeviceError: If the camera cannot be opened.
    """
    if found.driver == "realsense":
        width, height, rate = choose_mode(found.modes)
        return {"driver": "realsense", "serial": found.device, "width_px": width, "height_px": height, "rate_hz": rate, "depth": depth}
    width, height, rate = probe_mode(found.device, WANTED)
    entry = {"driver": "opencv", "path": found.device, "width_px": width, "height_px": height, "rate_hz": rate}
    return {**entry, "uncalibrated": True}  # a UVC camera does not tell its lens


def take_picture(found: FoundCamera, *, context: Any = None, warm_up_s: float = 1.0) -> tuple[CameraDescription, CameraFrame]:
    """Open a camera, let its exposure settle, and return what it is and one frame.

    Raises:
        DeviceError, DeadlineError or ConfigurationError: In words, if it gives none.
    """
    entry = {key: value for key, value in workcell_entry(found).items() if key != "driver"}
    if found.driver == "realsense":
        settings = replace(RealSenseSettings(**entry), warm_up_s=warm_up_s)
        camera = RealSenseCamera("thumbnail", settings, source=f"RealSense {found.device}", configure=False, context=context)
    else:
        settings = replace(OpenCVSettings(**entry), warm_up_s=warm_up_s)
        camera = OpenCVCamera("thumbnail", settings, source=found.name, configure=False)
    camera.connect()
    try:
        return camera.description, camera.read(timeout=2.0)
    finally:
        camera.disconnect()


def encode_png(image: np.ndarray, *, width: int = 320) -> bytes:
    """Return a PNG of (H, W, 3) uint8 RGB, made smaller to `width` pixels."""
    library = load_opencv()
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    if width < image.shape[1]:
        image = library.resize(image, (width, height), interpolation=library.INTER_AREA)
    return library.imencode(".png", library.cvtColor(image, library.COLOR_RGB2BGR))[1].tobytes()
