"""Commands that reach the end of the arm: its RS-485 line with the gripper, and the registers of its input and output board.

Whatever asks for something that is not fitted gets no answer on the line: error 19, as on the true arm. Start at `COMMANDS`.
"""

from __future__ import annotations

import struct

from .commands import Client, Handler, InvalidParameters, NotSimulated
from .gripper import SLAVE
from .machine import Machine

TOOL_BOARD, CONTROL_BOX = 9, 11
ERROR_TOOL_LINE, ERROR_BOX_LINE = 19, 111
BAUD_RATES = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000, 1500000, 2000000, 2500000)
BAUD_READ, BAUD_WRITE = 0x0A0B, 0x1A0B
DIGITAL_INPUT, DIGITAL_OUTPUT, ANALOG_INPUTS = 0x0A14, 0x0A15, (0x0A16, 0x0A17)
RESTART = 0x0607
GRIPPER_BAUD = BAUD_RATES.index(2000000)


def line(machine: Machine, data: bytes, client: Client) -> bytes:
    """Send Modbus over the tool's (9) or the box's (11) RS-485 line and return what answers."""
    host, request = data[0], data[1:]
    machine.log.append("line", host=host, request=request)
    if host == TOOL_BOARD:
        baud = machine.digital_outputs.get(BAUD_WRITE, GRIPPER_BAUD)
        fitted = machine.gripper is not None and not machine.gripper.lost
        if fitted and request[0] == SLAVE and baud == GRIPPER_BAUD:
            return bytes([host]) + machine.gripper.answer(request)
        machine.fail(ERROR_TOOL_LINE)
        return bytes([host])
    if host == CONTROL_BOX:
        machine.fail(ERROR_BOX_LINE)
        return bytes([host])
    raise InvalidParameters


def read_register(machine: Machine, data: bytes, client: Client) -> bytes:
    """Read a register of the tool board."""
    board, address = data[0], struct.unpack_from(">H", data, 1)[0]
    if board not in (TOOL_BOARD, CONTROL_BOX):
        raise NotSimulated
    if address == BAUD_READ:
        return struct.pack(">i", int(machine.digital_outputs.get(BAUD_WRITE, GRIPPER_BAUD)))
    if address == DIGITAL_INPUT or address in ANALOG_INPUTS:
        return struct.pack(">i", 0)
    if address == DIGITAL_OUTPUT:
        return struct.pack(">i", int(machine.digital_outputs.get(DIGITAL_OUTPUT, 0)))
    raise InvalidParameters


def write_register(machine: Machine, data: bytes, client: Client) -> bytes:
    """Write a register of the tool board; outputs come as a mask (high byte) and levels (low byte)."""
    board, address = data[0], struct.unpack_from(">H", data, 1)[0]
    value = struct.unpack_from("<f", data, 3)[0]
    machine.log.append("tool_register", board=board, address=address, value=value)
    if board not in (TOOL_BOARD, CONTROL_BOX):
        raise NotSimulated
    if address == BAUD_WRITE and 0 <= value < len(BAUD_RATES):
        machine.digital_outputs[BAUD_WRITE] = int(value)
    elif address == DIGITAL_OUTPUT:
        mask, levels = int(value) >> 8, int(value) & 0xFF
        present = int(machine.digital_outputs.get(DIGITAL_OUTPUT, 0))
        machine.digital_outputs[DIGITAL_OUTPUT] = (present & ~mask) | (levels & mask)
    elif address != RESTART:
        raise InvalidParameters
    return b""


def joint_register(machine: Machine, data: bytes, client: Client) -> bytes:
    """Registers of the joints' own boards: none here."""
    raise NotSimulated


def tool_error(machine: Machine, data: bytes, client: Client) -> bytes:
    """The tool line's own error codes: state and code."""
    return bytes([0, ERROR_TOOL_LINE if machine.error == ERROR_TOOL_LINE else 0])


def timeout(machine: Machine, data: bytes, client: Client) -> bytes:
    """How long the line waits for an answer: taken, without an effect."""
    return b""


COMMANDS: dict[int, tuple[tuple[int, ...], Handler]] = {
    101: ((7,), joint_register),
    102: ((3,), joint_register),
    103: ((7,), joint_register),
    104: ((3,), joint_register),
    107: ((3,), joint_register),
    123: ((2,), timeout),
    124: (tuple(range(3, 257)), line),
    125: ((0,), tool_error),
    127: ((7, 8), write_register),
    128: ((3,), read_register),
    129: ((7,), write_register),
    130: ((3,), read_register),
    240: ((2,), timeout),
}
