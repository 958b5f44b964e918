"""Every action space becomes an absolute target here, and only here (DESIGN 9.1). Start at `absolute_target`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.poses import add_twist
from stage_core.errors import CommandRefusedError

FRAMES = ("base", "tool")
REFERENCES = ("commanded", "measured")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What a delta is added to.

    Attributes:
        joints: (n,) float64 rad.
        pose: (7,) float64 m and xyzw, base -> tool centre.
    """

    joints: np.ndarray
    pose: np.ndarray


def absolute_target(
    command: ArmCommand, *, commanded: Reference | None, measured: Reference, control_period_s: float
) -> tuple[ActionSpace, np.ndarray]:
    """Return the absolute target that a command asks for.

    Args:
        command: Of any space but HOLD, with finite values of the right length.
        commanded: The last commanded target; None after a hold or a switch of sources, when deltas start from `measured`.
        measured: Where the arm is.
        control_period_s: Length of a control step, s; a velocity is followed for one of them.

    Returns:
        EE_POSE with (7,) m and xyzw, or JOINT_POSITION with (n,) rad. An absolute action comes back bit for bit.

    Raises:
        CommandRefusedError: For HOLD (which asks no motion), an unknown frame or an unknown reference.
    """
    if command.frame not in FRAMES:
        raise CommandRefusedError(f'frame is "{command.frame}"; expected base or tool. Correct the sender.')
    if command.reference not in REFERENCES:
        raise CommandRefusedError(f'reference is "{command.reference}"; expected commanded or measured. Correct the sender.')
    values = np.asarray(command.values, dtype=np.float64)
    start = measured if commanded is None or command.reference == "measured" else commanded
    match command.action_space:
        case ActionSpace.JOINT_POSITION | ActionSpace.EE_POSE:
            return command.action_space, values
        case ActionSpace.JOINT_DELTA:
            return ActionSpace.JOINT_POSITION, start.joints + values
        case ActionSpace.JOINT_VELOCITY:
            return ActionSpace.JOINT_POSITION, start.joints + values * control_period_s
        case ActionSpace.EE_DELTA_POSE:
            return ActionSpace.EE_POSE, add_twist(start.pose, values, frame=command.frame)
    raise CommandRefusedError(f"action_space {command.action_space.value} asks no motion; it has no target.")
