"""Every message of the FCI, robot interface version 10, as packed little-endian layouts.

A command is a header (command, id, size in bytes with the header) and a payload of exactly one size; a state is one datagram. All
transforms are column-major 4 x 4, lengths in metres, angles in radians. Start at `STATE` and `REQUESTS`.

Source: the public headers that libfranka 0.21 is built with (research_interface, version 10), read and described anew.
"""

from __future__ import annotations

import enum
import struct

import numpy as np

INTERFACE_VERSION = 10
COMMAND_PORT = 1337
ERROR_COUNT = 41

HEADER = struct.Struct("<III")  # command, command id, size of the whole message in bytes


class Command(enum.IntEnum):
    """What the client asks for (first word of the header)."""

    CONNECT = 0
    MOVE = 1
    STOP_MOVE = 2
    SET_COLLISION_BEHAVIOR = 3
    SET_JOINT_IMPEDANCE = 4
    SET_CARTESIAN_IMPEDANCE = 5
    SET_GUIDING_MODE = 6
    SET_EE_TO_K = 7
    SET_NE_TO_EE = 8
    SET_LOAD = 9
    AUTOMATIC_ERROR_RECOVERY = 10
    GET_ROBOT_MODEL = 11


def _packed(*fields: tuple[str, str] | tuple[str, str, tuple[int, ...] | int]) -> np.dtype:
    return np.dtype(list(fields))


NO_PAYLOAD = _packed()
# Payload of each request, without the header; any other size is refused.
REQUESTS: dict[Command, np.dtype] = {
    Command.CONNECT: _packed(("version", "<u2"), ("udp_port", "<u2")),
    Command.MOVE: _packed(
        ("controller_mode", "<u4"),
        ("motion_generator_mode", "<u4"),
        ("maximum_path_deviation", "<f8", 3),
        ("maximum_goal_deviation", "<f8", 3),
        ("asynchronous", "u1"),
        ("maximum_velocity", "<f8", 7),
    ),
    Command.STOP_MOVE: NO_PAYLOAD,
    Command.SET_COLLISION_BEHAVIOR: _packed(
        ("lower_torque_acceleration", "<f8", 7),
        ("upper_torque_acceleration", "<f8", 7),
        ("lower_torque_nominal", "<f8", 7),
        ("upper_torque_nominal", "<f8", 7),
        ("lower_force_acceleration", "<f8", 6),
        ("upper_force_acceleration", "<f8", 6),
        ("lower_force_nominal", "<f8", 6),
        ("upper_force_nominal", "<f8", 6),
    ),
    Command.SET_JOINT_IMPEDANCE: _packed(("stiffness", "<f8", 7)),
    Command.SET_CARTESIAN_IMPEDANCE: _packed(("stiffness", "<f8", 6)),
    Command.SET_GUIDING_MODE: _packed(("axes", "u1", 6), ("nullspace", "u1")),
    Command.SET_EE_TO_K: _packed(("transform", "<f8", 16)),
    Command.SET_NE_TO_EE: _packed(("transform", "<f8", 16)),
    Command.SET_LOAD: _packed(("mass", "<f8"), ("center_of_mass", "<f8", 3), ("inertia", "<f8", 9)),
    Command.AUTOMATIC_ERROR_RECOVERY: NO_PAYLOAD,
    Command.GET_ROBOT_MODEL: NO_PAYLOAD,
}
# Bytes that are a C++ bool on the wire: anything but 0 and 1 is no bool.
BOOLEAN_FIELDS: dict[Command, tuple[str, ...]] = {
    Command.MOVE: ("asynchronous",),
    Command.SET_GUIDING_MODE: ("axes", "nullspace"),
}


STATE = _packed(
    ("message_id", "<u8"),
    ("O_T_EE", "<f4", 16),
    ("O_T_EE_d", "<f4", 16),
    ("F_T_EE", "<f4", 16),
    ("EE_T_K", "<f4", 16),
    ("F_T_NE", "<f4", 16),
    ("NE_T_EE", "<f4", 16),
    ("m_ee", "<f4"),
    ("I_ee", "<f4", 9),
    ("F_x_Cee", "<f4", 3),
    ("m_load", "<f4"),
    ("I_load", "<f4", 9),
    ("F_x_Cload", "<f4", 3),
    ("elbow", "<f4", 2),
    ("elbow_d", "<f4", 2),
    ("tau_J", "<f4", 7),
    ("tau_J_d", "<f4", 7),
    ("dtau_J", "<f4", 7),
    ("q", "<f4", 7),
    ("q_d", "<f4", 7),
    ("dq", "<f4", 7),
    ("dq_d", "<f4", 7),
    ("ddq_d", "<f4", 7),
    ("joint_contact", "<f4", 7),
    ("cartesian_contact", "<f4", 6),
    ("joint_collision", "<f4", 7),
    ("cartesian_collision", "<f4", 6),
    ("tau_ext_hat_filtered", "<f4", 7),
    ("O_F_ext_hat_K", "<f4", 6),
    ("K_F_ext_hat_K", "<f4", 6),
    ("O_dP_EE_d", "<f4", 6),
    ("O_ddP_O", "<f4", 3),
    ("elbow_c", "<f4", 2),
    ("delbow_c", "<f4", 2),
    ("ddelbow_c", "<f4", 2),
    ("O_T_EE_c", "<f4", 16),
    ("O_dP_EE_c", "<f4", 6),
    ("O_ddP_EE_c", "<f4", 6),
    ("theta", "<f4", 7),
    ("dtheta", "<f4", 7),
    ("accelerometer_top", "<f4", 18),
    ("accelerometer_bottom", "<f4", 18),
    ("motion_generator_mode", "u1"),
    ("controller_mode", "u1"),
    ("errors", "u1", ERROR_COUNT),
    ("reflex_reason", "u1", ERROR_COUNT),
    ("robot_mode", "u1"),
    ("control_command_success_rate", "<f4"),
)

ROBOT_COMMAND = _packed(
    ("message_id", "<u8"),
    ("q_c", "<f8", 7),
    ("dq_c", "<f8", 7),
    ("O_T_EE_c", "<f8", 16),
    ("O_dP_EE_c", "<f8", 6),
    ("elbow_c", "<f8", 2),
    ("valid_elbow", "u1"),
    ("motion_finished", "u1"),
    ("tau_J_d", "<f8", 7),
    ("torque_finished", "u1"),
)
_COMMAND_BOOLEANS = tuple((name, ROBOT_COMMAND.fields[name][1]) for name in ("valid_elbow", "motion_finished", "torque_finished"))


class ProtocolError(Exception):
    """Bytes that the layout does not accept; the connection ends."""


def decode_request(command_number: int, payload: bytes) -> tuple[Command, np.void | None]:
    """Return the command and its payload as a structured value (None where there is none).

    Raises:
        ProtocolError: An unknown command, a payload of another size, a bool that is neither 0 nor 1.
    """
    try:
        command = Command(command_number)
    except ValueError:
        raise ProtocolError(f"command {command_number} is unknown; expected 0 to {max(Command):d}") from None
    layout = REQUESTS[command]
    if len(payload) != layout.itemsize:
        raise ProtocolError(f"{command.name} has a payload of {len(payload)} bytes; expected {layout.itemsize}")
    if not payload:
        return command, None
    request = np.frombuffer(payload, layout)[0]
    for name in BOOLEAN_FIELDS.get(command, ()):
        if np.max(request[name]) > 1:
            raise ProtocolError(f"{command.name}: {name} holds the byte {int(np.max(request[name]))}; expected 0 or 1")
    return command, request


def decode_robot_command(datagram: bytes) -> np.void:
    """Return one robot command of the 1 kHz stream.

    Raises:
        ProtocolError: Another size, or a bool that is neither 0 nor 1.
    """
    if len(datagram) != ROBOT_COMMAND.itemsize:
        raise ProtocolError(f"a robot command has {len(datagram)} bytes; expected {ROBOT_COMMAND.itemsize}")
    robot_command = np.frombuffer(datagram, ROBOT_COMMAND)[0]
    for name, offset in _COMMAND_BOOLEANS:
        if datagram[offset] > 1:
            raise ProtocolError(f"robot command: {name} holds the byte {datagram[offset]}; expected 0 or 1")
    return robot_command
