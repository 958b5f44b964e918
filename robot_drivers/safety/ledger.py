"""Counts what the safety layer did to commands, by name, and keeps the newest in words: no silent clamp."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass

logger = logging.getLogger(__name__)

KEPT = 8  # newest limits told in words


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit applied to one command: `name` of the limit, what was asked (`value`), what was allowed (`limit`)."""

    name: str
    value: float
    limit: float
    unit: str
    place: str = ""

    def __str__(self) -> str:
        place = f" {self.place}" if self.place else ""
        return f"{self.name}{place}: {self.value:.4g} {self.unit} limited to {self.limit:.4g} {self.unit}"


class Ledger:
    """Counters of limits and refusals. Not locked: its owner is."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._newest: deque[str] = deque(maxlen=KEPT)
        self._warned: dict[str, float] = {}

    @property
    def newest(self) -> tuple[str, ...]:
        """The newest limits in words, oldest first."""
        return tuple(self._newest)

    def limited(self, limits: list[Limit]) -> None:
        """Note limits that changed a command."""
        for limit in limits:
            self._note(limit.name, str(limit))

    def refused(self, name: str, words: str) -> None:
        """Note a command that was not let through, under `refused_<name>`."""
        self._note(f"refused_{name}", words)

    def _note(self, name: str, words: str) -> None:
        self.counts[name] += 1
        self._newest.append(words)
        now = time.monotonic()
        if now - self._warned.get(name, -1.0) >= 1.0:  # at most once per second
            self._warned[name] = now
            logger.info("%s", words)  # whoever owns SafeArm warns with `newest`; twice would be noise
