"""The printed board: its description, and its corners found in an image. Start at `BoardDetector.detect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.calibration.opencv import import_opencv
from stage_core.errors import ConfigurationError, nearest

DICTIONARIES = tuple(f"DICT_{bits}X{bits}_{count}" for bits in (4, 5, 6, 7) for count in (50, 100, 250, 1000))
FEWEST_CORNERS = 10
FEWEST_LINES = 3  # rows and columns that the corners must lie on: two of them leave the tilt open
BLURRED_EDGE = 5.0  # pixels from black to white; 2 is as sharp as pixels allow


@dataclass(frozen=True, kw_only=True)
class BoardDescription:
    """A ChArUco board: a chessboard with ArUco markers in its white squares.

    Attributes:
        square_m: Side of a square as measured on the print, m.
        marker_m: Side of a marker, m, below `square_m`.
        columns: Squares along x.
        rows: Squares along y.
        dictionary: OpenCV's name of the markers' dictionary.
    """

    square_m: float
    marker_m: float
    columns: int = 8
    rows: int = 6
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        if not 0.005 <= self.square_m <= 0.2:
            raise ConfigurationError(f"the board's squares are {1e3 * self.square_m:g} mm; expected 5 to 200 mm. Millimetres, not metres?")
        if not 0.4 * self.square_m <= self.marker_m <= 0.9 * self.square_m:
            raise ConfigurationError(
                f"the board's markers are {1e3 * self.marker_m:g} mm in squares of {1e3 * self.square_m:g} mm; expected 0.4 to 0.9 of a square."
            )
        for key in ("columns", "rows"):
            if not 4 <= getattr(self, key) <= 30:
                raise ConfigurationError(f"the board has {getattr(self, key)} {key}; expected 4 to 30 squares.")
        if self.dictionary not in DICTIONARIES:
            raise ConfigurationError(f'the board\'s dictionary is "{self.dictionary}". {nearest(self.dictionary, DICTIONARIES)}')
        if self.columns * self.rows // 2 > int(self.dictionary.rsplit("_", 1)[1]):
            raise ConfigurationError(
                f"the board has {self.columns * self.rows // 2} markers; {self.dictionary} has fewer. Take a larger one."
            )

    @property
    def corners(self) -> np.ndarray:
        """(c, 3) float64 m, the inner corners in the board frame, by their number: along x first, z = 0."""
        y, x = np.mgrid[1 : self.rows, 1 : self.columns]
        return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1) * self.square_m

    @property
    def center(self) -> np.ndarray:
        """(3,) m, the middle of the board in its own frame."""
        return np.array([self.columns, self.rows, 0.0]) * self.square_m / 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """What was found of the board in one image.

    Attributes:
        ids: (k,) int, numbers of the corners; `BoardDescription.corners[ids]` are their places.
        pixels: (k, 2) float64, with distortion; the centre of the first pixel is (0, 0).
        edge_width: Pixels from black to white at the corners, median; NaN where no corner was found.
        problem: Why the image cannot be used, in words; empty where it can.
    """

    ids: np.ndarray
    pixels: np.ndarray
    edge_width: float
    problem: str


class BoardDetector:
    """Finds one board in images."""

    def __init__(self, board: BoardDescription) -> None:
        cv2 = import_opencv()
        self.board = board
        self._detector = cv2.aruco.CharucoDetector(make_opencv_board(board))

    def detect(self, image: np.ndarray) -> Detection:
        """Return the corners in an image.

        Args:
            image: (H, W, 3) RGB or (H, W) grey, uint8.
        """
        cv2 = import_opencv()
        grey = image if image.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        corners, ids, _, markers = self._detector.detectBoard(grey)
        if ids is None or len(ids) == 0:
            return Detection(
                ids=np.zeros(0, int), pixels=np.zeros((0, 2)), edge_width=float("nan"), problem=self._why_nothing(grey, markers)
            )
        ids = ids.ravel().astype(int)
        # OpenCV 4.11 gives ChArUco corners half a pixel too far right and down; a search of our own ends on the corner itself.
        half = self._half_window(ids, corners.reshape(-1, 2))
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 60, 1e-3)
        pixels = cv2.cornerSubPix(grey, corners.astype(np.float32), (half, half), (-1, -1), stop).reshape(-1, 2).astype(np.float64)
        width = edge_width(grey, pixels)
        return Detection(ids=ids, pixels=pixels, edge_width=width, problem=self._why_not(ids, width))

    def _half_window(self, ids: np.ndarray, pixels: np.ndarray) -> int:
        """Return how far around a corner there is nothing but its two edges, pixels."""
        across = {int(corner): pixels[i] for i, corner in enumerate(ids)}
        steps = [np.linalg.norm(across[c + 1] - p) for c, p in across.items() if (c + 1) % (self.board.columns - 1) and c + 1 in across]
        side = float(np.median(steps)) if steps else 20.0
        gap = side * (1.0 - self.board.marker_m / self.board.square_m) / 2.0
        return int(np.clip(0.8 * gap, 2, 12))

    def _why_not(self, ids: np.ndarray, width: float) -> str:
        lines = min(np.unique(ids // (self.board.columns - 1)).size, np.unique(ids % (self.board.columns - 1)).size)
        if ids.size < FEWEST_CORNERS or lines < FEWEST_LINES:
            return f"{ids.size} of {len(self.board.corners)} corners seen: bring the whole board into the image"
        if width > BLURRED_EDGE:
            return f"blurred (edges {width:.1f} pixels wide): hold still, add light, or focus"
        return ""

    def _why_nothing(self, grey: np.ndarray, markers: Any) -> str:
        if markers is not None and len(markers) > 3:
            return f"{len(markers)} markers but no corners: another board? Compare rows, columns and dictionary with the print"
        _, mirrored, _, _ = self._detector.detectBoard(np.ascontiguousarray(grey[:, ::-1]))
        if mirrored is not None and len(mirrored) >= FEWEST_CORNERS:
            return "the image is mirrored: switch mirroring off in the camera, or print the board again without it"
        return "no board seen"


def make_opencv_board(board: BoardDescription) -> Any:
    """Return OpenCV's own CharucoBoard."""
    cv2 = import_opencv()
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    return cv2.aruco.CharucoBoard((board.columns, board.rows), board.square_m, board.marker_m, dictionary)


def edge_width(grey: np.ndarray, pixels: np.ndarray, *, reach: int = 6) -> float:
    """Return how many pixels an edge takes from black to white, median over `pixels` (k, 2); NaN without a corner inside.

    Contrast over steepest slope: a perfectly sharp edge gives 2, because the slope is taken over two pixels.
    """
    widths = []
    for x, y in np.round(pixels).astype(int):
        patch = grey[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].astype(np.float64)
        if min(patch.shape) < 2 * reach:
            continue
        slope = np.hypot(patch[1:-1, 2:] - patch[1:-1, :-2], patch[2:, 1:-1] - patch[:-2, 1:-1]) / 2.0
        low, high = np.percentile(patch, (5, 95))
        widths.append((high - low) / max(1e-9, np.percentile(slope, 98)))
    return float(np.median(widths)) if widths else float("nan")
