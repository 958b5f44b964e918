"""Names a user can write on the command line: tasks, workcells and policies, each with the nearest known one in its error.

Everything here reads small YAML files and starts nothing.
"""

from __future__ import annotations

from pathlib import Path

from stage_bringup.configuration_files import find_configuration, plain_key, task_name
from stage_core.errors import ConfigurationError


def resolve_task(name: str, option: str = "--task") -> str:
    """Return a task as `configuration_files.task_name` does; an error names the option."""
    try:
        return task_name(name)
    except ConfigurationError as error:
        raise ConfigurationError(f'{option} is "{name}": {error}') from None


def resolve_workcell(name: str, option: str = "workcell") -> Path:
    """Return the file of a bundled workcell or of the user's own.

    Raises:
        ConfigurationError: If it is neither, with the nearest known name.
    """
    return find_configuration("workcells", name)


def default_policy(task: str, workcell: str = "maniskill") -> str:
    """Return the name of the policy that runs where none is named: pushcube for PushCube, the scripted one on the fake workcell."""
    return "scripted" if workcell == "fake" else plain_key(Path(task).stem)


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
