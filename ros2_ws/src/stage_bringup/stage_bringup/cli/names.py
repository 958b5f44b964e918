"""Names a user can write on the command line: tasks, workcells and policies, each with the nearest known one in its error.

Everything here reads small YAML files and starts nothing.
"""

from __future__ import annotations

from pathlib import Path

from stage_bringup.configuration_files import bundled, find_configuration
from stage_core.configuration import load_yaml
from stage_core.errors import ConfigurationError, nearest


def known_tasks() -> dict[str, Path]:
    """Return the bundled tasks: name (PushCube) -> file."""
    return {str(load_yaml(file).get("name", stem)): file for stem, file in bundled("tasks").items()}


def resolve_task(name: str, option: str = "--task") -> str:
    """Return the canonical name of a bundled task, or the path of a user's own task file as it is.

    Raises:
        ConfigurationError: If it is neither, with the nearest known task.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise ConfigurationError(f"{option} is {name}, which does not exist; expected a task file. Check the path.")
        return name
    known = known_tasks()
    by_key = {_key(task): task for task in known}
    if _key(name) not in by_key:
        raise ConfigurationError(f'{option} is "{name}", which is no known task. {nearest(name, known)} Or name a task file.')
    return by_key[_key(name)]


def task_file(name: str) -> Path:
    """Return the file of a resolved task."""
    return known_tasks().get(name) or Path(name)


def resolve_workcell(name: str, option: str = "workcell") -> Path:
    """Return the file of a bundled workcell or of the user's own.

    Raises:
        ConfigurationError: If it is neither, with the nearest known name.
    """
    return find_configuration("workcells", name)


def default_policy(task: str, workcell: str = "maniskill") -> str:
    """Return the name of the policy that runs where none is named: pushcube for PushCube, the scripted one on the fake workcell."""
    return "scripted" if workcell == "fake" else _key(Path(task).stem)


def resolve_policy(name: str, option: str = "--policy") -> str:
    """Return a policy as a session takes it: a known name, a checkpoint folder, `host:port` or `module:Class`.

    Raises:
        ConfigurationError: If it is none of them, with the nearest known name.
    """
    if is_address(name):
        if not 1 <= int(name.rpartition(":")[2]) <= 65535:
            raise ConfigurationError(f"{option} is {name}; expected a port from 1 to 65535 after the colon.")
        return name
    from stage_bringup.policies import served_policy

    try:
        served_policy(name)
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}: {error}") from None
    return name


def is_address(policy: str) -> bool:
    """Return True for host:port of a running server."""
    host, colon, port = policy.rpartition(":")
    return bool(colon and host and port.isdigit())


def _key(name: str) -> str:
    """Return a name without case, hyphens and underscores: push_cube, push-cube and PushCube are one task."""
    return name.replace("_", "").replace("-", "").lower()
