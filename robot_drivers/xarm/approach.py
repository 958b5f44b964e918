"""Servo set-points that the arm can follow, whatever it is asked for. Start at `Approach.next`.

An xArm in servo mode goes to every target at once, with all it has: a target far away is a blow. SafeArm's targets are close together
and pass unaltered. What is further away is approached smoothly: the target of a bare driver, or of a stream that ran ahead while the
link stalled or the controller was coming back from a stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from robot_drivers.poses import interpolate_pose, pose_distance

ACCELERATION = 4.0  # rad/s^2 of an approach, or m/s^2 times METRE: a fifth of what the arm could do
METRE = 4.0  # one metre of the tool counts as this many radians
SLACK = 1.5  # a target this much further than its stream moves per period is no part of the stream
CREEP = 0.002  # rad: closer targets are always sent as they are
STREAM_GAP_S = 0.1  # targets further apart in time than this are not one stream
LATE_PERIODS = 2.5  # a target that comes later than this was not given for the period after the one before
ROUNDING = 1.01  # of the largest speed: a stream at its limit is not held up
RESTED_S = 0.03  # without a set-point for this long the arm rests


class Approach:
    """The last set-point and the speed it moves with. Not locked: only the sender uses it."""

    def __init__(self, *, speed: float, tool_speed: float, forward: Callable[[np.ndarray], np.ndarray], period_s: float) -> None:
        """Approach with at most `speed` rad/s and `tool_speed` m/s of the tool, which `forward` finds from joints, in steps of `period_s`."""
        self._top = speed
        self._tool_speed, self._forward = tool_speed, forward
        self._period = period_s
        self.start_at(np.zeros(0))

    def start_at(self, values: np.ndarray) -> None:
        """Forget everything; the set-point rests at `values`, (n,) rad or a pose (7,) m and xyzw."""
        self._last = np.array(values, dtype=np.float64)
        self._goal = self._last
        self._goal_at = self._sent_at = -math.inf
        self._goal_speed = self._speed = 0.0
        self.under_way = False

    def next(self, goal: np.ndarray, at: float, now: float, *, pose: bool) -> np.ndarray:
        """Return the set-point to send now: the goal itself, or a step towards it.

        Args:
            goal: (n,) rad, or (7,) m and xyzw where `pose` is true.
            at: When the goal was given, steady clock, s.
            now: Steady clock, s.
            pose: What the values are.
        """
        if at != self._goal_at:
            self._note(goal, at, pose)
        remaining = _distance(self._last, goal, pose)
        too_fast = self._too_fast(goal, remaining, pose)
        if not self.under_way and (too_fast or remaining > SLACK * self._goal_speed * self._period + CREEP):
            self.under_way = True
            if now - self._sent_at > RESTED_S:
                self._speed = 0.0
        self._sent_at = now
        if self.under_way:
            braking = math.sqrt(2.0 * ACCELERATION * remaining)  # the speed from which the arm can still stop at the goal
            self._speed = min(self._top, self._goal_speed + braking, self._speed + ACCELERATION * self._period)
            step = self._speed * self._period
            if too_fast or remaining > max(step, CREEP * self._period):
                self._last = self._step_towards(goal, min(1.0, step / remaining), pose)
                return self._last
            self.under_way = False
        self._speed = remaining / self._period
        self._last = goal
        return goal

    def _too_fast(self, goal: np.ndarray, remaining: float, pose: bool) -> bool:
        """Return whether going to `goal` within one period would be too fast: a set-point before it was left out."""
        seconds = ROUNDING * self._period
        joints = not pose and remaining > self._top * seconds  # how fast they turn for a pose is the controller's to know
        return joints or self._tool_distance(self._last, goal, pose) > self._tool_speed * seconds

    def _tool_distance(self, before: np.ndarray, after: np.ndarray, pose: bool) -> float:
        """Return how far the tool is from one to the other, m."""
        if not pose:
            before, after = self._forward(before), self._forward(after)
        return math.dist(before[:3], after[:3])

    def _step_towards(self, goal: np.ndarray, share: float, pose: bool) -> np.ndarray:
        """Return the set-point at `share` of the way, or closer where the tool would be too fast."""
        values = _between(self._last, goal, share, pose)
        excess = self._tool_distance(self._last, values, pose) / (self._tool_speed * self._period)
        if excess <= 1.0:
            return values
        self._speed /= excess
        return _between(self._last, goal, share / excess, pose)

    def _note(self, goal: np.ndarray, at: float, pose: bool) -> None:
        """Find out how fast the goals themselves move; a first one does not."""
        gap = at - self._goal_at
        if gap > STREAM_GAP_S:
            self._goal_speed = 0.0
        else:
            elapsed = self._period if gap < LATE_PERIODS * self._period else gap
            self._goal_speed = min(self._top, _distance(self._goal, goal, pose) / elapsed)
        self._goal, self._goal_at = goal, at


def _distance(first: np.ndarray, second: np.ndarray, pose: bool) -> float:
    if not pose:
        return float(np.abs(second - first).max())
    metres, radians = pose_distance(first, second)
    return max(METRE * metres, radians)


def _between(first: np.ndarray, second: np.ndarray, share: float, pose: bool) -> np.ndarray:
    return interpolate_pose(first, second, share) if pose else first + share * (second - first)
