"""Which function code has which data sizes and does what; and the state byte that every reply carries. Start at `execute`."""

from __future__ import annotations

from . import motion_commands, read_commands, settings_commands, stream_commands, tool_commands
from .commands import Client, InvalidParameters, NotSimulated
from .machine import STATE_PAUSED, WARNING_PARAMETER, WARNING_UNKNOWN_COMMAND, Machine
from .messages import STATE_ERROR, STATE_INVALID, STATE_NOT_READY, STATE_WARNING, Request, reply

COMMANDS = {
    **read_commands.COMMANDS,
    **settings_commands.COMMANDS,
    **motion_commands.COMMANDS,
    **stream_commands.COMMANDS,
    **tool_commands.COMMANDS,
}

# A client unpacks the numbers of these replies whatever the state byte says, so that a refusal carries zeros.
NUMBERS_IN_REPLY = {42: 84, 43: 28, 44: 24, 45: 1, 46: 1, 76: 24, 102: 4, 104: 4, 107: 4, 128: 4, 130: 4}


def execute(machine: Machine, request: Request, client: Client) -> bytes:
    """Do what `request` says and return the whole reply.

    A function that no controller has (warning 13), data of a size that the function does not take (warning 12) and values that mean
    nothing (warning 12) are answered "invalid" and change nothing; the first two are also logged as protocol errors.
    """
    client.request = request
    with machine.lock:
        invalid, data = 0, b""
        known = COMMANDS.get(request.function)
        if known is None:
            machine.log.append("protocol_error", reason="function", function=request.function, size=len(request.data))
            machine.warn(WARNING_UNKNOWN_COMMAND)
            invalid = STATE_INVALID
        elif len(request.data) not in known[0]:
            machine.log.append("protocol_error", reason="size", function=request.function, size=len(request.data), expected=known[0])
            machine.warn(WARNING_PARAMETER)
            invalid = STATE_INVALID
        else:
            try:
                data = known[1](machine, request.data, client)
            except InvalidParameters:
                machine.log.append("invalid_parameters", function=request.function, data=request.data)
                machine.warn(WARNING_PARAMETER)
                invalid, data = STATE_INVALID, bytes(NUMBERS_IN_REPLY.get(request.function, 0))
            except NotSimulated:
                machine.log.append("not_simulated", function=request.function)
                invalid, data = STATE_INVALID, bytes(NUMBERS_IN_REPLY.get(request.function, 0))
        return reply(request, invalid | state_byte(machine), data)


def state_byte(machine: Machine) -> int:
    """Return what every reply tells of the machine: error, warning, not ready."""
    byte = STATE_ERROR if machine.error else 0
    byte |= STATE_WARNING if machine.warning else 0
    return byte if machine.ready or machine.state == STATE_PAUSED else byte | STATE_NOT_READY
