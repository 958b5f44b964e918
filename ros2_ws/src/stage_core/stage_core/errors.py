"""The errors a user can meet: one line each, naming the field, the value, what was expected and the next step.

Every error of Stage derives from `StageError`; the command line prints it as one line and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StageError(Exception):
    """Something the user can mend; its text is one line with the remedy."""


class ConfigurationError(StageError, ValueError):
    """A file, option or parameter holds a value that cannot be used."""


class MissingDependencyError(StageError, ImportError):
    """An optional package is not installed; the text names the extra to install."""


class ContractMismatchError(StageError):
    """The policy server and the workcell do not agree on observations or actions; the text shows both sides."""


class DeadlineError(StageError, TimeoutError):
    """Something that was waited for did not come in time."""


class CommandRefusedError(StageError):
    """A command was not let through to the arm; nothing moved because of it."""


class DeviceError(StageError):
    """A robot, gripper or camera reported a fault or cannot be reached."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `Did you mean "x"?` with the closest known name, or the list of known names.

    Args:
        name: What the user wrote.
        known: The names that exist.

    Returns:
        A sentence for the end of an error message.
    """
    names = sorted(str(entry) for entry in known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f'Did you mean "{close[0]}"? Known: {", ".join(names)}.'
    return f"Known: {', '.join(names)}." if names else "None exist."
