"""Debouncing: a fact counts once it held for several control steps in a row.

The hand hides a tag for a frame or two while it closes; without this the stage would flicker.
"""

from __future__ import annotations

import math


def frames_of(seconds: float, control_rate_hz: float) -> int:
    """Return how many control steps `seconds` last: ceil(seconds * rate), at least 1.

    Args:
        seconds: Duration, s, >= 0.
        control_rate_hz: Control steps per second, > 0.

    Raises:
        ValueError: If the rate is not positive.
    """
    if not control_rate_hz > 0.0:
        raise ValueError(f"control_rate_hz is {control_rate_hz} Hz; expected > 0. Set the workcell's control rate.")
    return max(1, math.ceil(seconds * control_rate_hz - 1e-9))  # 0.1 s * 30 Hz is 3.0000000000000004 in floats


class Debounce:
    """Counts for how many steps in a row something held; O(1) memory.

    An unknown (None) breaks the row like a no: a stage may rise or fall on positive evidence alone.
    """

    __slots__ = ("count", "frames")

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.count = 0

    def update(self, held: bool | None) -> bool:
        """Count one step and return whether `frames` steps in a row have held."""
        if held:
            self.count += 1
            return self.count >= self.frames
        self.count = 0
        return False

    def reset(self) -> None:
        """Forget what was counted."""
        self.count = 0
