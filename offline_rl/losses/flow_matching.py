"""Flow matching: learn the flow that carries noise to demonstrated chunks along straight lines.

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
    estimate: Callable[[Tensor, Tensor], Tensor],
    actions: Tensor,
    noise: Tensor,
    time: Tensor,
    *,
    reduction: Literal["none", "mean"] = "none",
) -> Tensor:
    """Return the squared error of the estimated end of the flow, averaged over the chunk.

    The velocity is (end - x_t) / (1 - t), so this is the velocity's squared error times (1 - t)^2: the same optimum, without
    the weight on times close to 1 that Euler steps never reach.

    Args:
        estimate: (chunks x_t (B, H, D), times (B,)) -> their ends (B, H, D).
        actions: (B, H, D) normalised.
        noise: (B, H, D) standard normal.
        time: (B,) in [0, 1).
        reduction: `none` gives (B,), so that samples can be weighted; `mean` a number.

    Source: the velocity form is Lipman et al., ICLR 2023, equation 23; estimating the end is its "x-prediction".
    """
    place, _ = interpolate(actions, noise, time)
    error = (estimate(place, time).float() - actions).square().mean(dim=(1, 2))
    return error if reduction == "none" else error.mean()


def draw_times(count: int) -> Tensor:
    """Return (count,) times in [0, 1) from Beta(1, 1.5): more of them near the noise, where the chunk is decided.

    Source: Black et al., pi0, 2024, appendix B (there time runs the same way, with a cut-off of 0.999).
    """
    return 1.0 - (1.0 - torch.rand(count)) ** (1.0 / 1.5)
