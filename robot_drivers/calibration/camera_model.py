"""How a camera maps directions to pixels. Corners leave here without distortion, so the fit knows a pinhole only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from robot_drivers.calibration.opencv import import_opencv
from robot_drivers.camera import CameraDescription
from stage_core.errors import ConfigurationError

DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)  # what OpenCV's model takes


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraModel:
    """Intrinsics of one camera; the centre of the first pixel is at (0, 0), as in OpenCV and `CameraInfo`.

    Attributes:
        width: Pixels.
        height: Pixels.
        intrinsics: (3, 3) float64, pixels.
        distortion: (d,) float64 in OpenCV's order k1 k2 p1 p2 k3 ..., d in 0, 4, 5, 8, 12, 14.
    """

    width: int
    height: int
    intrinsics: np.ndarray
    distortion: np.ndarray

    def __post_init__(self) -> None:
        finite = self.intrinsics.shape == (3, 3) and np.isfinite(self.intrinsics).all()
        if not (finite and self.intrinsics[0, 0] > 1.0 and self.intrinsics[1, 1] > 1.0):
            raise ConfigurationError(f"intrinsics are {self.intrinsics.tolist()}; expected a 3x3 matrix with focal lengths in pixels.")
        if self.distortion.size not in DISTORTION_LENGTHS:
            raise ConfigurationError(f"distortion has {self.distortion.size} numbers; expected one of {DISTORTION_LENGTHS} of them.")

    @classmethod
    def from_description(cls, description: CameraDescription) -> CameraModel:
        """Return the model of a connected camera. Raises ConfigurationError where its intrinsics cannot be used."""
        return cls(
            width=description.width,
            height=description.height,
            intrinsics=np.array(description.intrinsics, dtype=np.float64),
            distortion=np.array(description.distortion, dtype=np.float64).ravel(),
        )

    @property
    def sha256(self) -> str:
        """Hash of size, intrinsics and distortion, rounded to 1e-6: extrinsics hold for these and no others."""
        numbers = [self.width, self.height, *self.intrinsics.ravel().round(6).tolist(), *self.distortion.round(6).tolist()]
        return hashlib.sha256(json.dumps([float(number) + 0.0 for number in numbers]).encode()).hexdigest()

    def undistort(self, pixels: np.ndarray) -> np.ndarray:
        """Return where an ideal pinhole of the same intrinsics would see `pixels` (k, 2)."""
        if not self.distortion.any():
            return np.array(pixels, dtype=np.float64)
        points = np.asarray(pixels, dtype=np.float64).reshape(-1, 1, 2)
        return import_opencv().undistortPoints(points, self.intrinsics, self.distortion, P=self.intrinsics).reshape(-1, 2)
