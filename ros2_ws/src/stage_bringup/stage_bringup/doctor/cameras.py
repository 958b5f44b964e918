"""The cameras of this PC: which are there, at what USB speed, and whether this user may open them. Start at `check_cameras`.

RealSense cameras are asked through librealsense, in a process of its own because a broken USB stack can hang it; without it, and for all
others, /sys tells. A camera that is held by a running graph is still listed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stage_bringup.doctor.finding import Finding, failed, good, noted

USB_DEVICES = Path("/sys/bus/usb/devices")
DEVICE_FILES = Path("/dev")
INTEL_VENDOR = "8086"
VIDEO_CLASS = "0e"
USB3_SPEED_MBIT_S = 5000
LIST_REALSENSE = """
import json
from robot_drivers.camera_realsense_facts import find_devices, information, load_realsense
library = load_realsense()
devices = find_devices(library, library.context())
print(json.dumps([[information(library, device, "name"), serial, information(library, device, "usb_type_descriptor")]
                  for serial, device in devices.items()]))
"""
USB3_REMEDY = "plug it into a USB 3 socket (blue or marked SS) with a USB 3 cable of at most 2 m, straight into the PC, not into a hub"
ACCESS_REMEDY = (
    "install librealsense's udev rules (99-realsense-libusb.rules), then: sudo udevadm control --reload && sudo udevadm trigger;"
    " for other cameras: sudo usermod -aG video $USER, log out and in; container: mount /dev and allow its devices (docs/containers.md)"
)


@dataclass(frozen=True, kw_only=True)
class UsbCamera:
    """A device on the USB bus with a video function.

    Attributes:
        name: As the device calls itself.
        serial: "" where it has none.
        vendor: Four hexadecimal digits.
        speed_mbit_s: At which it is connected now: 480 is USB 2, 5000 and more USB 3.
        files: Device files through which it is opened.
    """

    name: str
    serial: str
    vendor: str
    speed_mbit_s: int
    files: tuple[Path, ...]

    @property
    def is_realsense(self) -> bool:
        """True for a camera that librealsense drives."""
        return self.vendor == INTEL_VENDOR and "realsense" in self.name.lower()


def find_usb_cameras(devices: Path = USB_DEVICES, files: Path = DEVICE_FILES) -> list[UsbCamera]:
    """Return every USB device with a video interface.

    Args:
        devices: As /sys/bus/usb/devices.
        files: As /dev.
    """
    cameras = []
    for device in sorted(devices.glob("[0-9]*-*")) if devices.is_dir() else []:
        interfaces = sorted(device.glob(f"{device.name}:*"))
        if ":" in device.name or not any(_text(interface / "bInterfaceClass") == VIDEO_CLASS for interface in interfaces):
            continue
        bus, number = _text(device / "busnum"), _text(device / "devnum")
        nodes = [files / "bus/usb" / bus.zfill(3) / number.zfill(3)] if bus and number else []
        nodes += [files / video.name for interface in interfaces for video in sorted(interface.glob("video4linux/video*"))]
        speed = _text(device / "speed")
        cameras.append(
            UsbCamera(
                name=_text(device / "product") or device.name,
                serial=_text(device / "serial"),
                vendor=_text(device / "idVendor"),
                speed_mbit_s=int(float(speed)) if speed else 0,
                files=tuple(nodes),
            )
        )
    return cameras


def list_realsense(timeout_s: float = 20.0) -> list[tuple[str, str, str]] | None:
    """Return (name, serial, USB type such as "3.2") of every RealSense camera, None where librealsense cannot be asked."""
    try:
        done = subprocess.run([sys.executable, "-c", LIST_REALSENSE], capture_output=True, text=True, timeout=timeout_s, check=False)
        return [tuple(row) for row in json.loads(done.stdout)] if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None


def check_cameras(
    realsense: list[tuple[str, str, str]] | None, usb: list[UsbCamera], wanted: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Finding]:
    """Return one finding per camera, or one that says there is none; then one per camera that the workcell file names in vain.

    Args:
        realsense: From `list_realsense`.
        usb: From `find_usb_cameras`.
        wanted: `cameras` of a workcell file: name -> settings; None or empty where there is no file.
    """
    findings = [check_usb_type(*camera) for camera in realsense or []]
    others = [camera for camera in usb if not (realsense and camera.is_realsense)]
    findings += [check_usb_speed(camera) for camera in others]
    # librealsense lists no camera that it may not open, so the right to do so is looked at for all of them.
    findings += [finding for camera in usb if (finding := check_access(camera)) is not None]
    for name, settings in (wanted or {}).items():
        finding = check_wanted(name, settings, realsense)
        findings += [finding] if finding is not None else []
    if not findings and not wanted:
        remedy = "plug one in; lsusb shows what the bus sees; then run: stage cameras"
        findings = [noted("cameras", "none on the USB bus", remedy)]
    return findings


def check_usb_type(name: str, serial: str, usb_type: str) -> Finding:
    """A RealSense camera at USB 2 gives fewer pictures, or none in some modes."""
    title = f"camera {serial or name}"
    if not usb_type:
        return good(title, f"{name}, not on USB")
    if usb_type.startswith("3"):
        return good(title, f"{name}, USB {usb_type}")
    return failed(title, f"{name} at USB {usb_type}", USB3_REMEDY)


def check_usb_speed(camera: UsbCamera) -> Finding:
    """A RealSense camera needs USB 3; an ordinary one runs at the speed it was made for."""
    title, found = f"camera {camera.serial or camera.name}", f"{camera.name}, {camera.speed_mbit_s} Mbit/s"
    if camera.is_realsense and camera.speed_mbit_s < USB3_SPEED_MBIT_S:
        return failed(title, f"{found}: USB 2", USB3_REMEDY)
    return good(title, found)


def may_open(file: Path) -> bool:
    """Return True where this user may read and write a file."""
    return os.access(file, os.R_OK | os.W_OK)


def check_access(camera: UsbCamera, may_open: Callable[[Path], bool] = may_open) -> Finding | None:
    """Whether this user may open the camera's device files; None where all are open to them, or the camera has none.

    Args:
        camera: From `find_usb_cameras`.
        may_open: Tells for one file.
    """
    closed = [str(file) for file in camera.files if file.exists() and not may_open(file)]
    missing = [str(file) for file in camera.files if not file.exists()]
    title = f"access to {camera.serial or camera.name}"
    if closed:
        return failed(title, f"this user may not open {', '.join(closed)}", ACCESS_REMEDY)
    if missing and len(missing) == len(camera.files):
        return failed(title, f"{', '.join(missing)} is not there, though the bus has the camera", ACCESS_REMEDY)
    return None


def check_wanted(name: str, settings: Mapping[str, Any], realsense: list[tuple[str, str, str]] | None) -> Finding | None:
    """Whether the camera that a workcell file names is there; None for a driver that this knows nothing of."""
    driver, title = settings.get("driver"), f"cameras.{name}"
    remedy = f"run: stage cameras, and write what it lists into cameras.{name} of the workcell file"
    if driver == "realsense" and not settings.get("file"):
        if realsense is None:
            return failed(title, "librealsense cannot be asked for it", "pip install 'stage-robotics[cameras]'; then run this again")
        serials = [serial for _, serial, _ in realsense]
        serial = str(settings.get("serial", ""))
        if serial in serials:
            return good(title, f"RealSense {serial} is there", required=True)
        return failed(title, f"RealSense {serial or 'without a serial'} is not there; connected: {', '.join(serials) or 'none'}", remedy)
    if driver == "opencv" and str(settings.get("path", "")).startswith("/dev/"):
        path = Path(str(settings["path"]))
        return good(title, f"{path} is there", required=True) if path.exists() else failed(title, f"{path} is not there", remedy)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
