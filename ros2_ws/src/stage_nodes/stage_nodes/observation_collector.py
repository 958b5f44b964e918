"""Joins the newest arm state with one image of each camera: by equal stamp in lockstep, by age otherwise. No ROS calls here."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image
from stage_msgs.msg import ArmState

from stage_nodes.conversions import NANOSECONDS, image_from_message, nanoseconds_of


class ObservationCollector:
    """Keeps the newest state and, per camera, the newest image."""

    def __init__(self, cameras: tuple[str, ...], *, lockstep: bool, max_age_s: float) -> None:
        """Collect for `cameras`; without lockstep an image older than `max_age_s` against the state does not count."""
        self._images: dict[str, Image | None] = dict.fromkeys(cameras)
        self._lockstep = lockstep
        self._max_age = round(max_age_s * NANOSECONDS)
        self.state: ArmState | None = None

    def add_image(self, camera: str, message: Image) -> None:
        """Keep the newest image of a camera."""
        self._images[camera] = message

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return camera -> (height, width) of the images seen so far."""
        return {name: (image.height, image.width) for name, image in self._images.items() if image is not None}

    def missing(self) -> tuple[str, ...]:
        """Return the cameras whose image does not fit the newest state."""
        if self.state is None:
            return tuple(self._images)
        stamp = nanoseconds_of(self.state.header.stamp)
        return tuple(name for name, image in self._images.items() if image is None or not self._fits(stamp, image))

    def images(self) -> dict[str, np.ndarray]:
        """Return camera -> (H, W, 3) uint8 RGB."""
        return {name: image_from_message(image) for name, image in self._images.items() if image is not None}

    def _fits(self, stamp: int, image: Image) -> bool:
        age = stamp - nanoseconds_of(image.header.stamp)
        return age == 0 if self._lockstep else abs(age) <= self._max_age
