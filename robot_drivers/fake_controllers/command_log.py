"""What reached a controller, written down by the controller itself.

`CommandLog.append` takes one entry, `measure` keeps the extreme of a quantity, `violation` notes a limit that a command broke. Memory
is bounded: entries and violations are rings, while counters and extremes are kept for ever. Start at `CommandLog`.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any


class CommandLog:
    """Entries, counters, extreme values and broken limits of one controller; every method may be called from any thread."""

    def __init__(self, path: Path | None = None, *, capacity: int = 20_000) -> None:
        """Begin empty.

        Args:
            path: A file that gets every entry as a line of JSON; an existing one is continued. None keeps nothing on disk.
            capacity: Entries, and likewise violations, held in memory; the oldest make room.
        """
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._violations: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._counts: Counter[str] = Counter()
        self._extremes: dict[str, float] = {}
        # Line by line, so that a controller that is killed leaves whole lines behind.
        self._file = None if path is None else Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 closed by close()

    def append(self, kind: str, **numbers: Any) -> None:
        """Add an entry of this kind with its numbers (plain values or short lists) and the steady time in seconds."""
        entry = {"time": time.monotonic(), "kind": kind, **{name: _plain(value) for name, value in numbers.items()}}
        with self._lock:
            self._counts[kind] += 1
            self._entries.append(entry)
            self._write(entry)

    def violation(self, limit_name: str, value: float, limit: float, **numbers: Any) -> None:
        """Note that a command broke a limit: its name, the value that was commanded and the limit, in the same unit."""
        entry = {
            "time": time.monotonic(),
            "kind": "violation",
            "name": limit_name,
            "value": float(value),
            "limit": float(limit),
            **{name: _plain(number) for name, number in numbers.items()},
        }
        with self._lock:
            self._counts["violation"] += 1
            self._violations.append(entry)
            self._write(entry)

    def count(self, kind: str, amount: int = 1) -> None:
        """Count something too frequent for an entry of its own, such as the commands of a 1 kHz stream."""
        with self._lock:
            self._counts[kind] += amount

    def measure(self, name: str, value: float) -> None:
        """Keep `value` if it is the largest of this name so far; pass a magnitude where the sign does not matter."""
        # Unlocked first look: at 1 kHz almost no value is a new extreme, and a stale one only costs the lock.
        if value > self._extremes.get(name, -math.inf):
            with self._lock:
                self._extremes[name] = max(float(value), self._extremes.get(name, -math.inf))

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the entries still held, oldest first: all, or those of one kind."""
        with self._lock:
            return [dict(entry) for entry in self._entries if kind is None or entry["kind"] == kind]

    @property
    def violations(self) -> list[dict[str, Any]]:
        """The broken limits still held, oldest first: `name`, `value`, `limit`, `time` (s, steady clock)."""
        with self._lock:
            return [dict(entry) for entry in self._violations]

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind came since the beginning, also when its entries are gone; "violation" counts the broken limits."""
        with self._lock:
            return dict(self._counts)

    @property
    def extremes(self) -> dict[str, float]:
        """The largest value of every measured quantity since the beginning (or the last `reset_extremes`)."""
        with self._lock:
            return dict(self._extremes)

    def reset_extremes(self) -> None:
        """Forget the extremes, to measure a part of a run on its own."""
        with self._lock:
            self._extremes.clear()

    def close(self) -> None:
        """Close the file; entries after that stay in memory only. Twice is harmless."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry) + "\n")


def _plain(value: Any) -> Any:
    """Return `value` as what JSON can hold: numpy arrays as lists, numpy numbers as Python's, other objects as text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str | int | float | bool | list | tuple | dict) or value is None:
        return value
    return str(value)
