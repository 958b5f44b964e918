"""Smooth joint set-points between targets, and braking, on ruckig: for arms that do not interpolate by themselves.

Start at `Interpolator.advance`. It always plans to come to rest at the target, so a source that falls silent leaves
an arm that stops where it was last told to be, never one that runs on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import pose_distance
from stage_core.errors import DeviceError, MissingDependencyError

HORIZON = 1.5  # control periods to a target: arriving earlier would mean to stop and go at every one
SLOWEST = 0.02  # share of the speed limit that any joint may use to arrive
SLOWINGS = 6  # tries to find the part of a step that the tool's speed allows; two are the rule


class Interpolator:
    """The set-point of a joint-controlled arm: position, velocity and acceleration, one loop period after the other."""

    def __init__(
        self,
        kinematics: Kinematics,
        *,
        period_s: float,
        control_period_s: float,
        velocity: np.ndarray,
        acceleration: float,
        ee_speed: float,
        ee_angular_speed: float,
    ) -> None:
        """Prepare for one arm.

        Args:
            kinematics: Of the arm, for the speed of the tool centre.
            period_s: Loop period, s.
            control_period_s: Between two targets, s.
            velocity: (n,) rad/s, largest.
            acceleration: rad/s^2, largest of every joint.
            ee_speed: m/s, largest.
            ee_angular_speed: rad/s, largest.

        Raises:
            MissingDependencyError: If ruckig is not installed.
        """
        self._ruckig = _import_ruckig()
        self._kinematics = kinematics
        self._period = period_s
        self._horizon = HORIZON * control_period_s
        self._velocity = velocity
        self._acceleration = np.full(len(velocity), acceleration)
        self._ee_speed, self._ee_angular_speed = ee_speed, ee_angular_speed
        self._generator = self._ruckig.Ruckig(len(velocity))
        self._plan: Any = None
        self._goal: np.ndarray | None = None  # None while braking
        self.position: np.ndarray | None = None
        self.speed = np.zeros(len(velocity))

    def start_at(self, joints: np.ndarray) -> None:
        """Forget everything; the set-point rests at `joints` (n,) rad."""
        self.position = np.array(joints, dtype=np.float64)
        self.speed = np.zeros_like(self.position)
        self._plan, self._goal = None, None

    @property
    def at_rest(self) -> bool:
        """True when the set-point does not move."""
        return not self.speed.any()

    def advance(self, goal: np.ndarray | None) -> np.ndarray:
        """Return the set-point (n,) rad one loop period later, on the way to `goal` (n,) rad, or braking where it is None."""
        if goal is None:
            return self._brake()
        if self._goal is None or self._plan is None or not np.array_equal(goal, self._goal):
            self._goal = np.array(goal, dtype=np.float64)
            self._plan = self._plan_to(self._goal)
            self._elapsed = 0.0
        if self._elapsed >= self._plan.duration:
            return self._land()
        start, step = self.position, self._period
        position, speed = self._sample(self._elapsed + step)
        for _ in range(SLOWINGS):
            share = self._allowed_share(start, position)
            if share >= 1.0:
                break
            step *= share  # the tool would be too fast: go the same way, slower
            position, speed = self._sample(self._elapsed + step)
        self._elapsed += step
        self.position, self.speed = position, speed * (step / self._period)
        return position

    def _land(self) -> np.ndarray:
        self.position, self.speed = self._goal.copy(), np.zeros_like(self._goal)
        return self.position

    def _brake(self) -> np.ndarray:
        """Slow all joints down alike, the fastest by the largest deceleration, so that the path stays straight."""
        self._plan, self._goal = None, None
        fastest = float(np.abs(self.speed).max())
        if fastest > 0.0:
            slower = self.speed * max(0.0, 1.0 - self._acceleration[0] * self._period / fastest)
            self.position = self.position + 0.5 * (self.speed + slower) * self._period
            self.speed = slower
        return self.position

    def _plan_to(self, goal: np.ndarray) -> Any:
        ruckig = self._ruckig
        request = ruckig.InputParameter(len(goal))
        request.current_position = self.position.tolist()
        request.current_velocity = np.clip(self.speed, -self._velocity, self._velocity).tolist()
        request.current_acceleration = [0.0] * len(goal)
        request.target_position = goal.tolist()
        request.target_velocity = [0.0] * len(goal)
        request.target_acceleration = [0.0] * len(goal)
        request.max_velocity = self._cruising_speed(goal).tolist()
        request.max_acceleration = self._acceleration.tolist()
        request.max_jerk = [float("inf")] * len(goal)
        plan = ruckig.Trajectory(len(goal))
        result = self._generator.calculate(request, plan)
        if result not in (ruckig.Result.Working, ruckig.Result.Finished):
            raise DeviceError(
                f"no smooth motion to the target was found (ruckig: {result}). Hold and check the limits of the workcell file."
            )
        return plan

    def _cruising_speed(self, goal: np.ndarray) -> np.ndarray:
        """Return (n,) rad/s: fast enough to arrive a little after the next target is due, so that steady motion stays steady."""
        wanted = np.abs(goal - self.position) / self._horizon
        return np.minimum(self._velocity, np.maximum.reduce([wanted, np.abs(self.speed), SLOWEST * self._velocity]))

    def _sample(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        if time >= self._plan.duration:
            return self._goal.copy(), np.zeros_like(self._goal)
        position, speed, _ = self._plan.at_time(time)
        return np.array(position), np.array(speed)

    def _allowed_share(self, start: np.ndarray, end: np.ndarray) -> float:
        distance, angle = pose_distance(self._kinematics.forward(start), self._kinematics.forward(end))
        share = 1.0
        if distance > self._ee_speed * self._period:
            share = self._ee_speed * self._period / distance
        if angle > self._ee_angular_speed * self._period:
            share = min(share, self._ee_angular_speed * self._period / angle)
        return share


def _import_ruckig() -> Any:
    try:
        import ruckig
    except ImportError:
        raise MissingDependencyError("ruckig is not installed; smooth motion needs it. Run: pip install 'stage-robotics[robot]'") from None
    return ruckig
