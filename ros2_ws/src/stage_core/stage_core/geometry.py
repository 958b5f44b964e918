"""Small geometry on plain floats: quaternions (x, y, z, w), the sigmoid, distances to lines and polylines.

Functions take any sequence of floats and give tuples: on three numbers numpy's call overhead costs ten times the
sum itself, and the monitor calls these at control rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


def sigmoid(value: float) -> float:
    """Return 1 / (1 + exp(-value)) without overflow."""
    if value >= 0.0:
        return 1.0 / (1.0 + math.exp(-value))
    exponential = math.exp(max(value, -700.0))
    return exponential / (1.0 + exponential)


def distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the Euclidean distance of two (3,) points, in their unit."""
    x, y, z = first[0] - second[0], first[1] - second[1], first[2] - second[2]
    return math.sqrt(x * x + y * y + z * z)


def horizontal_distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the distance of two points in the x-y plane, in their unit."""
    return math.hypot(first[0] - second[0], first[1] - second[1])


def normalise(quaternion: Sequence[float]) -> Quaternion:
    """Return the unit quaternion xyzw; a zero quaternion becomes the identity."""
    x, y, z, w = quaternion
    length = math.sqrt(x * x + y * y + z * z + w * w)
    return (x / length, y / length, z / length, w / length) if length > 1e-12 else (0.0, 0.0, 0.0, 1.0)


def quaternion_conjugate(quaternion: Sequence[float]) -> Quaternion:
    """Return the inverse rotation of a unit quaternion xyzw."""
    x, y, z, w = quaternion
    return (-x, -y, -z, w)


def quaternion_multiply(first: Sequence[float], second: Sequence[float]) -> Quaternion:
    """Return the rotation `second`, then `first`; both (4,) xyzw."""
    ax, ay, az, aw = first
    bx, by, bz, bw = second
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def rotate(quaternion: Sequence[float], vector: Sequence[float]) -> Vector:
    """Return `vector` (3,) turned by a unit quaternion xyzw."""
    qx, qy, qz, qw = quaternion
    vx, vy, vz = vector
    tx, ty, tz = 2.0 * (qy * vz - qz * vy), 2.0 * (qz * vx - qx * vz), 2.0 * (qx * vy - qy * vx)
    return (vx + qw * tx + qy * tz - qz * ty, vy + qw * ty + qz * tx - qx * tz, vz + qw * tz + qx * ty - qy * tx)


def rotation_angle(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the angle between two orientations xyzw, rad, in [0, pi]; q and -q are the same orientation."""
    x, y, z, w = quaternion_multiply(quaternion_conjugate(normalise(first)), normalise(second))
    return 2.0 * math.atan2(math.sqrt(x * x + y * y + z * z), abs(w))


def alignment(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how well two orientations xyzw agree: cos²(angle / 2), in [0, 1]; 1 when equal, 0 when half a turn apart."""
    a, b = normalise(first), normalise(second)
    dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
    return min(1.0, dot * dot)


def vertical_cosine(quaternion: Sequence[float], axis: int) -> float:
    """Return |cos| of the angle between a body axis (0 x, 1 y, 2 z) and the vertical, in [0, 1]; either end may be up."""
    x, y, z, w = normalise(quaternion)
    if axis == 0:
        component = 2.0 * (x * z - y * w)
    elif axis == 1:
        component = 2.0 * (y * z + x * w)
    else:
        component = 1.0 - 2.0 * (x * x + y * y)
    return min(1.0, abs(component))


def point_to_segment(point: Sequence[float], start: Sequence[float], end: Sequence[float]) -> float:
    """Return the distance of `point` to the segment start..end, all (3,) in one unit; a segment of length 0 is a point."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    px, py, pz = point[0] - start[0], point[1] - start[1], point[2] - start[2]
    squared = dx * dx + dy * dy + dz * dz
    share = 0.0 if squared <= 0.0 else min(1.0, max(0.0, (px * dx + py * dy + pz * dz) / squared))
    x, y, z = px - share * dx, py - share * dy, pz - share * dz
    return math.sqrt(x * x + y * y + z * z)


def point_to_polyline(point: Sequence[float], corners: Sequence[Sequence[float]]) -> float:
    """Return the distance of `point` to the nearest point of the polyline through `corners` (n >= 1 points of (3,))."""
    if len(corners) == 1:
        return distance(point, corners[0])
    return min(point_to_segment(point, corners[i], corners[i + 1]) for i in range(len(corners) - 1))


def horizontal_distance_to_line(point: Sequence[float], start: Sequence[float], end: Sequence[float]) -> float:
    """Return the distance in the x-y plane of `point` to the endless line through start and end; a point when they coincide."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = point[0] - start[0], point[1] - start[1]
    length = math.hypot(dx, dy)
    return abs(dx * py - dy * px) / length if length > 1e-9 else math.hypot(px, py)
