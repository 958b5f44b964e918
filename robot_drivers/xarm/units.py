"""The border between Stage (m, xyzw) and an xArm's controller (mm, roll-pitch-yaw or rotation vectors): the only place with millimetres.

Angles cross it in radians: every SDK object is built with `is_radian=True`. Roll, pitch and yaw turn about the fixed axes x, then y,
then z. Start at `pose_from_controller`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from robot_drivers.poses import quaternion_to_rotation_vector

MILLIMETRES = 1000.0  # per metre


def pose_from_controller(pose: Sequence[float]) -> np.ndarray:
    """Return (7,) m and xyzw from (6,) mm and roll, pitch, yaw in rad."""
    x, y, z, roll, pitch, yaw = (float(value) for value in pose)
    return np.array([x / MILLIMETRES, y / MILLIMETRES, z / MILLIMETRES, *_quaternion(roll, pitch, yaw)])


def pose_to_controller(pose: np.ndarray) -> list[float]:
    """Return (6,) mm and roll, pitch, yaw in rad from (7,) m and xyzw."""
    return [*lengths_to_controller(pose[:3]), *_roll_pitch_yaw(pose[3:])]


def servo_pose_to_controller(pose: np.ndarray) -> list[float]:
    """Return (6,) mm and rotation vector in rad from (7,) m and xyzw, as Cartesian servo targets are given."""
    return [*lengths_to_controller(pose[:3]), *quaternion_to_rotation_vector(pose[3:] / np.linalg.norm(pose[3:]))]


def lengths_to_controller(lengths: Sequence[float]) -> list[float]:
    """Return mm from m."""
    return [MILLIMETRES * float(value) for value in lengths]


def lengths_from_controller(lengths: Sequence[float]) -> np.ndarray:
    """Return m from mm."""
    return np.array([float(value) / MILLIMETRES for value in lengths])


def _quaternion(roll: float, pitch: float, yaw: float) -> tuple[float, float, float, float]:
    cr, sr = math.cos(roll / 2), math.sin(roll / 2)
    cp, sp = math.cos(pitch / 2), math.sin(pitch / 2)
    cy, sy = math.cos(yaw / 2), math.sin(yaw / 2)
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )


def _roll_pitch_yaw(quaternion: np.ndarray) -> tuple[float, float, float]:
    x, y, z, w = quaternion / np.linalg.norm(quaternion)
    sine = 2.0 * (w * y - z * x)
    if abs(sine) > 1.0 - 1e-12:  # straight up or down: roll and yaw turn about one axis, and yaw is taken as 0
        return 2.0 * math.atan2(x, w), math.copysign(math.pi / 2, sine), 0.0
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    return roll, math.asin(sine), math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
