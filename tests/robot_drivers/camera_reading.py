"""Reading until something is heard, for tests of cameras that go away."""

from __future__ import annotations

import time

from robot_drivers.camera import Camera, CameraFrame
from stage_core.errors import DeadlineError, DeviceError


def read_until_told(camera: Camera, words: str, *, seconds: float) -> str:
    """Read until a DeviceError says `words`; return its text."""
    deadline, heard = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            camera.read(timeout=0.2)
        except DeviceError as error:
            heard = str(error)
            if words in heard:
                return heard
        except DeadlineError:
            continue
    raise AssertionError(f"nobody said {words!r} within {seconds} s; the last words were {heard!r}")


def read_until_frame(camera: Camera, *, seconds: float) -> CameraFrame:
    """Read until a frame comes, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return camera.read(timeout=0.5)
        except DeadlineError:
            continue
    raise AssertionError(f"no frame within {seconds} s")
