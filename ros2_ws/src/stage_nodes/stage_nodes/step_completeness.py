"""Which control steps the recorder holds whole: one message of every expected topic with the step's stamp. No ROS here.

Every recorded message begins with a std_msgs/Header, so its stamp stands at a fixed place in the serialized bytes.
"""

from __future__ import annotations

import struct

_STAMP = struct.Struct("<iI")
_AFTER_ENCAPSULATION = 4
_KEPT_STEPS = 64


def stamp_of(serialized: bytes) -> int:
    """Return the header stamp of a CDR message that begins with std_msgs/Header, in ns."""
    seconds, nanoseconds = _STAMP.unpack_from(serialized, _AFTER_ENCAPSULATION)
    return seconds * 1_000_000_000 + nanoseconds


class StepCompleteness:
    """Tells when the last expected message of a step has come."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        """Expect one message of each group (a topic, or several topics that count as one) at every step."""
        self._groups = frozenset(groups)
        self._seen: dict[int, set[str]] = {}
        self._done: dict[int, None] = {}

    def add(self, group: str, stamp: int) -> bool:
        """Note a message; return True when it completes its step, once per step."""
        if group not in self._groups or stamp in self._done:
            return False
        seen = self._seen.setdefault(stamp, set())
        seen.add(group)
        if seen != self._groups:
            self._forget(self._seen)
            return False
        del self._seen[stamp]
        self._done[stamp] = None
        self._forget(self._done)
        return True

    @staticmethod
    def _forget(table: dict) -> None:
        while len(table) > _KEPT_STEPS:
            del table[next(iter(table))]
