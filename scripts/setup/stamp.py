"""Content hashes: how the set-up knows that there is nothing to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def content_hash(paths: Iterable[Path], *extra: str) -> str:
    """Return the SHA-256 of file names and contents under `paths` (files or folders) and of the extra words.

    Compiled Python files are left out; the order of `paths` does not matter, a missing path counts as absent.
    """
    files: set[tuple[str, Path]] = set()
    for path in paths:
        if path.is_dir():
            files |= {(f"{path.name}/{file.relative_to(path).as_posix()}", file) for file in path.rglob("*") if file.is_file()}
        elif path.is_file():
            files.add((path.name, path))
    digest = hashlib.sha256()
    for name, file in sorted(files):
        if "__pycache__" in name:
            continue
        digest.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    for word in extra:
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()


def is_current(stamp: Path, expected: str) -> bool:
    """Return True when the stamp file holds this hash."""
    return stamp.is_file() and stamp.read_text().strip() == expected


def write_stamp(stamp: Path, value: str) -> None:
    """Write the stamp as the last act of a step: an interrupted step leaves none, and is done again."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(value + "\n")
