"""Decoded episodes on disk, so that a second training run starts at once. Safe to delete. Start at `read_cached`."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from policy_server.contract import PolicyContract

_VERSION = 2  # raise it when the meaning of the arrays changes


def read_cached(kind: type, cache: str | Path, directory: Path, contract: PolicyContract) -> Any | None:
    """Return the stored `kind` (images, features, chunks, actions, counts) of an episode, or None.

    Args:
        kind: The dataclass to fill.
        cache: Directory of the cache.
        directory: Of the episode.
        contract: Another camera size, state or action is another entry.
    """
    path = _path(cache, directory, contract)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return kind(
                **{name: stored[name] for name in ("images", "features", "chunks", "actions")}, counts=json.loads(str(stored["counts"]))
            )
    except (OSError, ValueError, KeyError, EOFError):
        return None


def write_cached(arrays: Any, cache: str | Path, directory: Path, contract: PolicyContract) -> None:
    """Store the arrays of an episode; a killed run leaves no half file."""
    path = _path(cache, directory, contract)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.npz")
    values = {name: getattr(arrays, name) for name in ("images", "features", "chunks", "actions")}
    np.savez(unfinished, **values, counts=json.dumps(arrays.counts))
    unfinished.replace(path)


def _path(cache: str | Path, directory: Path, contract: PolicyContract) -> Path:
    description = contract.to_dict()
    parts = {key: description[key] for key in ("cameras", "state", "action", "horizon")}
    # Size and time of every file: labels may be added to an episode afterwards.
    files = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in directory.iterdir() if entry.is_file())
    key = json.dumps([_VERSION, directory.name, files, parts], sort_keys=True)
    return Path(cache) / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
