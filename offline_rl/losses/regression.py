"""Plain regression of the demonstrated chunk: the baseline that every other head has to beat."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as functional
from torch import Tensor


def regression_loss(predicted: Tensor, actions: Tensor, *, reduction: Literal["none", "mean"] = "none") -> Tensor:
    """Return the smooth L1 error, averaged over the chunk.

    Args:
        predicted: (B, H, D) normalised.
        actions: (B, H, D) normalised.
        reduction: `none` gives (B,), so that samples can be weighted; `mean` a number.
    """
    error = functional.smooth_l1_loss(predicted.float(), actions, reduction="none", beta=0.1).mean(dim=(1, 2))
    return error if reduction == "none" else error.mean()
