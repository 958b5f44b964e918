"""The Gripper interface's contract as named claims, run on a bare driver. Start at `run_gripper_checks`.

With motion allowed the fingers open and close over their whole travel: nothing may be between them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from robot_drivers.check_report import Checklist, CheckReport, expect
from robot_drivers.gripper import Gripper, GripperState
from stage_core.errors import DeviceError

SMALL = 0.1  # of the full opening
AT_ONCE = 0.1  # s
SETTLED_S = 6.0  # longest time over the whole travel
POLL_S = 0.1


def run_gripper_checks(gripper: Gripper, *, allow_motion: bool, wait: Callable[[float], None]) -> CheckReport:
    """Return the report; the gripper is disconnected at the end, as open as it was.

    Args:
        gripper: The bare driver.
        allow_motion: False only reads. True opens and closes, and homes a gripper that says it needs it.
        wait: Lets that many seconds pass; a simulation advances meanwhile.
    """
    return GripperChecks(gripper, allow_motion=allow_motion, wait=wait).run()


class GripperChecks:
    """Runs every claim on one gripper."""

    def __init__(self, gripper: Gripper, *, allow_motion: bool, wait: Callable[[float], None]) -> None:
        """Prepare; nothing is connected yet. Arguments as in `run_gripper_checks`."""
        self._gripper, self._allow_motion, self._wait = gripper, allow_motion, wait
        self._list = Checklist()
        self._first = 1.0  # the opening it is left with

    def run(self) -> CheckReport:
        """Return the report."""
        check = self._list.check
        if check("gripper_connects", self._connects):
            check("gripper_opening_fits_its_width", self._opening_and_width)
            check("gripper_state_is_fresh", self._fresh)
            if self._allow_motion and check("gripper_obeys_or_says_what_it_needs", self._obeys):
                self._motion_checks(check)
            check("gripper_stop_twice_is_harmless", self._stops_twice)
        check("gripper_disconnect_twice_is_harmless", self._disconnects_twice)
        check("gripper_read_after_disconnect_is_told", self._read_after_disconnect)
        return self._list.report()

    def _motion_checks(self, check: Callable[[str, Callable[[], str]], bool]) -> None:
        check("gripper_1_is_open", self._one_is_open)
        check("gripper_command_returns_at_once", self._returns_at_once)
        check("gripper_newest_wish_wins", self._newest_wins)
        check("gripper_refuses_what_is_no_opening", self._refuses)
        check("gripper_never_opens_on_stop", self._never_opens_on_stop)
        check("gripper_stops_opening", self._stops_opening)
        check("gripper_never_opens_on_disconnect", self._never_opens_on_disconnect)
        check("gripper_goes_back", self._goes_back)

    # ---- reading

    def _connects(self) -> str:
        self._gripper.connect()
        before = self._gripper.read()
        self._first = before.opening
        self._wait(0.3)
        after = self._gripper.read()
        expect(abs(after.width - before.width) < 0.02 * self._widest, "the fingers moved at connect; expected none to move")
        return "connected, nothing moved"

    def _opening_and_width(self) -> str:
        state = self._gripper.read()
        expect(0.0 < self._widest < 0.3, f"max_width is {self._widest}; expected metres")
        expect(0.0 <= state.opening <= 1.0, f"opening is {state.opening}; expected [0, 1]")
        self._fits(state)
        return f"{state.width:.3f} m, opening {state.opening:.2f}"

    def _fresh(self) -> str:
        stamps = []
        for _ in range(4):
            stamps.append(self._gripper.read().stamp)
            self._wait(0.2)
        gained = stamps[-1] - stamps[0]
        expect(all(later > earlier for earlier, later in zip(stamps, stamps[1:], strict=False)), f"stamps do not increase: {stamps}")
        expect(0.3 < gained < 3.0, f"0.6 s passed, the stamps gained {gained:.3f} s; seconds on the workcell clock?")
        return f"stamps gained {gained:.3f} s in 0.6 s"

    # ---- moving

    def _obeys(self) -> str:
        try:
            self._gripper.command(self._first)
        except DeviceError as need:
            self._gripper.home()
            self._gripper.command(self._first)
            self._settle(self._first)
            return f"homed, for it said: {need}"
        return "takes commands"

    def _one_is_open(self) -> str:
        closed, half, opened = self._settle(0.0), self._settle(0.5), self._settle(1.0)
        for state in (closed, half, opened):
            self._fits(state)
        expect(opened.width - closed.width > SMALL * self._widest, f"opening 1 gave {opened.width:.3f} m, 0 {closed.width:.3f} m")
        expect(opened.opening > closed.opening, "opening grows when it closes; expected 1 = open")
        middle = 0.5 * self._widest
        expect(
            abs(half.width - middle) < 1.5 * SMALL * self._widest,
            f"opening 0.5 gave {half.width:.3f} m; expected {middle:.3f} m: per cent, or steps?",
        )
        return f"{closed.width:.3f} m closed, {half.width:.3f} m half open, {opened.width:.3f} m open"

    def _returns_at_once(self) -> str:
        took = 0.0
        for opening in (0.0, 0.7, 0.1, 1.0):  # also while it is under way
            took = max(took, self._timed(lambda opening=opening: self._gripper.command(opening)))
            self._wait(0.05)
        expect(took < AT_ONCE, f"command() took {took:.2f} s; expected to return at once")
        return f"{1e3 * took:.2f} ms at worst"

    def _newest_wins(self) -> str:
        opened = self._settle(1.0).opening
        expect(opened > 1.0 - SMALL, f"the newest command was 1, the fingers are at {opened:.2f}: dropped while it moved?")
        self._gripper.command(0.0)
        self._wait(0.05)
        self._gripper.command(1.0)
        least, since = 1.0, 0.0
        while since < SETTLED_S:
            self._wait(POLL_S)
            since += POLL_S
            state = self._gripper.read()
            least = min(least, state.opening)
            if since > 1.0 and state.opening > 1.0 - SMALL:
                break
        expect(state.opening > 1.0 - SMALL, f"the newest command was 1, the fingers are at {state.opening:.2f}: dropped while it moved?")
        expect(least > 0.15, f"the fingers closed to {least:.2f} before they obeyed the newest command, 1: a queue?")
        return f"closed to {least:.2f}, then opened"

    def _refuses(self) -> str:
        before = self._settle(0.5).width
        for opening in (math.nan, math.inf, -0.2, 1.2, 50.0):
            try:
                self._gripper.command(opening)
            except ValueError:
                continue
            expect(False, f"opening {opening} was taken; expected ValueError")
        self._wait(0.3)
        after = self._gripper.read().width
        expect(abs(after - before) < 0.05 * self._widest, f"a refused opening moved the fingers from {before:.3f} to {after:.3f} m")
        return "refused NaN, infinity and what lies outside [0, 1]"

    def _never_opens_on_stop(self) -> str:
        before = self._settle(0.3).width
        took = max(self._timed(self._gripper.stop) for _ in range(2))
        self._wait(0.3)
        self._keeps(before, "stop()")
        self._settle(1.0)
        self._gripper.command(0.0)
        self._wait(0.15)
        took = max(took, self._timed(self._gripper.stop))
        before = self._gripper.read().width
        self._wait(0.5)
        self._keeps(before, "stop() while closing")
        expect(took < AT_ONCE, f"stop() took {took:.2f} s; expected to return at once")
        return f"kept its width; {1e3 * took:.2f} ms at worst"

    def _stops_opening(self) -> str:
        self._settle(0.0)
        self._gripper.command(1.0)
        self._wait(0.05)
        self._gripper.stop()
        self._wait(0.1)
        before = self._gripper.read().width
        self._wait(0.6)
        grew = self._gripper.read().width - before
        expect(grew < 0.05 * self._widest, f"the fingers opened by another {grew:.3f} m after stop(); expected them to stay")
        return f"opened by another {grew:.4f} m"

    def _never_opens_on_disconnect(self) -> str:
        before = self._settle(0.3)
        self._gripper.disconnect()
        self._gripper.connect()
        first = self._gripper.read()
        if first.stamp - before.stamp < 0.01 and first.width - before.width > 0.05 * self._widest:
            return "a new scene began: no fingers can move so far in no time"
        self._wait(0.3)
        self._keeps(before.width, "disconnect()")
        return "kept its width"

    def _goes_back(self) -> str:
        state = self._settle(self._first)
        expect(abs(state.opening - self._first) < SMALL, f"the opening was {self._first:.2f} at first and is {state.opening:.2f} now")
        return f"opening {state.opening:.2f}, as before"

    # ---- ending

    def _stops_twice(self) -> str:
        self._gripper.stop()
        self._gripper.stop()
        return "stopped twice"

    def _disconnects_twice(self) -> str:
        self._gripper.disconnect()
        self._gripper.disconnect()
        return "disconnected twice"

    def _read_after_disconnect(self) -> str:
        try:
            self._gripper.read()
        except DeviceError as error:
            return str(error)
        expect(False, "read() gave a state after disconnect; expected DeviceError in words")
        return ""

    # ---- helpers

    @property
    def _widest(self) -> float:
        return self._gripper.description.max_width

    def _fits(self, state: GripperState) -> None:
        difference = abs(state.width / self._widest - state.opening)
        expect(
            difference < 0.05,
            f"width {state.width:.3f} m of {self._widest:.3f} m does not fit opening {state.opening:.2f}: inverted, or other units?",
        )

    def _keeps(self, before: float, what: str) -> None:
        after = self._gripper.read().width
        expect(after < before + 0.05 * self._widest, f"{what} opened the fingers from {before:.3f} to {after:.3f} m")

    def _timed(self, call: Callable[[], object]) -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    def _settle(self, opening: float) -> GripperState:
        """Command and wait until the fingers rest at the opening, or rest elsewhere for half a second."""
        self._gripper.command(opening)
        state, at_rest = self._gripper.read(), 0
        for _ in range(round(SETTLED_S / POLL_S)):
            before = state
            self._wait(POLL_S)
            state = self._gripper.read()
            at_rest = at_rest + 1 if abs(state.opening - before.opening) < 1e-3 else 0
            if at_rest >= (1 if abs(state.opening - opening) < 0.5 * SMALL else 5):
                break
        return state
