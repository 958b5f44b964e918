"""One state of the arm, out of franky's. Start at `take_reading`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.franka.words import describe_errors, describe_mode


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What the controller measured, in its base frame.

    Attributes:
        stamp: When it came, workcell clock, s.
        taken: The same on the steady clock.
        joint_positions: (7,) rad.
        joint_velocities: (7,) rad/s.
        joint_efforts: (7,) N m, measured behind the gears.
        ee_position: (3,) m.
        ee_orientation: (4,) xyzw.
        external_wrench: (6,) N and N m: O_F_ext_hat_K, what acts between tool and surroundings, at the stiffness frame.
        mode: A name of franky's RobotMode.
        words: What keeps the arm from moving, "" where nothing does.
    """

    stamp: float
    taken: float
    joint_positions: np.ndarray
    joint_velocities: np.ndarray
    joint_efforts: np.ndarray
    ee_position: np.ndarray
    ee_orientation: np.ndarray
    external_wrench: np.ndarray
    mode: str
    words: str


def take_reading(state: Any, *, stamp: float, taken: float) -> Reading:
    """Return a franky `RobotState` as a `Reading`; `stamp` and `taken` are when it came, s."""
    pose = state.O_T_EE  # franky has read libfranka's columns already, and gives quaternions as xyzw
    return Reading(
        stamp=stamp,
        taken=taken,
        joint_positions=_vector(state.q),
        joint_velocities=_vector(state.dq),
        joint_efforts=_vector(state.tau_J),
        ee_position=_vector(pose.translation),
        ee_orientation=_vector(pose.quaternion),
        external_wrench=_vector(state.O_F_ext_hat_K),
        mode=state.robot_mode.name,
        words=describe_mode(state.robot_mode.name, describe_errors(state.current_errors)),
    )


def _vector(values: Any) -> np.ndarray:
    """Return a copy, (n,) float64: franky's vectors are columns."""
    return np.array(values, dtype=np.float64).reshape(-1)
