"""The loop's turns: a late one must not bring the next one at once, or the arm would see two set-points in one."""

import threading
import time

from robot_drivers.safety.control_loop import ControlLoop

PERIOD = 0.02


def test_a_turn_after_a_late_one_keeps_its_distance_and_lateness_is_made_up_for():
    begun: list[float] = []
    enough = threading.Event()

    def turn() -> None:
        begun.append(time.monotonic())
        if len(begun) == 5:
            time.sleep(2.5 * PERIOD)  # a driver call that takes too long
        if len(begun) == 40:
            enough.set()

    loop = ControlLoop(turn, period_s=PERIOD)
    loop.start()
    assert enough.wait(10.0)
    loop.stop()
    spacing = [later - earlier for earlier, later in zip(begun, begun[1:], strict=False)]
    assert min(spacing) > 0.6 * PERIOD, spacing
    assert spacing[4] >= 2.5 * PERIOD
