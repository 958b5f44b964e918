"""Remembers that an arm was in use when its process was killed, so that the next start moves nothing by itself. Start at `InUse`."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

STATE_VARIABLE = "STAGE_STATE_DIR"


def state_directory() -> Path:
    """Return the folder for what outlives a process: `$STAGE_STATE_DIR`, or `.stage/state` in the home folder."""
    return Path(os.environ.get(STATE_VARIABLE, Path.home() / ".stage" / "state")).expanduser()


class InUse:
    """A mark on the disk from the first connection to the clean end. Not a lock: a controller refuses a second client itself."""

    def __init__(self, identity: str, *, folder: Path | None = None) -> None:
        """Prepare the mark of one arm.

        Args:
            identity: What tells the arm from others on this machine: workcell, namespace and address.
            folder: Where marks lie; `state_directory()` by default.
        """
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._path = (folder or state_directory()) / f"arm_{name}.in_use"
        self._identity = identity

    def begin(self) -> bool:
        """Set the mark; return True where it was set already: the last process did not end cleanly."""
        unclean = self._path.exists()
        with contextlib.suppress(OSError):  # a read-only home must not keep anybody from the arm
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(f"{self._identity}\n{os.getpid()}\n")
        return unclean

    def end(self) -> None:
        """Take the mark away. Idempotent."""
        self._path.unlink(missing_ok=True)
