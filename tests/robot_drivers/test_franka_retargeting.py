"""How long a Franka's motion to the next target takes: a steady stream is followed steadily, a late target is not caught up with a rush."""

from __future__ import annotations

import numpy as np
import pytest

from robot_drivers.franka.retargeting import CATCH_UP, HORIZON, Retargeting

PERIOD = 0.05
ACCELERATION = np.full(7, 2.0)
LEVER = 1.0  # m: joint 2 alone carries the made-up tool; joint 1 turns it on the spot


def tool(joints: np.ndarray) -> np.ndarray:
    return np.array([LEVER * joints[1], 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


class Stream:
    """Targets at even times, at constant speeds of the joints."""

    def __init__(self, *speeds: float) -> None:
        self.now, self.speeds, self.target = 0.0, np.array([*speeds, *[0.0] * (7 - len(speeds))]), np.zeros(7)
        self.retargeting = Retargeting(ACCELERATION, PERIOD, forward=tool, steady=lambda: self.now)

    def next(self, *, behind: float = 0.0, joints: slice = slice(None)) -> tuple[float, float]:
        """Give the next target to an arm of which some joints are `behind` the one before, s; returns the shortest time and the time to brake, s."""
        self.now += PERIOD
        self.measured, self.target = self.target.copy(), self.target + PERIOD * self.speeds
        self.measured[joints] -= behind * self.speeds[joints]
        shortest = self.retargeting.shortest_time(self.target, self.measured)
        return shortest, float((self.speeds / ACCELERATION).max())


def test_the_first_motion_takes_one_and_a_half_periods() -> None:
    assert Stream(0.3, 0.1).next()[0] == pytest.approx(HORIZON * PERIOD)


def test_a_steady_stream_is_planned_over_its_horizon_and_the_time_to_brake() -> None:
    stream = Stream(0.3, 0.1)
    stream.next()
    shortest, braking = stream.next()
    assert shortest == pytest.approx(HORIZON * PERIOD + braking)


@pytest.mark.parametrize(
    ("speeds", "joints"), [((0.3,), slice(None)), ((0.3, 0.1), slice(None)), ((0.3, 0.1), slice(1, 2)), ((0.0, 0.3), slice(None))]
)
def test_an_arm_that_fell_behind_catches_up_at_little_more_than_the_streams_own_speed(speeds, joints) -> None:
    """Where joint 2 alone is late its way is short for the speed of joint 1, and could be hurried; but it carries the tool."""
    stream = Stream(*speeds)
    for _ in range(3):
        stream.next()
    shortest, braking = stream.next(behind=4 * PERIOD, joints=joints)
    way = np.abs(stream.target - stream.measured) / (shortest - 0.5 * braking)
    assert way.max() <= CATCH_UP * stream.speeds.max() + 1e-9
    assert LEVER * way[1] <= CATCH_UP * max(LEVER * stream.speeds[1], 0.05) + 1e-9


def test_a_tool_that_turns_on_the_spot_does_not_hold_the_arm_up() -> None:
    """Its own speed is near nothing, so the tiny way that it has left says nothing about time."""
    stream = Stream(0.3, 1e-4)
    for _ in range(3):
        stream.next()
    shortest, braking = stream.next(behind=0.5 * PERIOD)
    assert shortest == pytest.approx(HORIZON * PERIOD + braking)
