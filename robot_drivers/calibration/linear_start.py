"""Where the least squares begin: the board in each image, and closed-form solutions of the two unknown poses, both by OpenCV."""

from __future__ import annotations

import numpy as np

from robot_drivers.calibration.least_squares import Solution
from robot_drivers.calibration.opencv import import_opencv
from robot_drivers.calibration.transforms import invert, mean_rotation


def board_in_camera(points: np.ndarray, pixels: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Return the pose of the board in the camera from one image.

    Args:
        points: (k, 3) m, corners in the board frame, z = 0.
        pixels: (k, 2) the same corners, ideal pinhole pixels.
        intrinsics: (3, 3) pixels.

    Returns:
        (4, 4), m.
    """
    cv2 = import_opencv()
    middle = points.mean(axis=0)  # IPPE wants the plane's origin among the points
    _, turn, shift, _ = cv2.solvePnPGeneric(points - middle, pixels, intrinsics, None, flags=cv2.SOLVEPNP_IPPE)
    turn, shift = cv2.solvePnPRefineLM(points - middle, pixels, intrinsics, None, turn[0], shift[0])
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(turn)[0]
    pose[:3, 3] = shift.ravel() - pose[:3, :3] @ middle
    return pose


def linear_starts(links: np.ndarray, seen: np.ndarray) -> list[Solution]:
    """Return rough solutions to begin with; at least one.

    Args:
        links: (n, 4, 4), B of `least_squares`.
        seen: (n, 4, 4), the board in the camera.
    """
    cv2 = import_opencv()
    # OpenCV wants ee -> base for a camera on the hand, and the inverse for one that stands: in both cases the inverse of B.
    inverse = invert(links)
    starts = []
    for method in (cv2.CALIB_HAND_EYE_PARK, cv2.CALIB_HAND_EYE_DANIILIDIS):
        try:
            turn, shift = cv2.calibrateHandEye(
                list(inverse[:, :3, :3]), list(inverse[:, :3, 3]), list(seen[:, :3, :3]), list(seen[:, :3, 3]), method=method
            )
        except cv2.error:
            continue
        camera = np.eye(4)
        camera[:3, :3], camera[:3, 3] = turn, shift.ravel()
        if np.isfinite(camera).all() and abs(np.linalg.det(camera[:3, :3]) - 1.0) < 1e-3:
            starts.append(Solution(camera=camera, board=_mean_pose(invert(links) @ camera @ seen)))
    return starts or [Solution(camera=np.eye(4), board=_mean_pose(invert(links) @ seen))]


def _mean_pose(poses: np.ndarray) -> np.ndarray:
    """Return the mean (4, 4) of (n, 4, 4): median positions, so that one bad view does not carry it away."""
    mean = np.eye(4)
    mean[:3, :3] = mean_rotation(poses[:, :3, :3])
    mean[:3, 3] = np.median(poses[:, :3, 3], axis=0)
    return mean
