"""What commands leave behind: files that are whole or absent, JSON without NaN, plain tables, a progress line.

Start at `write_atomically`: every file of the command line goes through it.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from stage_core.errors import ConfigurationError


def check_writable(path: Path | None, option: str, *, directory: bool = False) -> None:
    """Refuse a path that could not be written later, before anything is started. Writes nothing.

    Args:
        path: Where a file (or a directory) is to be written; None passes.
        option: Name of the option, for the message.
        directory: True where `path` is to become a directory.

    Raises:
        ConfigurationError: Naming option, path and remedy.
    """
    if path is None:
        return
    if directory and path.exists() and not path.is_dir():
        raise ConfigurationError(f"{option} is {path}, which is a file; expected a directory. Name another path.")
    if not directory and path.is_dir():
        raise ConfigurationError(f"{option} is {path}, which is a directory; expected a file. Add a file name.")
    ancestor = path if directory else path.parent
    while not ancestor.exists():
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise ConfigurationError(f"{option} is {path}, but {ancestor} is a file; expected a directory. Name another path.")
    if not os.access(ancestor, os.W_OK):
        raise ConfigurationError(f"{option} is {path}, but {ancestor} cannot be written to. Name a directory of your own.")


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write a file so that a reader sees the whole of it or nothing, also after a crash in between. Makes parent directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def jsonable(value: Any) -> Any:
    """Return `value` as plain JSON types: numpy becomes numbers and lists, paths become text, NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path | None, figures: Any) -> None:
    """Write figures as JSON with two spaces of indent, atomically; None writes nothing."""
    if path is not None:
        write_atomically(path, json.dumps(jsonable(figures), indent=2, allow_nan=False) + "\n")
        print(f"wrote {path}")


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a plain text table; numbers are aligned right, a None is a dash."""
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(header)] + [len(row[i]) for row in cells]) for i, header in enumerate(headers)]
    right = [bool(rows) and all(isinstance(row[i], (int, float, type(None))) for row in rows) for i in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if flag else cell.ljust(width) for cell, width, flag in zip(row, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line(headers), line(["─" * width for width in widths]), *map(line, cells)])


def percent(rate: float | None) -> str:
    """Return a rate in [0, 1] as `92 %`, a dash for None."""
    return "-" if rate is None else f"{100 * rate:.0f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """Return an interval of rates as `[0.81, 0.97]`."""
    return "-" if bounds is None else f"[{bounds[0]:.2f}, {bounds[1]:.2f}]"


class Progress:
    """A progress line on stderr: redrawn in place on a terminal, one line per tenth elsewhere."""

    def __init__(self, total: int, label: str, stream: TextIO | None = None) -> None:
        self._total, self._label = max(total, 1), label
        self._stream = stream or sys.stderr
        self._start = time.monotonic()
        self._tenth = -1

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` of the total are finished."""
        elapsed = time.monotonic() - self._start
        remaining = elapsed / done * (self._total - done) if done else 0.0
        filled = round(24 * done / self._total)
        text = f"{self._label} [{'█' * filled}{'·' * (24 - filled)}] {done}/{self._total}  {elapsed:.0f} s, {remaining:.0f} s to go  {note}"
        if self._stream.isatty():
            self._stream.write("\r\033[K" + text + ("\n" if done >= self._total else ""))
        elif 10 * done // self._total != self._tenth:
            self._tenth = 10 * done // self._total
            self._stream.write(text.rstrip() + "\n")
        self._stream.flush()


class EpisodeCounter:
    """Counts finished episodes in the runner's lines and shows them as progress."""

    def __init__(self, total: int, label: str) -> None:
        self._progress = Progress(total, label)
        self.done = self.successes = 0

    def take(self, line: str) -> None:
        """Look at one line of the runner; it ends every episode with SUCCESS or FAILURE."""
        word = line.strip().split(" ")[0]
        if word in ("SUCCESS", "FAILURE"):
            self.done += 1
            self.successes += word == "SUCCESS"
            self._progress.update(self.done, f"{self.successes} succeeded")
