"""From colour and aligned depth to where a one-coloured object is. Start at `locate_by_colour`.

The visible surface is measured; the centre lies behind it by a length that the settings must name. Orientation is not known.
"""

from __future__ import annotations

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.opencv import import_opencv
from robot_drivers.perception.seen_pose import SeenPose
from robot_drivers.perception.settings import ColourObject

FEWEST_PIXELS = 20
EDGE_PIXELS = 1  # taken off the patch's rim: colour and depth mix there
FAR_OFF = 3.0  # in robust standard deviations of depth; such pixels belong to something else
DEPTH_ROUNDING_M = 0.002  # depth steps of a few mm are no outliers
FRAME_PENALTY = 0.5  # a patch that the picture's edge cuts has its middle elsewhere


def locate_by_colour(image: np.ndarray, depth: np.ndarray, model: CameraModel, settings: ColourObject) -> SeenPose | None:
    """Return where the largest patch of a colour is, in the optical frame; None where it is not seen.

    Args:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 m along the optical axis, aligned to `image`; NaN or 0 where unknown.
        model: The camera.
        settings: Colour and size of the object.

    Raises:
        ValueError: If image and depth differ in size.
    """
    if depth.shape != image.shape[:2]:
        raise ValueError(f"depth is {depth.shape}, the image {image.shape[:2]}; expected depth aligned to the image.")
    patch = largest_patch(colour_mask(image, settings))
    area = int(patch.sum())
    if area < FEWEST_PIXELS:
        return None
    rows, columns = np.nonzero(_inner(patch))
    distances = depth[rows, columns].astype(np.float64)
    known = np.isfinite(distances) & (distances > 0.0)
    if known.sum() < FEWEST_PIXELS // 2:
        return None
    rows, columns, distances = rows[known], columns[known], distances[known]
    middle = float(np.median(distances))
    deviation = 1.4826 * float(np.median(np.abs(distances - middle)))
    near = np.abs(distances - middle) <= FAR_OFF * deviation + DEPTH_ROUNDING_M
    pixels = model.undistort(np.stack([columns[near], rows[near]], axis=1).astype(np.float64))
    rays = np.column_stack([(pixels - model.intrinsics[:2, 2]) / np.diag(model.intrinsics)[:2], np.ones(len(pixels))])
    surface = np.median(rays * distances[near, None], axis=0)
    position = surface + settings.surface_to_centre_m * surface / np.linalg.norm(surface)
    expected = settings.size_m**2 * model.intrinsics[0, 0] * model.intrinsics[1, 1] / middle**2
    visible = min(1.0, area / expected)
    confidence = visible * float(near.mean()) * float(known.mean()) * (FRAME_PENALTY if _touches_frame(patch) else 1.0)
    if area > settings.largest_share * expected:
        confidence = 0.0  # more of that colour than the object can show: something else, too
    evidence = f"{area} pixels, {100 * area / expected:.0f} % of the object, at {middle:.3f} m"
    return SeenPose(position=position, orientation=None, confidence=float(min(1.0, confidence)), evidence=evidence)


def colour_mask(image: np.ndarray, settings: ColourObject) -> np.ndarray:
    """Return the (H, W) bool mask of pixels in the colour's range; hues may wrap over 0."""
    cv2 = import_opencv()
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV_FULL)  # hue in 256 steps of a full circle
    first, last = (round(angle / 360.0 * 256.0) % 256 for angle in settings.hue_deg)
    (low_s, high_s), (low_v, high_v) = settings.saturation, settings.value
    parts = [(first, last)] if first <= last else [(first, 255), (0, last)]
    mask = np.zeros(image.shape[:2], dtype=np.uint8)
    for low, high in parts:
        lower, upper = np.array([low, 255 * low_s, 255 * low_v]), np.array([high, 255 * high_s, 255 * high_v])
        mask |= cv2.inRange(hsv, lower, upper)
    return mask > 0


def largest_patch(mask: np.ndarray) -> np.ndarray:
    """Return the (H, W) bool mask of the largest connected patch; all False where there is none."""
    cv2 = import_opencv()
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(mask)
    return labels == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))


def _inner(patch: np.ndarray) -> np.ndarray:
    """Return the patch without its rim, or as it is where nothing would be left."""
    cv2 = import_opencv()
    kernel = np.ones((2 * EDGE_PIXELS + 1,) * 2, np.uint8)
    inner = cv2.erode(patch.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    return inner if inner.sum() >= FEWEST_PIXELS else patch


def _touches_frame(patch: np.ndarray) -> bool:
    return bool(patch[0].any() or patch[-1].any() or patch[:, 0].any() or patch[:, -1].any())
