"""What the gripper alone tells: motion while it is open, skill while it is closed on something (StaKe's segments).

Used only while no object was ever seen; with a pose the geometry decides (spec/stare section 1).
"""

from __future__ import annotations

from stage_core.debounce import frames_of

SETTLE_S = 0.15  # three frames at 20 Hz
SETTLED_SPEED_M_S = 0.01  # 0.5 mm per step at 20 Hz
OPEN_MARGIN_M = 0.003
REOPEN_MARGIN_M = 0.0015
CLOSED_MARGIN_M = 0.002


class GripperSegments:
    """Estimates `grasped` from the width of the fingers, O(1) per step.

    A hold is a settled width between fully closed + 2 mm and the widest width seen - 3 mm; it ends when the fingers
    open to within 1.5 mm of the widest or close to within 2 mm of nothing (Schmitt trigger).
    """

    __slots__ = ("_frames", "_previous", "_rate", "_settled", "_widest", "grasped")

    def __init__(self, control_rate_hz: float) -> None:
        self._rate = control_rate_hz
        self._frames = frames_of(SETTLE_S, control_rate_hz)
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self._widest: float | None = None
        self._previous: float | None = None
        self._settled = 0
        self.grasped: bool | None = None

    def update(self, width: float) -> bool | None:
        """Return whether the gripper seems to hold something; None until the fingers were seen to move or settle.

        Args:
            width: Distance of the finger tips, m.
        """
        previous, self._previous = self._previous, width
        self._widest = width if self._widest is None else max(self._widest, width)
        still = previous is not None and abs(width - previous) * self._rate <= SETTLED_SPEED_M_S
        self._settled = min(self._settled + 1, self._frames) if still else 0
        if width > self._widest - REOPEN_MARGIN_M or width < CLOSED_MARGIN_M:
            self.grasped = False
        elif self._settled >= self._frames and CLOSED_MARGIN_M < width < self._widest - OPEN_MARGIN_M:
            self.grasped = True
        return self.grasped
