"""Potential-based reward shaping: r' = r + c·(γ·Φ(s') − Φ(s)) (STARE eq. 5; Ng, Harada and Russell 1999).

Start at `shape_rewards` for logs; the monitor calls `shaping_term` at every control step.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Terminal = Literal["zero", "keep"]


def shaping_term(previous: float | None, current: float | None, *, discount: float, scale: float = 1.0) -> float:
    """Return c·(γ·Φ(s') − Φ(s)), or 0 where either potential is absent.

    Args:
        previous: Φ(s) in [0, 1], None when absent.
        current: Φ(s') in [0, 1], None when absent.
        discount: γ in (0, 1].
        scale: c_shape >= 0.

    Source: STARE eq. 5; absent potentials as in spec/stare section 1.
    """
    if previous is None or current is None:
        return 0.0
    return scale * (discount * current - previous)


def shape_rewards(
    rewards: np.ndarray,
    potentials: np.ndarray,
    *,
    discount: float = 0.99,
    scale: float = 1.0,
    terminated: bool = False,
    terminal: Terminal = "keep",
) -> np.ndarray:
    """Return the shaped rewards r' of one episode.

    Args:
        rewards: (T,) float64, r_t of the step from s_t to s_{t+1}.
        potentials: (T + 1,) float64, Φ(s_0) ... Φ(s_T) in [0, 1]; NaN where absent: the last one is held and the step adds nothing.
        discount: γ in (0, 1].
        scale: c_shape >= 0.
        terminated: s_T is a true terminal (success or failure), not a truncation; a truncation bootstraps V.
        terminal: `keep` leaves Φ(s_T) as it is; `zero` takes it as 0 at a true terminal, which keeps the optimal policy exactly.

    Returns:
        (T,) float64.

    Raises:
        ValueError: If the lengths do not fit or `terminal` is unknown.

    Source: STARE eq. 5; terminal modes as in spec/stare section 5.
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    given = np.asarray(potentials, dtype=np.float64)
    if rewards.ndim != 1 or given.shape != (len(rewards) + 1,):
        raise ValueError(
            f"potentials has shape {given.shape}; expected ({len(rewards) + 1},), one more than the rewards. Add the last state."
        )
    if terminal not in ("zero", "keep"):
        raise ValueError(f'terminal is "{terminal}"; expected zero or keep. Set it in the training file.')
    absent = np.isnan(given)
    last_known = np.maximum.accumulate(np.where(absent, -1, np.arange(len(given))))
    held = np.where(last_known >= 0, given[np.maximum(last_known, 0)], 0.0)
    if terminated and terminal == "zero" and len(held):
        held[-1], absent[-1] = 0.0, False
    terms = scale * (discount * held[1:] - held[:-1])
    terms[absent[1:] | (last_known[:-1] < 0)] = 0.0
    return rewards + terms
