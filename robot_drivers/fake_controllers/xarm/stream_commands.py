"""Commands of the modes that stream: joint and tool targets (mode 1), joint and tool velocities (modes 4 and 5).

A command that comes in a mode it does not belong to is taken and not done, as on the true controller (the client library warns of
it); one that comes while the arm is stopped is answered "not ready". Millimetres and radians. Start at `COMMANDS`.
"""

from __future__ import annotations

import math
import struct
import time

import numpy as np

from . import machine as box
from .commands import Client, Handler, finite_floats
from .kinematics import NoSolution, pose_from_angles, pose_from_vector
from .limits import ERROR_ABNORMAL_JOINT, ERROR_SPEED, LONGEST_CARTESIAN_STEP, Verdict
from .machine import Machine
from .messages import floats
from .models import JOINT_SPEED
from .motion import ERROR_KINEMATIC
from .motion_checks import may_move, taken


def servo_joints(machine: Machine, data: bytes, client: Client) -> bytes:
    """Stream a joint target; speed, acceleration and time are reserved and have no effect."""
    now = time.monotonic()
    target = np.array(floats(data, machine.facts.model.axes))
    machine.log.append("servo_joints", joints=target)
    if may_move(machine, client, box.MODE_SERVO) and not machine.paused:
        machine.stream(target, now)
    return taken(machine)


def _servo_pose(machine: Machine, client: Client, pose_for) -> bytes:
    """Stream a tool target; `pose_for(present)` gives it from the pose that was targeted last."""
    now = time.monotonic()
    if not may_move(machine, client, box.MODE_SERVO) or machine.paused:
        return taken(machine)
    near = machine.motion.stream_target if machine.motion.stream_target is not None else machine.motion.joints
    present = machine.kinematics.tool(near)
    pose = pose_for(present)
    if not np.isfinite(pose).all():
        machine.refuse(Verdict(ERROR_ABNORMAL_JOINT, "tool_position", math.nan, 0.0))
        return taken(machine)
    step = float(np.linalg.norm(pose[:3, 3] - present[:3, 3]))
    machine.log.measure("tool_step_mm", step)
    if step > LONGEST_CARTESIAN_STEP:
        machine.refuse(Verdict(ERROR_SPEED, "tool_step", step, LONGEST_CARTESIAN_STEP))
        return taken(machine)
    try:
        machine.stream(machine.kinematics.solve(pose, near), now)
    except NoSolution:
        machine.refuse(Verdict(ERROR_KINEMATIC, "reach", step, 0.0))
    return taken(machine)


def servo_pose(machine: Machine, data: bytes, client: Client) -> bytes:
    """Stream a tool pose with roll, pitch, yaw; in tool coordinates it counts from the last target."""
    values = floats(data, 9)
    machine.log.append("servo_pose", pose=values[:6])
    target = pose_from_angles(values) if np.isfinite(values[:6]).all() else np.full((4, 4), math.nan)
    return _servo_pose(machine, client, (lambda present: present @ target) if values[8] else (lambda present: target))


def servo_pose_vector(machine: Machine, data: bytes, client: Client) -> bytes:
    """Stream a tool pose with a rotation vector: absolute, relative in the base, or in tool coordinates."""
    values = floats(data, 8)
    in_tool, relative = struct.unpack_from("<i", data, 32)[0], data[36]
    machine.log.append("servo_pose", pose_vector=values[:6], relative=relative, in_tool=in_tool)
    target = pose_from_vector(values) if np.isfinite(values[:6]).all() else np.full((4, 4), math.nan)

    def moved(present: np.ndarray) -> np.ndarray:
        pose = present.copy()
        pose[:3, 3] += target[:3, 3]
        pose[:3, :3] = target[:3, :3] @ present[:3, :3]
        return pose

    if in_tool:
        return _servo_pose(machine, client, lambda present: present @ target)
    return _servo_pose(machine, client, moved if relative else (lambda present: target))


def _until(data: bytes, at: int) -> float | None:
    """Return when a velocity ends, steady time; None for one that lasts."""
    if len(data) <= at:
        return None
    duration = struct.unpack_from("<f", data, at)[0]
    return time.monotonic() + duration if duration > 0.0 else None


def joint_velocity(machine: Machine, data: bytes, client: Client) -> bytes:
    """Keep joint velocities."""
    wanted = np.array(finite_floats(data, 7)[: machine.facts.model.axes])
    machine.log.append("joint_velocity", velocity=wanted)
    if may_move(machine, client, box.MODE_JOINT_VELOCITY):
        worst = int(np.argmax(np.abs(wanted)))
        if abs(wanted[worst]) > JOINT_SPEED * 1.001:
            machine.refuse(Verdict(ERROR_SPEED, f"joint{worst + 1}_velocity", abs(float(wanted[worst])), JOINT_SPEED))
        else:
            machine.motion.drive(lambda joints: wanted, _until(data, 29))
    return taken(machine)


def tool_velocity(machine: Machine, data: bytes, client: Client) -> bytes:
    """Keep a velocity of the tool: mm/s, and rad/s as a rotation vector, in the base or in tool coordinates."""
    wanted = np.array(finite_floats(data, 6))
    in_tool = bool(data[24])
    machine.log.append("tool_velocity", velocity=wanted, in_tool=int(in_tool))
    if not may_move(machine, client, box.MODE_TOOL_VELOCITY):
        return taken(machine)
    speed, largest = float(np.linalg.norm(wanted[:3])), machine.facts.model.tool_speed
    if speed > largest * 1.001:
        machine.refuse(Verdict(ERROR_SPEED, "tool_speed", speed, largest))
        return taken(machine)

    def velocity_at(joints: np.ndarray) -> np.ndarray:
        kinematics = machine.kinematics
        jacobian = kinematics.jacobian(joints, kinematics.tool_offset[:3, 3])
        rotation = kinematics.frames(joints)[-1][:3, :3] @ kinematics.tool_offset[:3, :3] if in_tool else np.eye(3)
        twist = np.concatenate([rotation @ wanted[:3], rotation @ wanted[3:]])
        jacobian[:3] /= 300.0
        twist[:3] /= 300.0
        joint_rates = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), twist)
        return joint_rates * min(1.0, JOINT_SPEED / max(float(np.abs(joint_rates).max()), 1e-9))

    machine.motion.drive(velocity_at, _until(data, 25))
    return taken(machine)


COMMANDS: dict[int, tuple[tuple[int, ...], Handler]] = {
    29: ((40,), servo_joints),
    30: ((36,), servo_pose),
    81: ((29, 33), joint_velocity),
    82: ((25, 29), tool_velocity),
    93: ((37,), servo_pose_vector),
}
