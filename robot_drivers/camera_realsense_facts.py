"""What librealsense and its devices say of themselves: serial numbers, colour modes, lenses.

The only file that imports pyrealsense2. Start at `find_devices`.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from robot_drivers.camera_lens import plumb_bob_from_inverse
from stage_core.errors import DeviceError, MissingDependencyError

logger = logging.getLogger(__name__)


def load_realsense() -> Any:
    """Return the module pyrealsense2.

    Raises:
        MissingDependencyError: Naming what to install.
    """
    try:
        import pyrealsense2
    except ImportError as error:
        if "libusb" in str(error):
            raise MissingDependencyError(
                "pyrealsense2 cannot load libusb-1.0; expected it on this computer. Run: sudo apt install libusb-1.0-0"
            ) from None
        raise MissingDependencyError(
            "pyrealsense2 is not installed; expected it for a RealSense camera. Run: pip install 'stage-robotics[cameras]'"
        ) from None
    return pyrealsense2


def information(library: Any, device: Any, key: str) -> str:
    """Return what a device says of itself (`name`, `serial_number`, `firmware_version`, `usb_type_descriptor`), empty where it does not."""
    field = getattr(library.camera_info, key)
    return str(device.get_info(field)) if device.supports(field) else ""


def find_devices(library: Any, context: Any) -> dict[str, Any]:
    """Return serial number -> device of everything that is connected, sorted: librealsense lists in the order of arrival."""
    found = {information(library, device, "serial_number"): device for device in context.query_devices()}
    return {serial: found[serial] for serial in sorted(found) if serial}


def color_modes(library: Any, device: Any) -> list[tuple[int, int, int]]:
    """Return (width, height, frames per second) of every colour mode of a device, sorted."""
    modes = set()
    for sensor in device.query_sensors():
        for profile in sensor.get_stream_profiles():
            if profile.stream_type() == library.stream.color:
                video = profile.as_video_stream_profile()
                modes.add((video.width(), video.height(), profile.fps()))
    return sorted(modes)


def plumb_bob(library: Any, lens: Any, matrix: np.ndarray, *, where: str) -> np.ndarray:
    """Return (5,) plumb-bob coefficients k1 k2 p1 p2 k3 of a stream's lens.

    Args:
        library: The module pyrealsense2.
        lens: Its `intrinsics`.
        matrix: (3, 3) pixels, of the same lens.
        where: For messages.

    Raises:
        DeviceError: If the lens is of a kind that plumb-bob does not describe.
    """
    models, coefficients = library.distortion, np.array(lens.coeffs, dtype=np.float64)
    if lens.model == models.none or not coefficients.any():
        return np.zeros(5)
    if lens.model == models.brown_conrady:
        return coefficients
    if lens.model == models.inverse_brown_conrady:
        found, left = plumb_bob_from_inverse(coefficients, matrix, lens.width, lens.height)
        if left > 0.5:
            logger.warning("%s: plumb-bob describes the lens to %.1f pixels only. Calibrate it: docs/cameras.md", where, left)
        return found
    raise DeviceError(f"{where}: the lens is of model {lens.model.name}; expected brown_conrady. Use another stream or camera.")
