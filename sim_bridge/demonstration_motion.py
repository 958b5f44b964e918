"""From where the hand should be to one `ee_delta_pose` action: bounded steps, in the arm base frame.

`WayPoint` is what a task's script asks for, `step_towards` turns it into an action. The arm follows its commanded
pose with a lag of about 0.1 s, so steps are taken from the *commanded* pose; scripts look at the measured one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stage_core.geometry import normalise, quaternion_conjugate, quaternion_multiply, rotate

LARGEST_TRANSLATION = 0.03  # m per control period: no action of a demonstration is longer
LARGEST_ROTATION = 0.15  # rad per control period
FARTHEST_REACH = 0.79  # m from the base's axis that the Panda reaches low over the table, hand down


@dataclass(frozen=True, kw_only=True, eq=False)
class WayPoint:
    """Where a script wants the hand now.

    Attributes:
        position: (3,) m, arm base frame, tool centre.
        orientation: (4,) xyzw.
        gripper: Opening in [0, 1], 1 = open.
        speed: Longest translation of one step, m.
        turn: Largest rotation of one step, rad.
    """

    position: np.ndarray
    orientation: np.ndarray
    gripper: float
    speed: float = 0.02
    turn: float = 0.08


def step_towards(commanded_position: np.ndarray, commanded_orientation: np.ndarray, target: WayPoint) -> np.ndarray:
    """Return the action that brings the commanded pose towards a way-point.

    Args:
        commanded_position: (3,) m, arm base frame.
        commanded_orientation: (4,) xyzw.
        target: The way-point.

    Returns:
        (6,) float64: m and rotation vector in the base frame, bounded by the way-point's speed and turn.
    """
    position = np.array(target.position)
    position[:2] = shorten(position[:2], FARTHEST_REACH)
    translation = shorten(position - commanded_position, target.speed)
    rotation = shorten(rotation_between(commanded_orientation, target.orientation), target.turn)
    return np.concatenate([translation, rotation])


def apply_step(position: np.ndarray, orientation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return position and orientation after an `ee_delta_pose` action in the base frame: p + dp, exp(dr) R."""
    angle = float(np.linalg.norm(action[3:]))
    axis = action[3:] / angle if angle > 1e-12 else np.zeros(3)
    turn = np.append(axis * math.sin(angle / 2.0), math.cos(angle / 2.0))
    return position + action[:3], np.array(normalise(quaternion_multiply(turn, orientation)))


def shorten(vector: np.ndarray, length: float) -> np.ndarray:
    """Return `vector`, cut to `length` where it is longer, in its direction."""
    size = float(np.linalg.norm(vector))
    return vector * (length / size) if size > length else vector


def rotation_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) rad, base frame, that turns the orientation `first` (xyzw) into `second`."""
    x, y, z, w = quaternion_multiply(second, quaternion_conjugate(first))
    size = math.sqrt(x * x + y * y + z * z)
    if size < 1e-9:
        return np.zeros(3)
    angle = 2.0 * math.atan2(size, abs(w))
    return np.array([x, y, z]) * (math.copysign(angle, w) / size)


def downward(yaw: float) -> np.ndarray:
    """Return the orientation (4,) xyzw of a hand that points straight down, turned by `yaw` rad about the vertical.

    At yaw 0 the tool's x is the base's x and its y (the fingers' travel) is the base's -y.
    """
    half = yaw / 2.0
    return np.array(quaternion_multiply((0.0, 0.0, math.sin(half), math.cos(half)), (1.0, 0.0, 0.0, 0.0)))


def yaw_of(orientation: np.ndarray) -> float:
    """Return the heading of local x in the horizontal plane, rad."""
    x, y, _ = rotate(orientation, (1.0, 0.0, 0.0))
    return math.atan2(y, x)
