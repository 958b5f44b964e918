"""Who commands the arm: one source at a time, each switch with a token of its own (DESIGN 9.8)."""

from __future__ import annotations

import logging
import secrets

from robot_drivers.arm import ArmCommand
from robot_drivers.safety.admission import Refusal
from stage_core.errors import CommandRefusedError, nearest

logger = logging.getLogger(__name__)

SOURCES = ("policy", "teleop", "replay", "script", "home", "none")


class SourceToken:
    """The active source and the token that its commands carry. Not locked: its owner is."""

    def __init__(self) -> None:
        self.source, self.requester = "none", ""
        self._token = 0

    def switch(self, source: str, requester: str) -> int:
        """Make `source` the active one and return its new token (64 random bits, > 0), 0 for none.

        Raises:
            CommandRefusedError: If there is no such source.
        """
        if source not in SOURCES:
            raise CommandRefusedError(f'source "{source}" does not exist. {nearest(source, SOURCES)}')
        if (source, requester) != (self.source, self.requester):
            logger.info("command source: %s (%s)", source, requester)
        self.source, self.requester = source, requester
        self._token = 0 if source == "none" else secrets.randbits(64) or 1
        return self._token

    def check(self, command: ArmCommand) -> None:
        """Raise Refusal for a command of another source, or of somebody whose token is not the newest."""
        if self.source == "none" or command.source != self.source:
            raise Refusal("source", f'source "{command.source}" does not command the arm, "{self.source}" does. Ask for the arm first.')
        if command.token != self._token:
            words = f"token {command.token} was not given to {self.source} ({self.requester}); a second commander?"
            raise Refusal("token", f"{words} Ask for the arm first.")
