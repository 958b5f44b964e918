"""What one image tells of one object, and the step from the camera's frame to the arm's base. Start at `SeenPose.in_base`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from robot_drivers.calibration.transforms import to_matrix, to_pose
from robot_drivers.camera_extrinsics import CameraExtrinsics
from stage_core.errors import ConfigurationError

HAND = "ee"


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenPose:
    """The pose of an object's centre in the optical frame of a camera, or, after `in_base`, in the arm base frame.

    Attributes:
        position: (3,) float64 m.
        orientation: (4,) float64 xyzw, or None where the image cannot tell.
        confidence: In [0, 1]; from how clearly the object was seen, never from what it was expected to do.
        evidence: What was seen, in words.
    """

    position: np.ndarray
    orientation: np.ndarray | None
    confidence: float
    evidence: str

    def in_base(self, camera_in_base: np.ndarray) -> SeenPose:
        """Return the same sight in the arm base frame; `camera_in_base` is (4, 4), from `camera_pose`."""
        orientation = np.array([0.0, 0.0, 0.0, 1.0]) if self.orientation is None else self.orientation
        pose = to_pose(camera_in_base @ to_matrix(np.concatenate([self.position, orientation])))
        return replace(self, position=pose[:3], orientation=None if self.orientation is None else pose[3:])


def camera_pose(extrinsics: CameraExtrinsics, hand: np.ndarray | None = None) -> np.ndarray:
    """Return the (4, 4) pose of a camera's optical frame in the arm base frame.

    Args:
        extrinsics: As calibration wrote them.
        hand: (7,) m and xyzw, the tool centre in the base frame at the image's stamp; needed for a camera on the hand.

    Raises:
        ConfigurationError: If the parent frame is neither `base` nor `ee`.
        ValueError: If the camera is on the hand and `hand` is None.
    """
    camera = to_matrix(np.concatenate([extrinsics.position, extrinsics.orientation]))
    if extrinsics.parent_frame == "base":
        return camera
    if extrinsics.parent_frame != HAND:
        raise ConfigurationError(f"extrinsics.parent_frame is {extrinsics.parent_frame!r}; expected base, or ee for a camera on the hand.")
    if hand is None:
        raise ValueError("the camera hangs on the hand; expected the tool's pose at the image's stamp.")
    return to_matrix(hand) @ camera
