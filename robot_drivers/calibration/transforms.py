"""Rigid transforms as 4x4 matrices, for least squares. Poses (7,) are m and xyzw, as everywhere in Stage."""

from __future__ import annotations

import numpy as np

from robot_drivers.poses import quaternion_to_rotation_vector, rotation_vector_to_quaternion
from stage_core.geometry import normalise


def to_matrix(pose: np.ndarray) -> np.ndarray:
    """Return the (4, 4) matrix of a pose (7,)."""
    x, y, z, w = normalise(np.asarray(pose[3:]).tolist())
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = pose[:3]
    return matrix


def to_pose(matrix: np.ndarray) -> np.ndarray:
    """Return the pose (7,) of a (4, 4) matrix, with w >= 0."""
    return np.array([*matrix[:3, 3], *rotation_vector_to_quaternion(rotation_vector(matrix[:3, :3]))])


def invert(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of rigid transforms (..., 4, 4)."""
    inverse = np.zeros_like(matrix)
    turned = np.swapaxes(matrix[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = turned
    inverse[..., :3, 3] = -(turned @ matrix[..., :3, 3:])[..., 0]
    inverse[..., 3, 3] = 1.0
    return inverse


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) rad of a rotation matrix (3, 3), of length <= pi."""
    # The largest of the four sums names the component that can be divided by without losing digits.
    trace = np.trace(rotation)
    candidates = [trace, *np.diag(rotation)]
    largest = int(np.argmax(candidates))
    if largest == 0:
        quaternion = np.array([*_off_diagonal(rotation), 1.0 + trace])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        quaternion = np.empty(4)
        quaternion[i] = 1.0 + 2.0 * rotation[i, i] - trace
        quaternion[j] = rotation[i, j] + rotation[j, i]
        quaternion[k] = rotation[i, k] + rotation[k, i]
        quaternion[3] = _off_diagonal(rotation)[i]
    return np.array(quaternion_to_rotation_vector(quaternion / np.linalg.norm(quaternion)))


def exponential(twist: np.ndarray) -> np.ndarray:
    """Return the (4, 4) matrix that moves by `twist[:3]` m and turns by the rotation vector `twist[3:]` rad."""
    return to_matrix(np.array([*twist[:3], *rotation_vector_to_quaternion(twist[3:])]))


def difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the distance, m, and the angle, rad, between two (4, 4) transforms."""
    turn = rotation_vector(first[:3, :3].T @ second[:3, :3])
    return float(np.linalg.norm(first[:3, 3] - second[:3, 3])), float(np.linalg.norm(turn))


def cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """Return (m, 3, 3) matrices that multiply as the cross product with each of `vectors` (m, 3)."""
    matrices = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    matrices[:, 0, 1], matrices[:, 0, 2], matrices[:, 1, 2] = -z, y, -x
    matrices[:, 1, 0], matrices[:, 2, 0], matrices[:, 2, 1] = z, -y, x
    return matrices


def mean_rotation(rotations: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) nearest to all of `rotations` (n, 3, 3) in the least-squares sense."""
    left, _, right = np.linalg.svd(np.sum(rotations, axis=0))
    return left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right


def _off_diagonal(rotation: np.ndarray) -> np.ndarray:
    return np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
