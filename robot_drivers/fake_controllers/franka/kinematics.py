"""Forward kinematics, Jacobian and gravity torques of the Franka Research 3.

Written out from the published modified Denavit-Hartenberg parameters (Craig): base to joint 1 0.333 m up, upper arm 0.316 m, elbow offset
0.0825 m, forearm 0.384 m, wrist offset 0.088 m, flange 0.107 m. All in the base frame O, metres and radians. Start at `ArmPose`.
"""

from __future__ import annotations

import math

import numpy as np

JOINT_COUNT = 7
# a (m), d (m), alpha (rad) of each joint, in the order of Craig's convention.
DENAVIT_HARTENBERG = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -math.pi / 2),
    (0.0, 0.316, math.pi / 2),
    (0.0825, 0.0, math.pi / 2),
    (-0.0825, 0.384, -math.pi / 2),
    (0.0, 0.0, math.pi / 2),
    (0.088, 0.0, math.pi / 2),
)
FLANGE_OFFSET = 0.107
# Rounded link masses (kg): enough for a plausible gravity torque, not a dynamic model.
LINK_MASSES = (2.9, 2.9, 2.2, 2.4, 2.4, 1.5, 0.7)
GRAVITY = 9.81

_STEPS = tuple((a, d, round(math.sin(alpha))) for a, d, alpha in DENAVIT_HARTENBERG)


class ArmPose:
    """Where every joint axis and the flange are at one joint position.

    `axes` (7, 3) and `origins` (7, 3): joint axes and their origins; `flange` (4, 4): flange in base.
    """

    __slots__ = ("axes", "flange", "origins")

    def __init__(self, joints: np.ndarray) -> None:
        """Compute the pose at `joints`, (7,) rad."""
        # Plain numbers, written out: seven tiny matrix products a cycle cost numpy ten times what they cost Python.
        axes, origins = [], []
        xx, xy, xz, yx, yy, yz, zx, zy, zz = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
        px = py = pz = 0.0
        for angle, (a, d, sine_alpha) in zip(joints.tolist(), _STEPS, strict=True):
            px, py, pz = px + a * xx, py + a * xy, pz + a * xz
            # Alpha is nothing or a quarter turn about x: the new y and z are plus or minus the old z and y.
            if sine_alpha > 0:
                yx, yy, yz, zx, zy, zz = zx, zy, zz, -yx, -yy, -yz
            elif sine_alpha < 0:
                yx, yy, yz, zx, zy, zz = -zx, -zy, -zz, yx, yy, yz
            px, py, pz = px + d * zx, py + d * zy, pz + d * zz
            c, s = math.cos(angle), math.sin(angle)
            xx, xy, xz, yx, yy, yz = c * xx + s * yx, c * xy + s * yy, c * xz + s * yz, c * yx - s * xx, c * yy - s * xy, c * yz - s * xz
            axes.append((zx, zy, zz))
            origins.append((px, py, pz))
        self.axes = np.array(axes)
        self.origins = np.array(origins)
        px, py, pz = px + FLANGE_OFFSET * zx, py + FLANGE_OFFSET * zy, pz + FLANGE_OFFSET * zz
        self.flange = np.array(((xx, yx, zx, px), (xy, yy, zy, py), (xz, yz, zz, pz), (0.0, 0.0, 0.0, 1.0)))

    def jacobian(self, point: np.ndarray) -> np.ndarray:
        """Return the (6, 7) Jacobian of a point that moves with the flange: linear (m/rad), then angular rows, base frame."""
        jacobian = np.empty((6, JOINT_COUNT))
        jacobian[:3] = _cross(self.axes, point - self.origins).T
        jacobian[3:] = self.axes.T
        return jacobian

    def gravity_torques(self, tool_mass: float, tool_center: np.ndarray) -> np.ndarray:
        """Return the (7,) torques in Nm that hold the links and a tool (kg, centre of mass (3,) in base) up against gravity."""
        # A link's mass is taken half-way between its joint and the next one.
        ends = np.vstack([self.origins[1:], self.flange[:3, 3]])
        centers = np.vstack([(self.origins + ends) / 2, tool_center])
        weights = np.array([*LINK_MASSES, tool_mass]) * GRAVITY
        torques = np.empty(JOINT_COUNT)
        for joint in range(JOINT_COUNT):
            arm = (weights[joint:, None] * (centers[joint:] - self.origins[joint])).sum(axis=0)
            # axis . (arm x up), written out
            torques[joint] = self.axes[joint, 0] * arm[1] - self.axes[joint, 1] * arm[0]
        return torques


def rotation_difference(rotation: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Return the turn (3,) in rad, base frame, that leads from `previous` to `rotation`, both (3, 3); exact for small turns."""
    (a, b, c), (d, e, f), (g, h, i) = (rotation @ previous.T).tolist()
    x, y, z = (h - f) / 2, (c - g) / 2, (d - b) / 2
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 1.0 if sine < 1e-9 else math.atan2(sine, (a + e + i - 1) / 2) / sine
    return np.array((scale * x, scale * y, scale * z))


def turned(rotation: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return `rotation` (3, 3) turned by `turn` (3,) rad about the base axes."""
    angle = float(np.linalg.norm(turn))
    if angle < 1e-12:
        return rotation.copy()
    x, y, z = turn / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return (np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)) @ rotation


def is_rigid(transform: np.ndarray, tolerance: float = 1e-5) -> bool:
    """Return whether a (4, 4) matrix is a rotation and a translation, finite, with the last row 0 0 0 1."""
    (a, b, c, x), (d, e, f, y), (g, h, i, z), last = transform.tolist()
    if not all(map(math.isfinite, (a, b, c, d, e, f, g, h, i, x, y, z, *last))):
        return False
    # The columns are unit vectors, at right angles, right-handed; then the rows are so too.
    deviations = (
        a * a + d * d + g * g - 1,
        b * b + e * e + h * h - 1,
        a * b + d * e + g * h,
        c - (d * h - g * e),
        f - (g * b - a * h),
        i - (a * e - d * b),
        last[0],
        last[1],
        last[2],
        last[3] - 1,
    )
    return max(deviations) <= tolerance and min(deviations) >= -tolerance


def from_column_major(values: np.ndarray) -> np.ndarray:
    """Return the (4, 4) float64 matrix of 16 column-major numbers."""
    return np.asarray(values, dtype=float).reshape(4, 4).T


def to_column_major(transform: np.ndarray) -> np.ndarray:
    """Return the 16 column-major numbers of a (4, 4) matrix."""
    return transform.T.reshape(16)


def largest(values: np.ndarray) -> float:
    """Return the largest magnitude of a short vector (a fifth of the time that numpy takes for it)."""
    numbers = values.tolist()
    return max(max(numbers), -min(numbers))


def _cross(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the row-wise cross product of two (n, 3) arrays (np.cross spends most of its time on checks)."""
    return np.stack(
        [
            left[:, 1] * right[:, 2] - left[:, 2] * right[:, 1],
            left[:, 2] * right[:, 0] - left[:, 0] * right[:, 2],
            left[:, 0] * right[:, 1] - left[:, 1] * right[:, 0],
        ],
        axis=1,
    )
