"""Scales of states and actions: mean 0 and deviation 1 inside the network, metres and radians outside (normaliser.json).

Start at `Normaliser`; `offline_rl.normaliser` measures one from demonstrations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from policy_server.contract import StateEntry
from stage_core.configuration import load_yaml
from stage_core.errors import ConfigurationError

KIND = "mean_std"


@dataclass(frozen=True, kw_only=True, eq=False)
class Normaliser:
    """Mean and deviation of every dimension, float32.

    Attributes:
        state_mean: (F,), of what `state_features` gives.
        state_deviation: (F,), > 0.
        action_mean: (D,), gripper last; units of the contract's action.
        action_deviation: (D,), > 0.
        action_lower: (D,) smallest value ever demonstrated; restored actions are limited to it.
        action_upper: (D,) largest.
    """

    state_mean: np.ndarray
    state_deviation: np.ndarray
    action_mean: np.ndarray
    action_deviation: np.ndarray
    action_lower: np.ndarray
    action_upper: np.ndarray

    def normalise_states(self, features: np.ndarray) -> np.ndarray:
        """Return (..., F) float32 of mean 0 and deviation 1, limited to 10 deviations."""
        return np.clip((features - self.state_mean) / self.state_deviation, -10.0, 10.0).astype(np.float32)

    def normalise_actions(self, actions: np.ndarray) -> np.ndarray:
        """Return (..., D) float32 of mean 0 and deviation 1."""
        return ((actions - self.action_mean) / self.action_deviation).astype(np.float32)

    def restore_actions(self, normalised: np.ndarray) -> np.ndarray:
        """Return (..., D) float32 in the contract's units, inside what was demonstrated."""
        actions = normalised * self.action_deviation + self.action_mean
        return np.clip(actions, self.action_lower, self.action_upper).astype(np.float32)

    def to_text(self) -> str:
        """Return the content of normaliser.json; the same numbers give the same text."""
        values = {name: [float(value) for value in getattr(self, name)] for name in self.__dataclass_fields__}
        return json.dumps({"schema_version": 1, "kind": KIND, **values}, indent=1) + "\n"

    @property
    def sha256(self) -> str:
        """Of `to_text`, as the contract's normalisation entry holds it."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()

    @classmethod
    def load(cls, path: str | Path) -> Normaliser:
        """Return the normaliser in a normaliser.json.

        Raises:
            ConfigurationError: If the file is missing or is not one.
        """
        return cls.from_mapping(load_yaml(path), source=str(path))  # JSON is YAML

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], *, source: str) -> Normaliser:
        """Return the normaliser in a mapping. Raises ConfigurationError naming source and field."""
        if content.get("schema_version") != 1 or content.get("kind") != KIND:
            raise ConfigurationError(
                f"{source}: kind is {content.get('kind')!r}; expected {KIND}, schema_version 1. Train the policy again."
            )
        arrays = {}
        for name in cls.__dataclass_fields__:
            try:
                arrays[name] = np.asarray(content[name], dtype=np.float32)
            except (KeyError, TypeError, ValueError):
                raise ConfigurationError(
                    f"{source}: {name} is missing or not a list of numbers. Copy the whole checkpoint again."
                ) from None
            if arrays[name].ndim != 1 or not np.isfinite(arrays[name]).all():
                raise ConfigurationError(f"{source}: {name} is not a list of finite numbers. Copy the whole checkpoint again.")
        return cls(**arrays)


def state_features(states: np.ndarray, entry: StateEntry, joints: int) -> np.ndarray:
    """Return states with orientations as the first two columns of the rotation matrix: q and -q must look the same.

    Args:
        states: (..., d) float, laid out as `entry` says, orientation order xyzw.
        entry: Of the contract.
        joints: Joints of the arm.

    Returns:
        (..., F) float32; F = d + 2 for every orientation.

    Source: Zhou et al., On the Continuity of Rotation Representations in Neural Networks, CVPR 2019, section 4.
    """
    parts, start = [], 0
    for name in entry.fields:
        end = start + entry.field_width(name, joints)
        values = np.asarray(states[..., start:end], dtype=np.float64)
        parts.append(_two_columns(values) if name == "ee_orientation" else values)
        start = end
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _two_columns(quaternions: np.ndarray) -> np.ndarray:
    """Return (..., 6): images of x and y under quaternions (..., 4) xyzw."""
    lengths = np.maximum(np.linalg.norm(quaternions, axis=-1, keepdims=True), 1e-9)  # zeros come with a server's warm-up
    x, y, z, w = np.moveaxis(quaternions / lengths, -1, 0)
    first = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
    second = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
    return np.stack([*first, *second], axis=-1)
