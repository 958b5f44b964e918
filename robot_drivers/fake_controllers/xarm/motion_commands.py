"""Commands that plan a move (mode 0), or go on to a new target on the way (modes 6 and 7), pauses, and waiting for the queue's end.

Blending radii have no effect: every move ends at rest. Millimetres and radians. Start at `COMMANDS`.
"""

from __future__ import annotations

import math

import numpy as np

from . import machine as box
from .commands import Client, Handler, InvalidParameters, finite_floats
from .kinematics import NoSolution, angles_from_pose, pose_from_angles, pose_from_vector
from .limits import Verdict
from .machine import Machine
from .messages import floats
from .models import JOINT_ACCELERATION, JOINT_SPEED, TOOL_ACCELERATION
from .motion import ERROR_KINEMATIC
from .motion_checks import joint_target, may_move, queue, taken, within
from .moves import JointMove, LineMove, Pause


def move_joints(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan a joint move (mode 0), or go on to a new target (mode 6)."""
    values = floats(data, 10)
    speed, acceleration = within(values[7], JOINT_SPEED), within(values[8], JOINT_ACCELERATION)
    machine.log.append("move_joints", joints=values[: machine.facts.model.axes], speed=speed)
    if len(data) > 40 and data[40]:
        return taken(machine)
    if not may_move(machine, client, box.MODE_POSITION, box.MODE_JOINT_ONLINE):
        return taken(machine)
    target = joint_target(machine, values)
    if target is None:
        return taken(machine)
    if machine.mode == box.MODE_JOINT_ONLINE:
        machine.motion.chase(target, speed, acceleration)
    else:
        queue(machine, client, JointMove(target, speed, acceleration))
    return taken(machine)


def move_home(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan the move to joint zero."""
    speed, acceleration = within(floats(data, 1)[0], JOINT_SPEED), within(floats(data, 2)[1], JOINT_ACCELERATION)
    machine.log.append("move_home", speed=speed)
    if may_move(machine, client, box.MODE_POSITION):
        queue(machine, client, JointMove(np.zeros(machine.facts.model.axes), speed, acceleration))
    return taken(machine)


def _plan_line(machine: Machine, client: Client, pose: np.ndarray, speed: float, acceleration: float) -> bytes:
    speed, acceleration = within(speed, machine.facts.model.tool_speed), within(acceleration, TOOL_ACCELERATION)
    machine.log.append("move_line", pose=angles_from_pose(pose), speed=speed)
    if not may_move(machine, client, box.MODE_POSITION, box.MODE_TOOL_ONLINE):
        return taken(machine)
    if machine.mode == box.MODE_POSITION:
        queue(machine, client, LineMove(pose, speed, acceleration, machine.kinematics))
        return taken(machine)
    try:
        target = machine.kinematics.solve(pose, machine.motion.joints, iterations=200)
    except NoSolution:
        machine.refuse(Verdict(ERROR_KINEMATIC, "reach", 0.0, 0.0))
        return taken(machine)
    way = np.linalg.norm(pose[:3, 3] - machine.tool_pose()[:3, 3])
    longest = float(np.abs(target - machine.motion.joints).max())
    machine.motion.chase(target, min(JOINT_SPEED, longest * speed / max(way, 1.0)) or JOINT_SPEED, JOINT_ACCELERATION)
    return taken(machine)


def _pose(machine: Machine, values: list[float], *, vector: bool, in_tool: bool = False, relative: bool = False) -> np.ndarray:
    """Return the pose (4, 4) that a line command means; infinity keeps the present number."""
    present = machine.tool_pose()
    kept = angles_from_pose(present)
    values = [kept[index] if math.isinf(value) else value for index, value in enumerate(values[:6])]
    if any(math.isnan(value) for value in values):
        raise InvalidParameters
    pose = pose_from_vector(values) if vector else pose_from_angles(values)
    if in_tool:
        return present @ pose
    if relative:
        pose[:3, 3] += present[:3, 3]
        pose[:3, :3] = pose[:3, :3] @ present[:3, :3]
    return pose


def move_line(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan a straight move; the long form says in which coordinates, and whether with a rotation vector."""
    values = floats(data, 9)
    long_form = len(data) >= 43
    in_tool, vector, check = (data[40] == 1, bool(data[41]), data[42]) if long_form else (False, False, data[36] if len(data) > 36 else 0)
    if check:
        return taken(machine)
    return _plan_line(machine, client, _pose(machine, values, vector=vector, in_tool=in_tool), values[6], values[7])


def move_line_blended(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan a straight move; here every move ends at rest, whatever its blending radius."""
    values = floats(data, 10)
    return _plan_line(machine, client, _pose(machine, values, vector=False), values[6], values[7])


def move_line_in_tool(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan a straight move given in tool coordinates."""
    values = floats(data, 9)
    return _plan_line(machine, client, _pose(machine, values, vector=False, in_tool=True), values[6], values[7])


def move_line_vector(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan a straight move given with a rotation vector."""
    values = floats(data, 9)
    pose = _pose(machine, values, vector=True, in_tool=data[36] == 1, relative=bool(data[37]))
    return _plan_line(machine, client, pose, values[6], values[7])


def move_relative(machine: Machine, data: bytes, client: Client) -> bytes:
    """Plan a move counted from where the arm is: of the joints, or of the tool."""
    values = finite_floats(data, 11)
    of_joints, vector = bool(data[44]), bool(data[45])
    if not of_joints:
        return _plan_line(machine, client, _pose(machine, values, vector=vector, relative=True), values[7], values[8])
    speed, acceleration = within(values[7], JOINT_SPEED), within(values[8], JOINT_ACCELERATION)
    if may_move(machine, client, box.MODE_POSITION):
        target = joint_target(machine, [*(machine.motion.joints + np.array(values[: machine.facts.model.axes]))])
        if target is not None:
            queue(machine, client, JointMove(target, speed, acceleration))
    return taken(machine)


def pause(machine: Machine, data: bytes, client: Client) -> bytes:
    """Put a pause into the queue."""
    (seconds,) = finite_floats(data, 1)
    if seconds < 0.0:
        raise InvalidParameters
    if may_move(machine, client, box.MODE_POSITION):
        queue(machine, client, Pause(seconds))
    return taken(machine)


def tell_when_done(machine: Machine, data: bytes, client: Client) -> bytes:
    """Tell the client when everything that is queued now has ended."""
    queue(machine, client, Pause(0.0))
    return b""


COMMANDS: dict[int, tuple[tuple[int, ...], Handler]] = {
    21: ((36, 37, 38, 43, 44), move_line),
    22: ((40, 41, 42), move_line_blended),
    23: ((40, 41), move_joints),
    24: ((40, 41), move_joints),
    25: ((12, 13), move_home),
    26: ((4,), pause),
    28: ((36, 37, 38), move_line_in_tool),
    83: ((46, 47, 48), move_relative),
    92: ((38, 39, 40), move_line_vector),
    253: ((0,), tell_when_done),
}
