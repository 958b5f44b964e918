"""A camera that is read by a thread: `read` gives the newest frame, and a device that went away is opened again.

`CapturingCamera` is the Camera; what differs between SDKs is a `FrameSource`. Start at `CapturingCamera`.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robot_drivers.camera import Camera, CameraDescription, CameraFrame
from stage_core.errors import DeadlineError, DeviceError, StageError

logger = logging.getLogger(__name__)

POLL_S = 0.25  # longest time the thread waits for the SDK at once: how soon `disconnect` is heard
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
SILENT_PERIODS = 10  # a device that sends nothing for so many periods, and at least SILENT_S, is opened again
SILENT_S = 1.0


class CameraAwayError(DeviceError, DeadlineError):
    """No frame came because the camera is away; its driver is still trying to get it back, so reading again may help."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RawFrame:
    """One frame as a source gives it; nobody else holds its arrays.

    Attributes:
        stamp: Capture time on the workcell clock, s.
        number: The device's own count of frames, from which gaps are seen; None where it has none.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 m with NaN where unknown, or None.
        exposure: s, or None.
    """

    stamp: float
    number: int | None
    image: np.ndarray
    depth: np.ndarray | None = None
    exposure: float | None = None


class FrameSource(ABC):
    """One SDK's way to a camera. Every method is called by one thread at a time."""

    @abstractmethod
    def open(self) -> CameraDescription:
        """Open the device and return what it is. Raises DeviceError in words."""

    @abstractmethod
    def next_frame(self, timeout: float) -> RawFrame | None:
        """Return the next frame, None if none came within `timeout` seconds. Raises DeviceError if the device is gone."""

    @abstractmethod
    def close(self) -> None:
        """Close the device. Idempotent; never raises."""

    def find_fault(self) -> str:
        """Return why no frames come, as far as the device tells; empty where it does not."""
        return ""


class CapturingCamera(Camera):
    """A camera over a `FrameSource`."""

    def __init__(
        self,
        description: CameraDescription,
        source: FrameSource,
        *,
        reconnect_s: float = 60.0,
        device: str = "",
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe a camera; nothing is opened.

        Args:
            description: What is known before `connect`; afterwards the device's own facts take its place.
            source: The device.
            reconnect_s: How long a device that went away is tried again before `read` gives up, s; 0 never tries.
            device: What the user calls the device, for messages: a serial number or a path.
            steady: The steady clock, s.
        """
        self._description = description
        self._source = source
        self._reconnect_s = reconnect_s
        self._label = f'camera "{description.name}"' + (f" ({device})" if device else "")
        self._steady = steady
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._newest: CameraFrame | None = None
        self._sequence = -1
        self._away = ""  # why the device is away, while it is tried again
        self._away_since: float | None = None
        self._pause = FIRST_PAUSE_S
        self._lost = ""  # why it was given up
        self._last_frame_at = 0.0
        self._left_behind: threading.Thread | None = None

    @property
    def description(self) -> CameraDescription:
        return self._description

    def connect(self) -> None:
        if self._thread is not None and self._thread.is_alive() and not self._lost:
            return
        self.disconnect()
        if self._left_behind is not None and self._left_behind.is_alive():
            raise DeviceError(
                f"{self._label} still hangs in its driver; expected it to have ended. Unplug the camera, or start this process again."
            )
        try:
            self._description = self._source.open()
        except BaseException:
            self._source.close()
            raise
        with self._changed:
            self._newest, self._away, self._away_since, self._lost = None, "", None, ""
            self._last_frame_at = self._steady()
        self._stop = threading.Event()
        # The event is the thread's own: one that is slow to end never mistakes its successor's for its own.
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=f"capture {self._description.name}", daemon=True)
        self._thread.start()

    def read(self, *, timeout: float = 0.5) -> CameraFrame:
        begin = self._steady()
        with self._changed:
            if self._thread is None:
                raise DeviceError(f"{self._label} is not connected; expected connect() before its use.")
            while self._newest is None:
                if self._lost:
                    raise DeviceError(self._lost)
                remaining = begin + timeout - self._steady()
                if self._thread is None:
                    raise DeviceError(f"{self._label} was disconnected while a frame was waited for.")
                if remaining <= 0.0:
                    raise self._too_late(timeout)
                self._changed.wait(remaining)
            frame, self._newest = self._newest, None  # the reader's own from here on
            return frame

    def disconnect(self) -> None:
        with self._changed:
            thread, self._thread, self._newest = self._thread, None, None
            self._stop.set()
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5.0)
            if thread.is_alive():
                self._left_behind = thread
                logger.warning(
                    "%s: its driver did not return within 5 s and is left behind. Unplug the camera if it stays so.", self._label
                )

    def _too_late(self, timeout: float) -> StageError:
        if self._away:
            return CameraAwayError(f"{self._label} is away: {self._away}. It is tried again for up to {self._reconnect_s:g} s.")
        silent = self._steady() - self._last_frame_at
        return DeadlineError(
            f"{self._label} has no new frame after {timeout:g} s; the last came {silent:.1f} s ago, its period is "
            f"{1.0 / self._description.rate_hz:.3f} s. Wait for longer than its period, or check its cable: stage cameras"
        )

    def _run(self, stop: threading.Event) -> None:
        """Capture until told to stop; open the device again where it went away."""
        try:
            while not stop.is_set():
                try:
                    self._capture(stop)
                except DeviceError as error:
                    problem = str(error)
                except Exception as error:  # an SDK may raise anything, and the reader must hear of it
                    problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
                else:
                    continue
                self._source.close()
                if not stop.is_set() and not self._open_again(stop, problem):
                    return
        finally:
            self._source.close()

    def _capture(self, stop: threading.Event) -> None:
        limit = max(SILENT_S, SILENT_PERIODS / self._description.rate_hz)
        self._last_frame_at, last_number = self._steady(), None
        while not stop.is_set():
            raw = self._source.next_frame(min(POLL_S, limit))
            if stop.is_set():
                return
            if raw is None:
                silent = self._steady() - self._last_frame_at
                if silent > limit:
                    raise DeviceError(self._source.find_fault() or f"it sent no frame for {silent:.1f} s (limit {limit:g} s)")
                continue
            gap = 1 if raw.number is None or last_number is None else raw.number - last_number
            last_number = raw.number
            with self._changed:
                self._last_frame_at = self._steady()
                self._sequence += gap if 0 < gap < 1000 else 1  # a device's own count may begin anew
                self._newest = CameraFrame(
                    stamp=raw.stamp, sequence=self._sequence, image=raw.image, depth=raw.depth, exposure=raw.exposure
                )
                if self._away_since is not None:
                    logger.info("%s is back after %.1f s", self._label, self._last_frame_at - self._away_since)
                    self._away, self._away_since, self._pause = "", None, FIRST_PAUSE_S
                self._changed.notify_all()

    def _open_again(self, stop: threading.Event, problem: str) -> bool:
        """Try to open the device with growing pauses; return False once `reconnect_s` is over or the camera was disconnected."""
        before = self._description
        with self._changed:
            self._away = problem
            if self._away_since is None:  # a device that opens and sends nothing is still away
                self._away_since = self._steady()
                logger.warning("%s is away: %s. It is tried again for up to %g s", self._label, problem, self._reconnect_s)
        while self._steady() - self._away_since + self._pause <= self._reconnect_s:
            if stop.wait(self._pause):
                return False
            self._pause = min(2.0 * self._pause, LONGEST_PAUSE_S)
            try:
                found = self._source.open()
            except Exception as error:  # whatever the SDK raises, it is tried again
                self._source.close()
                problem = " ".join(str(error).split())
                with self._changed:
                    self._away = problem
                continue
            if (found.width, found.height, found.has_depth) == (before.width, before.height, before.has_depth):
                self._description = found
                return True
            self._source.close()
            problem = f"it came back with {found.width} x {found.height} pixels; expected {before.width} x {before.height}"
            break
        with self._changed:
            tried = f" and did not come back within {self._reconnect_s:g} s" if self._reconnect_s else ""
            self._lost = f"{self._label} is gone{tried}: {problem}. Check its cable and power, list cameras with: stage cameras"
            logger.error("%s", self._lost)
            self._changed.notify_all()
        return False
