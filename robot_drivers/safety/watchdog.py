"""When the arm must hold: no valid action is due, a clock jumped, or the arm's state grew old (DESIGN 9.2, 9.5)."""

from __future__ import annotations

import math

from robot_drivers.arm import ArmCommand, ArmState
from robot_drivers.safety.limits import SafetyLimits
from robot_drivers.safety.timing import Timing

STATE_PERIODS = 3.0  # a state older than this many control periods puts the arm on hold
ROUNDING_S = 1e-9  # sums of control periods are not exact


class Watchdog:
    """Times actions on two clocks; the earlier end counts. In a simulation that steps, its own clock alone counts."""

    def __init__(self, limits: SafetyLimits, timing: Timing) -> None:
        """Watch one arm."""
        self._limits = limits
        self._timing = timing
        # Braking begins within two control periods of the last valid action, whatever its sender claims; one turn of
        # the loop may pass before the end is seen.
        self._longest = 2.0 * timing.control_period_s - (0.0 if timing.step_driven else timing.loop_period_s)
        self.longest_silence = 0.0  # s, between two valid actions that no hold lay between
        self._fed_at: float | None = None
        self._seen = 0.0  # the silence when somebody last looked whether it is too long
        self.forget()
        self.restart()

    def restart(self) -> None:
        """Compare the clocks from now on."""
        self._offset = self._measure_offset()

    def forget(self) -> None:
        """No action is valid any more."""
        self.last_stamp = -math.inf
        self._ends = (-math.inf, -math.inf)
        self._fed_at, self._seen = None, 0.0

    def feed(self, command: ArmCommand) -> None:
        """Note a valid action."""
        valid = min(command.valid_for, self._longest)
        self.longest_silence = max(self.longest_silence, self._seen)
        self.last_stamp = command.stamp
        self._fed_at = self._timing.elapsing()
        self._ends = (command.stamp + valid, self._timing.steady() + valid)

    def silence(self) -> float:
        """Return the age of the last valid action, s, by its stamp or its arrival, whichever is more; 0 where there is none."""
        if self._fed_at is None:
            return 0.0
        return max(self._timing.elapsing() - self._fed_at, self._timing.clock() - self.last_stamp)

    def action_is_over(self) -> bool:
        """Return True when no action is valid now."""
        self._seen = self.silence()
        over = self._timing.clock() >= self._ends[0] - ROUNDING_S
        return over or (not self._timing.step_driven and self._timing.steady() >= self._ends[1])

    def clock_trouble(self) -> str:
        """Return in words that the workcell clock jumped against the steady one since the last call, or ""."""
        offset = self._measure_offset()
        jump, self._offset = offset - self._offset, offset
        if self._timing.step_driven or abs(jump) <= self._limits.clock_jump_s:
            return ""
        return (
            f"the workcell clock jumped by {jump:+.3f} s; expected at most {self._limits.clock_jump_s:g} s. Look for a time server's step"
        )

    def state_trouble(self, state: ArmState) -> str:
        """Return in words that the arm's state is too old, or ""."""
        age, limit = self._timing.clock() - state.stamp, STATE_PERIODS * self._timing.control_period_s
        return "" if self._timing.step_driven or age <= limit else f"the arm's state is {age:.3f} s old; expected at most {limit:.3f} s"

    def _measure_offset(self) -> float:
        """Return workcell clock minus steady clock, s, of the quickest of a few readings: a busy machine may pause between two."""
        best, offset = math.inf, 0.0
        for _ in range(5):
            before, now, after = self._timing.steady(), self._timing.clock(), self._timing.steady()
            if after - before < best:
                best, offset = after - before, now - 0.5 * (before + after)
            if best < 0.1 * self._limits.clock_jump_s:
                break
        return offset
