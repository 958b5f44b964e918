"""The lens of a camera that does not tell its own, from the same images as its pose. Start at `fit_lens`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.least_squares import View
from robot_drivers.calibration.opencv import import_opencv
from robot_drivers.camera_lens import turn_lens
from stage_core.errors import ConfigurationError

FEWEST_IMAGES = 12
LARGEST_PIXELS = 0.6  # root mean square over all corners; 0.1 to 0.3 is usual
FOCAL_RANGE = (0.3, 4.0)  # of the longer side of the image: a field of view of 118 to 14 degrees
LARGEST_FOCAL_ERROR = 0.01  # of the focal length: as much as the board's size may be wrong by


@dataclass(frozen=True, kw_only=True, eq=False)
class LensFit:
    """A lens as it was measured.

    Attributes:
        model: Intrinsics, and k1 and k2 of the distortion; the other coefficients are 0.
        reprojection_px: Root mean square over all corners, pixels.
        focal_error: Standard error of the focal length, as a share of it.
    """

    model: CameraModel
    reprojection_px: float
    focal_error: float


def fit_lens(views: Sequence[View], *, width: int, height: int) -> LensFit:
    """Return the lens that a board in n images tells.

    Args:
        views: At least 12; their pixels are as the camera shows them, with distortion. Poses of the arm are not used.
        width: Pixels.
        height: Pixels.

    Raises:
        ConfigurationError: If there are too few images, or they do not tell the lens well enough.
    """
    if len(views) < FEWEST_IMAGES:
        raise ConfigurationError(f"{len(views)} images show the board; expected at least {FEWEST_IMAGES} for the lens. Take more.")
    cv2 = import_opencv()
    # Two coefficients of distortion: more of them follow noise where the board never came, near the image's edges.
    flags = cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K3
    points = [view.points.astype(np.float32) for view in views]
    pixels = [view.pixels.astype(np.float32).reshape(-1, 1, 2) for view in views]
    rms, matrix, distortion, _, _, errors, _, _ = cv2.calibrateCameraExtended(points, pixels, (width, height), None, None, flags=flags)
    focal_error = float(max(errors[0, 0] / matrix[0, 0], errors[1, 0] / matrix[1, 1]))
    focal = matrix[0, 0] / max(width, height)
    if not FOCAL_RANGE[0] <= focal <= FOCAL_RANGE[1]:
        focal_error = 1.0  # a board that is never tilted fits any focal length, and the standard error does not show it
    if not (rms <= LARGEST_PIXELS and focal_error <= LARGEST_FOCAL_ERROR):
        raise ConfigurationError(
            f"the lens is known to {100 * focal_error:.1f} % with {rms:.2f} pixels left; expected {100 * LARGEST_FOCAL_ERROR:g} % and"
            f" {LARGEST_PIXELS:g} pixels. Is the board flat? Tilt it more, and bring it near every edge of the image."
        )
    model = CameraModel(width=width, height=height, intrinsics=matrix, distortion=distortion.ravel()[:5])
    return LensFit(model=model, reprojection_px=float(rms), focal_error=focal_error)


def lens_entry(model: CameraModel, *, turn_deg: int) -> dict[str, Any]:
    """Return the lens as keys of a UVC camera's entry, which are those of the picture before it is turned.

    Args:
        model: Of the picture as it is shown.
        turn_deg: How far the driver turns the picture clockwise: 0, 90, 180 or 270.
    """
    matrix, distortion, _, _ = turn_lens(model.intrinsics, model.distortion, model.width, model.height, (360 - turn_deg) % 360)
    numbers = {"fx": matrix[0, 0], "fy": matrix[1, 1], "cx": matrix[0, 2], "cy": matrix[1, 2]}
    entry: dict[str, Any] = {key: round(float(value), 3) for key, value in numbers.items()}
    return {**entry, "distortion": [round(float(value), 6) + 0.0 for value in distortion], "uncalibrated": None}
