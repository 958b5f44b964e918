"""What the controller tells by itself: joints and pose 100 times a second, health and configuration five times. Start at `ReportKeeper`.

The quick report (port 30003) has neither a time nor velocities nor an error code: the stamp is its arrival here, velocities are
differences over `VELOCITY_WINDOW_S`, and errors come with the rich report (port 30002) of the second connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robot_drivers.xarm.units import lengths_from_controller, pose_from_controller

VELOCITY_WINDOW_S = 0.03  # three reports: long enough for late ones, short enough to follow the motion
HISTORY = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class QuickReport:
    """What the arm measured: `stamp` on the workcell clock and `arrived` on the steady one in s, joints (n,) rad, rad/s and N m,
    `pose` (7,) m and xyzw of the tool centre, and the controller's `state` and `mode` numbers."""

    stamp: float
    arrived: float
    joints: np.ndarray
    velocities: np.ndarray
    efforts: np.ndarray
    pose: np.ndarray
    state: int
    mode: int


@dataclass(frozen=True, kw_only=True, eq=False)
class RichReport:
    """How the controller is: when it `arrived` (steady clock, s), codes (0 = none), motors, tool (7,) m and xyzw, load in kg and m,
    `collision_sensitivity`, and the (6,) base offset in m and rad that moves the frame all poses are told in."""

    arrived: float
    error: int
    warning: int
    motors_enabled: bool
    flange_to_tool: np.ndarray
    payload_mass: float
    payload_center_of_mass: np.ndarray
    collision_sensitivity: int
    base_offset: np.ndarray


class ReportKeeper:
    """Turns the SDK's callbacks into reports; the newest of each kind is replaced as a whole, so readers need no lock."""

    def __init__(self, axes: int, *, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        """Keep the reports of an arm of `axes` joints; `clock` gives stamps, `steady` ages, s."""
        self._axes = axes
        self._clock, self._steady = clock, steady
        self._history: deque[tuple[float, np.ndarray]] = deque(maxlen=HISTORY)
        self._velocities = np.zeros(axes)
        self.quick: QuickReport | None = None
        self.rich: RichReport | None = None
        self.on_quick: Callable[[QuickReport], None] = lambda report: None
        self.on_rich: Callable[[RichReport], None] = lambda report: None

    def take_quick(self, joints: Sequence[float], pose: Sequence[float], efforts: Sequence[float], state: int, mode: int) -> None:
        """Note a quick report: joints rad, pose mm and roll-pitch-yaw, efforts N m, as the SDK gives them."""
        arrived = self._steady()
        positions = np.array(joints[: self._axes], dtype=np.float64)
        self.quick = QuickReport(
            stamp=self._clock(),
            arrived=arrived,
            joints=positions,
            velocities=self._differentiate(arrived, positions),
            efforts=np.array(efforts[: self._axes], dtype=np.float64),
            pose=pose_from_controller(pose),
            state=int(state),
            mode=int(mode),
        )
        self.on_quick(self.quick)

    def take_rich(
        self,
        *,
        error: int,
        warning: int,
        motors: Sequence[bool],
        tool: Sequence[float],
        load: tuple[float, Sequence[float]],
        collision_sensitivity: int,
        base_offset: Sequence[float],
    ) -> None:
        """Note a rich report: tool mm and roll-pitch-yaw, load kg and mm, as the SDK gives them."""
        self.rich = RichReport(
            arrived=self._steady(),
            error=int(error),
            warning=int(warning),
            motors_enabled=all(bool(motor) for motor in motors[: self._axes]),
            flange_to_tool=pose_from_controller(tool),
            payload_mass=float(load[0]),
            payload_center_of_mass=lengths_from_controller(load[1]),
            collision_sensitivity=int(collision_sensitivity),
            base_offset=np.array([*lengths_from_controller(base_offset[:3]), *(float(angle) for angle in base_offset[3:])]),
        )
        self.on_rich(self.rich)

    def _differentiate(self, now: float, joints: np.ndarray) -> np.ndarray:
        """Return (n,) rad/s over the window; reports that came in one burst tell no speed, so the last one stays."""
        while len(self._history) > 1 and now - self._history[1][0] >= VELOCITY_WINDOW_S:
            self._history.popleft()
        if self._history:
            then, before = self._history[0]
            if now - then >= 0.5 * VELOCITY_WINDOW_S:
                self._velocities = (joints - before) / (now - then)
        self._history.append((now, joints))
        return self._velocities
