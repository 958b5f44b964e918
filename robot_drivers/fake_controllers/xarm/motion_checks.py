"""What the commands that move the arm have in common: may it move, is the target allowed, what does the reply say.

Start at `may_move`.
"""

from __future__ import annotations

import math
import struct
import time

import numpy as np

from .commands import Client, InvalidParameters
from .limits import ERROR_ABNORMAL_JOINT, Verdict
from .machine import Machine
from .messages import FEEDBACK_FINISHED
from .motion import ERROR_JOINT_RANGE
from .moves import JointMove, LineMove, Pause


def microseconds() -> int:
    """Return the controller's own time, which feedback packets carry."""
    return time.time_ns() // 1000


def taken(machine: Machine, check: int = 0) -> bytes:
    """The reply's data of a motion: how many are queued, and the result of a mere check."""
    return struct.pack(">HB", machine.motion.queued, check)


def may_move(machine: Machine, client: Client, *modes: int) -> bool:
    """Whether a motion command is done now; what is not done is logged."""
    if not machine.ready:
        machine.log.append("not_ready", function=client.request.function, state=machine.state)
        return False
    if machine.mode not in modes:
        machine.log.append("wrong_mode", function=client.request.function, mode=machine.mode)
        return False
    return True


def joint_target(machine: Machine, values: list[float]) -> np.ndarray | None:
    """Return the joints (n,) of a target of seven; None (and an error) where one is not a number or out of range."""
    target = np.array(values[: machine.facts.model.axes])
    if not np.isfinite(target).all():
        machine.refuse(Verdict(ERROR_ABNORMAL_JOINT, "joint_position", math.nan, 0.0))
        return None
    for index, (low, high) in enumerate(machine.facts.model.joint_ranges):
        if not low - 1e-3 <= target[index] <= high + 1e-3:
            limit = low if target[index] < low else high
            machine.refuse(Verdict(ERROR_JOINT_RANGE, f"joint{index + 1}_position", float(target[index]), limit))
            return None
    return target


def queue(machine: Machine, client: Client, move: JointMove | LineMove | Pause) -> None:
    """Queue a move, and tell the client when it has ended if it asked for that."""
    machine.motion.queue(move, client.teller(FEEDBACK_FINISHED, microseconds))


def within(value: float, largest: float) -> float:
    """Return a planned move's speed or acceleration: at most what the arm has, as the true planner does."""
    if not math.isfinite(value) or value <= 0.0:
        raise InvalidParameters
    return min(value, largest)
