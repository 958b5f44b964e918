"""Which objects are looked for, in which camera, and how: a file in config/perception. Start at `load_perception`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.calibration.transforms import to_matrix
from robot_drivers.perception.tag_detector import FAMILIES
from stage_core.configuration import from_mapping, load_yaml
from stage_core.errors import ConfigurationError, nearest

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Tag:
    """One tag glued on an object; nothing of it can be guessed.

    Attributes:
        id: Number in the family.
        size_m: Edge of the black border as measured on the print, m.
        object_position_m: (3,) the object's centre in the tag's frame (middle of the tag, x right, y up, z out of its face):
            [0, 0, -0.02] on any face of a 4 cm cube.
        object_orientation_xyzw: (4,) the object's orientation in the tag's frame; [0, 0, 0, 1] where its axes are the tag's.
    """

    id: int
    size_m: float
    object_position_m: tuple[float, float, float]
    object_orientation_xyzw: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if self.id < 0:
            raise ConfigurationError(f"id is {self.id}; expected 0 or more, as printed beside the tag.")
        if not 0.003 <= self.size_m <= 1.0:
            raise ConfigurationError(f"size_m is {self.size_m} m; expected 0.003 to 1 m. Metres, not millimetres?")
        if not all(abs(value) <= 1.0 for value in self.object_position_m):
            raise ConfigurationError(f"object_position_m is {self.object_position_m}; expected three numbers within 1 m. Metres?")
        length = math.hypot(*self.object_orientation_xyzw)
        if not abs(length - 1.0) < 1e-3:
            raise ConfigurationError(f"object_orientation_xyzw has length {length:.4f}; expected 1. Is it a quaternion, x y z w?")

    @property
    def object_in_tag(self) -> np.ndarray:
        """(4, 4) pose of the object's centre in the tag's frame."""
        return to_matrix(np.array([*self.object_position_m, *self.object_orientation_xyzw]))


@dataclass(frozen=True, kw_only=True)
class TagObject:
    """An object with tags on it.

    Attributes:
        method: `tag`.
        camera: Name of the camera in the workcell file.
        family: One of `tag_detector.FAMILIES`.
        tags: At least one.
    """

    method: str
    camera: str
    family: str
    tags: tuple[Tag, ...]

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigurationError(f'family is "{self.family}". {nearest(self.family, FAMILIES)}')
        ids = [tag.id for tag in self.tags]
        if not ids or len(set(ids)) != len(ids):
            raise ConfigurationError(f"tags have the ids {ids}; expected at least one, and each once.")


@dataclass(frozen=True, kw_only=True)
class ColourObject:
    """An object of one colour, seen by a camera with depth.

    Attributes:
        method: `colour`.
        camera: Name of the camera in the workcell file; it must have depth.
        hue_deg: First and last hue, degrees on the colour circle (red 0, green 120, blue 240); [340, 20] wraps over red.
        saturation: Least and most, [0, 1]; grey is 0.
        value: Least and most brightness, [0, 1].
        size_m: Edge length of a square that covers as much as the object shows when nothing hides it, m.
        surface_to_centre_m: From the middle of the visible surface to the object's centre along the line of sight, m.
        largest_share: A patch larger than this many times the expected one is not the object.
    """

    method: str
    camera: str
    hue_deg: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]
    size_m: float
    surface_to_centre_m: float
    largest_share: float = 3.0

    def __post_init__(self) -> None:
        if not all(0.0 <= angle <= 360.0 for angle in self.hue_deg):
            raise ConfigurationError(f"hue_deg is {self.hue_deg}; expected degrees in 0 to 360. OpenCV's hues are half of that.")
        for key in ("saturation", "value"):
            low, high = getattr(self, key)
            if not 0.0 <= low < high <= 1.0:
                raise ConfigurationError(f"{key} is {(low, high)}; expected least < most in [0, 1]. Divide OpenCV's values by 255.")
        for key in ("size_m", "surface_to_centre_m"):
            if not (0.0 < getattr(self, key) <= 0.5 or (key != "size_m" and getattr(self, key) == 0.0)):
                raise ConfigurationError(f"{key} is {getattr(self, key)} m; expected 0 < value <= 0.5. Metres, not millimetres?")
        if not 1.0 <= self.largest_share <= 100.0:
            raise ConfigurationError(f"largest_share is {self.largest_share}; expected 1 to 100.")


METHODS: dict[str, type] = {"tag": TagObject, "colour": ColourObject}
ObjectSettings = TagObject | ColourObject


@dataclass(frozen=True, kw_only=True)
class PerceptionFile:
    """The file as it is written; `load_perception` returns its checked objects."""

    schema_version: int
    objects: dict[str, dict[str, Any]]


def load_perception(path: str | Path) -> dict[str, ObjectSettings]:
    """Return object name -> settings from a file of config/perception.

    Raises:
        ConfigurationError: Naming file, field, value, what was expected and the nearest known key.
    """
    return perception_from_mapping(load_yaml(path), source=str(path))


def perception_from_mapping(mapping: Mapping[str, Any], *, source: str) -> dict[str, ObjectSettings]:
    """Return object name -> settings from a mapping, as YAML gives it. Raises ConfigurationError as `load_perception`."""
    file = from_mapping(PerceptionFile, mapping, source=source)
    if file.schema_version != SCHEMA_VERSION:
        raise ConfigurationError(f"{source}: schema_version is {file.schema_version}; expected {SCHEMA_VERSION}. Update the file or Stage.")
    if not file.objects:
        raise ConfigurationError(f"{source}: objects is empty; expected at least one object to look for.")
    found: dict[str, ObjectSettings] = {}
    for name, entry in file.objects.items():
        field = f"objects.{name}"
        if not (isinstance(name, str) and name.isidentifier() and name == name.lower()):  # it becomes a topic
            raise ConfigurationError(f"{source}: {field} is a name; expected lower-case letters, digits and underscores, such as red_cube.")
        method = entry.get("method")
        if method not in METHODS:
            raise ConfigurationError(f"{source}: {field}.method is {method!r}. {nearest(str(method), METHODS)}")
        found[name] = from_mapping(METHODS[method], entry, source=source, field=field)
    return found
