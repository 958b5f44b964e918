"""Commands that only read: version, serial number, state, errors, joints, poses, kinematics, limits. Start at `COMMANDS`."""

from __future__ import annotations

import struct

import numpy as np

from .commands import Client, Handler, InvalidParameters, finite_floats
from .kinematics import NoSolution, angles_from_pose, pose_from_angles, pose_from_vector, vector_from_pose
from .machine import Machine
from .messages import pack_floats

FIELD = 40  # bytes of the two texts that a client reads


def seven(values) -> list[float]:
    """Return joint values with zeros for the joints that the arm has not."""
    return [float(value) for value in values] + [0.0] * (7 - len(values))


def version(machine: Machine, data: bytes, client: Client) -> bytes:
    """Axes, type, both serial numbers and the firmware in one text, ended by a zero byte."""
    facts = machine.facts
    text = f"{facts.model.axes},{facts.model.type_number},{facts.serial},{facts.control_box_serial},v{facts.firmware}".encode()
    return text + bytes(max(1, FIELD - len(text)))


def serial_number(machine: Machine, data: bytes, client: Client) -> bytes:
    """The serial numbers of the arm and of the box, each ended by a zero byte."""
    text = machine.facts.serial.encode() + b"\0" + machine.facts.control_box_serial.encode()
    return text + bytes(max(1, FIELD - len(text)))


def state(machine: Machine, data: bytes, client: Client) -> bytes:
    """The state."""
    return bytes([machine.state])


def queue_length(machine: Machine, data: bytes, client: Client) -> bytes:
    """How many moves are queued."""
    return struct.pack(">H", machine.motion.queued)


def errors(machine: Machine, data: bytes, client: Client) -> bytes:
    """Error and warning."""
    return bytes([machine.error, machine.warning])


def tool_pose(machine: Machine, data: bytes, client: Client) -> bytes:
    """The tool's pose with roll, pitch, yaw."""
    return pack_floats(angles_from_pose(machine.tool_pose()))


def tool_pose_vector(machine: Machine, data: bytes, client: Client) -> bytes:
    """The tool's pose with a rotation vector."""
    return pack_floats(vector_from_pose(machine.tool_pose()))


def joints(machine: Machine, data: bytes, client: Client) -> bytes:
    """The joints; with a number, also their velocities (2) and efforts (3)."""
    groups = (data[0] & 0x0F) if data else 1
    if not 1 <= groups <= 3:
        raise InvalidParameters
    values = (machine.motion.joints, machine.motion.velocity, machine.efforts())
    return b"".join(pack_floats(seven(group)) for group in values[:groups])


def efforts(machine: Machine, data: bytes, client: Client) -> bytes:
    """The joints' efforts."""
    return pack_floats(seven(machine.efforts()))


def inverse_kinematics(machine: Machine, data: bytes, client: Client) -> bytes:
    """Joints for a pose, near those given or those of the arm."""
    pose = pose_from_angles(finite_floats(data, 6))
    near = machine.motion.joints
    if len(data) == 53:
        near = np.array(finite_floats(data[25:], 7)[: machine.facts.model.axes])
    try:
        return pack_floats(seven(machine.kinematics.solve(pose, near, iterations=300)))
    except NoSolution as problem:
        raise InvalidParameters from problem


def forward_kinematics(machine: Machine, data: bytes, client: Client) -> bytes:
    """The tool's pose for joints."""
    values = np.array(finite_floats(data, 7)[: machine.facts.model.axes])
    return pack_floats(angles_from_pose(machine.kinematics.tool(values)))


def is_joint_limit(machine: Machine, data: bytes, client: Client) -> bytes:
    """Whether joints are out of their ranges."""
    pairs = zip(finite_floats(data, 7), machine.facts.model.joint_ranges, strict=False)
    return bytes([int(any(not low - 1e-3 <= value <= high + 1e-3 for value, (low, high) in pairs))])


def is_tool_limit(machine: Machine, data: bytes, client: Client) -> bytes:
    """Whether no joints bring the tool to a pose."""
    try:
        machine.kinematics.solve(pose_from_angles(finite_floats(data, 6)), machine.motion.joints, iterations=300)
    except NoSolution:
        return bytes([1])
    return bytes([0])


def reduced_mode(machine: Machine, data: bytes, client: Client) -> bytes:
    """Whether the reduced mode is on."""
    return bytes([machine.settings.reduced.on])


def reduced_states(machine: Machine, data: bytes, client: Client) -> bytes:
    """Everything about the reduced mode and the fence."""
    reduced = machine.settings.reduced
    return b"".join(
        (
            bytes([reduced.on]),
            struct.pack(">6h", *reduced.boundary),
            pack_floats([reduced.tool_speed, reduced.joint_speed]),
            pack_floats(reduced.joint_ranges),
            bytes([reduced.fence, reduced.rebound]),
        )
    )


def link_table(machine: Machine, data: bytes, client: Client) -> bytes:
    """The kinematic table: angle offset, d, alpha, a for each joint, metres and radians; zeros for joints that are not there."""
    rows = [(theta, d / 1000.0, alpha, a / 1000.0) for theta, d, alpha, a in machine.facts.model.links]
    return pack_floats([value for row in rows + [(0.0,) * 4] * (7 - len(rows)) for value in row])


def pose_offset(machine: Machine, data: bytes, client: Client) -> bytes:
    """The second pose as seen from the first; each orientation as angles (0) or as a rotation vector (1)."""
    values = finite_floats(data, 12)
    read = pose_from_vector if data[48] else pose_from_angles
    offset = np.linalg.inv(read(values[:6])) @ read(values[6:])
    return pack_floats(vector_from_pose(offset) if data[49] else angles_from_pose(offset))


def _setting(name: str) -> Handler:
    return lambda machine, data, client: bytes([getattr(machine.settings, name)])


def _constant(values: bytes) -> Handler:
    return lambda machine, data, client: values


COMMANDS: dict[int, tuple[tuple[int, ...], Handler]] = {
    1: ((0,), version),
    2: ((0,), serial_number),
    3: ((0,), _constant(b"\0")),
    5: ((0,), _setting("report_current")),
    7: ((0,), _setting("approximate_motion")),
    13: ((0,), state),
    14: ((0,), queue_length),
    15: ((0,), errors),
    41: ((0,), tool_pose),
    42: ((0, 1), joints),
    43: ((24, 25, 53), inverse_kinematics),
    44: ((28,), forward_kinematics),
    45: ((28,), is_joint_limit),
    46: ((24,), is_tool_limit),
    49: ((0,), reduced_mode),
    53: ((0,), reduced_states),
    55: ((0,), efforts),
    67: ((0,), link_table),
    69: ((0,), state),
    76: ((50,), pose_offset),
    91: ((0,), tool_pose_vector),
    140: ((0,), _constant(bytes(6))),
    141: ((0,), _constant(bytes(2))),
}
