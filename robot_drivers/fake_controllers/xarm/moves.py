"""What the arm can be asked to do from one moment to the next: joint and straight moves, pauses, drives and braking.

A move is told where it begins (`begin`) and then where it should be after a time (`at`). Trapezoid speed profiles: the true planner
limits jerk as well, which no client can tell from its reports. Millimetres, radians, seconds. Start at `JointMove`.
"""

from __future__ import annotations

import math

import numpy as np

from .kinematics import Kinematics, rotation_from_vector, rotation_vector


class Trapezoid:
    """Distance travelled over time from rest to rest, within a speed and an acceleration."""

    def __init__(self, distance: float, speed: float, acceleration: float) -> None:
        """Plan `distance` >= 0 with `speed` and `acceleration` > 0, all in one unit of length."""
        self._distance = distance
        self._acceleration = acceleration
        self._speed = min(speed, math.sqrt(distance * acceleration))
        self._ramp = self._speed / acceleration
        self.duration = 0.0 if distance == 0.0 else distance / self._speed + self._ramp

    def at(self, elapsed: float) -> float:
        """Return the distance after `elapsed` seconds."""
        if elapsed >= self.duration:
            return self._distance
        if elapsed < self._ramp:
            return 0.5 * self._acceleration * elapsed**2
        left = self.duration - elapsed
        if left < self._ramp:
            return self._distance - 0.5 * self._acceleration * left**2
        return self._speed * (elapsed - 0.5 * self._ramp)


class JointMove:
    """All joints to a target, beginning and ending together."""

    def __init__(self, target: np.ndarray, speed: float, acceleration: float) -> None:
        """Go to `target` (n,) rad; the joint with the longest way keeps `speed` (rad/s) and `acceleration` (rad/s^2)."""
        self._target, self._speed, self._acceleration = target, speed, acceleration

    def begin(self, joints: np.ndarray) -> None:
        """Start from `joints`."""
        self._start, self._way = joints.copy(), self._target - joints
        self._longest = float(np.abs(self._way).max())
        self._profile = Trapezoid(self._longest, self._speed, self._acceleration)
        self.duration = self._profile.duration

    def at(self, elapsed: float, _joints: np.ndarray) -> np.ndarray:
        """Return the joints after `elapsed` seconds."""
        return self._start + self._way * (self._profile.at(elapsed) / self._longest if self._longest > 0.0 else 1.0)


class LineMove:
    """The tool to a pose in a straight line, turning evenly on the way."""

    def __init__(self, target: np.ndarray, speed: float, acceleration: float, kinematics: Kinematics) -> None:
        """Go to `target` (4, 4) mm with `speed` (mm/s) and `acceleration` (mm/s^2)."""
        self._target, self._speed, self._acceleration, self._kinematics = target, speed, acceleration, kinematics

    def begin(self, joints: np.ndarray) -> None:
        """Start from `joints`; the way is checked for a solution at its end.

        Raises:
            NoSolution: If the arm does not reach the target.
        """
        self._start = self._kinematics.tool(joints)
        self._turn = rotation_vector(self._target[:3, :3] @ self._start[:3, :3].T)
        way = float(np.linalg.norm(self._target[:3, 3] - self._start[:3, 3]))
        self._length = max(way, 200.0 * float(np.linalg.norm(self._turn)))  # a turn on the spot takes time as well
        self._profile = Trapezoid(self._length, self._speed, self._acceleration)
        self._kinematics.solve(self._target, joints, iterations=200)
        self.duration = self._profile.duration

    def at(self, elapsed: float, joints: np.ndarray) -> np.ndarray:
        """Return joints near `joints` for the pose after `elapsed` seconds; NoSolution where there are none."""
        share = self._profile.at(elapsed) / self._length if self._length > 0.0 else 1.0
        pose = np.eye(4)
        pose[:3, :3] = rotation_from_vector(self._turn * share) @ self._start[:3, :3]
        pose[:3, 3] = self._start[:3, 3] + share * (self._target[:3, 3] - self._start[:3, 3])
        return self._kinematics.solve(pose, joints)


class Pause:
    """Nothing, for a while. With no time at all it marks a place in the queue."""

    def __init__(self, duration: float) -> None:
        """Wait `duration` seconds."""
        self.duration = duration

    def begin(self, joints: np.ndarray) -> None:
        """Stay at `joints`."""
        self._joints = joints.copy()

    def at(self, _elapsed: float, _joints: np.ndarray) -> np.ndarray:
        """Return where the arm stays."""
        return self._joints


def chase(joints: np.ndarray, velocity: np.ndarray, target: np.ndarray, speed: float, acceleration: float, step_s: float) -> np.ndarray:
    """Return the joint velocities (n,) rad/s of the next step towards `target`, which is reached at rest.

    Every joint goes as fast as it can still brake from; this is how a target that changes on the way is followed.
    """
    way = target - joints
    wanted = np.sign(way) * np.minimum(speed, np.sqrt(2.0 * acceleration * np.abs(way)))
    wanted = np.clip(wanted, -np.abs(way) / step_s, np.abs(way) / step_s)
    return velocity + np.clip(wanted - velocity, -acceleration * step_s, acceleration * step_s)
