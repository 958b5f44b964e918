"""Whether arm and board have stood still for a while: then the image and the pose belong together, whatever their delays. Start at `Stillness`."""

from __future__ import annotations

from collections import deque

import numpy as np

STILL_FOR_S = 0.5
STILL_JOINTS_RAD = 1e-3
STILL_PIXELS = 1.0
FEWEST_LOOKS = 3


class Stillness:
    """Remembers what was seen lately."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, np.ndarray, dict[int, np.ndarray]]] = deque()

    def add(self, time_s: float, joints: np.ndarray, ids: np.ndarray, pixels: np.ndarray) -> None:
        """Take one look.

        Args:
            time_s: Steady clock, s.
            joints: (n,) rad.
            ids: (k,) numbers of the corners seen.
            pixels: (k, 2) their places.
        """
        self._looks.append((time_s, np.array(joints), dict(zip(ids.tolist(), pixels, strict=True))))
        # One look older than the time asked for stays, or the looks would never span it.
        while len(self._looks) > FEWEST_LOOKS and self._looks[1][0] <= time_s - STILL_FOR_S:
            self._looks.popleft()

    def clear(self) -> None:
        """Forget everything: the next sample needs looks of its own."""
        self._looks.clear()

    def what_moves(self) -> str:
        """Return in words what keeps a sample from being taken; empty where all stood still for `STILL_FOR_S`."""
        if not self._looks:
            return "wait"
        newest_time, newest_joints, newest = self._looks[-1]
        for _, joints, pixels in self._looks:
            if np.abs(joints - newest_joints).max() > STILL_JOINTS_RAD:
                return "the arm moves"
            common = [np.linalg.norm(place - newest[corner]) for corner, place in pixels.items() if corner in newest]
            if common and float(np.median(common)) > STILL_PIXELS:
                return "the board moves in the image"
        if newest_time - self._looks[0][0] < STILL_FOR_S or len(self._looks) < FEWEST_LOOKS:
            return "hold still"
        return ""
