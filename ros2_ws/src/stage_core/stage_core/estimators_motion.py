"""What object poses tell beside the pose: whether the object is at rest, and whether it moves with the hand.

Start at `ObjectMotion.update` and `MovesWithHand.update`.
"""

from __future__ import annotations

import math
from collections import deque

from stage_core.geometry import Quaternion, Vector, distance, quaternion_conjugate, rotate

MOST_SAMPLES = 64  # bounds memory and time for cameras of any rate
FEWEST_SAMPLES = 4
STAYED_SHARE = 0.4  # an object that moved less than this share of the hand's way stayed behind


class ObjectMotion:
    """Fits a straight line through the object's last positions, so that the noise of a detector is not taken for motion.

    Args:
        window_s: Length of the fit.
        static_speed_m_s: An object slower than this is at rest.
    """

    def __init__(self, window_s: float, static_speed_m_s: float) -> None:
        self._window, self._static_speed = window_s, static_speed_m_s
        self._samples: deque[tuple[float, Vector]] = deque(maxlen=MOST_SAMPLES)

    def reset(self) -> None:
        """Start a new episode."""
        self._samples.clear()

    def update(self, stamp: float, position: Vector) -> tuple[bool | None, float]:
        """Take one position and return (at rest, or None while too little was seen; how sure, in [0, 1]).

        Args:
            stamp: Capture time, s; a position older than the last one is left out.
            position: (3,) m.
        """
        samples = self._samples
        if samples and stamp <= samples[-1][0]:
            return None, 0.0
        samples.append((stamp, position))
        while samples[0][0] < stamp - self._window - 1e-9:
            samples.popleft()
        if len(samples) < FEWEST_SAMPLES or samples[-1][0] - samples[0][0] < 0.5 * self._window:
            return None, 0.0
        return self._decide()

    def _decide(self) -> tuple[bool, float]:
        """Compare the fitted speed with the limit, in units of what its own noise makes of it."""
        count = len(self._samples)
        middle = math.fsum(stamp for stamp, _ in self._samples) / count
        spread = math.fsum((stamp - middle) ** 2 for stamp, _ in self._samples)
        square = residual = 0.0
        for axis in range(3):
            mean = math.fsum(position[axis] for _, position in self._samples) / count
            slope = math.fsum((stamp - middle) * (position[axis] - mean) for stamp, position in self._samples) / spread
            square += slope * slope
            residual += math.fsum((position[axis] - mean - slope * (stamp - middle)) ** 2 for stamp, position in self._samples)
        noise = math.sqrt(residual / (3 * (count - 2)) / spread)  # standard deviation of each component of the speed, m/s
        speed = math.sqrt(max(0.0, square - 3.0 * noise * noise))  # noise alone gives 3 noise² on average
        beyond = abs(speed - self._static_speed) / noise if noise > 1e-9 else 9.0
        return speed <= self._static_speed, 0.5 * (1.0 + math.erf(beyond / math.sqrt(2.0)))


class MovesWithHand:
    """Compares the object's way with the hand's since the fingers closed, and again after every such way.

    Args:
        way_m: The hand must move this far before anything is said.
    """

    def __init__(self, way_m: float) -> None:
        self._way = way_m
        self.reset()

    def reset(self) -> None:
        """Start afresh: a new episode, or the fingers opened."""
        self._start: tuple[Vector, Quaternion, Vector] | None = None
        self.moves_with_hand: bool | None = None

    def update(self, hand: Vector, hand_orientation: Quaternion, position: Vector) -> bool | None:
        """Take one look while the fingers hold something; return whether the object moves with the hand, None while unknown.

        Args:
            hand: (3,) m, tool centre at the image's stamp.
            hand_orientation: (4,) xyzw at the image's stamp.
            position: (3,) m, of the object.
        """
        if self._start is None:
            self._start = (hand, hand_orientation, position)
            return self.moves_with_hand
        hand_then, orientation_then, position_then = self._start
        offset = tuple(a - b for a, b in zip(position_then, hand_then, strict=True))
        carried = rotate(hand_orientation, rotate(quaternion_conjugate(orientation_then), offset))
        expected = tuple(a + b for a, b in zip(hand, carried, strict=True))
        way = distance(expected, position_then)  # of a held object; turning the hand counts
        if way >= self._way:
            behind = distance(expected, position) / way
            self.moves_with_hand = True if behind < STAYED_SHARE else False if behind > 1.0 - STAYED_SHARE else None
            self._start = (hand, hand_orientation, position)
        return self.moves_with_hand
