"""`flow_policy`: a small vision-language-action policy that runs in milliseconds on one CPU core.

It sees one camera, the arm's own state and the instruction, and nothing else. A checkpoint folder holds
model.safetensors, config.json, normaliser.json and contract.json. Start at `FlowPolicy`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from policy_server.contract import PolicyContract, load_contract
from policy_server.models.flow_network import FlowNetwork, NetworkConfig
from policy_server.models.flow_policy_normaliser import Normaliser, state_features
from policy_server.models.instruction_encoder import encode_instructions
from policy_server.policy import Policy
from stage_core.configuration import from_mapping, load_yaml
from stage_core.errors import ConfigurationError

POLICY_CLASS = "policy_server.models.flow_policy:FlowPolicy"


class FlowPolicy(Policy):
    """Observation -> chunk of actions, by flow matching or plain regression (`network.config.head`).

    Args:
        network: Trained; put into evaluation mode here.
        normaliser: Of its training data.
        contract: One camera of the network's image size, one state vector, a prompt.

    Raises:
        ConfigurationError: If the three do not fit together.
    """

    def __init__(self, network: FlowNetwork, normaliser: Normaliser, contract: PolicyContract) -> None:
        _check_fit(network.config, normaliser, contract)
        self.network = network.eval()
        self.normaliser = normaliser
        self._contract = contract

    @property
    def contract(self) -> PolicyContract:
        return self._contract

    def infer(self, observation: dict[str, Any], *, seed: int | None = None) -> dict[str, Any]:
        """Return {"actions": (H, D) float32} in the contract's units.

        Args:
            observation: As the contract says; its state in the fields' order.
            seed: Of the flow's noise; None counts as 0, so that equal observations always give equal chunks.
        """
        contract = self._contract
        image = np.asarray(observation[contract.cameras[0].key])
        features = state_features(np.asarray(observation[contract.state[0].key]), contract.state[0], len(contract.action.joint_names))
        state = torch.from_numpy(self.normaliser.normalise_states(features[None]))
        words = encode_instructions([observation[contract.prompt_key]], self.network.config.instruction_buckets)
        generator = torch.Generator().manual_seed(0 if seed is None else int(seed) % 2**63)
        noise = torch.randn((1, contract.horizon, contract.action.dim), generator=generator)
        with torch.inference_mode():
            pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
            chunk = self.network.sample(self.network.observe(pixels, state, words), noise)
        return {contract.action.key: self.normaliser.restore_actions(chunk[0].numpy())}

    def warm_up(self) -> None:
        """Fix the thread count, so that sums are formed in one order on every call, and make the first real call quick."""
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True, warn_only=True)
        for _ in range(3):
            super().warm_up()

    def save(self, folder: str | Path) -> Path:
        """Write the four files of a checkpoint; the folder is made if need be. Returns the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().contiguous().clone() for name, value in self.network.state_dict().items()}
        save_file(weights, str(folder / "model.safetensors"))
        (folder / "model.safetensors").chmod(0o644)  # safetensors makes it private; a server often runs as another user
        configuration = {"schema_version": 1, "policy_class": POLICY_CLASS, "network": dataclasses.asdict(self.network.config)}
        (folder / "config.json").write_text(json.dumps(configuration, indent=1) + "\n", encoding="utf-8")
        (folder / "normaliser.json").write_text(self.normaliser.to_text(), encoding="utf-8")
        (folder / "contract.json").write_text(json.dumps(self._contract.to_dict(), indent=1) + "\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> FlowPolicy:
        """Return the policy in a checkpoint folder.

        Raises:
            ConfigurationError: If a file is missing, damaged, or does not belong to the others.
        """
        folder = Path(folder)
        configuration = load_yaml(folder / "config.json")
        if configuration.get("schema_version") != 1:
            raise ConfigurationError(f"{folder / 'config.json'}: schema_version is {configuration.get('schema_version')!r}; expected 1.")
        sizes = from_mapping(NetworkConfig, configuration.get("network"), source=str(folder / "config.json"), field="network")
        network = FlowNetwork(sizes)
        _load_weights(network, folder / "model.safetensors")
        return cls(network, Normaliser.load(folder / "normaliser.json"), load_contract(folder / "contract.json"))

    @classmethod
    def from_checkpoint(cls, folder: Path) -> FlowPolicy:
        return cls.load(folder)


def _load_weights(network: FlowNetwork, path: Path) -> None:
    try:
        weights = load_file(str(path))
    except Exception as error:  # safetensors raises its own kinds for missing and damaged files
        raise ConfigurationError(f"{path} cannot be read: {str(error).splitlines()[0]}. Copy the whole checkpoint again.") from None
    try:
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError:
        raise ConfigurationError(f"{path} has other weights than config.json describes. Copy the whole checkpoint again.") from None


def _check_fit(sizes: NetworkConfig, normaliser: Normaliser, contract: PolicyContract) -> None:
    """Refuse a contract that the network cannot serve."""
    if len(contract.cameras) != 1 or len(contract.state) != 1 or not contract.prompt_key or contract.state[0].order != "xyzw":
        raise ConfigurationError(f"contract {contract.policy_name}: flow_policy takes one camera, one state (order xyzw) and a prompt.")
    camera = contract.cameras[0]
    features = len(normaliser.state_mean)
    facts = {
        "image size": ((camera.height, camera.width, camera.encoding), (sizes.image_size, sizes.image_size, "rgb8")),
        "horizon": (contract.horizon, sizes.horizon),
        "action dim": (contract.action.dim, sizes.action_dim),
        "normaliser's actions": (len(normaliser.action_mean), sizes.action_dim),
        "normaliser's states": (features, sizes.state_dim),
        "normaliser's sha256": (contract.normalisation.sha256, normaliser.sha256),
    }
    for what, (given, expected) in facts.items():
        if given != expected:
            raise ConfigurationError(
                f"contract {contract.policy_name}: {what} is {given}; expected {expected}. Do the files belong together?"
            )
