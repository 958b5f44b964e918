"""The Camera interface's contract as named claims, run on a bare driver. Start at `CameraChecks.run`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from robot_drivers.camera import Camera, CameraFrame
from robot_drivers.check_report import Checklist, CheckReport, expect
from stage_core.errors import DeadlineError, DeviceError

FRAMES = 6
PATIENCE_S = 2.0


class CameraChecks:
    """Runs every claim on one camera."""

    def __init__(self, camera: Camera, *, advance: Callable[[], None] | None) -> None:
        """Prepare; `advance` makes a simulation take its next frame, None for a camera that runs by itself."""
        self._camera = camera
        self._advance = advance
        self._list = Checklist()
        self._frames: list[CameraFrame] = []

    def run(self) -> CheckReport:
        """Return the report; the camera is disconnected at the end."""
        check = self._list.check
        if check("connects", self._connect) and check("frames_come", self._frames_come):
            check("image_is_rgb_uint8_of_the_described_size", self._image)
            check("image_is_not_blank", self._not_blank)
            check("every_frame_owns_its_image", self._own)
            check("stamps_and_sequence_increase", self._increase)
            check("frames_come_at_the_described_rate", self._rate)
            check("intrinsics_are_plausible", self._intrinsics)
            check("depth_is_in_metres", self._depth)
            check("no_new_frame_is_a_deadline_error", self._deadline)
        check("disconnect_twice_is_harmless", self._disconnect_twice)
        check("read_after_disconnect_is_told", self._read_after_disconnect)
        return self._list.report()

    def _connect(self) -> str:
        self._camera.connect()
        description = self._camera.description
        return f"{description.name}: {description.width} x {description.height} at {description.rate_hz:g} Hz"

    def _frames_come(self) -> str:
        self._times = []
        for _ in range(FRAMES):
            if self._advance is not None and self._frames:
                self._advance()
            self._frames.append(self._camera.read(timeout=PATIENCE_S))
            self._times.append(time.monotonic())
        self._copies = [np.array(frame.image) for frame in self._frames]
        return f"{FRAMES} frames"

    def _image(self) -> str:
        image, description = self._frames[0].image, self._camera.description
        expected = (description.height, description.width, 3)
        expect(
            isinstance(image, np.ndarray) and image.dtype == np.uint8, f"image is {getattr(image, 'dtype', type(image))}; expected uint8"
        )
        expect(image.shape == expected, f"image has shape {image.shape}; expected {expected}, height first")
        return f"{image.shape} uint8"

    def _not_blank(self) -> str:
        low, high = int(self._frames[-1].image.min()), int(self._frames[-1].image.max())
        expect(high > low, f"every value is {low}; expected a picture. Is the lens covered, or the exposure wrong?")
        expect(high > 8, f"the brightest value is {high} of 255; a picture in [0, 1]?")
        return f"values from {low} to {high}"

    def _own(self) -> str:
        for i, frame in enumerate(self._frames[:-1]):
            expect(not np.shares_memory(frame.image, self._frames[i + 1].image), "two frames share one buffer; expected a copy for each")
        return "no shared memory"

    def _increase(self) -> str:
        stamps, numbers = [frame.stamp for frame in self._frames], [frame.sequence for frame in self._frames]
        expect(all(b > a for a, b in zip(stamps, stamps[1:], strict=False)), f"stamps do not increase: {stamps}")
        expect(all(b > a for a, b in zip(numbers, numbers[1:], strict=False)), f"sequence does not increase: {numbers}")
        return f"{numbers[0]} to {numbers[-1]}"

    def _rate(self) -> str:
        expected = self._camera.description.rate_hz
        stamps = [frame.stamp for frame in self._frames]
        measured = (len(stamps) - 1) / (stamps[-1] - stamps[0])
        expect(
            0.5 < measured / expected < 2.0, f"{measured:.1f} frames per second by their stamps; expected {expected:g}. Stamps in seconds?"
        )
        if self._advance is None:
            measured = (FRAMES - 1) / (self._times[-1] - self._times[0])
            expect(measured / expected < 2.0, f"{measured:.1f} frames per second came; expected {expected:g}: old frames twice?")
        return f"{measured:.1f} Hz"

    def _intrinsics(self) -> str:
        description = self._camera.description
        matrix = np.asarray(description.intrinsics, dtype=np.float64)
        expect(matrix.shape == (3, 3), f"intrinsics have shape {matrix.shape}; expected (3, 3)")
        expect(np.allclose(matrix[2], (0.0, 0.0, 1.0)), f"the last row is {matrix[2]}; expected 0 0 1")
        for name, focal in (("fx", matrix[0, 0]), ("fy", matrix[1, 1])):
            share = focal / description.width
            expect(0.1 < share < 20.0, f"{name} is {focal:.2f} at a width of {description.width}; expected pixels")
        inside = 0.0 < matrix[0, 2] < description.width and 0.0 < matrix[1, 2] < description.height
        expect(inside, f"the principal point ({matrix[0, 2]:.1f}, {matrix[1, 2]:.1f}) lies outside the image")
        return f"fx {matrix[0, 0]:.1f}, fy {matrix[1, 1]:.1f} pixels"

    def _depth(self) -> str:
        depth, description = self._frames[-1].depth, self._camera.description
        if not description.has_depth:
            expect(depth is None, "frames carry depth but has_depth is false")
            return "no depth"
        expect(depth is not None and depth.dtype == np.float32, f"depth is {getattr(depth, 'dtype', None)}; expected float32")
        expect(depth.shape == (description.height, description.width), f"depth has shape {depth.shape}; expected the image's")
        known = depth[np.isfinite(depth)]
        middle = float(np.median(known)) if known.size else float("nan")
        expect(0.02 < middle < 50.0, f"the middle depth is {middle:.3g}; metres, not millimetres, and NaN where unknown?")
        return f"middle {middle:.2f} m"

    def _deadline(self) -> str:
        if self._advance is None:
            self._camera.read(timeout=PATIENCE_S)  # the next frame is now a whole period away
        begin = time.monotonic()
        try:
            self._camera.read(timeout=0.002)
        except DeadlineError as error:
            took = time.monotonic() - begin
            expect(took < 0.25, f"a time-out of 0.002 s took {took:.2f} s")
            return str(error)
        expect(
            self._camera.description.rate_hz > 200.0, "a second read at once gave a frame; expected DeadlineError: the same frame twice?"
        )
        return "too fast a camera to tell"

    def _disconnect_twice(self) -> str:
        self._camera.disconnect()
        self._camera.disconnect()
        return "disconnected twice"

    def _read_after_disconnect(self) -> str:
        try:
            self._camera.read(timeout=0.1)
        except DeviceError as error:
            return str(error)
        expect(False, "read() gave a frame after disconnect; expected DeviceError in words")
        return ""
