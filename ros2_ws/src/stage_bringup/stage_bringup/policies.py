"""What `--policy` may be, and what the policy server is then told to serve. No torch here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy_server.loading import POLICIES, checkpoints
from stage_bringup.configuration_files import bundled
from stage_core.configuration import load_configuration
from stage_core.errors import ConfigurationError, nearest


@dataclass(frozen=True, kw_only=True)
class BundledPolicy:
    """A file of `config/policies`: which checkpoint serves a task.

    Attributes:
        schema_version: 1.
        name: What the user writes.
        checkpoint: A bundled checkpoint's name, or a folder.
        task: The task it is meant for.
    """

    schema_version: int
    name: str
    checkpoint: str
    task: str


def served_policy(name: str) -> str:
    """Return what `python -m policy_server --policy` takes for a name of ours, a checkpoint folder or module:Class.

    Raises:
        ConfigurationError: If there is no such policy or its checkpoint is missing, with the nearest known name.
    """
    files, known = bundled("policies"), checkpoints()
    if name in files:
        wanted = load_configuration(BundledPolicy, files[name]).checkpoint
        if wanted not in known and not (Path(wanted) / "contract.json").is_file():
            raise ConfigurationError(
                f'policy "{name}": its checkpoint {wanted} is missing. Make it with: stage train bc, see docs/training.md'
            )
        return wanted
    if name in POLICIES or name in known or (":" in name and "/" not in name):
        return name
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ConfigurationError(
            f'policy "{name}" does not exist. {nearest(name, [*files, *POLICIES, *known])} Or give a checkpoint folder or module:Class.'
        )
    if not (folder / "contract.json").is_file():
        raise ConfigurationError(f"checkpoint {folder} has no contract.json; expected a folder that stage train wrote.")
    return str(folder.resolve())


def contract_of(name: str) -> dict[str, Any] | None:
    """Return the contract of a policy that comes as a checkpoint, for episode.json; None for any other.

    Raises:
        ConfigurationError: As `served_policy`.
    """
    served = served_policy(name)
    folder = checkpoints().get(served, Path(served))
    file = folder / "contract.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
