"""The thread that sends servo targets, so that nobody else ever waits for the link. Start at `Sender`.

Only the newest target counts. A call that hangs in a lost link hangs here alone; `busy_since` tells since when.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robot_drivers.xarm.approach import Approach

logger = logging.getLogger(__name__)

PERIOD_S = 0.01
MEND_S = 0.02  # between two looks at something that may be wrong


@dataclass(frozen=True, eq=False)
class Goal:
    """A target: `values` as `pose` says, given `at` (steady clock, s) after `stops` stops."""

    values: np.ndarray
    pose: bool
    at: float
    stops: int


class Sender:
    """Keeps the newest target and sends it."""

    def __init__(
        self,
        *,
        send: Callable[[np.ndarray, bool], int],
        begin: Callable[[], str],
        measure: Callable[[bool], np.ndarray],
        judge: Callable[[int], str],
        fail: Callable[[str], None],
        halt: Callable[[], None],
        approach: Approach,
        steady: Callable[[], float],
    ) -> None:
        """Start the thread.

        Args:
            send: Sends values (true: a pose) and returns the SDK's code; may block.
            begin: Makes the controller take targets, and returns in words why it cannot, or ""; may take seconds.
            measure: Returns the measured joints (n,) rad, or the pose (7,) where true.
            judge: Returns in words what a code other than 0 means for the arm, or "" where it means nothing.
            fail: Takes a fault in words.
            halt: Stops the controller; called where a stop came in the middle of `begin`.
            approach: Makes set-points of targets that are far away.
            steady: A clock that never jumps, s.
        """
        self._send, self._begin, self._measure, self._judge, self._fail, self._halt = send, begin, measure, judge, fail, halt
        self._steady = steady
        self._approach = approach
        self._space: bool | None = None  # of the last set-point; None before the first
        self._goal: Goal | None = None
        self._wake = threading.Event()
        self._ended = False
        self.busy_since: float | None = None  # when the present call to the controller began, steady clock, s
        self._due = 0.0  # the next step of an approach
        self._suspicious = False
        self.stops = 0  # counts the stops, so that nothing given before one is sent after it
        self._begun_after = -1  # stops when the controller began to take targets
        self._thread = threading.Thread(target=self._run, name="xarm_sender", daemon=True)
        self._thread.start()

    def take(self, values: np.ndarray, *, pose: bool) -> None:
        """Send these values from now on; returns at once."""
        self._goal = Goal(np.array(values, dtype=np.float64), pose, self._steady(), self.stops)
        self._wake.set()

    def drop(self) -> int:
        """Send nothing of what was given so far; the next target begins from the measured joints. Takes no lock.

        Returns:
            The number of stops up to now, for `begun_after`.
        """
        self.stops += 1
        self._goal = None
        return self.stops

    @property
    def begun(self) -> bool:
        """True while the controller takes targets, and no stop came since it began to."""
        return self._begun_after == self.stops

    def begun_after(self, stops: int) -> None:
        """The controller takes targets, unless there were more stops than these since."""
        self._space = None
        self._begun_after = stops

    def look(self) -> None:
        """Have the thread judge the controller now: a report looked wrong."""
        self._suspicious = True
        self._wake.set()

    def end(self) -> None:
        """Let the thread end; it may be stuck, so nobody waits for it."""
        self._ended = True
        self._wake.set()

    # ---- the thread

    def _run(self) -> None:
        while not self._ended:
            self._wait()
            try:
                self._turn()
            except Exception as error:  # the SDK raises bare Exceptions; a dead thread would look like an arm that obeys nobody
                logger.exception("sending to the controller failed")
                self.busy_since = None
                self.drop()
                self._fail(f"the SDK raised {type(error).__name__}: {error}. Recover; if it stays, start again.")

    def _wait(self) -> None:
        """Wait for a new target, or in an approach for the time of its next step: it keeps its own time."""
        approaching = self._approach.under_way and self._goal is not None
        if not approaching:
            self._wake.wait()
            self._wake.clear()
        while approaching and not self._ended and not self._suspicious and (left := self._due - self._steady()) > 0.0:
            self._wake.wait(left)
            self._wake.clear()

    def _turn(self) -> None:
        if self._suspicious:
            self._suspicious = False
            self._report(0)
        goal = self._goal
        if goal is None or goal.stops != self.stops or self._ended:
            return
        if (self.begun or self._enter(goal)) and goal.stops == self.stops:
            self._due = self._steady() + PERIOD_S
            self._send_towards(goal)

    def _enter(self, goal: Goal) -> bool:
        """Make the controller take targets again. Returns False where it does not, or a stop came meanwhile."""
        words = self._begin()
        if goal.stops != self.stops:
            self._halt()  # the stop may have reached the controller before `begin` did
            return False
        if words:
            self.drop()
            self._fail(words)
            return False
        self.begun_after(goal.stops)
        return True

    def _send_towards(self, goal: Goal) -> None:
        if self._space is not goal.pose:
            self._approach.start_at(self._measure(goal.pose))
            self._space = goal.pose
        values = self._approach.next(goal.values, goal.at, self._steady(), pose=goal.pose)
        self.busy_since = self._steady()
        code = self._send(values, goal.pose)
        self.busy_since = None
        if code != 0 and goal.stops == self.stops:
            self._report(code)

    def _report(self, code: int) -> None:
        stops = self.stops
        self.busy_since = self._steady()
        words = self._judge(code)
        self.busy_since = None
        if words and stops == self.stops:
            self.drop()
            self._fail(words)
