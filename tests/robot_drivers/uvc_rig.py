"""A UVC camera as `cv2.VideoCapture` shows one: blocks in `grab`, stamps by the steady clock, forgets what it cannot do, can be unplugged."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np

WIDTH, HEIGHT, RATE_HZ = 160, 120, 30
PICTURE = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)  # RGB: no two channels alike, no symmetry
PICTURE[:, : WIDTH // 2] = (220, 40, 10)
PICTURE[:, WIDTH // 2 :] = (10, 60, 200)
PICTURE[: HEIGHT // 3, : WIDTH // 4] = (30, 230, 90)


def bgr_frame(number: int) -> np.ndarray:
    """Return the picture as OpenCV has it, with a bar that moves."""
    image = PICTURE[..., ::-1].copy()
    image[-8:] = 0
    column = 8 * (number % (WIDTH // 8))
    image[-8:, column : column + 8] = 255
    return image


def write_video(path: str, frames: int = 20, *, rate_hz: float = RATE_HZ) -> str:
    """Write a Motion-JPEG video of the picture and return its path."""
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (WIDTH, HEIGHT))
    for number in range(frames):
        writer.write(bgr_frame(number))
    writer.release()
    return path


class UvcRig:
    """The device; `open(path)` is what `cv2.VideoCapture(path)` would give."""

    def __init__(
        self, *, stamps: bool = True, sizes: tuple[tuple[int, int], ...] = ((WIDTH, HEIGHT),), refuses: tuple[int, ...] = ()
    ) -> None:
        self.stamps, self.sizes, self.refuses = stamps, sizes, refuses
        self.plugged = threading.Event()
        self.plugged.set()
        self.set_properties: dict[int, float] = {}
        self.opened = 0
        self.captured: list[tuple[int, float]] = []  # (number, time.time())

    def open(self, path: str) -> UvcCapture:
        self.opened += self.plugged.is_set()
        return UvcCapture(self)


class UvcCapture:
    """One opened device."""

    def __init__(self, rig: UvcRig) -> None:
        self._rig, self._open = rig, rig.plugged.is_set()
        self._next, self._number, self._stamp = time.monotonic(), 0, 0.0
        self._buffer = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
        self._size = {cv2.CAP_PROP_FRAME_WIDTH: rig.sizes[0][0], cv2.CAP_PROP_FRAME_HEIGHT: rig.sizes[0][1]}

    def isOpened(self) -> bool:
        return self._open and self._rig.plugged.is_set()

    def set(self, key: int, value: float) -> bool:
        if key in self._rig.refuses:
            return False
        if key in self._size:
            index = 0 if key == cv2.CAP_PROP_FRAME_WIDTH else 1
            self._size[key] = min((size[index] for size in self._rig.sizes), key=lambda have: abs(have - value))
        self._rig.set_properties[key] = value
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return 1000.0 * self._stamp if self._rig.stamps else 0.0
        if key in self._size:
            return float(self._size[key])
        return float(self._rig.set_properties.get(key, RATE_HZ if key == cv2.CAP_PROP_FPS else 0.0))

    def grab(self) -> bool:
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next, time.monotonic() - 1.0 / RATE_HZ) + 1.0 / RATE_HZ
        if not self.isOpened():
            return False
        self._number += 1
        self._stamp = time.monotonic()
        self._rig.captured.append((self._number, time.time()))
        time.sleep(0.004)  # the transfer: what comes later than the stamp
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        self._buffer[:] = bgr_frame(self._number)
        return True, self._buffer

    def release(self) -> None:
        self._open = False
