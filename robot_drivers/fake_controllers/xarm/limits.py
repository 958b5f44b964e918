"""Whether a streamed target is too much for the arm: joint range, step, joint speed, acceleration and jerk, speed of the tool.

The controller sees targets and when they came. Speed is a straight line through the last 4 targets, acceleration a parabola through
8, jerk a cubic through 12, so that a late packet alone is no violation: each is fitted once as if the targets were evenly spaced and,
when that is too much, again with the times at which they came; both must break the limit. Short peaks read smaller than they are:
at 100 Hz a jump is caught from 0.9 deg on, and a jump of the speed from 48 deg/s on.
The published limits: 180 deg/s, 1145 deg/s^2, 28647 deg/s^3 for joints; in servo mode 1.2 times the model's largest tool speed, and
at most 10 mm between two Cartesian targets. Start at `StreamJudge.judge`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from ..command_log import CommandLog
from .facts import Reduced
from .kinematics import Kinematics
from .models import JOINT_ACCELERATION, JOINT_JERK, JOINT_SPEED, Model

ERROR_JOINT_RANGE, ERROR_SPEED, ERROR_SERVO_TOOL_SPEED, ERROR_ABNORMAL_JOINT = 23, 24, 60, 38
SERVO_POSITION_COMMAND = 14  # the joint's own code behind errors 11 to 17: the position command is too much
RANGE_TOLERANCE = 1e-3  # rad, of 32-bit floats and rounding in the client
TOLERANCE = 1.02
SERVO_TOOL_SPEED_RATIO = 1.2
LONGEST_CARTESIAN_STEP = 10.0  # mm
PERIOD = 0.010  # s, the period that the vendor recommends
PERIOD_BOUNDS = (0.004, 0.050)  # s; the controller takes at most one target per cycle of 250 Hz
NEW_STREAM_AFTER = 0.25  # s without a target: the next one starts from rest

SPANS = {1: 4, 2: 8, 3: 12}  # derivative: number of targets that are fitted


@dataclass(frozen=True)
class Verdict:
    """A broken limit: the controller's error, the joint's own code (0: none), and name, value, limit for the log."""

    error: int
    name: str
    value: float
    limit: float
    joint: int = 0
    servo_code: int = 0


def _weights(derivative: int) -> np.ndarray:
    """Return w so that w @ samples is the derivative of the fitted polynomial with samples one apart, newest last."""
    times = np.arange(SPANS[derivative]) - (SPANS[derivative] - 1) / 2.0
    return math.factorial(derivative) * np.linalg.pinv(np.vander(times, derivative + 1, increasing=True))[derivative]


WEIGHTS = {derivative: _weights(derivative) for derivative in SPANS}


class StreamJudge:
    """Looks at the targets of servo mode as they come."""

    def __init__(self, model: Model, kinematics: Kinematics, log: CommandLog) -> None:
        """Judge for `model`; the largest values of every quantity go into `log.extremes`."""
        self._model, self._kinematics, self._log = model, kinematics, log
        self.limit_to(None)
        self._times: deque[float] = deque(maxlen=max(SPANS.values()))
        self._joints: deque[np.ndarray] = deque(maxlen=max(SPANS.values()))
        self._points: deque[np.ndarray] = deque(maxlen=SPANS[1])

    def limit_to(self, reduced: Reduced | None) -> None:
        """Use the limits of the reduced mode where they are narrower; None: the arm's own alone."""
        self._lowest, self._highest = np.array(self._model.joint_ranges).T
        self._joint_speed, tool_speed = JOINT_SPEED, self._model.tool_speed
        if reduced is not None:
            ranges = np.array(reduced.joint_ranges).reshape(7, 2)[: self._model.axes].T
            self._lowest, self._highest = np.maximum(self._lowest, ranges[0]), np.minimum(self._highest, ranges[1])
            self._joint_speed, tool_speed = min(JOINT_SPEED, reduced.joint_speed), min(tool_speed, reduced.tool_speed)
        self._tool_speed = SERVO_TOOL_SPEED_RATIO * tool_speed

    def restart(self) -> None:
        """Forget the stream: it was stopped, or the mode changed."""
        self._times.clear()
        self._joints.clear()
        self._points.clear()

    def judge(self, target: np.ndarray, present: np.ndarray, now: float) -> Verdict | None:
        """Return what is wrong with `target` (n,) rad that came at `now` while the arm was at `present`; None if nothing is."""
        if not np.isfinite(target).all():
            return Verdict(ERROR_ABNORMAL_JOINT, "joint_position", math.nan, 0.0)
        if not self._times or now - self._times[-1] > NEW_STREAM_AFTER:
            self._begin_at_rest(present, now)
        gap = now - self._times[-1]
        step = np.abs(target - self._joints[-1])
        self._times.append(now)
        self._joints.append(target.copy())
        self._points.append(self._kinematics.tool_position(target))
        return self._range(target) or self._step(step, gap) or self._derivatives() or self._tool()

    def _begin_at_rest(self, present: np.ndarray, now: float) -> None:
        self.restart()
        point = self._kinematics.tool_position(present)
        for index in range(self._times.maxlen, 0, -1):
            self._times.append(now - index * PERIOD)
            self._joints.append(present.copy())
            self._points.append(point)

    def _range(self, target: np.ndarray) -> Verdict | None:
        over = np.maximum(self._lowest - target, target - self._highest)
        self._log.measure("joint_out_of_range_rad", float(over.max()))
        worst = int(np.argmax(over))
        if over[worst] <= RANGE_TOLERANCE:
            return None
        limit = self._highest[worst] if target[worst] > self._highest[worst] else self._lowest[worst]
        return Verdict(ERROR_JOINT_RANGE, f"joint{worst + 1}_position", float(target[worst]), float(limit), worst + 1)

    def _step(self, step: np.ndarray, gap: float) -> Verdict | None:
        """A step that no joint can do in the time since the last target, whatever the targets before were."""
        worst = int(np.argmax(step))
        self._log.measure("joint_step_rad", float(step[worst]))
        limit = JOINT_SPEED * min(max(gap, PERIOD), PERIOD_BOUNDS[1]) * TOLERANCE
        if step[worst] <= limit:
            return None
        return Verdict(ERROR_SPEED, f"joint{worst + 1}_step", float(step[worst]), float(limit), worst + 1)

    def _derivatives(self) -> Verdict | None:
        samples = np.array(self._joints)
        for derivative, name, limit in (
            (1, "velocity", self._joint_speed),
            (2, "acceleration", JOINT_ACCELERATION),
            (3, "jerk", JOINT_JERK),
        ):
            values = np.abs(self._fit(derivative, samples, limit))
            worst = int(np.argmax(values))
            self._log.measure(f"joint_{name}", float(values[worst]))
            if values[worst] > limit * TOLERANCE:
                joint = worst + 1
                if derivative == 1:
                    return Verdict(ERROR_SPEED, f"joint{joint}_velocity", float(values[worst]), limit, joint)
                return Verdict(10 + joint, f"joint{joint}_{name}", float(values[worst]), limit, joint, SERVO_POSITION_COMMAND)
        return None

    def _tool(self) -> Verdict | None:
        speed = float(np.linalg.norm(self._fit(1, np.array(self._points), self._tool_speed)))
        self._log.measure("tool_speed_mm_s", speed)
        if speed <= self._tool_speed * TOLERANCE:
            return None
        return Verdict(ERROR_SERVO_TOOL_SPEED, "tool_speed", speed, self._tool_speed)

    def _fit(self, derivative: int, samples: np.ndarray, limit: float) -> np.ndarray:
        """Return the derivative of each column of `samples`, evenly spaced; with the true times where that is above `limit`."""
        count = SPANS[derivative]
        if len(samples) < count:
            return np.zeros(samples.shape[1])
        times = np.array(self._times)
        period = float(np.clip(np.median(np.diff(times)), *PERIOD_BOUNDS))  # of the whole window, so that one late target changes little
        times = times[-count:]
        even = WEIGHTS[derivative] @ samples[-count:] / period**derivative
        if np.abs(even).max() <= limit:
            return even
        times = times - times.mean()
        timed = math.factorial(derivative) * np.polynomial.polynomial.polyfit(times, samples[-count:], derivative)[derivative]
        return np.where(np.abs(even) < np.abs(timed), even, timed)
