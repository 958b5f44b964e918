"""From the tags of an image to the pose of the object they are glued on. Start at `locate_by_tags`.

A tag's frame: its middle, x to the right and y up on the print, z out of its face.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.opencv import import_opencv
from robot_drivers.calibration.transforms import difference, to_pose
from robot_drivers.perception.seen_pose import SeenPose
from robot_drivers.perception.tag_detector import TagSighting

CLEAR_REPROJECTION = 0.35  # pixels; corners of a flat, well printed tag of the right size agree to 0.1
CLEAR_EDGE_ERROR = 0.35  # pixels
CLEAR_EDGE = 24.0  # pixels; a shorter edge is seen less and less surely, down to nothing at half of that
CLEAR_CONTRAST = 40.0  # grey values
SAME_ANGLE = 0.1  # rad; two answers nearer than this are one
TELLING_RATIO = 2.0  # the wrong one of a tag's two answers must fit this much worse
ROUNDING = 0.05  # pixels; errors below this are nothing but noise, so that their ratio says nothing


def locate_by_tags(
    sightings: Mapping[int, TagSighting], sizes: Mapping[int, float], object_in_tag: Mapping[int, np.ndarray], model: CameraModel
) -> SeenPose | None:
    """Return the object's pose in the optical frame from the tag that is seen best, None where none is seen.

    Args:
        sightings: From `TagDetector.detect`.
        sizes: Id -> edge of the tag's black border, m.
        object_in_tag: Id -> (4, 4) pose of the object's centre in that tag's frame.
        model: The camera.

    Returns:
        A pose. A small, nearly frontal tag fits two tilts equally well: then the orientation is None, and the position is
        as sure as the two agree on it.
    """
    poses = [_locate(sighting, sizes[number], object_in_tag[number], model) for number, sighting in sightings.items() if number in sizes]
    seen = [pose for pose in poses if pose is not None]
    return max(seen, key=lambda pose: pose.confidence) if seen else None


def tag_poses(corners: np.ndarray, size: float, model: CameraModel) -> list[tuple[np.ndarray, float]]:
    """Return the (4, 4) poses of a tag in the optical frame that fit its corners, best first, with their errors in pixels.

    Args:
        corners: (4, 2) ideal pixels, top left, top right, bottom right, bottom left.
        size: Edge of the black border, m.
        model: The camera.
    """
    cv2 = import_opencv()
    half = size / 2.0
    points = np.array([[-half, half, 0.0], [half, half, 0.0], [half, -half, 0.0], [-half, -half, 0.0]])
    count, turns, moves, errors = cv2.solvePnPGeneric(points, corners, model.intrinsics, None, flags=cv2.SOLVEPNP_IPPE_SQUARE)
    found = []
    for i in range(count):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turns[i])[0], moves[i].ravel()
        if pose[2, 3] > 0.0 and np.isfinite(pose).all():
            found.append((pose, float(errors[i].item())))
    return sorted(found, key=lambda entry: entry[1])


def _locate(sighting: TagSighting, size: float, object_in_tag: np.ndarray, model: CameraModel) -> SeenPose | None:
    poses = tag_poses(sighting.corners, size, model)
    if not poses:
        return None
    best, error = poses[0]
    thing = best @ object_in_tag
    told, agreement = True, 1.0
    if len(poses) > 1:
        other, other_error = poses[1]
        apart, angle = difference(best, other)
        if angle > SAME_ANGLE and other_error + ROUNDING < TELLING_RATIO * (error + ROUNDING):
            told = False
            between = float(np.linalg.norm(thing[:3, 3] - (other @ object_in_tag)[:3, 3]))
            agreement = max(0.0, 1.0 - between / (0.5 * size))
    confidence = agreement * tag_confidence(sighting, error)
    pose = to_pose(thing)
    evidence = f"tag {sighting.number}, {sighting.edge_length:.0f} pixels, {100 * sighting.clear_share:.0f} % of its edges, error {error:.2f} pixels"
    return SeenPose(position=pose[:3], orientation=pose[3:] if told else None, confidence=confidence, evidence=evidence)


def tag_confidence(sighting: TagSighting, reprojection_error: float) -> float:
    """Return how sure a tag's pose is, in [0, 1]: from its visible share, size, contrast and how well it fits."""
    size = min(1.0, max(0.0, 2.0 * sighting.edge_length / CLEAR_EDGE - 1.0))
    contrast = min(1.0, sighting.contrast / CLEAR_CONTRAST)
    fits = [error / limit for error, limit in ((reprojection_error, CLEAR_REPROJECTION), (sighting.edge_error, CLEAR_EDGE_ERROR))]
    worst = max(fits)
    fit = 1.0 if worst <= 1.0 else 1.0 / worst**2
    return float(sighting.clear_share * size * contrast * fit)
