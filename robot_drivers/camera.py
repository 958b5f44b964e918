"""What every camera can do: describe itself, connect, give the newest frame.

Images are RGB uint8 (H, W, 3); depth is float32 (H, W) in metres with NaN where unknown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True)
class CameraDescription:
    """Facts of one camera.

    Attributes:
        name: Name in topics and in the policy's contract.
        width: Pixels.
        height: Pixels.
        rate_hz: Frames per second.
        optical_frame: REP-105 optical frame, z forward, x right.
        intrinsics: (3, 3) float64 pixels.
        has_depth: True where frames carry depth.
        distortion: (5,) float64 plumb-bob coefficients k1 k2 p1 p2 k3 (as OpenCV's); zeros for an undistorted image.
    """

    name: str
    width: int
    height: int
    rate_hz: float
    optical_frame: str
    intrinsics: np.ndarray
    has_depth: bool = False
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraFrame:
    """One image.

    Attributes:
        stamp: Capture time on the workcell clock, s.
        sequence: Counts captured frames; in lockstep, the control step.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 m, or None.
        exposure: s, or None.
    """

    stamp: float
    sequence: int
    image: np.ndarray
    depth: np.ndarray | None = None
    exposure: float | None = None


class Camera(ABC):
    """One camera."""

    @property
    @abstractmethod
    def description(self) -> CameraDescription:
        """Facts of this camera; intrinsics may be known only after `connect`."""

    @abstractmethod
    def connect(self) -> None:
        """Open the device. Raises DeviceError in words."""

    @abstractmethod
    def read(self, *, timeout: float = 0.5) -> CameraFrame:
        """Return the newest frame not returned before, waiting up to `timeout` seconds.

        Raises:
            DeadlineError: If no new frame came in time.
            DeviceError: If the camera is gone.
        """

    @abstractmethod
    def disconnect(self) -> None:
        """Close the device. Idempotent."""
