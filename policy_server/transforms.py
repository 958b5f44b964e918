"""Named gripper conventions, each with its inverse. Inside Stage the gripper is an opening in [0, 1], 1 = open.

Policies trained on DROID, LIBERO or ManiSkill data speak their own; the contract names it, and these two functions
are the only place where it is turned round.
"""

from __future__ import annotations

import numpy as np

from stage_core.errors import ConfigurationError, nearest

# name -> (value when closed, value when open); all are linear in the opening.
GRIPPER_CONVENTIONS: dict[str, tuple[float, float]] = {
    "opening": (0.0, 1.0),
    "droid": (1.0, 0.0),  # 1 = closed
    "libero": (1.0, -1.0),  # +1 = close
    "maniskill": (-1.0, 1.0),  # +1 = open
}


def gripper_to_opening(values: np.ndarray | float, convention: str) -> np.ndarray:
    """Return the opening in [0, 1], 1 = open; values beyond the convention's range are limited to it.

    Args:
        values: Any shape, in `convention`.
        convention: A name out of `GRIPPER_CONVENTIONS`.

    Raises:
        ConfigurationError: If the convention does not exist.
    """
    closed, opened = _limits(convention)
    return np.clip((np.asarray(values, dtype=np.float64) - closed) / (opened - closed), 0.0, 1.0)


def gripper_from_opening(opening: np.ndarray | float, convention: str) -> np.ndarray:
    """Return openings in [0, 1] in `convention`; the inverse of `gripper_to_opening`.

    Raises:
        ConfigurationError: If the convention does not exist.
    """
    closed, opened = _limits(convention)
    return closed + np.clip(np.asarray(opening, dtype=np.float64), 0.0, 1.0) * (opened - closed)


def _limits(convention: str) -> tuple[float, float]:
    if convention not in GRIPPER_CONVENTIONS:
        raise ConfigurationError(f"gripper_convention is {convention!r}. {nearest(convention, GRIPPER_CONVENTIONS)}")
    return GRIPPER_CONVENTIONS[convention]


def split_action(row: np.ndarray, gripper_convention: str) -> tuple[np.ndarray, float | None]:
    """Return (values for the arm, opening in [0, 1]) of one row of a chunk; the opening is None for `none`.

    Args:
        row: (dim,) as the contract's action says; the last column is the gripper's unless the convention is `none`.
        gripper_convention: Of the contract.
    """
    row = np.asarray(row, dtype=np.float64)
    if gripper_convention == "none":
        return row, None
    return row[:-1], float(gripper_to_opening(row[-1], gripper_convention))
