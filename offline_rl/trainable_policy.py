"""What a trainer needs of a policy: a loss per sample, samples, and a checkpoint that can be served.

`TrainablePolicy` is the protocol; `TrainableFlowPolicy` puts it round the very network that `policy_server` serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from offline_rl.losses.flow_matching import draw_times, flow_matching_loss
from offline_rl.losses.regression import regression_loss
from policy_server.contract import PolicyContract
from policy_server.models.flow_network import FlowNetwork
from policy_server.models.flow_policy import FlowPolicy
from policy_server.models.flow_policy_normaliser import Normaliser


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """B samples, as the network takes them.

    Attributes:
        images: (B, 3, S, S) uint8 or float in [0, 255].
        states: (B, F) float32, normalised.
        words: (B, L) int64, of `encode_instructions`.
        actions: (B, H, D) float32, normalised.
    """

    images: Tensor
    states: Tensor
    words: Tensor
    actions: Tensor


class TrainablePolicy(Protocol):
    """A policy that can be trained by imitation and then served."""

    @property
    def module(self) -> nn.Module:
        """Holds the weights that an optimiser changes."""

    def imitation_loss(self, batch: Batch, reduction: Literal["none", "mean"] = "none") -> Tensor:
        """Return the loss (B,) of every sample, or their mean; noise comes from torch's global generator."""

    def sample(self, batch: Batch) -> Tensor:
        """Return chunks (B, H, D), normalised; `batch.actions` is not looked at."""

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint that `policy_server.loading` can serve."""

    def load(self, folder: str | Path) -> None:
        """Take the weights of a checkpoint of the same sizes."""


class TrainableFlowPolicy:
    """`FlowNetwork` with the loss of its head.

    Args:
        network: Its config says which head.
        normaliser: Of the training data.
        contract: Goes into the checkpoint.
        draws: Noises and times per observation in one loss; the trunk runs once for all of them.
    """

    def __init__(self, network: FlowNetwork, normaliser: Normaliser, contract: PolicyContract, *, draws: int = 8) -> None:
        self.network, self.normaliser, self.contract, self.draws = network, normaliser, contract, draws

    @property
    def module(self) -> FlowNetwork:
        return self.network

    def imitation_loss(self, batch: Batch, reduction: Literal["none", "mean"] = "none") -> Tensor:
        features = self.network.observe(batch.images, batch.states, batch.words)
        if self.network.config.head == "regression":
            return regression_loss(self.network.regress(features), batch.actions, reduction=reduction)
        features = features.repeat(self.draws, 1)
        actions = batch.actions.repeat(self.draws, 1, 1)
        noise, time = torch.randn_like(actions), draw_times(len(actions))
        error = flow_matching_loss(lambda chunk, at: self.network.estimate(chunk, at, features), actions, noise, time)
        error = error.unflatten(0, (self.draws, -1)).mean(dim=0)
        return error if reduction == "none" else error.mean()

    @torch.inference_mode()
    def sample(self, batch: Batch) -> Tensor:
        features = self.network.observe(batch.images, batch.states, batch.words)
        return self.network.sample(features, torch.randn(batch.actions.shape))

    def save(self, folder: str | Path) -> Path:
        return FlowPolicy(self.network, self.normaliser, self.contract).save(folder)

    def load(self, folder: str | Path) -> None:
        self.network.load_state_dict(FlowPolicy.load(folder).network.state_dict())
