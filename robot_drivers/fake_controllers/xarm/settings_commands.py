"""Commands that switch and set: motors, mode, state, errors, tool and base offset, load, sensitivities, reduced mode.

A change of an offset or a sensitivity ends what moves and leaves state 5 until the client asks for state 0, as on the true box.
Start at `COMMANDS`.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from .commands import Client, Handler, InvalidParameters, NotSimulated, finite_floats
from .machine import Machine
from .messages import FEEDBACK_TRIGGERED
from .motion_checks import may_move, microseconds, taken


def system_control(machine: Machine, data: bytes, client: Client) -> bytes:
    """Shut down or restart the box: told, not done; `FakeXArm.restart` does it."""
    raise NotSimulated


def motion_enable(machine: Machine, data: bytes, client: Client) -> bytes:
    """Switch one motor or all (8) on or off."""
    machine.log.append("motion_enable", joint=data[0], on=data[1])
    if data[1] not in (0, 1) or not machine.enable(data[0], bool(data[1])):
        raise InvalidParameters
    return b""


def set_state(machine: Machine, data: bytes, client: Client) -> bytes:
    """Ready, pause or stop."""
    machine.log.append("set_state", state=data[0])
    if not machine.set_state(data[0]):
        raise InvalidParameters
    return b""


def set_mode(machine: Machine, data: bytes, client: Client) -> bytes:
    """Change the mode."""
    machine.log.append("set_mode", mode=data[0])
    if not machine.set_mode(data[0]):
        raise InvalidParameters
    return b""


def clean_error(machine: Machine, data: bytes, client: Client) -> bytes:
    """Forget the error; the arm stays stopped."""
    machine.log.append("clean_error", code=machine.error)
    machine.clean_error()
    return b""


def clean_warning(machine: Machine, data: bytes, client: Client) -> bytes:
    """Forget the warning."""
    machine.log.append("clean_warning", code=machine.warning)
    machine.warning = 0
    return b""


def set_brake(machine: Machine, data: bytes, client: Client) -> bytes:
    """Open or close the brake of one joint or all."""
    axes = machine.facts.model.axes
    if data[1] not in (0, 1) or not (1 <= data[0] <= axes or data[0] == 8):
        raise InvalidParameters
    bits = machine.all_joints if data[0] == 8 else 1 << (data[0] - 1)
    machine.log.append("set_brake", joint=data[0], on=data[1])
    machine.brakes_open = machine.brakes_open | bits if data[1] else machine.brakes_open & ~bits
    return b""


def set_tool_offset(machine: Machine, data: bytes, client: Client) -> bytes:
    """Say where the tool point is on the flange."""
    machine.settings.tool_offset = finite_floats(data, 6)
    machine.log.append("set_tool_offset", offset=machine.settings.tool_offset)
    machine.apply_offsets()
    machine.setting_changed()
    return b""


def set_world_offset(machine: Machine, data: bytes, client: Client) -> bytes:
    """Say where the arm's base is in the user's frame."""
    machine.settings.world_offset = finite_floats(data, 6)
    machine.log.append("set_world_offset", offset=machine.settings.world_offset)
    machine.apply_offsets()
    machine.setting_changed()
    return b""


def set_tool_load(machine: Machine, data: bytes, client: Client) -> bytes:
    """Say what the arm carries; a queued command, so that it is refused while the arm is stopped."""
    load = finite_floats(data, 4)
    machine.log.append("set_tool_load", load=load)
    if load[0] < 0.0:
        raise InvalidParameters
    if may_move(machine, client, machine.mode):
        machine.settings.tool_load = load
        client.teller(FEEDBACK_TRIGGERED, microseconds)(0)
    return taken(machine)


def _byte(name: str, lowest: int, highest: int, *, stops: bool = False) -> Handler:
    """Return a handler that keeps one byte of `settings`."""

    def keep(machine: Machine, data: bytes, client: Client) -> bytes:
        if not lowest <= data[0] <= highest:
            raise InvalidParameters
        setattr(machine.settings, name, data[0])
        machine.log.append(f"set_{name}", value=data[0])
        if stops:
            machine.setting_changed()
        return b""

    return keep


def _number(name: str) -> Handler:
    """Return a handler that keeps one positive number of `settings`."""

    def keep(machine: Machine, data: bytes, client: Client) -> bytes:
        (value,) = finite_floats(data, 1)
        if value <= 0.0:
            raise InvalidParameters
        setattr(machine.settings, name, value)
        machine.log.append(f"set_{name}", value=value)
        return b""

    return keep


def set_gravity(machine: Machine, data: bytes, client: Client) -> bytes:
    """Say where down is."""
    machine.settings.gravity = finite_floats(data, 3)
    machine.setting_changed()
    return b""


def set_tool_model(machine: Machine, data: bytes, client: Client) -> bytes:
    """Keep the shape that the box takes for the tool in its self-collision check."""
    if len(data) > 1:
        sizes = finite_floats(data, (len(data) - 1) // 4)
        machine.settings.tool_model_sizes = (sizes + [0.0] * 6)[:6]
    machine.settings.tool_model = data[-1]
    return b""


def save_settings(machine: Machine, data: bytes, client: Client) -> bytes:
    """Keep the tool's offset and load over a restart."""
    settings = machine.settings
    machine.facts = replace(machine.facts, tool_offset=tuple(settings.tool_offset), tool_load=tuple(settings.tool_load))
    return b""


def clean_settings(machine: Machine, data: bytes, client: Client) -> bytes:
    """Forget what was saved."""
    machine.facts = replace(machine.facts, tool_offset=(0.0,) * 6, tool_load=(0.0,) * 4)
    return b""


def _reduced(name: str, read) -> Handler:
    """Return a handler that keeps one field of the reduced mode."""

    def keep(machine: Machine, data: bytes, client: Client) -> bytes:
        setattr(machine.settings.reduced, name, read(data))
        machine.apply_reduced_mode()
        machine.log.append(f"set_reduced_{name}", value=read(data))
        return b""

    return keep


def _flag(data: bytes) -> int:
    if data[0] not in (0, 1):
        raise InvalidParameters
    return data[0]


def set_feedback(machine: Machine, data: bytes, client: Client) -> bytes:
    """Keep which unasked packets this client wants."""
    client.feedback_kinds = data[0]
    return b""


def count_reset(machine: Machine, data: bytes, client: Client) -> bytes:
    """Set the counter to zero."""
    machine.counter = 0
    return b""


def count_up(machine: Machine, data: bytes, client: Client) -> bytes:
    """Add one to the counter."""
    machine.counter += 1
    return b""


def nothing(machine: Machine, data: bytes, client: Client) -> bytes:
    """A setting without an effect here."""
    return b""


COMMANDS: dict[int, tuple[tuple[int, ...], Handler]] = {
    4: ((0,), nothing),
    10: ((1,), system_control),
    11: ((2,), motion_enable),
    12: ((1,), set_state),
    16: ((0,), clean_error),
    17: ((0,), clean_warning),
    18: ((2,), set_brake),
    19: ((1, 2), set_mode),
    31: ((4,), _number("tool_jerk")),
    32: ((4,), _number("tool_acceleration")),
    33: ((4,), _number("joint_jerk")),
    34: ((4,), _number("joint_acceleration")),
    35: ((24,), set_tool_offset),
    36: ((16,), set_tool_load),
    37: ((1,), _byte("collision_sensitivity", 0, 5, stops=True)),
    38: ((1,), _byte("teach_sensitivity", 1, 5, stops=True)),
    39: ((0,), clean_settings),
    40: ((0,), save_settings),
    47: ((4,), _reduced("tool_speed", lambda data: finite_floats(data, 1)[0])),
    48: ((4,), _reduced("joint_speed", lambda data: finite_floats(data, 1)[0])),
    50: ((1,), _reduced("on", _flag)),
    51: ((12,), set_gravity),
    52: ((24,), _reduced("boundary", lambda data: list(struct.unpack("<6i", data)))),
    58: ((56,), _reduced("joint_ranges", lambda data: finite_floats(data, 14))),
    59: ((1,), _reduced("fence", _flag)),
    60: ((1,), _reduced("rebound", _flag)),
    66: ((1,), _byte("approximate_motion", 0, 1)),
    70: ((1,), _byte("report_current", 0, 1)),
    73: ((24,), set_world_offset),
    74: ((0,), count_reset),
    75: ((0,), count_up),
    77: ((1,), _byte("self_collision_check", 0, 1)),
    78: (tuple(range(1, 26, 4)), set_tool_model),
    80: ((1,), _byte("continuous_speed", 0, 1)),
    254: ((1,), set_feedback),
}
