"""Whether a command may be looked at: form, numbers, age. Start at `check_form` and `check_age`."""

from __future__ import annotations

import math

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.safety.limits import SafetyLimits


class Refusal(Exception):
    """A command is not let through: `name` counts it, the text says why."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


def check_form(command: ArmCommand, *, joints: int, limits: SafetyLimits) -> None:
    """Refuse a command that is not one: wrong length, NaN or infinity, no unit quaternion, no lawful time to hold.

    Args:
        command: As it came.
        joints: Number of joints of the arm.
        limits: Of the workcell.

    Raises:
        Refusal: In words.
    """
    if not isinstance(command.action_space, ActionSpace):
        known = ", ".join(space.value for space in ActionSpace)
        raise Refusal("action_space", f"action_space is {command.action_space!r}; expected one of {known}. Correct the sender.")
    _check_values(command, joints)
    if command.gripper is not None and not math.isfinite(command.gripper):
        raise Refusal("not_finite", f"gripper is {command.gripper}; expected an opening in [0, 1] or none. Correct the sender.")
    if not math.isfinite(command.stamp):
        raise Refusal("not_finite", f"stamp is {command.stamp}; expected seconds on the workcell clock. Correct the sender.")
    if not 0.0 < command.valid_for <= limits.longest_valid_for_s:  # false for NaN too
        raise Refusal(
            "valid_for",
            f"valid_for is {command.valid_for} s; expected 0 < value <= {limits.longest_valid_for_s:g} s (safety.longest_valid_for_s).",
        )


def _check_values(command: ArmCommand, joints: int) -> None:
    space = command.action_space
    try:
        values = np.asarray(command.values, dtype=np.float64)
    except (TypeError, ValueError):
        raise Refusal("not_finite", "values are not numbers; expected a list of floats. Correct the sender.") from None
    expected = space.dimension(joints)
    if values.shape != (expected,):
        raise Refusal("length", f"{space.value} has values of shape {values.shape}; expected ({expected},). Check the policy's contract.")
    if not np.isfinite(values).all():
        raise Refusal(
            "not_finite", f"{space.value} holds NaN or infinity at {np.flatnonzero(~np.isfinite(values)).tolist()}; nothing moved."
        )
    if space is ActionSpace.EE_POSE and abs(float(np.linalg.norm(values[3:])) - 1.0) > 1e-3:
        raise Refusal("quaternion", f"quaternion has length {np.linalg.norm(values[3:]):.4g}; expected 1. Normalise it, xyzw.")


def check_age(command: ArmCommand, *, now: float, limits: SafetyLimits, last_stamp: float) -> None:
    """Refuse a command that is over, from the future, or older than one already taken.

    Args:
        command: With a finite stamp.
        now: Workcell clock, s.
        limits: Of the workcell.
        last_stamp: Stamp of the last command taken from this source, s; -inf before the first.

    Raises:
        Refusal: In words.
    """
    age = now - command.stamp
    if age >= command.valid_for:
        raise Refusal(
            "stale", f"the action is {age:.3f} s old; it held for {command.valid_for:.3f} s. The source is too slow or its clock wrong."
        )
    if age < -limits.clock_jump_s:
        raise Refusal("future", f"the action is stamped {-age:.3f} s ahead of the workcell clock; expected none ahead. Compare the clocks.")
    if command.stamp < last_stamp:
        raise Refusal("order", f"the action is {last_stamp - command.stamp:.3f} s older than one already taken; it came too late.")
