"""One mistake each, put on top of a real driver: `wrong(RealSenseCamera, "bgr")` is a subclass whose frames have it."""

from __future__ import annotations

import collections
import threading
import time
from dataclasses import replace

import numpy as np

from robot_drivers.camera import Camera
from stage_core.errors import DeadlineError, DeviceError


def _bgr(camera, frame):
    return replace(frame, image=frame.image[..., ::-1].copy())


def _upside_down(camera, frame):
    return replace(frame, image=frame.image[::-1, ::-1].copy())


def _shared_buffer(camera, frame):
    camera.buffer = getattr(camera, "buffer", frame.image)
    camera.buffer[:] = frame.image
    return replace(frame, image=camera.buffer)


def _ring_of_buffers(camera, frame):
    """Two buffers in turn: neighbours share nothing, and the one before last changes under its owner."""
    camera.ring = getattr(camera, "ring", [np.empty_like(frame.image) for _ in range(2)])
    camera.ring.reverse()
    camera.ring[0][:] = frame.image
    return replace(frame, image=camera.ring[0])


def _frozen_picture(camera, frame):
    camera.first = getattr(camera, "first", frame.image)
    return replace(frame, image=camera.first.copy())


def _stamps_in_milliseconds(camera, frame):
    return replace(frame, stamp=1000.0 * frame.stamp)


def _stamps_since_boot(camera, frame):
    return replace(frame, stamp=frame.stamp - time.time() + time.monotonic())


def _stamps_ahead(camera, frame):
    return replace(frame, stamp=frame.stamp + 0.2)  # the offset of the clocks added twice


def _depth_in_millimetres(camera, frame):
    return replace(frame, depth=1000.0 * frame.depth)


def _depth_zero_where_unknown(camera, frame):
    return replace(frame, depth=np.nan_to_num(frame.depth))


def _depth_of_another_unit(camera, frame):
    return replace(frame, depth=frame.depth * np.float32(0.1))  # a D405 counts 0.1 mm


SPOILERS = {
    "bgr": (_bgr, "image_agrees_with_the_known_picture"),
    "upside down": (_upside_down, "image_agrees_with_the_known_picture"),
    "shared buffer": (_shared_buffer, "every_frame_owns_its_image"),
    "ring of buffers": (_ring_of_buffers, "every_frame_owns_its_image"),
    "frozen picture": (_frozen_picture, "every_frame_is_a_new_picture"),
    "stamps in milliseconds": (_stamps_in_milliseconds, "frames_come_at_the_described_rate"),
    "stamps since boot": (_stamps_since_boot, "stamps_are_capture_times_on_the_workcell_clock"),
    "stamps ahead": (_stamps_ahead, "stamps_are_capture_times_on_the_workcell_clock"),
}
DEPTH_SPOILERS = {
    "depth in millimetres": (_depth_in_millimetres, "depth_is_in_metres"),
    "depth 0 where unknown": (_depth_zero_where_unknown, "depth_is_in_metres"),
    "depth of another unit": (_depth_of_another_unit, "depth_is_in_metres"),
}
INTRINSICS = {
    "intrinsics of half the size": (0.5, "intrinsics_are_plausible"),
    "intrinsics 5 % off": (1.05, "intrinsics_agree_with_the_known_ones"),
}
BEHAVIOURS = {"frames in a queue": "a_late_reader_gets_the_newest_frame", "frames after disconnect": "read_after_disconnect_is_told"}
MISTAKES = {name: claim for table in (SPOILERS, INTRINSICS) for name, (_, claim) in table.items()} | BEHAVIOURS
DEPTH_MISTAKES = {name: claim for name, (_, claim) in DEPTH_SPOILERS.items()}


def wrong(kind: type[Camera], mistake: str) -> type[Camera]:
    """Return a subclass of a driver that has one mistake."""
    if mistake in INTRINSICS:
        return _with_intrinsics(kind, INTRINSICS[mistake][0])
    if mistake == "frames in a queue":
        return _with_queue(kind)
    if mistake == "frames after disconnect":
        return _after_disconnect(kind)
    spoil = {**SPOILERS, **DEPTH_SPOILERS}[mistake][0]

    class Spoiled(kind):
        def read(self, *, timeout: float = 0.5):
            return spoil(self, super().read(timeout=timeout))

    return Spoiled


def _with_intrinsics(kind: type[Camera], scale: float) -> type[Camera]:
    class Scaled(kind):
        @property
        def description(self):
            described = super().description
            return replace(described, intrinsics=described.intrinsics * np.array([[scale], [scale], [1.0]]))

    return Scaled


def _with_queue(kind: type[Camera]) -> type[Camera]:
    class Queued(kind):
        def connect(self) -> None:
            super().connect()
            self.queue: collections.deque = collections.deque()
            self.taker = threading.Thread(target=self._take, daemon=True)
            self.taker.start()

        def _take(self) -> None:
            while True:
                try:
                    self.queue.append(super().read(timeout=0.5))
                except DeadlineError:
                    continue
                except DeviceError:
                    return

        def read(self, *, timeout: float = 0.5):
            deadline = time.monotonic() + timeout
            while not self.queue:
                if time.monotonic() > deadline:
                    raise DeadlineError("nothing in the queue")
                time.sleep(0.001)
            return self.queue.popleft()

    return Queued


def _after_disconnect(kind: type[Camera]) -> type[Camera]:
    class Kept(kind):
        def read(self, *, timeout: float = 0.5):
            try:
                self.last = super().read(timeout=timeout)
            except DeadlineError:
                raise
            except DeviceError:
                return self.last
            return self.last

    return Kept
