"""The objects that one camera looks for, from image to pose in the arm base frame. No ROS here. Start at `ObjectWatch.look`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.camera_extrinsics import CameraExtrinsics
from robot_drivers.perception.locator import make_locator
from robot_drivers.perception.seen_pose import HAND, SeenPose, camera_pose
from robot_drivers.perception.settings import ObjectSettings
from robot_drivers.poses import interpolate_pose
from stage_core.errors import ConfigurationError

HISTORY = 256  # hand poses; 1.3 s of a 200 Hz state
NEAREST_S = 0.06  # a hand pose this far from the image's stamp still stands for it where none lies on the other side
_TOLERANCE_S = 1e-6


class HandHistory:
    """The last poses of the hand, and the one between them at any stamp."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, np.ndarray]] = deque(maxlen=HISTORY)

    def add(self, stamp: float, pose: np.ndarray) -> None:
        """Keep a pose (7,) m and xyzw; an older stamp than the newest begins anew (a simulation was reset)."""
        if self._entries and stamp <= self._entries[-1][0]:
            if stamp == self._entries[-1][0]:
                return
            self._entries.clear()
        self._entries.append((stamp, pose))

    def covers(self, stamp: float) -> bool:
        """Return True once a pose at or after `stamp` is in."""
        return bool(self._entries) and self._entries[-1][0] >= stamp - _TOLERANCE_S

    def at(self, stamp: float) -> np.ndarray | None:
        """Return the pose (7,) at `stamp`, s, between the two beside it; None where the nearest is too far."""
        later = None
        for entry in reversed(self._entries):
            if entry[0] <= stamp + _TOLERANCE_S:
                if later is None:
                    return entry[1] if stamp - entry[0] <= NEAREST_S else None
                return interpolate_pose(entry[1], later[1], min(1.0, max(0.0, (stamp - entry[0]) / (later[0] - entry[0]))))
            later = entry
        return later[1] if later is not None and later[0] - stamp <= NEAREST_S else None


class ObjectWatch:
    """Looks for the objects of one camera.

    Args:
        camera: Its name, for messages.
        objects: Name -> settings, of this camera alone.
        extrinsics: Where the camera is.

    Raises:
        ConfigurationError: If the extrinsics' frame is neither base nor ee.
    """

    def __init__(self, camera: str, objects: Mapping[str, ObjectSettings], extrinsics: CameraExtrinsics) -> None:
        self.camera = camera
        self._extrinsics = extrinsics
        self._locators = {name: make_locator(settings) for name, settings in objects.items()}
        self.needs_depth = any(locator.needs_depth for locator in self._locators.values())
        self.on_hand = extrinsics.parent_frame == HAND
        self._fixed = None if self.on_hand else camera_pose(extrinsics)

    @property
    def names(self) -> tuple[str, ...]:
        """The objects looked for."""
        return tuple(self._locators)

    def check(self, model: CameraModel) -> None:
        """Raise ConfigurationError if the camera runs with other intrinsics than it was calibrated with."""
        wanted = self._extrinsics.intrinsics_sha256
        if wanted and wanted != model.sha256:
            raise ConfigurationError(
                f'camera "{self.camera}" has other intrinsics ({model.width}x{model.height}, {model.sha256[:8]}) than those its extrinsics '
                f"were measured with ({wanted[:8]}). Set its size back, or run: stage calibrate camera"
            )

    def look(self, image: np.ndarray, depth: np.ndarray | None, model: CameraModel, hand: np.ndarray | None) -> dict[str, SeenPose | None]:
        """Return object name -> pose in the arm base frame, None where it is not seen.

        Args:
            image: (H, W, 3) uint8 RGB.
            depth: (H, W) float32 m aligned to the image; needed where `needs_depth`.
            model: The camera.
            hand: (7,) m and xyzw at the image's stamp; where the camera is `on_hand` and it is None, nothing can be placed.
        """
        if self.on_hand and hand is None:
            return dict.fromkeys(self._locators)
        camera = camera_pose(self._extrinsics, hand) if self.on_hand else self._fixed
        seen = {name: locator.locate(image, depth, model) for name, locator in self._locators.items()}
        return {name: None if pose is None else pose.in_base(camera) for name, pose in seen.items()}
