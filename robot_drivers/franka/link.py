"""One connection to a controller: two threads that make every SDK call of a running arm. Start at `FrankaLink`.

The first reads the state and hands over targets, so that `command` and `read_state` of the driver never wait for the
controller. The second does nothing but stop, so that a stop goes out while the first is stuck. Neither shares a lock
with the caller: what they exchange are references that are replaced as a whole.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robot_drivers.franka.deadline import ControlThreadScheduling, call_with_deadline
from robot_drivers.franka.reading import Reading, take_reading
from robot_drivers.franka.words import STOPPED_BY_REFLEX, describe_exception
from stage_core.errors import StageError

logger = logging.getLogger(__name__)

POLL_S = 0.004  # how often the state is read
SETTLE_S = 1.0  # longest time a stopped motion may take to end
STOP_WAIT_S = 0.04  # how long `stop` waits for the controller's answer; the stop is under way all the same


@dataclass(frozen=True, eq=False)
class _Wish:
    """A target that was not sent yet: what makes the motion, and the number of stops before it."""

    make: Callable[[], Any]
    stops: int


class FrankaLink:
    """Owns one `franky.Robot` from now on."""

    def __init__(
        self,
        robot: Any,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        ordinary_scheduling: bool,
        stop_motion: Callable[[], Any] | None,
    ) -> None:
        """Take over a robot that is ready; `start` begins.

        Args:
            robot: From `sdk.open_robot`.
            clock: The workcell clock, s.
            steady: A clock that never jumps, s.
            ordinary_scheduling: True takes real-time priority from libfranka's control thread (`realtime: ignore`).
            stop_motion: Makes a motion that brakes, for a controller that refuses to stop; None for a link that only reads.
        """
        self._robot, self._clock, self._steady = robot, clock, steady
        self._scheduling = ControlThreadScheduling(contained=ordinary_scheduling)
        self._stop_motion = stop_motion
        self._wishes: deque[_Wish] = deque(maxlen=1)  # from any thread; its calls are atomic
        self._held: _Wish | None = None  # taken, not sent yet; of the first thread alone
        self._counter = itertools.count(1)
        self._stops = 0  # asked for so far
        self._stopped = 0  # answered, or given up
        self._motion_stops: int | None = None  # value of _stops when the present motion began; None without one
        self._waiting_since = 0.0
        self._robot_time = -1
        self._wake, self._stop_wake, self._end = threading.Event(), threading.Event(), threading.Event()
        self._answered = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._run, "franka"), (self._run_stops, "franka_stop"))
        ]
        self.newest: Reading | None = None
        self.lost = ""  # in words, once the connection is dead
        self.fault = ""  # in words, until somebody recovers
        self.watching = True  # False while somebody recovers: modes are no faults then

    def start(self) -> None:
        """Read once, then go on in the threads. Raises what franky raises."""
        self._read()
        for thread in self._threads:
            thread.start()

    def send(self, make: Callable[[], Any]) -> None:
        """Go to the target of the motion that `make` returns; the newest wish wins. Returns at once."""
        self._wishes.append(_Wish(make, self._stops))
        self._wake.set()

    def stop(self) -> None:
        """Brake; wishes from before are forgotten. Waits a little for the controller's answer."""
        self._wishes.clear()
        self._answered.clear()
        self._stops = next(self._counter)
        self._stop_wake.set()
        self._answered.wait(STOP_WAIT_S)

    def read_raw(self) -> Any:
        """Return a franky state as it is. May wait for the controller, and raises what franky raises."""
        return self._robot.state

    def clear_fault(self, name: str, seconds: float) -> str:
        """Run the controller's recovery where it needs one, and forget the fault; return in words what is still in the way."""
        robot = self._robot
        if robot is None:
            return self.lost
        self._wishes.clear()
        reading = self._next_reading()
        if reading.mode in ("UserStopped", "Other", "Guiding"):
            return reading.words  # a human must act first
        if reading.words:
            try:
                call_with_deadline(robot.recover_from_errors, seconds=seconds, name=f"recovering {name}")
            except StageError as error:
                return str(error)
            except Exception as error:
                return describe_exception(error)
        begun = time.monotonic()
        while words := self._next_reading().words:
            if time.monotonic() - begun > SETTLE_S or self.lost:
                return self.lost or words
        self.fault = ""
        return ""

    def _next_reading(self) -> Reading:
        """Return the first reading from now on, or the newest where none comes in time."""
        before, begun = self.newest, time.monotonic()
        while self.newest is before and time.monotonic() - begun < SETTLE_S and not self.lost:
            time.sleep(POLL_S)
        return self.newest

    def close(self, timeout_s: float = 2.0) -> bool:
        """Stop, end the threads and let go of the robot; True when all ended in time."""
        if self._motion_stops is not None and not self.lost:
            self.stop()
        self._end.set()
        self._wake.set()
        self._stop_wake.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # ---- the thread that reads and sends

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait(POLL_S)
            self._wake.clear()
            try:
                self._collect()
                self._send_wish()
                self._read()
            except Exception as error:  # whatever the SDK raises here, this connection is over
                self.lost = describe_exception(error)
                logger.warning("the connection to the Franka controller ended: %s", self.lost)
                break
        if self._end.is_set():
            self._threads[1].join(timeout=5.0)  # it may still be using the robot
        robot, self._robot = self._robot, None
        del robot  # joins libfranka's own thread; in this thread, for it may take a second

    def _collect(self) -> None:
        """Take notice of how the last motion ended."""
        if self._motion_stops is None:
            return
        try:
            if self._robot.poll_motion():
                self._motion_stops = None
        except Exception as error:
            begun, self._motion_stops = self._motion_stops, None
            text = str(error).lower()
            if type(error).__name__ not in ("ControlException", "CommandException"):
                raise
            if "preempted" in text and "safety" not in text and begun != self._stops:
                return  # our own stop
            words = describe_exception(error)
            if not words.startswith(STOPPED_BY_REFLEX):
                self._read()  # the mode of the arm says more than "command aborted"
                if "preempted!" in text:
                    words = "something else ended the motion: another client, or Desk. Recover."
            self._fail(words)

    def _send_wish(self) -> None:
        with contextlib.suppress(IndexError):  # none, or a stop took it away at this moment
            self._held = self._wishes.pop()
        wish = self._held
        if wish is None:
            return
        if self.fault or wish.stops != self._stops:
            self._held = None
            return
        if self._stopped < self._stops or (self._motion_stops is not None and self._motion_stops != self._stops):
            # A motion that was stopped must have ended: a target given to it now would be lost with it.
            self._waiting_since = self._waiting_since or time.monotonic()
            if time.monotonic() - self._waiting_since > SETTLE_S:
                self._fail(f"a stopped motion did not end within {SETTLE_S:g} s. Look at the controller, then recover.")
            return
        self._held, self._waiting_since = None, 0.0
        if self._motion_stops is None:
            self._scheduling.motion_begins()
        self._motion_stops = wish.stops
        try:
            self._robot.move(wish.make(), asynchronous=True)
        except Exception as error:
            self._motion_stops = None
            if type(error).__name__ not in ("ControlException", "CommandException", "InvalidOperationException"):
                raise
            self._fail(describe_exception(error))
        if wish.stops != self._stops:  # the stop came while the motion began, and may have gone out before it
            self._stopped = -1
            self._stop_wake.set()

    def _read(self) -> None:
        state = self._robot.state
        self._scheduling.look()
        robot_time = state.time.to_msec()
        if robot_time == self._robot_time:
            return  # nothing new: the stamp must not pretend it were
        self._robot_time = robot_time
        self.newest = reading = take_reading(state, stamp=self._clock(), taken=self._steady())
        if reading.words and self.watching:
            self._fail(reading.words)

    def _fail(self, words: str) -> None:
        if not self.fault:
            logger.warning("Franka arm: %s", words)
            self.fault = words
        self._wishes.clear()
        self._held, self._waiting_since = None, 0.0

    # ---- the thread that stops

    def _run_stops(self) -> None:
        while True:
            self._stop_wake.wait()
            self._stop_wake.clear()
            if self._stopped < self._stops and not self._send_stop():
                return
            if self._end.is_set():  # also where its wake-up came together with that of a stop
                return

    def _send_stop(self) -> bool:
        """Stop the robot; False where there is none any more. No reference to it stays: it must end when the link lets go of it."""
        robot, asked = self._robot, self._stops
        if robot is None:
            return False
        try:
            robot.stop()
        except Exception as error:
            if self._motion_stops is not None and not self.fault and not self.lost:
                logger.warning("the controller did not take the stop: %s", describe_exception(error))
                self._brake_by_motion(robot)
        self._stopped = asked
        self._answered.set()
        return True

    def _brake_by_motion(self, robot: Any) -> None:
        """The second way to stop, where a motion is under way and the controller refused the first."""
        if self._motion_stops is None or self._stop_motion is None:
            return
        try:
            robot.move(self._stop_motion(), asynchronous=True)
        except Exception as error:
            logger.warning("braking by a motion failed too: %s", describe_exception(error))
