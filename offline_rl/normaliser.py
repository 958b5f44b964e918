"""Measures the `Normaliser` of a set of demonstrations. Start at `fit_normaliser`."""

from __future__ import annotations

import numpy as np

from policy_server.models.flow_policy_normaliser import Normaliser

SMALLEST_SHARE = 0.05  # of the largest deviation of its kind: a dimension that hardly moves must not become loud noise


def fit_normaliser(features: np.ndarray, actions: np.ndarray, *, groups: tuple[tuple[int, int], ...] = ()) -> Normaliser:
    """Return mean, deviation and range of every dimension.

    Args:
        features: (N, F) float, from `state_features`.
        actions: (N, D) float, gripper last.
        groups: Column ranges (start, end) of actions in one unit; the deviation of each column is at least
            `SMALLEST_SHARE` of the largest in its group. Columns in no group stand alone.

    Raises:
        ValueError: If there are no rows, or a number is not finite.
    """
    if not len(features) or not len(actions):
        raise ValueError("there is nothing to normalise; expected at least one step. Were all steps dropped?")
    if not (np.isfinite(features).all() and np.isfinite(actions).all()):
        raise ValueError("states or actions hold NaN or infinity; expected finite numbers. Drop those steps first.")
    deviation = actions.std(axis=0)
    for start, end in groups:
        deviation[start:end] = np.maximum(deviation[start:end], SMALLEST_SHARE * deviation[start:end].max())
    return Normaliser(
        state_mean=features.mean(axis=0).astype(np.float32),
        state_deviation=np.maximum(features.std(axis=0), 1e-3).astype(np.float32),
        action_mean=actions.mean(axis=0).astype(np.float32),
        action_deviation=np.maximum(deviation, 1e-4).astype(np.float32),
        action_lower=actions.min(axis=0).astype(np.float32),
        action_upper=actions.max(axis=0).astype(np.float32),
    )
