"""The network of `flow_policy`: one image, one state vector, one instruction -> a chunk of normalised actions.

A small convolution trunk whose layers are scaled and shifted by the instruction (FiLM), and one of two heads: flow
matching (a velocity field from noise to the chunk) or plain regression, the baseline. Start at `FlowNetwork`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from policy_server.models.instruction_encoder import InstructionEncoder


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes of the network; stored in a checkpoint's config.json.

    Attributes:
        state_dim: Numbers in the normalised state.
        action_dim: Columns of the chunk, the gripper included.
        horizon: Rows of the chunk.
        image_size: Height and width of the image, pixels; a multiple of 8.
        head: `flow` (flow matching) or `regression`.
        channels: Channels of the trunk's three resolutions: 1/2, 1/4 and 1/8 of the image.
        keypoints: Places the trunk looks for (spatial softmax at 1/4 of the image).
        width: Size of the fused features and of the head.
        blocks: Residual blocks of the head.
        instruction_width: Size of the instruction's vector.
        instruction_buckets: Size of the hash table of words.
        word_dropout: Share of words left out in training.
        flow_steps: Euler steps from noise to chunk at inference.
        noise_scale: Standard deviation of the noise at inference; below 1 favours likely chunks.
    """

    state_dim: int
    action_dim: int
    horizon: int
    image_size: int = 64
    head: Literal["flow", "regression"] = "flow"
    channels: tuple[int, int, int] = (32, 48, 64)
    keypoints: int = 32
    width: int = 256
    blocks: int = 3
    instruction_width: int = 64
    instruction_buckets: int = 512
    word_dropout: float = 0.1
    flow_steps: int = 5
    noise_scale: float = 1.0


class FlowNetwork(nn.Module):
    """Features of the observation once per request (`observe`), then the head, as often as the flow needs it."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.instruction = InstructionEncoder(config.instruction_buckets, config.instruction_width, config.word_dropout)
        self.vision = VisionTrunk(config)
        features = self.vision.features + config.state_dim + config.instruction_width
        self.fuse = nn.Sequential(nn.Linear(features, config.width), nn.LayerNorm(config.width), nn.SiLU())
        self.route = FeatureModulation(config.instruction_width, config.width)
        self.mix = nn.Sequential(nn.Linear(config.width, config.width), nn.SiLU())
        chunk = config.horizon * config.action_dim
        self.head = (
            FlowHead(chunk, config.width, config.blocks) if config.head == "flow" else RegressionHead(chunk, config.width, config.blocks)
        )

    def observe(self, image: Tensor, state: Tensor, words: Tensor) -> Tensor:
        """Return the features (B, width) of an observation.

        Args:
            image: (B, 3, S, S) uint8 or float in [0, 255], RGB.
            state: (B, state_dim) float32, normalised.
            words: (B, L) int64, of `encode_instructions`.
        """
        instruction = self.instruction(words)
        seen = self.vision(image.float() / 127.5 - 1.0, instruction)
        fused = self.fuse(torch.cat([seen, state, instruction], dim=1))
        return self.mix(self.route(fused, instruction))

    def estimate(self, chunk: Tensor, time: Tensor, features: Tensor) -> Tensor:
        """Return where the flow through `chunk` (B, H, D) at times (B,) in [0, 1) ends, (B, H, D); 0 is noise, 1 the action."""
        return self.head(chunk.flatten(1), time, features).unflatten(1, (self.config.horizon, self.config.action_dim))

    def regress(self, features: Tensor) -> Tensor:
        """Return the chunk (B, H, D) of the regression head."""
        return self.head(features).unflatten(1, (self.config.horizon, self.config.action_dim))

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return chunks (B, H, D), normalised: Euler steps along the flow from `noise`, or the regression's chunk.

        Args:
            features: (B, width), of `observe`.
            noise: (B, H, D) standard normal; not looked at by the regression head.
        """
        if self.config.head == "regression":
            return self.regress(features)
        chunk, steps = noise * self.config.noise_scale, self.config.flow_steps
        for step in range(steps):
            time = torch.full((len(chunk),), step / steps)
            velocity = (self.estimate(chunk, time, features) - chunk) / (1.0 - step / steps)
            chunk = chunk + velocity / steps
        return chunk


class VisionTrunk(nn.Module):
    """Convolutions with FiLM; gives places of key points and a coarse map, so that "where" survives."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(3, first, 5, stride=2, padding=2),
                nn.Conv2d(first, second, 3, stride=2, padding=1),
                nn.Conv2d(second, third, 3, padding=1),
                nn.Conv2d(third, third, 3, padding=1),
            ]
        )
        # The first layer sees edges and colours, the same in every task; modulating its large maps would cost a third of the training.
        self.modulations = nn.ModuleList(FeatureModulation(config.instruction_width, layer.out_channels) for layer in self.convolutions[1:])
        self.keypoints = nn.Conv2d(third, config.keypoints, 1)
        self.coarse = nn.Conv2d(third, 32, 3, stride=2, padding=1)
        side = config.image_size // 8
        self.project = nn.Linear(32 * side * side, 128)
        self.features = 2 * config.keypoints + 128
        for layer in self.convolutions:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        places = torch.linspace(-1.0, 1.0, config.image_size // 4)
        self.register_buffer("places", torch.stack(torch.meshgrid(places, places, indexing="ij"), dim=-1).flatten(0, 1), persistent=False)

    def forward(self, image: Tensor, instruction: Tensor) -> Tensor:
        """Return (B, features) for images (B, 3, S, S) in [-1, 1] and instruction vectors (B, W)."""
        maps = image.contiguous(memory_format=torch.channels_last)
        maps = functional.relu(self.convolutions[0](maps))
        for convolution, modulation in zip(self.convolutions[1:], self.modulations, strict=True):
            maps = functional.relu(modulation(convolution(maps), instruction))
        attention = self.keypoints(maps).flatten(2).float().softmax(dim=2)
        places = attention @ self.places
        coarse = functional.relu(self.project(functional.relu(self.coarse(maps)).flatten(1)))
        return torch.cat([places.flatten(1), coarse.float()], dim=1)


class FeatureModulation(nn.Module):
    """FiLM: scales and shifts features by a vector. Source: Perez et al., FiLM, AAAI 2018, equation 2."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition, 2 * channels)
        nn.init.normal_(self.linear.weight, std=0.05)
        nn.init.zeros_(self.linear.bias)

    def forward(self, values: Tensor, condition: Tensor) -> Tensor:
        """Return `values` (B, C, ...) times (1 + scale) plus shift, both from `condition` (B, W)."""
        scale, shift = self.linear(condition).chunk(2, dim=1)
        extra = (1,) * (values.dim() - 2)
        return values * (1.0 + scale.unflatten(1, (-1, *extra))) + shift.unflatten(1, (-1, *extra))


class FlowHead(nn.Module):
    """Noisy chunk, time, observation -> the chunk it comes from: residual layers, each scaled and shifted (adaptive layer norm).

    It estimates the end of the flow instead of its velocity, from which the velocity follows: actions are simple and noise
    is not, so a small network learns this several times quicker. The last Euler step returns the estimate itself.
    """

    def __init__(self, chunk: int, width: int, blocks: int) -> None:
        super().__init__()
        self.inward = nn.Linear(chunk, width)
        self.time = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(ModulatedBlock(width) for _ in range(blocks))
        self.outward = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, chunk))
        nn.init.zeros_(self.outward[1].weight)
        nn.init.zeros_(self.outward[1].bias)
        self.register_buffer("frequencies", torch.exp(torch.linspace(0.0, math.log(64.0), 16)), persistent=False)

    def forward(self, chunk: Tensor, time: Tensor, features: Tensor) -> Tensor:
        """Return (B, chunk) estimates; `chunk` (B, chunk), `time` (B,) in [0, 1], `features` (B, width)."""
        angles = math.pi * time[:, None] * self.frequencies
        condition = functional.silu(features + self.time(torch.cat([angles.sin(), angles.cos()], dim=1)))
        hidden = self.inward(chunk)
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self.outward(hidden)


class ModulatedBlock(nn.Module):
    """One residual block with adaptive layer norm. Source: Peebles and Xie, Scalable Diffusion Models with Transformers, section 3.2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = FeatureModulation(width, width)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Return (B, width) from (B, width) and the condition (B, width)."""
        return hidden + self.layers(self.modulation(self.norm(hidden), condition))


class RegressionHead(nn.Module):
    """Features -> chunk in one go: the baseline."""

    def __init__(self, chunk: int, width: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.SiLU()) for _ in range(blocks)), nn.Linear(width, chunk))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, chunk) for features (B, width)."""
        return self.layers(features)
