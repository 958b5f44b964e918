"""Variants of a bundled workcell that a command makes for one session."""

from __future__ import annotations

from pathlib import Path

import yaml

from stage_bringup.cli.names import resolve_workcell
from stage_bringup.cli.output import write_atomically
from stage_core.configuration import load_yaml


def state_only(name: str, folder: Path) -> Path:
    """Write a copy of a workcell file without its cameras and return its path: nothing is rendered, steps are quicker.

    Args:
        name: A bundled workcell or a file.
        folder: Where the copy goes; made where it does not exist.
    """
    content = load_yaml(resolve_workcell(name))
    content["cameras"] = {}
    return write_atomically(folder / f"{content['name']}_state_only.yaml", yaml.safe_dump(content, sort_keys=False))
