"""The gripper's registers as Modbus sees them, and the functions on them. Start at `Registers.answer`.

A request is a function code and its data; so is an answer. Source: MODBUS Application Protocol Specification V1.1b3.
"""

from __future__ import annotations

import struct

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.robotiq.fingers import Fingers

OUTPUT, INPUT, COUNT = 0x03E8, 0x07D0, 3
READ_HOLDING, READ_INPUT, WRITE_MULTIPLE, READ_WRITE = 3, 4, 16, 23
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6
MOST_REGISTERS = 125


class MalformedRequest(Exception):
    """The bytes do not have the layout of their function."""


class Registers:
    """Three output and three input registers over the fingers. Not thread-safe: its owner locks."""

    def __init__(self, fingers: Fingers, log: CommandLog, *, output: int = OUTPUT, first_input: int = INPUT) -> None:
        self._fingers, self._log = fingers, log
        self._output, self._input = output, first_input
        self._written = [0] * COUNT
        self.busy = False

    def forget(self) -> None:
        """Clear what was written, as a power cycle does."""
        self._written = [0] * COUNT

    def answer(self, request: bytes) -> bytes:
        """Return the answer, which may be an exception.

        Raises:
            MalformedRequest: If the data has another length than its function asks for.
        """
        function = request[0]
        handlers = {
            READ_HOLDING: self._read,
            READ_INPUT: self._read,
            WRITE_MULTIPLE: self._write,
            READ_WRITE: self._read_write,
        }
        if function not in handlers:
            self._log.append("exception", function=function, code=ILLEGAL_FUNCTION)
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        code, data = (BUSY, b"") if self.busy else handlers[function](request[1:])
        if code:
            self._log.append("exception", function=function, code=code, data=request[1:].hex())
            return bytes([function | 0x80, code])
        return bytes([function]) + data

    def _read(self, data: bytes) -> tuple[int, bytes]:
        address, count = _unpack(">HH", data)
        if not 1 <= count <= MOST_REGISTERS:
            return ILLEGAL_VALUE, b""
        values = self._values(address, count)
        if values is None:
            return ILLEGAL_ADDRESS, b""
        return 0, bytes([2 * count]) + struct.pack(f">{count}H", *values)

    def _write(self, data: bytes) -> tuple[int, bytes]:
        address, count, size = _unpack(">HHB", data[:5])
        return self._store(address, count, size, data[5:]), data[:4]

    def _read_write(self, data: bytes) -> tuple[int, bytes]:
        read_address, read_count, address, count, size = _unpack(">HHHHB", data[:9])
        if not 1 <= read_count <= MOST_REGISTERS:
            return ILLEGAL_VALUE, b""
        if self._values(read_address, read_count) is None:
            return ILLEGAL_ADDRESS, b""
        code = self._store(address, count, size, data[9:])
        if code:
            return code, b""
        return 0, bytes([2 * read_count]) + struct.pack(f">{read_count}H", *self._values(read_address, read_count))

    def _store(self, address: int, count: int, size: int, data: bytes) -> int:
        if len(data) != size:
            raise MalformedRequest(f"{len(data)} bytes of values, announced as {size}")
        if not 1 <= count <= MOST_REGISTERS or size != 2 * count:
            return ILLEGAL_VALUE
        first = address - self._output
        if first < 0 or first + count > COUNT:
            return ILLEGAL_ADDRESS
        self._written[first : first + count] = struct.unpack(f">{count}H", data)
        self._apply()
        return 0

    def _apply(self) -> None:
        """Let the fingers do what the output registers say, and write it down."""
        action, position, strength = self._written
        bits, speed, force = action >> 8, strength >> 8, strength & 0xFF
        wish = {
            "active": bool(bits & 0x01),
            "follows": bool(bits & 0x08),
            "release": bool(bits & 0x10),
            "position": position & 0xFF,
            "speed": speed,
        }
        self._log.append("request", **wish, force=force, at=round(self._fingers.update(), 1))
        self._log.measure("position", wish["position"])
        self._log.measure("speed", speed)
        self._log.measure("force", force)
        if wish["active"] and not self._fingers.active:
            self._log.append("activation")
        if wish["release"]:
            self._log.append("automatic_release")
        self._fingers.request(**wish)

    def _values(self, address: int, count: int) -> list[int] | None:
        """Return registers from the inputs or the outputs, None where there are none."""
        for first, values in ((self._input, self._inputs()), (self._output, self._written)):
            begin = address - first
            if begin >= 0 and begin + count <= COUNT:
                return values[begin : begin + count]
        return None

    def _inputs(self) -> list[int]:
        fingers = self._fingers
        position = round(fingers.update())
        status = int(fingers.active) | int(fingers.follows) << 3 | fingers.activation << 4 | fingers.contact << 6
        current = 16 if fingers.moving else 0  # tens of mA
        return [status << 8, fingers.fault << 8 | fingers.requested, position << 8 | current]


def _unpack(layout: str, data: bytes) -> tuple[int, ...]:
    if len(data) != struct.calcsize(layout):
        raise MalformedRequest(f"{len(data)} bytes, expected {struct.calcsize(layout)}")
    return struct.unpack(layout, data)
