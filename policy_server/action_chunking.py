"""When each action of a chunk is due, and which are too late (DESIGN 9.5).

Action i of a reply to the observation taken at t_k is due at t_k + i * period on the workcell clock. Actions whose time
is over are dropped, never squeezed together to catch up; after `max_chunk_age` nothing is due and the arm holds. Start
at `ChunkSchedule`: `add` a reply, then ask `due` once per control step.
"""

from __future__ import annotations

import math

import numpy as np

from policy_server.contract import PolicyContract
from stage_core.errors import ConfigurationError

ROUNDING = 1e-6  # of a period: k * dt is not exact in floating point
EARLY = 0.4  # of a period: how early a jittering control step may take an action; without one it would hold the arm
LATE = 1.1  # of a period: how late a jittering control step may still take the next action
APART = 0.5  # of a period: two actions are never handed out closer together, not even at a change of chunks


class ChunkSchedule:
    """The chunk in use and its timing. Not thread-safe: add and ask from one thread, or lock around.

    Attributes:
        chunks: Chunks added since `reset`.
        dropped: Actions dropped because their time was over.
        underruns: Control steps at which a chunk had been given but no action was due.
        executed: Actions of the present chunk that were handed out or overtaken; ask for the next chunk at `contract.execute`.
    """

    def __init__(self, period_s: float, max_chunk_age_s: float) -> None:
        """Make an empty schedule.

        Args:
            period_s: Time between two actions, s, > 0.
            max_chunk_age_s: How long after its observation a chunk may run, s, > 0, at most horizon * period.

        Raises:
            ConfigurationError: If one is not positive.
        """
        for name, value in (("period_s", period_s), ("max_chunk_age_s", max_chunk_age_s)):
            if not value > 0.0 or not math.isfinite(value):
                raise ConfigurationError(f"{name} is {value} s; expected > 0.")
        self.period_s = float(period_s)
        self.max_chunk_age_s = float(max_chunk_age_s)
        self.reset()

    @classmethod
    def for_contract(cls, contract: PolicyContract, max_chunk_age_s: float) -> ChunkSchedule:
        """Return the schedule for a policy's rate.

        Raises:
            ConfigurationError: If `max_chunk_age_s` is not positive, or longer than a chunk lasts.
        """
        lasts = contract.horizon / contract.control_rate_hz
        if max_chunk_age_s > lasts * (1.0 + ROUNDING):
            raise ConfigurationError(
                f"max_chunk_age is {max_chunk_age_s} s; expected at most {lasts:g} s: "
                f"{contract.horizon} actions at {contract.control_rate_hz:g} Hz."
            )
        return cls(1.0 / contract.control_rate_hz, max_chunk_age_s)

    def reset(self) -> None:
        """Forget the chunk and the counts: a new episode, or a change of source."""
        self.chunks = 0
        self.dropped = 0
        self.underruns = 0
        self.clear()

    def clear(self) -> None:
        """Forget the chunk, keep the counts: after a hold, motion resumes from a fresh chunk."""
        self._actions: np.ndarray | None = None
        self._stamp = math.nan
        self._next = 0
        self._started = False
        self._handed_out = -math.inf

    def add(self, actions: np.ndarray, observation_stamp: float, now: float) -> int:
        """Take a new chunk in place of the present one.

        Args:
            actions: (H, d) float, H >= 1.
            observation_stamp: t_k, when the observation was taken, workcell clock, s.
            now: Workcell clock, s.

        Returns:
            How many of its actions were overdue and dropped; a chunk older than the one in use is dropped whole.

        Raises:
            ValueError: If `actions` is not (H, d).
        """
        actions = np.asarray(actions)
        if actions.ndim != 2 or actions.shape[0] < 1:
            raise ValueError(f"actions has the shape {actions.shape}; expected (horizon, dim) with horizon >= 1.")
        self.chunks += 1
        if self._actions is not None and observation_stamp < self._stamp - ROUNDING * self.period_s:
            self.dropped += len(actions)  # a late reply must not take the arm back in time
            return len(actions)
        self._actions = actions
        self._stamp = float(observation_stamp)
        self._next = 0
        self._started = False
        return self._drop_before(self._steps_since(now, ROUNDING))

    def due(self, now: float) -> tuple[np.ndarray, int] | None:
        """Return (values (d,), index in the chunk) of the action due at `now`, each once; None: hold.

        Call it once per control step; steps that jitter by less than 0.4 of the period skip or repeat nothing.
        """
        if self._actions is None:
            return None
        age = now - self._stamp
        position = age / self.period_s
        if position < -EARLY:
            return None  # the chunk is for later
        if age > self.max_chunk_age_s + ROUNDING * self.period_s:
            self.underruns += 1
            return None
        # The first step fixes the phase; later ones take the next action as long as its turn is not over.
        if not self._started:
            self._drop_before(self._steps_since(now, EARLY / 2))
        elif position - self._next >= LATE:
            self._drop_before(self._steps_since(now, ROUNDING))
        if self._next >= len(self._actions):
            self.underruns += 1
            return None
        if position - self._next < -(EARLY if self._started else EARLY / 2) or 0.0 <= now - self._handed_out < APART * self.period_s:
            return None  # asked twice within one period
        index = self._next
        self._next += 1
        self._started = True
        self._handed_out = now
        return self._actions[index], index

    def is_over(self, now: float) -> bool:
        """Return True when no action can be due any more at `now` without another chunk."""
        return self._actions is None or not self.remaining or now - self._stamp > self.max_chunk_age_s + ROUNDING * self.period_s

    def age(self, now: float) -> float:
        """Return the time since the observation of the chunk in use, s; NaN without a chunk."""
        return now - self._stamp if self._actions is not None else math.nan

    @property
    def executed(self) -> int:
        """Actions of the present chunk that were handed out or overtaken; 0 without a chunk."""
        return self._next

    @property
    def remaining(self) -> int:
        """Actions of the present chunk still to come; 0 without a chunk."""
        return 0 if self._actions is None else len(self._actions) - self._next

    def _steps_since(self, now: float, tolerance: float) -> int:
        """Return the index of the action whose period `now` lies in."""
        return max(0, math.floor((now - self._stamp) / self.period_s + tolerance))

    def _drop_before(self, index: int) -> int:
        """Skip the actions before `index`; returns how many."""
        assert self._actions is not None
        skipped = max(0, min(index, len(self._actions)) - self._next)
        self._next += skipped
        self.dropped += skipped
        return skipped
