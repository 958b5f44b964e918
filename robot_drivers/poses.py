"""Poses as (7,) arrays, m and xyzw, and the rotation vectors between them. Built on `stage_core.geometry`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stage_core.geometry import Quaternion, normalise, quaternion_conjugate, quaternion_multiply, rotate, rotation_angle


def rotation_vector_to_quaternion(vector: Sequence[float]) -> Quaternion:
    """Return the unit quaternion xyzw of a rotation vector (3,) rad; exact for the zero vector."""
    x, y, z = (float(value) for value in vector)
    angle = math.sqrt(x * x + y * y + z * z)
    # sin(a/2)/a has no value at 0; its series is exact to 1e-17 there
    scale = 0.5 - angle * angle / 48.0 if angle < 1e-4 else math.sin(angle / 2.0) / angle
    return (x * scale, y * scale, z * scale, math.cos(angle / 2.0))


def quaternion_to_rotation_vector(quaternion: Sequence[float]) -> tuple[float, float, float]:
    """Return the rotation vector (3,) rad of a unit quaternion xyzw, of length <= pi."""
    x, y, z, w = (float(value) for value in quaternion)
    if w < 0.0:  # the shorter way round
        x, y, z, w = -x, -y, -z, -w
    size = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if size < 1e-12 else 2.0 * math.atan2(size, w) / size
    return (x * scale, y * scale, z * scale)


def make_pose(position: Sequence[float], orientation: Sequence[float]) -> np.ndarray:
    """Return (7,) float64 from a position (3,) m and an orientation (4,) xyzw."""
    return np.array([*position, *orientation], dtype=np.float64)


def pose_distance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the distance in m and the angle in rad between two poses (7,)."""
    return math.dist(first[:3], second[:3]), rotation_angle(first[3:].tolist(), second[3:].tolist())


def twist_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (6,) m and rotation vector in the base frame that carry the pose `first` to `second`."""
    turn = quaternion_multiply(normalise(second[3:].tolist()), quaternion_conjugate(normalise(first[3:].tolist())))
    return np.array([*(second[:3] - first[:3]), *quaternion_to_rotation_vector(turn)])


def add_twist(pose: np.ndarray, twist: np.ndarray, *, frame: str = "base") -> np.ndarray:
    """Return `pose` (7,) moved by `twist` (6,) m and rotation vector.

    Args:
        pose: (7,) m and xyzw.
        twist: (6,) m and rotation vector.
        frame: "base" gives p + dp, exp(dr) R; "tool" gives p + R dp, R exp(dr).
    """
    orientation = tuple(pose[3:].tolist())
    turn = rotation_vector_to_quaternion(twist[3:])
    if frame == "tool":
        return make_pose(pose[:3] + rotate(orientation, twist[:3].tolist()), normalise(quaternion_multiply(orientation, turn)))
    return make_pose(pose[:3] + twist[:3], normalise(quaternion_multiply(turn, orientation)))


def interpolate_pose(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Return the pose (7,) at `share` in [0, 1] of the straight way from `first` to `second`."""
    return add_twist(first, share * twist_between(first, second))
