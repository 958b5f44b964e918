"""Finds square tags (AprilTag, ArUco) in an image and measures their corners to a few hundredths of a pixel.

OpenCV finds and reads the tags; its own corner refinements are off by half a pixel on small tags, which is centimetres of
depth. So each edge is measured again: across it at many places, then a straight line through those. Start at `TagDetector`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.opencv import import_opencv
from stage_core.errors import ConfigurationError, nearest

FAMILIES = {
    "tag16h5": "DICT_APRILTAG_16h5",
    "tag25h9": "DICT_APRILTAG_25h9",
    "tag36h10": "DICT_APRILTAG_36h10",
    "tag36h11": "DICT_APRILTAG_36h11",
    **{f"aruco_{n}x{n}_{count}": f"DICT_{n}X{n}_{count}" for n in (4, 5, 6, 7) for count in (50, 100, 250, 1000)},
}
SMALLEST_EDGE = 12.0  # pixels; below, the bits cannot be read anyway
END_SHARE = 0.08  # of an edge, left out at both ends: corners are round after blur
STEP = 0.25  # pixels between samples across an edge
LEAST_CONTRAST = 0.35  # of the tag's own contrast, for a place on an edge to count
FEWEST_PLACES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class TagSighting:
    """One tag in one image.

    Attributes:
        number: Its id in the family.
        corners: (4, 2) float64 pixels as an ideal pinhole of the same intrinsics sees them: top left, top right, bottom right,
            bottom left of the tag as printed.
        contrast: Grey values between its white and its black.
        clear_share: Share of the places on its four edges that showed a clean edge, in [0, 1].
        edge_error: Root mean square distance of those places from straight lines, pixels.
    """

    number: int
    corners: np.ndarray
    contrast: float
    clear_share: float
    edge_error: float

    @property
    def edge_length(self) -> float:
        """Mean length of its edges, pixels."""
        return float(np.linalg.norm(self.corners - np.roll(self.corners, -1, axis=0), axis=1).mean())


class TagDetector:
    """Finds the tags of one family.

    Args:
        family: One of FAMILIES.

    Raises:
        ConfigurationError: If the family is unknown.
        MissingDependencyError: If OpenCV is not installed.
    """

    def __init__(self, family: str) -> None:
        if family not in FAMILIES:
            raise ConfigurationError(f'family is "{family}". {nearest(family, FAMILIES)}')
        cv2 = import_opencv()
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, FAMILIES[family]))
        self._cells = dictionary.markerSize + 2  # with the black border
        self._detector = cv2.aruco.ArucoDetector(dictionary, cv2.aruco.DetectorParameters())

    def detect(self, image: np.ndarray, model: CameraModel, numbers: frozenset[int] | None = None) -> dict[int, TagSighting]:
        """Return the tags of an image by id; of two with one id, the one seen more clearly.

        Args:
            image: (H, W, 3) RGB or (H, W) grey, uint8.
            model: The camera.
            numbers: Ids to look for; None: all.
        """
        cv2 = import_opencv()
        grey = image if image.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        quads, ids, _ = self._detector.detectMarkers(grey)
        found: dict[int, TagSighting] = {}
        for quad, number in zip(quads, [] if ids is None else ids.ravel().tolist(), strict=True):
            if numbers is not None and number not in numbers:
                continue
            sighting = self._measure(grey, quad.reshape(4, 2).astype(np.float64), number, model)
            if sighting is not None and (number not in found or sighting.clear_share > found[number].clear_share):
                found[number] = sighting
        return found

    def _measure(self, grey: np.ndarray, quad: np.ndarray, number: int, model: CameraModel) -> TagSighting | None:
        """Measure the four edges; None where one of them is hidden or the tag is too small."""
        lengths = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
        if lengths.min() < SMALLEST_EDGE:
            return None
        reach = float(np.clip(0.6 * lengths.min() / self._cells, 1.5, 4.0))  # stays within the black border and the white rim
        edges = [self._edge(grey, quad[i], quad[(i + 1) % 4], reach) for i in range(4)]
        contrast = float(np.median(np.concatenate([rise for _, rise in edges])))
        clear = [rise > LEAST_CONTRAST * contrast for _, rise in edges]
        if contrast < 10.0 or min(int(places.sum()) for places in clear) < FEWEST_PLACES:
            return None
        lines, errors = zip(
            *(_fit_line(model.undistort(points[good])) for (points, _), good in zip(edges, clear, strict=True)), strict=True
        )
        corners = np.array([_meet(lines[i - 1], lines[i]) for i in range(4)])
        if np.abs(corners - model.undistort(quad)).max() > 2.0 + reach:
            return None  # the lines run along something else
        return TagSighting(
            number=number,
            corners=corners,
            contrast=contrast,
            clear_share=float(np.concatenate(clear).mean()),
            edge_error=float(np.sqrt(np.mean(np.square(errors)))),
        )

    def _edge(self, grey: np.ndarray, start: np.ndarray, end: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Return (m, 2) places of the step from black to white along one edge, pixels, and (m,) its heights, grey values."""
        length = float(np.linalg.norm(end - start))
        along = (end - start) / length
        outward = np.array([along[1], -along[0]])  # corners run clockwise in the picture
        share = np.linspace(END_SHARE, 1.0 - END_SHARE, int(np.clip(length, 8, 64)))
        base = start + share[:, None] * (end - start)
        across = np.arange(-reach, reach + STEP / 2, STEP)
        shift = np.zeros(len(share))
        for _ in range(3):  # a first corner may be a pixel off: the later looks are centred on the step
            values = _sample(grey, base[:, None] + (shift[:, None] + across)[..., None] * outward)
            # Squared: the foot of the step is bent by the cells beside it, which would draw the edge inwards.
            slope = np.clip(np.diff(values, axis=1), 0.0, None) ** 2
            total = slope.sum(axis=1)
            found = slope @ (across[:-1] + STEP / 2) / np.maximum(total, 1e-6)
            shift = shift + np.where(total > 1.0, found, 0.0)
        return base + shift[:, None] * outward, values[:, -1] - values[:, 0]


def _sample(grey: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the grey values at (..., 2) places, pixels, linearly between pixels."""
    cv2 = import_opencv()
    places = places.astype(np.float32)
    return cv2.remap(grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)


def _fit_line(points: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """Return the line (point, direction) nearest to most of `points` (m, 2), and the root mean square distance from it."""
    kept = points
    for _ in range(3):
        middle = kept.mean(axis=0)
        direction = np.linalg.svd(kept - middle, full_matrices=False)[2][0]
        off = np.abs((points - middle) @ np.array([-direction[1], direction[0]]))
        limit = max(0.1, 3.0 * 1.4826 * float(np.median(off)))
        kept = points[off <= limit]
    return (middle, direction), float(np.sqrt(np.mean(np.square(off[off <= limit]))))


def _meet(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the point (2,) where two lines meet."""
    share = np.linalg.lstsq(np.column_stack([first[1], -second[1]]), second[0] - first[0], rcond=None)[0]
    return first[0] + share[0] * first[1]
