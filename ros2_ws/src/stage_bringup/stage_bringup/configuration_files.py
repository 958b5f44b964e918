"""Finds the files that come with Stage: workcells, tasks, policies, the Fast DDS profile. A path of the user's own always works.

Start at `find_configuration`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stage_core.configuration import load_yaml
from stage_core.errors import ConfigurationError, nearest
from stage_recorder.schema import TASK_FILE


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
            raise ConfigurationError(f"{_singular(kind)} file {name} does not exist. Check the path.")
        return path.resolve()
    known = bundled(kind)
    if name not in known:
        raise ConfigurationError(f'{_singular(kind)} "{name}" does not exist. {nearest(name, known)} Or give a path to a file of your own.')
    return known[name]


def _singular(kind: str) -> str:
    return {"policies": "policy"}.get(kind, kind.removesuffix("s"))


def bundled(kind: str) -> dict[str, Path]:
    """Return stem -> path of the bundled files of a kind."""
    return {path.stem: path for path in sorted((configuration_root() / kind).glob("*.yaml"))}


def known_tasks() -> dict[str, Path]:
    """Return the bundled tasks: name (PushCube) -> file."""
    return {str(load_yaml(file).get("name", stem)): file for stem, file in bundled("tasks").items()}


def task_name(name: str) -> str:
    """Return the canonical name of a bundled task (push_cube, push-cube and PushCube are one), or a task file's path as it is.

    Raises:
        ConfigurationError: If it is neither, with the nearest known task.
    """
    if "/" in name or name.endswith((".yaml", ".yml")):
        find_configuration("tasks", name)
        return name
    by_key = {plain_key(task): task for task in known_tasks()}
    if plain_key(name) not in by_key:
        raise ConfigurationError(f'task "{name}" does not exist. {nearest(name, by_key.values())} Or give a path to a task file.')
    return by_key[plain_key(name)]


def find_task(name: str) -> Path:
    """Return the file of a task by its name in any spelling, or a path. Raises ConfigurationError as `task_name`."""
    known = task_name(name)
    return known_tasks().get(known) or Path(known).expanduser().resolve()


def find_episode_task(directory: Path, recorded: str, named: str = "") -> Path:
    """Return the task file that an episode is to be labelled with.

    Args:
        directory: The episode's.
        recorded: Name of the task in its episode.json.
        named: Name or path of another one; empty takes the file that was recorded with the episode, or for a log without one the
            bundled task of the recorded name.

    Raises:
        ConfigurationError: As `task_name`.
    """
    copy = Path(directory) / TASK_FILE
    return copy if not named and copy.is_file() else find_task(named or recorded)


def plain_key(name: str) -> str:
    """Return a name without case, hyphens and underscores."""
    return name.replace("_", "").replace("-", "").lower()
