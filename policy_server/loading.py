"""Find a policy by name, checkpoint folder or `module:Class`. No pickle is ever loaded here.

A checkpoint folder holds contract.json and config.json; config.json names the class under `policy_class`, and that
class reads the rest in `from_checkpoint`. Bundled checkpoints lie in `policy_server/checkpoints/<name>`. Start at
`load_policy`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from policy_server.contract import PolicyContract, load_contract
from policy_server.policy import Policy
from stage_core.configuration import load_class
from stage_core.errors import ConfigurationError, nearest

# Short name -> class that needs no checkpoint; `checkpoints()` adds the bundled folders.
POLICIES = {
    "scripted": "policy_server.models.scripted:ScriptedPolicy",
}


def checkpoints() -> dict[str, Path]:
    """Return name -> folder of the checkpoints that come with Stage."""
    root = Path(__file__).parent / "checkpoints"
    return {folder.parent.name: folder.parent for folder in sorted(root.glob("*/contract.json"))}


def load_policy(name: str | Path, **settings: Any) -> Policy:
    """Return a policy, ready for `infer`.

    Args:
        name: A registered or bundled name, a checkpoint folder, or `module:Class` of the user's own.
        settings: Keyword arguments for a class without a checkpoint.

    Raises:
        ConfigurationError: If there is no such policy, or its checkpoint cannot be used.
    """
    text = str(name)
    bundled = checkpoints()
    if text in bundled:
        return load_checkpoint(bundled[text])
    if Path(text).is_dir():
        return load_checkpoint(Path(text))
    if text not in POLICIES and ":" not in text:
        raise ConfigurationError(
            f'policy "{text}" is neither a known name nor a checkpoint folder. {nearest(text, [*POLICIES, *bundled])} '
            "Or name your own as module:Class."
        )
    kind = load_class(text, POLICIES, what="policy")
    policy = kind(**settings)
    if not isinstance(getattr(policy, "contract", None), PolicyContract) or not callable(getattr(policy, "infer", None)):
        raise ConfigurationError(f'policy "{text}" is {type(policy).__name__}; expected a Policy with contract and infer.')
    return policy


def load_checkpoint(folder: str | Path) -> Policy:
    """Return the policy in a checkpoint folder.

    Raises:
        ConfigurationError: If a file is missing, names no class, or the loaded policy has another contract than contract.json.
    """
    folder = Path(folder)
    contract = load_contract(folder / "contract.json")
    configuration = _read_json(folder / "config.json")
    class_name = configuration.get("policy_class")
    if not isinstance(class_name, str):
        raise ConfigurationError(f"{folder / 'config.json'}: policy_class is {class_name!r}; expected the policy's module:Class.")
    kind = load_class(class_name, POLICIES, what="policy_class")
    if not hasattr(kind, "from_checkpoint"):
        raise ConfigurationError(f"{folder / 'config.json'}: policy_class {class_name} has no from_checkpoint and cannot be loaded.")
    policy = kind.from_checkpoint(folder)
    if policy.contract != contract:
        raise ConfigurationError(f"{folder}: the loaded policy's contract is not the one in contract.json. Export the checkpoint again.")
    return policy


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; expected a file of a checkpoint folder. Check the path.") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}. Mend that line.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds {type(content).__name__}; expected a mapping.")
    return content
