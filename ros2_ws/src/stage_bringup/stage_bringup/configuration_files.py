"""Finds the files that come with Stage: workcells, tasks, policies, the Fast DDS profile. A path of the user's own always works.

Start at `find_configuration`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stage_core.errors import ConfigurationError, nearest


def configuration_root() -> Path:
    """Return the folder `config`: beside the package in a checkout, in the environment's share folder otherwise."""
    checkout = Path(__file__).resolve().parents[1] / "config"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "stage_bringup" / "config"


def find_configuration(kind: str, name: str) -> Path:
    """Return the YAML file called `name` of a kind.

    Args:
        kind: workcells, tasks, policies or training.
        name: A bundled file's stem, or a path (with a slash or ending in .yaml).

    Raises:
        ConfigurationError: If there is none, with the nearest known name.
    """
    if "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"{kind[:-1]} file {name} does not exist. Check the path.")
        return path.resolve()
    known = bundled(kind)
    if name not in known:
        raise ConfigurationError(f'{kind[:-1]} "{name}" does not exist. {nearest(name, known)} Or give a path to a file of your own.')
    return known[name]


def bundled(kind: str) -> dict[str, Path]:
    """Return stem -> path of the bundled files of a kind."""
    return {path.stem: path for path in sorted((configuration_root() / kind).glob("*.yaml"))}


def find_task(name: str) -> Path:
    """Return the file of a task by its name (`PushCube`), its file's stem (`push_cube`) or a path.

    Raises:
        ConfigurationError: If there is none, with the nearest known name.
    """
    import yaml

    files = bundled("tasks")
    if name in files or "/" in name or name.endswith((".yaml", ".yml")):
        return find_configuration("tasks", name)
    by_name = {yaml.safe_load(path.read_text(encoding="utf-8")).get("name"): path for path in files.values()}
    if name not in by_name:
        raise ConfigurationError(
            f'task "{name}" does not exist. {nearest(name, [key for key in by_name if key])} Or give a path to a task file.'
        )
    return by_name[name]
