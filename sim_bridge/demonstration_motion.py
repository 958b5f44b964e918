"""From where the hand should be to one `ee_delta_pose` action: bounded steps, in the arm base frame.

`WayPoint` is what a task's script asks for, `step_towards` turns it into an action. The arm follows its commanded
pose with a lag of about 0.1 s, so steps are taken from the *commanded* pose; scripts look at the measured one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_drivers.poses import make_pose, quaternion_to_rotation_vector, rotation_vector_to_quaternion, twist_between
from stage_core.geometry import quaternion_conjugate, quaternion_multiply, rotate

LARGEST_TRANSLATION = 0.03  # m per control period: no action of a demonstration is longer
LARGEST_ROTATION = 0.15  # rad per control period
FARTHEST_REACH = 0.79  # m from the base's axis that the Panda reaches low over the table, hand down
LEANING_REACH = 0.84  # m, with the hand leaning outwards
LEAN = 0.3  # rad, at the farthest
LEAN_FROM = 0.74  # m from the base's axis


@dataclass(frozen=True, kw_only=True, eq=False)
class WayPoint:
    """Where a script wants the hand now.

    Attributes:
        position: (3,) m, arm base frame, tool centre.
        orientation: (4,) xyzw.
        gripper: Opening in [0, 1], 1 = open.
        speed: Longest translation of one step, m.
        turn: Largest rotation of one step, rad.
        reach: Farthest from the base's axis that the hand may go, m.
    """

    position: np.ndarray
    orientation: np.ndarray
    gripper: float
    speed: float = 0.02
    turn: float = 0.08
    reach: float = FARTHEST_REACH


def step_towards(commanded_pose: np.ndarray, target: WayPoint) -> np.ndarray:
    """Return the action that brings the commanded pose towards a way-point.

    Args:
        commanded_pose: (7,) m and xyzw, arm base frame.
        target: The way-point.

    Returns:
        (6,) float64: m and rotation vector in the base frame, bounded by the way-point's speed and turn.
    """
    position = np.array(target.position)
    position[:2] = shorten(position[:2], target.reach)
    twist = twist_between(commanded_pose, make_pose(position, target.orientation))
    return np.concatenate([shorten(twist[:3], target.speed), shorten(twist[3:], target.turn)])


def shorten(vector: np.ndarray, length: float) -> np.ndarray:
    """Return `vector`, cut to `length` where it is longer, in its direction."""
    size = float(np.linalg.norm(vector))
    return vector * (length / size) if size > length else vector


def rotation_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) rad, base frame, that turns the orientation `first` (xyzw) into `second`."""
    return np.array(quaternion_to_rotation_vector(quaternion_multiply(second, quaternion_conjugate(first))))


def downward(yaw: float) -> np.ndarray:
    """Return the orientation (4,) xyzw of a hand that points straight down, turned by `yaw` rad about the vertical.

    At yaw 0 the tool's x is the base's x and its y (the fingers' travel) is the base's -y.
    """
    half = yaw / 2.0
    return np.array(quaternion_multiply((0.0, 0.0, math.sin(half), math.cos(half)), (1.0, 0.0, 0.0, 0.0)))


def leaning(yaw: float, position: np.ndarray) -> np.ndarray:
    """Return `downward(yaw)`, leaning outwards where `position` (3,) m is too far off for a hand that points straight down."""
    distance = float(np.linalg.norm(position[:2]))
    lean = LEAN * min(1.0, max(0.0, (distance - LEAN_FROM) / (FARTHEST_REACH - LEAN_FROM)))
    if lean == 0.0:
        return downward(yaw)
    outwards = position[:2] / distance
    turn = rotation_vector_to_quaternion(-lean * np.array([-outwards[1], outwards[0], 0.0]))
    return np.array(quaternion_multiply(turn, downward(yaw)))


def yaw_of(orientation: np.ndarray) -> float:
    """Return the heading of local x in the horizontal plane, rad."""
    x, y, _ = rotate(orientation, (1.0, 0.0, 0.0))
    return math.atan2(y, x)
