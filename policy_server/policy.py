"""What every served policy can do: state its contract, turn one observation into one chunk of actions.

The robot builds the observation (`observation.build_observation`); a policy only reads the keys its contract names.
To serve a policy of your own, derive from `Policy` and run: python -m policy_server --policy my_module:MyPolicy
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from policy_server.contract import PolicyContract
from policy_server.observation import example_observation


class Policy(ABC):
    """One policy. Calls come from one thread at a time."""

    @property
    @abstractmethod
    def contract(self) -> PolicyContract:
        """What the policy sees and what its actions mean; never changes."""

    @abstractmethod
    def infer(self, observation: dict[str, Any], *, seed: int | None = None) -> dict[str, Any]:
        """Return a chunk of actions.

        Args:
            observation: Keys, shapes and dtypes of `contract.observation`; arrays are read-only.
            seed: Seed of this call's noise; the same observation and seed give the same actions. None: as the policy likes.

        Returns:
            At least {contract.action.key: (horizon, dim) float32}, in the units and conventions of the contract.
        """

    def warm_up(self) -> None:
        """Make the first real call as quick as the others; by default one call on an empty observation."""
        self.infer(example_observation(self.contract), seed=0)

    @classmethod
    def from_checkpoint(cls, folder: Path) -> Policy:
        """Return the policy stored in a checkpoint folder (model.safetensors, config.json, normaliser.json, contract.json).

        Raises:
            ConfigurationError: If a file is missing or cannot be used.
        """
        raise NotImplementedError(f"{cls.__name__} cannot be loaded from a folder; give it a from_checkpoint method.")
