"""The last minutes of motion as the controller carried them out, one sample per command. Start at `MotionRecording`."""

from __future__ import annotations

import numpy as np

SAMPLE = np.dtype(
    [
        ("time", "f8"),  # steady clock, s
        ("message_id", "u8"),  # the controller's clock, ms
        ("joints", "f8", 7),  # rad
        ("velocity", "f8", 7),  # rad/s
        ("acceleration", "f8", 7),  # rad/s^2
        ("end_effector", "f8", 3),  # m, base frame
    ]
)


class MotionRecording:
    """A ring of samples: the newest push the oldest out."""

    def __init__(self, capacity: int = 120_000) -> None:
        # Pages are taken from the system as they are written: an arm that never moves costs nothing.
        self._samples = np.zeros(capacity, SAMPLE)
        # A view of each field, because writing a whole sample at once takes ten times as long.
        self._fields = [self._samples[name] for name in SAMPLE.names]
        self._count = 0

    def add(self, *values: float | int | np.ndarray) -> None:
        """Add one sample: a value for each field of SAMPLE, in its order."""
        place = self._count % len(self._samples)
        for field, value in zip(self._fields, values, strict=True):
            field[place] = value
        self._count += 1

    def clear(self) -> None:
        """Forget all samples."""
        self._count = 0

    def samples(self) -> np.ndarray:
        """Return a copy of the samples held, oldest first, as an array of SAMPLE."""
        count, capacity = self._count, len(self._samples)
        if count <= capacity:
            return self._samples[:count].copy()
        return np.roll(self._samples, -(count % capacity))
