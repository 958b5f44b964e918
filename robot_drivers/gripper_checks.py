"""The Gripper interface's contract as named claims, run on a bare driver. Start at `run_gripper_checks`."""

from __future__ import annotations

import time
from collections.abc import Callable

from robot_drivers.check_report import Checklist, CheckReport, expect
from robot_drivers.gripper import Gripper, GripperState

SMALL = 0.1  # of the full opening


def run_gripper_checks(gripper: Gripper, *, allow_motion: bool, wait: Callable[[float], None]) -> CheckReport:
    """Return the report; the gripper is disconnected at the end, as open as it was.

    Args:
        gripper: The bare driver.
        allow_motion: False only reads.
        wait: Lets that many seconds pass; a simulation advances meanwhile.
    """
    checklist = Checklist()

    def settle(opening: float) -> GripperState:
        """Command and wait until the fingers rest, at most 3 s."""
        gripper.command(opening)
        before = gripper.read()
        for _ in range(30):
            wait(0.1)
            state = gripper.read()
            if abs(state.opening - before.opening) < 1e-3 and abs(state.opening - opening) < SMALL:
                break
            before = state
        return state

    def connects() -> str:
        gripper.connect()
        before = gripper.read()
        wait(0.2)
        expect(abs(gripper.read().opening - before.opening) < 0.02, "the fingers moved at connect; expected none to move")
        return "connected, nothing moved"

    def opening_and_width() -> str:
        state, widest = gripper.read(), gripper.description.max_width
        expect(0.0 < widest < 0.3, f"max_width is {widest}; expected metres")
        expect(0.0 <= state.opening <= 1.0, f"opening is {state.opening}; expected [0, 1]")
        difference = abs(state.width / widest - state.opening)
        expect(
            difference < 0.05,
            f"width {state.width:.3f} m of {widest:.3f} m does not fit opening {state.opening:.2f}: inverted, or other units?",
        )
        return f"{state.width:.3f} m, opening {state.opening:.2f}"

    def one_is_open() -> str:
        first = gripper.read().opening
        closed, opened = settle(0.0), settle(1.0)
        settle(first)
        expect(
            opened.width - closed.width > SMALL * gripper.description.max_width,
            f"opening 1 gave {opened.width:.3f} m, 0 {closed.width:.3f} m",
        )
        expect(opened.opening > closed.opening, "opening grows when it closes; expected 1 = open")
        return f"{closed.width:.3f} m closed, {opened.width:.3f} m open"

    def returns_at_once() -> str:
        begin = time.perf_counter()
        gripper.command(gripper.read().opening)
        took = time.perf_counter() - begin
        expect(took < 0.1, f"command() took {took:.2f} s; expected to return at once")
        return f"{1e3 * took:.2f} ms"

    def never_opens_on_stop() -> str:
        first = gripper.read().opening
        before = settle(0.3).width
        gripper.stop()
        gripper.stop()
        wait(0.3)
        after = gripper.read().width
        settle(first)
        expect(after < before + 0.05 * gripper.description.max_width, f"stop() opened the fingers from {before:.3f} to {after:.3f} m")
        return "kept its width"

    def disconnects_twice() -> str:
        gripper.disconnect()
        gripper.disconnect()
        return "disconnected twice"

    if checklist.check("gripper_connects", connects):
        checklist.check("gripper_opening_fits_its_width", opening_and_width)
        if allow_motion:
            checklist.check("gripper_1_is_open", one_is_open)
            checklist.check("gripper_command_returns_at_once", returns_at_once)
            checklist.check("gripper_never_opens_on_stop", never_opens_on_stop)
    checklist.check("gripper_disconnect_twice_is_harmless", disconnects_twice)
    return checklist.report()
