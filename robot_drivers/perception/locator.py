"""One object looked for in the images of one camera. Start at `make_locator`, then call `locate` for each image."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.perception.colour_pose import locate_by_colour
from robot_drivers.perception.seen_pose import SeenPose
from robot_drivers.perception.settings import ColourObject, ObjectSettings, TagObject
from robot_drivers.perception.tag_detector import TagDetector
from robot_drivers.perception.tag_pose import locate_by_tags


class ObjectLocator(ABC):
    """Looks for one object. Keeps nothing from one image to the next, so that a log replayed gives the same poses."""

    needs_depth = False

    @abstractmethod
    def locate(self, image: np.ndarray, depth: np.ndarray | None, model: CameraModel) -> SeenPose | None:
        """Return the object's pose in the optical frame, None where it is not seen.

        Args:
            image: (H, W, 3) uint8 RGB.
            depth: (H, W) float32 m aligned to the image, or None where `needs_depth` is False.
            model: The camera.
        """


class TagLocator(ObjectLocator):
    """By tags."""

    def __init__(self, settings: TagObject) -> None:
        self._detector = TagDetector(settings.family)
        self._sizes = {tag.id: tag.size_m for tag in settings.tags}
        self._object_in_tag = {tag.id: tag.object_in_tag for tag in settings.tags}

    def locate(self, image: np.ndarray, depth: np.ndarray | None, model: CameraModel) -> SeenPose | None:
        sightings = self._detector.detect(image, model, frozenset(self._sizes))
        return locate_by_tags(sightings, self._sizes, self._object_in_tag, model)


class ColourLocator(ObjectLocator):
    """By colour and depth."""

    needs_depth = True

    def __init__(self, settings: ColourObject) -> None:
        self._settings = settings

    def locate(self, image: np.ndarray, depth: np.ndarray | None, model: CameraModel) -> SeenPose | None:
        if depth is None:
            raise ValueError("depth is None; expected depth aligned to the image, for an object that is found by its colour.")
        return locate_by_colour(image, depth, model, self._settings)


def make_locator(settings: ObjectSettings) -> ObjectLocator:
    """Return the locator that the settings of an object ask for. Raises MissingDependencyError without OpenCV."""
    return TagLocator(settings) if isinstance(settings, TagObject) else ColourLocator(settings)
