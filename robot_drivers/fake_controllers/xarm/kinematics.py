"""Where the tool is for given joints, and which joints bring it to a pose, from the vendor's published link tables.

Millimetres and radians, as on the wire. A pose is (x, y, z, roll, pitch, yaw): rotation yaw about z, after pitch about y, after
roll about x, all about the fixed axes of the base; or (x, y, z, rotation vector). Start at `Kinematics.tool`.
"""

from __future__ import annotations

import math

import numpy as np

from .models import Model

POSITION_TOLERANCE = 0.05  # mm
ANGLE_TOLERANCE = 2e-4  # rad


class NoSolution(Exception):
    """No joints within reach bring the tool to the pose."""


class Kinematics:
    """Forward and inverse kinematics of one kind of arm, with a tool and a base offset."""

    def __init__(self, model: Model) -> None:
        """Prepare the link tables of `model`; tool and base offset are identity."""
        table = np.array(model.links)
        self._offsets, self._d, self._a = table[:, 0], table[:, 1], table[:, 3]
        self._cos_alpha, self._sin_alpha = np.cos(table[:, 2]), np.sin(table[:, 2])
        self._lowest, self._highest = np.array(model.joint_ranges).T
        self.tool_offset = np.eye(4)  # tool in flange
        self.base_offset = np.eye(4)  # arm base in the user's frame

    def frames(self, joints: np.ndarray) -> np.ndarray:
        """Return the pose of every link in the base, (n + 1, 4, 4), mm; the last is the flange."""
        cos, sin = np.cos(joints + self._offsets), np.sin(joints + self._offsets)
        frames = np.empty((len(joints) + 1, 4, 4))
        frames[0] = np.eye(4)
        step = np.zeros((len(joints), 4, 4))
        step[:, 0, 0], step[:, 0, 1], step[:, 0, 2] = cos, -sin * self._cos_alpha, sin * self._sin_alpha
        step[:, 1, 0], step[:, 1, 1], step[:, 1, 2] = sin, cos * self._cos_alpha, -cos * self._sin_alpha
        step[:, 2, 1], step[:, 2, 2] = self._sin_alpha, self._cos_alpha
        step[:, 0, 3], step[:, 1, 3], step[:, 2, 3], step[:, 3, 3] = self._a * cos, self._a * sin, self._d, 1.0
        for index in range(len(joints)):
            frames[index + 1] = frames[index] @ step[index]
        return frames

    def tool(self, joints: np.ndarray) -> np.ndarray:
        """Return the tool's pose in the user's frame, (4, 4), mm."""
        return self.base_offset @ self.frames(joints)[-1] @ self.tool_offset

    def tool_position(self, joints: np.ndarray) -> np.ndarray:
        """Return where the tool point is in the arm's own base, (3,), mm."""
        flange = self.frames(joints)[-1]
        return flange[:3, :3] @ self.tool_offset[:3, 3] + flange[:3, 3]

    def jacobian(self, joints: np.ndarray, point_in_flange: np.ndarray) -> np.ndarray:
        """Return the geometric Jacobian of a point on the flange, (6, n), mm/rad and rad/rad, in the base."""
        frames = self.frames(joints)
        point = frames[-1][:3, :3] @ point_in_flange + frames[-1][:3, 3]
        axes = frames[:-1, :3, 2]
        return np.vstack([np.cross(axes, point - frames[:-1, :3, 3]).T, axes.T])

    def solve(self, pose: np.ndarray, near: np.ndarray, *, iterations: int = 60) -> np.ndarray:
        """Return joints near `near` that bring the tool to `pose` (4, 4); damped least squares.

        Raises:
            NoSolution: If it does not come within 0.05 mm and 0.0002 rad inside the joint ranges.
        """
        target = np.linalg.inv(self.base_offset) @ pose
        joints = near.copy()
        for _ in range(iterations):
            present = self.frames(joints)[-1] @ self.tool_offset
            offset = target[:3, 3] - present[:3, 3]
            turn = rotation_vector(target[:3, :3] @ present[:3, :3].T)
            if np.linalg.norm(offset) < POSITION_TOLERANCE and np.linalg.norm(turn) < ANGLE_TOLERANCE:
                return joints
            jacobian = self.jacobian(joints, self.tool_offset[:3, 3])
            jacobian[:3] /= 300.0  # so that a millimetre and a radian weigh about as much as they do at the end of the arm
            error = np.concatenate([offset / 300.0, turn])
            damping = 1e-6 + 1e-3 * float(error @ error)
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + damping * np.eye(6), error)
            joints = np.clip(joints + np.clip(step, -0.3, 0.3), self._lowest, self._highest)
        raise NoSolution(f"no joints for the tool at {np.round(target[:3, 3], 1).tolist()} mm")


def rotation_from_angles(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Return the rotation matrix (3, 3) of roll, pitch, yaw about the fixed axes, rad."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(angle), math.sin(angle)) for angle in (roll, pitch, yaw))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def angles_from_rotation(rotation: np.ndarray) -> tuple[float, float, float]:
    """Return roll, pitch, yaw of a rotation matrix, rad; at pitch ±90° roll is zero."""
    cosine = math.hypot(rotation[0, 0], rotation[1, 0])
    if cosine < 1e-9:
        return 0.0, math.atan2(-rotation[2, 0], cosine), math.atan2(-rotation[0, 1], rotation[1, 1])
    return (
        math.atan2(rotation[2, 1], rotation[2, 2]),
        math.atan2(-rotation[2, 0], cosine),
        math.atan2(rotation[1, 0], rotation[0, 0]),
    )


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """Return the rotation matrix of a rotation vector (3,), rad."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = np.asarray(vector) / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) of a rotation matrix, rad, angle in [0, pi]."""
    angle = math.acos(max(-1.0, min(1.0, (np.trace(rotation) - 1.0) / 2.0)))
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    if angle < 1e-7:
        return skew / 2.0
    if math.pi - angle > 1e-5:
        return skew * (angle / (2.0 * math.sin(angle)))
    column = int(np.argmax(np.diag(rotation)))  # near half a turn the skew part vanishes; the axis is in the symmetric part
    axis = rotation[:, column] + np.eye(3)[:, column]
    axis = axis / np.linalg.norm(axis)
    return axis * (angle if float(axis @ skew) >= 0.0 else -angle)


def pose_from_angles(values) -> np.ndarray:
    """Return (x, y, z, roll, pitch, yaw) as (4, 4)."""
    pose = np.eye(4)
    pose[:3, 3], pose[:3, :3] = values[:3], rotation_from_angles(*values[3:6])
    return pose


def pose_from_vector(values) -> np.ndarray:
    """Return (x, y, z, rotation vector) as (4, 4)."""
    pose = np.eye(4)
    pose[:3, 3], pose[:3, :3] = values[:3], rotation_from_vector(np.array(values[3:6], dtype=float))
    return pose


def angles_from_pose(pose: np.ndarray) -> list[float]:
    """Return (4, 4) as [x, y, z, roll, pitch, yaw]."""
    return [*pose[:3, 3].tolist(), *angles_from_rotation(pose[:3, :3])]


def vector_from_pose(pose: np.ndarray) -> list[float]:
    """Return (4, 4) as [x, y, z, rotation vector]."""
    return [*pose[:3, 3].tolist(), *rotation_vector(pose[:3, :3]).tolist()]
