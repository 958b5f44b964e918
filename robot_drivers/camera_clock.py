"""Brings a camera's own time stamps to the workcell clock. Start at `ClockMapping`."""

from __future__ import annotations

import math

DRIFT_LIMIT = 1e-4  # s/s; quartz clocks differ by less than 100 parts per million
JUMP_S = 0.5  # a stamp this far off is another clock, or the same one begun anew
SMALLEST_STEP_S = 1e-6  # between two stamps that would otherwise not increase


class ClockMapping:
    """Measures the offset between a device's clock and the workcell's, and follows its drift.

    A frame arrives after its capture, by a delay that varies; the smallest (arrival - device stamp) is therefore the
    best offset. It is taken up at once when it falls and let go by `DRIFT_LIMIT` per second, so that a device whose
    clock runs slow is followed too. What stays unknown is the smallest delay itself, a few milliseconds.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last_arrival = self._last_device = -math.inf
        self._last_stamp = -math.inf

    @property
    def offset_s(self) -> float | None:
        """Workcell clock minus device clock, s; None before the first measured stamp."""
        return self._offset

    def measured(self, device_s: float, arrival_s: float) -> float:
        """Return a capture time from a device clock of unknown origin.

        Args:
            device_s: The device's stamp, s.
            arrival_s: When the frame came, on the workcell clock, s.

        Returns:
            Capture time on the workcell clock, s; later than every one before.
        """
        found = arrival_s - device_s
        if self._offset is None or abs(found - self._offset) > JUMP_S or device_s < self._last_device:
            self._offset = found
        else:
            self._offset = min(found, self._offset + DRIFT_LIMIT * max(0.0, arrival_s - self._last_arrival))
        self._last_arrival, self._last_device = arrival_s, device_s
        return self._increasing(device_s + self._offset)

    def known(self, stamp_s: float, arrival_s: float, now_s: float) -> float:
        """Return a capture time from a stamp by a clock of this computer.

        Args:
            stamp_s: Capture time by that clock, s.
            arrival_s: When the frame came, on the workcell clock, s.
            now_s: The same moment by that clock, s.

        Returns:
            Capture time on the workcell clock, s. A stamp from the future, or older than JUMP_S, is not of that clock
            (a recording has such) and is mapped by its measured offset.
        """
        if not -0.005 < now_s - stamp_s < JUMP_S:
            return self.measured(stamp_s, arrival_s)
        return self._increasing(min(arrival_s, stamp_s + (arrival_s - now_s)))

    def arrived(self, arrival_s: float) -> float:
        """Return the arrival as the capture time, for a device without time stamps."""
        return self._increasing(arrival_s)

    def _increasing(self, stamp_s: float) -> float:
        self._last_stamp = max(stamp_s, self._last_stamp + SMALLEST_STEP_S)
        return self._last_stamp
