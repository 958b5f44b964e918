"""Options that several commands share. A docstring under a field is its line in `--help`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    debug: bool = False
    """Show the traceback of an error instead of one line."""


@dataclass(frozen=True, kw_only=True)
class FigureOptions(CommonOptions):
    """What every command takes that reports figures."""

    json: Path | None = None
    """Write the figures to this file as JSON."""
