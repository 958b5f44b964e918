"""The clocks and periods that the parts of SafeArm share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How time passes for one arm.

    Attributes:
        clock: The workcell clock, s: stamps of states and commands.
        steady: A clock that never jumps, s.
        control_period_s: Between two commands of a source.
        loop_period_s: Between two turns of SafeArm's loop.
        step_driven: True where a simulation turns exactly once per control period; its clock alone counts then.
    """

    clock: Callable[[], float]
    steady: Callable[[], float]
    control_period_s: float
    loop_period_s: float
    step_driven: bool

    def elapsing(self) -> float:
        """Return the clock that durations are measured on, s."""
        return self.clock() if self.step_driven else self.steady()
