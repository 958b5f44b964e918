"""The Camera interface's contract as named claims, run on a bare driver. Start at `CameraChecks.run`.

Much can be told from the frames alone. A driver's own tests know more, such as the picture that the camera sees: they
give a `CameraTruth`, and mistakes that no stranger could see (BGR, upside down, another lens) fail by name too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robot_drivers.camera import Camera, CameraFrame
from robot_drivers.check_report import Checklist, CheckReport, expect
from stage_core.errors import DeadlineError, DeviceError

FRAMES = 6
PATIENCE_S = 2.0
OLDEST_S = 0.5  # of a frame that was waited for, beyond two periods: exposure, transfer and decoding
FUTURE_S = 0.02
PICTURE_TOLERANCE = 24.0  # of 255, mean difference: JPEG and YUV lose less


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraTruth:
    """What a camera is known to see; None where it is not known.

    Attributes:
        picture: (H, W, 3) uint8 RGB. Without symmetry, and no channel like another, or mistakes stay hidden.
        intrinsics: (3, 3) pixels.
        depth_m: Distance of most of the picture, m.
        moving: True where no two frames show the same.
    """

    picture: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    depth_m: float | None = None
    moving: bool = False


class CameraChecks:
    """Runs every claim on one camera."""

    def __init__(
        self,
        camera: Camera,
        *,
        advance: Callable[[], None] | None,
        truth: CameraTruth | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            camera: The bare driver.
            advance: Makes a simulation take its next frame, None for a camera that runs by itself.
            truth: What the camera is known to see.
            clock: The workcell clock of a camera that runs by itself, s.
        """
        self._camera = camera
        self._advance = advance
        self._truth = truth or CameraTruth()
        self._clock = clock
        self._list = Checklist()
        self._frames: list[CameraFrame] = []

    def run(self) -> CheckReport:
        """Return the report; the camera is disconnected at the end."""
        check = self._list.check
        if check("connects", self._connect) and check("frames_come", self._frames_come):
            check("image_is_rgb_uint8_of_the_described_size", self._image)
            check("image_is_not_blank", self._not_blank)
            check("image_agrees_with_the_known_picture", self._picture)
            check("every_frame_owns_its_image", self._own)
            check("every_frame_is_a_new_picture", self._new_pictures)
            check("stamps_and_sequence_increase", self._increase)
            check("stamps_are_capture_times_on_the_workcell_clock", self._fresh)
            check("frames_come_at_the_described_rate", self._rate)
            check("intrinsics_are_plausible", self._intrinsics)
            check("intrinsics_agree_with_the_known_ones", self._known_intrinsics)
            check("depth_is_in_metres", self._depth)
            check("a_late_reader_gets_the_newest_frame", self._newest)
            check("no_new_frame_is_a_deadline_error", self._deadline)
        check("disconnect_twice_is_harmless", self._disconnect_twice)
        check("read_after_disconnect_is_told", self._read_after_disconnect)
        return self._list.report()

    def _connect(self) -> str:
        self._camera.connect()
        description = self._camera.description
        return f"{description.name}: {description.width} x {description.height} at {description.rate_hz:g} Hz"

    def _frames_come(self) -> str:
        self._times, self._ages, self._copies = [], [], []
        for _ in range(FRAMES):
            if self._advance is not None and self._frames:
                self._advance()
            self._frames.append(self._camera.read(timeout=PATIENCE_S))
            self._times.append(time.monotonic())
            self._ages.append(self._clock() - self._frames[-1].stamp)
            self._copies.append(np.array(self._frames[-1].image))
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

    def _picture(self) -> str:
        known, image = self._truth.picture, self._frames[-1].image
        if known is None:
            return "no picture is known"
        if image.shape != known.shape:
            expect(False, f"the image has shape {image.shape}; the known picture {known.shape}")
        mistakes = {
            "": known,
            "BGR instead of RGB": known[..., ::-1],
            "upside down and mirrored (turned by 180 degrees)": known[::-1, ::-1],
            "upside down": known[::-1],
            "mirrored": known[:, ::-1],
        }
        apart = {name: float(np.abs(image.astype(np.float32) - picture).mean()) for name, picture in mistakes.items()}
        best = min(apart, key=apart.get)
        words = f"it differs by {apart['']:.0f} of 255 from the known picture; {best or 'another picture, or another colour order'}?"
        expect(apart[""] <= PICTURE_TOLERANCE and best == "", words)
        return f"differs by {apart['']:.1f} of 255"

    def _own(self) -> str:
        for i, frame in enumerate(self._frames[:-1]):
            following = self._frames[i + 1]
            expect(not np.shares_memory(frame.image, following.image), "two frames share one buffer; expected a copy for each")
            if frame.depth is not None and following.depth is not None:
                expect(not np.shares_memory(frame.depth, following.depth), "two frames share one depth buffer; expected a copy for each")
        same = all(np.array_equal(frame.image, copy) for frame, copy in zip(self._frames, self._copies, strict=True))
        expect(same, "an image changed after it was given; expected a copy, not a buffer that is used again")
        return "no shared memory"

    def _new_pictures(self) -> str:
        if not self._truth.moving:
            return "not known to move"
        repeated = sum(np.array_equal(a, b) for a, b in zip(self._copies, self._copies[1:], strict=False))
        expect(not repeated, f"{repeated} of {FRAMES - 1} frames repeat the picture before: an old picture with a new stamp?")
        return f"{FRAMES} different pictures"

    def _increase(self) -> str:
        stamps, numbers = [frame.stamp for frame in self._frames], [frame.sequence for frame in self._frames]
        expect(all(b > a for a, b in zip(stamps, stamps[1:], strict=False)), f"stamps do not increase: {stamps}")
        expect(all(b > a for a, b in zip(numbers, numbers[1:], strict=False)), f"sequence does not increase: {numbers}")
        return f"{numbers[0]} to {numbers[-1]}"

    def _fresh(self) -> str:
        if self._advance is not None:
            return "the clock is simulated"
        # The first may have waited for its reader, and one of the others for a busy computer: the middle one is the driver's.
        oldest, newest = float(np.median(self._ages[1:])), min(self._ages[1:])
        limit = OLDEST_S + 2.0 / self._camera.description.rate_hz
        expect(
            newest > -FUTURE_S, f"a frame was stamped {-newest:.3g} s after it came; expected its capture time, by the workcell clock, s"
        )
        expect(oldest < limit, f"a frame was {oldest:.3g} s old when it came; expected below {limit:.2g} s, by the workcell clock")
        return f"{1000 * newest:.0f} to {1000 * oldest:.0f} ms old"

    def _rate(self) -> str:
        expected = self._camera.description.rate_hz
        stamps = [frame.stamp for frame in self._frames]
        measured = 1.0 / float(np.median(np.diff(stamps)))  # a busy reader misses frames now and then
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
        expect(0.5 < matrix[0, 0] / matrix[1, 1] < 2.0, f"fx is {matrix[0, 0]:.1f} and fy {matrix[1, 1]:.1f}; expected about the same")
        for name, center, size in (("cx", matrix[0, 2], description.width), ("cy", matrix[1, 2], description.height)):
            expect(0.3 < center / size < 0.7, f"{name} is {center:.1f} of {size} pixels; expected near the middle: of another image size?")
        distortion = np.asarray(description.distortion, dtype=np.float64)
        expect(distortion.shape == (5,) and np.isfinite(distortion).all(), f"distortion is {distortion}; expected k1 k2 p1 p2 k3")
        return f"fx {matrix[0, 0]:.1f}, fy {matrix[1, 1]:.1f} pixels"

    def _known_intrinsics(self) -> str:
        known = self._truth.intrinsics
        if known is None:
            return "no intrinsics are known"
        found = np.asarray(self._camera.description.intrinsics, dtype=np.float64)
        apart = float(np.abs(found - known).max())
        expect(
            apart < 0.01 * known[0, 0],
            f"they differ by {apart:.1f} pixels from the known ones: fx {found[0, 0]:.1f}, not {known[0, 0]:.1f}",
        )
        return f"differ by {apart:.2f} pixels"

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
        expect(float(known.min()) > 0.0, f"the smallest depth is {known.min():.3g} m; expected NaN where it is unknown, not 0")
        truth = self._truth.depth_m
        expect(truth is None or abs(middle - truth) < 0.02 * truth, f"the middle depth is {middle:.3f} m; expected {truth} m")
        return f"middle {middle:.2f} m"

    def _newest(self) -> str:
        if self._advance is not None:
            return "a simulation waits for its reader"
        period = 1.0 / self._camera.description.rate_hz
        limit, ages = max(self._ages[1:]) + 3.0 * period + 0.05, []
        for _ in range(3):  # a queue grows with every pause; a busy computer is late once
            time.sleep(min(1.0, 8.0 * period))
            frame = self._camera.read(timeout=PATIENCE_S)
            ages.append(self._clock() - frame.stamp)
            if ages[-1] < limit:
                break
        age = min(ages)
        expect(
            age < limit, f"after a pause of 8 periods the frame was {age:.3f} s old; expected below {limit:.3f} s: frames wait in a queue?"
        )
        return f"{1000 * age:.0f} ms old after a pause"

    def _deadline(self) -> str:
        for _ in range(3):  # on a busy computer the next frame may have come already
            if self._advance is None:
                self._camera.read(timeout=PATIENCE_S)  # what waited
                self._camera.read(timeout=PATIENCE_S)  # just came: the next frame is a whole period away
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
