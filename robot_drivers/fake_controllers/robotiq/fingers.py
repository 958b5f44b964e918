"""How the fingers of a 2F gripper move, are activated and meet an object, worked out when somebody looks. Start at `Fingers`.

Positions are counts of the position register: 0 open, 255 closed; an instance is not thread-safe, its owner locks.
Source: the registers' chapter of the 2F-85 & 2F-140 instruction manual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

CLOSED = 255.0
ACTIVATION_COMPLETE, ACTIVATION_RUNS, ACTIVATION_RESET = 3, 1, 0
OBJECT_NONE_YET, OBJECT_OPENING, OBJECT_CLOSING, OBJECT_ARRIVED = 0, 1, 2, 3
DELAYED_BY_ACTIVATION, NOT_ACTIVATED, ACTIVATION_FAILED = 0x05, 0x07, 0x0D
RELEASING, RELEASED = 0x0B, 0x0F
MAJOR = frozenset({0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F})  # end with a new activation only


@dataclass(frozen=True, kw_only=True)
class Model:
    """Facts of one gripper: stroke in m, speeds in m/s at the lowest and highest byte, and a full activation's time in s."""

    stroke: float
    slowest: float
    fastest: float


MODELS = {
    "2f_85": Model(stroke=0.085, slowest=0.020, fastest=0.150),
    "2f_140": Model(stroke=0.140, slowest=0.030, fastest=0.250),
}


class Fingers:
    """The moving part and its state machine."""

    def __init__(self, model: Model, *, activated: bool, activation_s: float, steady: Callable[[], float]) -> None:
        self._model, self._activation_s, self._steady = model, activation_s, steady
        self._since, self._start, self._target = steady(), 0.0, 0.0
        self._speed = 0.0  # counts/s
        self._activation_began = -math.inf if activated else math.inf
        self._delayed: tuple[int, int] | None = None
        self.active = activated
        self.follows = False
        self.requested = 0
        self.fault = 0
        self.object_width = 0.0  # m, 0 without an object
        self.activation_fails = False

    def request(self, *, active: bool, follows: bool, release: bool, position: int, speed: int) -> None:
        """Take what the output registers say."""
        self.update()
        if active and not self.active:
            self._begin_activation()
        elif not active and self.active:
            self._reset()
        self.requested = position
        if not self.active:
            self.follows = False
            if follows:
                self.fault = NOT_ACTIVATED
            return
        if release:
            self.fault, self.follows = RELEASING, False
            self._go(0, 0)
        elif self.fault not in MAJOR:
            self.follows = follows
            self._follow(position, speed)

    def update(self) -> float:
        """Bring the state machine up to now and return the position in counts."""
        now = self._steady()
        if self.active and self.activation == ACTIVATION_RUNS:
            share = (now - self._activation_began) / self._activation_s
            if self.activation_fails and share > 0.5:
                self.fault, self._activation_began = ACTIVATION_FAILED, math.inf
                self._stop_at(CLOSED)
            elif share >= 1.0:
                self._activation_began = -math.inf
                self._stop_at(0.0)
                self.fault = 0
                if self._delayed is not None and self.follows:
                    self._go(*self._delayed)
                self._delayed = None
            else:
                return self._activation_place(share)
        place = self._place()
        if self.fault == RELEASING and place == self._target:
            self.fault = RELEASED
        return place

    @property
    def activation(self) -> int:
        """gSTA."""
        if not self.active or self._activation_began == math.inf:
            return ACTIVATION_RESET
        return ACTIVATION_COMPLETE if self._activation_began == -math.inf else ACTIVATION_RUNS

    @property
    def contact(self) -> int:
        """gOBJ."""
        place = self.update()
        if place != self._end_of_way():
            return OBJECT_NONE_YET
        if place != self._target:
            return OBJECT_CLOSING
        return OBJECT_ARRIVED

    @property
    def moving(self) -> bool:
        """True while the fingers are under way, whatever for."""
        return self.activation == ACTIVATION_RUNS or self.update() != self._end_of_way()

    @property
    def width(self) -> float:
        """Between the finger tips, m."""
        return self._model.stroke * (1.0 - self.update() / CLOSED)

    def lose_power(self) -> None:
        """Forget the activation; the fingers stay where they are."""
        self._stop_at(self.update())
        self.active = self.follows = False
        self._activation_began, self._delayed = math.inf, None
        self.requested = self.fault = 0

    def fall_into(self, fault: int) -> None:
        """Stop with a fault of this code."""
        self._stop_at(self.update())
        self.fault, self.follows = fault, False

    def _begin_activation(self) -> None:
        self.active, self.fault, self._activation_began = True, 0, self._steady()

    def _reset(self) -> None:
        self._stop_at(self.update())
        self.active = self.follows = False
        self.fault, self._activation_began, self._delayed = 0, math.inf, None

    def _follow(self, position: int, speed: int) -> None:
        if self.activation == ACTIVATION_RUNS:
            if self.follows:
                self.fault, self._delayed = DELAYED_BY_ACTIVATION, (position, speed)
        elif self.follows:
            self._go(position, speed)
        else:
            self._stop_at(self.update())

    def _go(self, position: int, speed: int) -> None:
        self._start, self._since, self._target = self._place(), self._steady(), float(position)
        metres = self._model.slowest + (self._model.fastest - self._model.slowest) * speed / 255.0
        self._speed = metres / self._model.stroke * CLOSED

    def _stop_at(self, place: float) -> None:
        self._start = self._target = place
        self._since = self._steady()

    def _place(self) -> float:
        end, reach = self._end_of_way(), self._speed * (self._steady() - self._since)
        return end if abs(end - self._start) <= reach else self._start + math.copysign(reach, end - self._start)

    def _end_of_way(self) -> float:
        """Where the way ends: the target, or the object before it."""
        if self.object_width <= 0.0:
            return self._target
        blocked = CLOSED * (1.0 - self.object_width / self._model.stroke)
        return max(self._start, min(self._target, blocked)) if self._target > self._start else self._target

    def _activation_place(self, share: float) -> float:
        """Closing takes the first half of an activation, opening the second."""
        return self._start + (CLOSED - self._start) * 2.0 * share if share < 0.5 else CLOSED * (2.0 - 2.0 * share)
