"""Flow matching: learn the velocity that carries noise to demonstrated chunks along straight lines.

Start at `flow_matching_loss`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor


def interpolate(actions: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Return the point on the straight line from noise to actions and the velocity along it.

    Args:
        actions: (B, H, D) normalised chunks.
        noise: (B, H, D) standard normal.
        time: (B,) in [0, 1]; 0 is noise, 1 the actions.

    Returns:
        x_t = t * actions + (1 - t) * noise and its derivative actions - noise, both (B, H, D).

    Source: Lipman et al., Flow Matching for Generative Modeling, ICLR 2023, equations 20 to 23 with sigma_min = 0.
    """
    share = time[:, None, None]
    return share * actions + (1.0 - share) * noise, actions - noise


def flow_matching_loss(
    velocity: Callable[[Tensor, Tensor], Tensor],
    actions: Tensor,
    noise: Tensor,
    time: Tensor,
    *,
    reduction: Literal["none", "mean"] = "none",
) -> Tensor:
    """Return the squared error of the velocity, averaged over the chunk.

    Args:
        velocity: (chunks (B, H, D), times (B,)) -> (B, H, D).
        actions: (B, H, D) normalised.
        noise: (B, H, D) standard normal.
        time: (B,) in [0, 1].
        reduction: `none` gives (B,), so that samples can be weighted; `mean` a number.
    """
    place, target = interpolate(actions, noise, time)
    error = (velocity(place, time).float() - target).square().mean(dim=(1, 2))
    return error if reduction == "none" else error.mean()


def draw_times(count: int) -> Tensor:
    """Return (count,) times from Beta(1, 1.5): more of them near the noise, where the chunk is decided.

    Source: Black et al., pi0, 2024, appendix B (there time runs the same way, with a cut-off of 0.999).
    """
    return 1.0 - (1.0 - torch.rand(count)) ** (1.0 / 1.5) if count else torch.zeros(0)
