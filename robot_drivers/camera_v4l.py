"""The cameras that Linux offers as /dev/video*, with paths that stay the same when they are plugged in anew. Start at `find_video_devices`.

Read from /dev/v4l/by-id, sysfs and two ioctls; needs no package.
"""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

QUERY_CAPABILITIES, QUERY_CAPABILITIES_SIZE = 0x80685600, 104  # VIDIOC_QUERYCAP, videodev2.h
ENUMERATE_FORMATS, ENUMERATE_FORMATS_SIZE = 0xC0405602, 64  # VIDIOC_ENUM_FMT
VIDEO_CAPTURE = 1  # V4L2_CAP_VIDEO_CAPTURE, and V4L2_BUF_TYPE_VIDEO_CAPTURE
DEVICE_CAPABILITIES = 0x80000000  # V4L2_CAP_DEVICE_CAPS: the field that speaks of this node, not of the whole device, is filled


@dataclass(frozen=True, kw_only=True)
class VideoDevice:
    """One device that gives pictures.

    Attributes:
        path: /dev/v4l/by-id/... where there is one, else by-path, else /dev/videoN.
        node: /dev/videoN, which changes with the order of plugging in.
        name: As the driver calls it.
        formats: Four-letter codes of its pixel formats (MJPG, YUYV); empty where it may not be asked.
    """

    path: str
    node: str
    name: str
    formats: tuple[str, ...]


def find_video_devices(devices: Path = Path("/dev"), system: Path = Path("/sys")) -> list[VideoDevice]:
    """Return every video device that captures pictures, without the metadata nodes and the RealSense cameras.

    Args:
        devices: The folder of device nodes.
        system: Where sysfs is.
    """
    found = []
    for node in sorted(devices.glob("video[0-9]*"), key=lambda path: int(path.name[5:]) if path.name[5:].isdigit() else 0):
        name = _name(system / "class" / "video4linux" / node.name / "name")
        captures, formats = _ask(node)
        if "realsense" in name.lower() or not captures:
            continue  # a RealSense is read through its own library, which knows its serial number and depth
        found.append(VideoDevice(path=_lasting_path(node, devices), node=str(node), name=name, formats=formats))
    return found


def _name(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "unknown"


def _lasting_path(node: Path, devices: Path) -> str:
    """Return the link in by-id or by-path that leads to a node, else the node."""
    for folder in ("by-id", "by-path"):
        for link in sorted((devices / "v4l" / folder).glob("*")):
            if link.resolve() == node.resolve():
                return str(link)
    return str(node)


def _ask(node: Path) -> tuple[bool, tuple[str, ...]]:
    """Return whether a node captures pictures (True where it cannot be asked), and its formats."""
    try:
        descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return True, ()
    try:
        answer = fcntl.ioctl(descriptor, QUERY_CAPABILITIES, bytes(QUERY_CAPABILITIES_SIZE))
        whole, own = struct.unpack_from("<II", answer, 84)
        if not (own if whole & DEVICE_CAPABILITIES else whole) & VIDEO_CAPTURE:
            return False, ()
        return True, _formats(descriptor)
    except OSError:
        return True, ()
    finally:
        os.close(descriptor)


def _formats(descriptor: int) -> tuple[str, ...]:
    found: list[str] = []
    for index in range(32):
        question = struct.pack("<III", index, VIDEO_CAPTURE, 0).ljust(ENUMERATE_FORMATS_SIZE, b"\0")
        try:
            answer = fcntl.ioctl(descriptor, ENUMERATE_FORMATS, question)
        except OSError:  # EINVAL after the last one
            break
        found.append(answer[44:48].decode("ascii", errors="replace"))
    return tuple(dict.fromkeys(found))
