"""How long a motion to the next target may take, so that a steady stream of targets gives a steady motion.

Start at `Retargeting.shortest_time`. Every motion of franky ends at rest in its target. Planned as fast as possible it
would arrive and brake before the next target comes; planned over one and a half control periods and the time that braking
takes, it is still under way, and a source that falls silent leaves an arm at rest where it was last told to be. Passing
the target at speed (a second way point beyond it) would track four times better, but an arm that is left alone would go
where nobody asked it to be. `benchmarks/franka_streaming.py` measures it; docs/franka.md holds the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

HORIZON = 1.5  # control periods to a target, beside the time to brake
MEMORY = 0.9  # of the speed per target: the time may shrink this fast only, for a change of it is a change of speed
CATCH_UP = 1.05  # of the stream's own speed, at most
SLOWEST = 0.01  # rad/s; slower streams can do no harm
SLOWEST_TOOL = 0.05  # m/s, likewise: a tool that turns on the spot may catch up this fast
RESTART = 3.0  # control periods without a target, after which the stream begins anew


class Retargeting:
    """Remembers the last target, for the speed that a source asks for."""

    def __init__(
        self,
        acceleration: np.ndarray,
        period_s: float,
        *,
        forward: Callable[[np.ndarray], np.ndarray],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            acceleration: (7,) rad/s2 of the motions.
            period_s: The control period, s.
            forward: Returns the pose (7,) m and xyzw of the tool for joints (7,) rad.
            steady: A clock that never jumps, s.
        """
        self._acceleration, self._period, self._forward, self._steady = acceleration, period_s, forward, steady
        self._last: tuple[float, np.ndarray, np.ndarray] | None = None  # when, joints, tool
        self._speed = np.zeros(7)
        self._tool_speed = 0.0

    @classmethod
    def for_robot(cls, robot: Any, dynamics: tuple[float, float, float], period_s: float, **options: Any) -> Retargeting:
        """Return one for a configured `franky.Robot` and its shares of speed, acceleration and jerk; `options` as in `__init__`."""
        acceleration = np.array(robot.joint_acceleration_limit.get(), dtype=np.float64).reshape(7) * dynamics[1]
        return cls(acceleration, period_s, **options)

    def shortest_time(self, joints: np.ndarray, measured: np.ndarray) -> float:
        """Return how long the motion to `joints` (7,) rad should take at least, s, from `measured` (7,) rad, where the arm is now."""
        tool = self._forward(joints)[:3]
        self._note(joints, tool)
        braking = float((self._speed / self._acceleration).max())
        shortest = HORIZON * self._period + braking
        # After a late target there is more way to go: catching up must not break the speed limits that the targets keep.
        if (fastest := float(self._speed.max())) > SLOWEST:
            shortest = max(shortest, float(np.abs(joints - measured).max()) / (CATCH_UP * fastest) + 0.5 * braking)
            way = float(np.linalg.norm(tool - self._forward(measured)[:3]))
            shortest = max(shortest, way / (CATCH_UP * max(self._tool_speed, SLOWEST_TOOL)) + 0.5 * braking)
        return shortest

    def _note(self, joints: np.ndarray, tool: np.ndarray) -> None:
        """Learn the speed that the source asks for, by the nominal period: targets come unevenly, but they are meant for even times."""
        now = self._steady()
        last, self._last = self._last, (now, joints, tool)
        if last is None or now - last[0] > RESTART * self._period:
            self._speed, self._tool_speed = np.zeros(7), 0.0
            return
        self._speed = np.maximum(np.abs(joints - last[1]) / self._period, MEMORY * self._speed)
        self._tool_speed = max(float(np.linalg.norm(tool - last[2])) / self._period, MEMORY * self._tool_speed)
