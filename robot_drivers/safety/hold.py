"""Why the arm holds, since when, and whether an operator must resume it."""

from __future__ import annotations


class HoldState:
    """One hold. Not locked: its owner is."""

    def __init__(self, auto_resume_s: float) -> None:
        """Holds up to `auto_resume_s` end by themselves with the next lawful target; 0: none does."""
        self._auto_resume_s = auto_resume_s
        self._since = 0.0
        self._operator = False
        self.reason = ""
        self.ends_with_source = False

    def begin(self, reason: str, *, now: float, operator: bool, ends_with_source: bool) -> None:
        """Begin a hold.

        Args:
            reason: In words.
            now: Clock of the hold, s.
            operator: True where only an operator may end it (a stop, a recovered fault).
            ends_with_source: True where it is over when the source gives the arm back (a source that fell silent).
        """
        self.reason, self._since, self._operator, self.ends_with_source = reason, now, operator, ends_with_source

    def add(self, reason: str, *, operator: bool, ends_with_source: bool) -> None:
        """Hold for one more reason; the graver one is told, and the time goes on."""
        if (operator and not self._operator) or (self.ends_with_source and not ends_with_source):
            self.reason = reason
        self._operator = self._operator or operator
        self.ends_with_source = self.ends_with_source and ends_with_source

    def needs_resume(self, now: float) -> bool:
        """Return True when the next target may not end the hold by itself."""
        return self._operator or self._auto_resume_s == 0.0 or now - self._since > self._auto_resume_s
