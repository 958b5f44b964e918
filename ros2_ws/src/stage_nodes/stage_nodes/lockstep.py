"""Who must have answered before the workcell advances (DESIGN 9.4): the bookkeeping, without ROS.

Step k is complete when the active source's command with sequence k is in and every participant acknowledged k.
"""

from __future__ import annotations

import time

COMMAND = "command of the active source"


class LockstepGate:
    """Collects the answers to one control step."""

    def __init__(self, participants: tuple[str, ...], *, deadline_s: float = 30.0) -> None:
        """Wait for `participants` (node names) and the command, at most `deadline_s` of wall time per step."""
        self._participants = tuple(participants)
        self._deadline_s = deadline_s
        self._missing: set[str] = set()
        self._key: tuple[int, int] | None = None
        self._opened_at = 0.0

    def open(self, episode: int, sequence: int) -> None:
        """Begin to wait for the answers to step `sequence` of `episode`."""
        self._key = (episode, sequence)
        self._missing = {*self._participants, COMMAND}
        self.restart_clock()

    def restart_clock(self) -> None:
        """Start the deadline anew: nothing is overdue while no source is active."""
        self._opened_at = time.monotonic()

    def command(self, episode: int, sequence: int) -> bool:
        """Note a command; return True when it completes the step."""
        return self._answer(COMMAND, episode, sequence)

    def acknowledge(self, node: str, episode: int, sequence: int) -> bool:
        """Note an acknowledgement; return True when it completes the step."""
        return self._answer(node, episode, sequence)

    def close(self) -> None:
        """Wait for nothing until the next `open`."""
        self._key, self._missing = None, set()

    def missing(self) -> tuple[str, ...]:
        """Return who has not answered yet."""
        return tuple(sorted(self._missing))

    def overdue(self) -> bool:
        """Return True when somebody is missing for longer than the deadline."""
        return bool(self._missing) and time.monotonic() - self._opened_at > self._deadline_s

    def _answer(self, who: str, episode: int, sequence: int) -> bool:
        if self._key != (episode, sequence) or who not in self._missing:
            return False  # late, early or twice: an answer counts once, for its own step
        self._missing.discard(who)
        return not self._missing
