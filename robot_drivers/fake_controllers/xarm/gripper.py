"""The xArm gripper at the end of the arm, behind the tool board's RS-485 line: its Modbus registers and its fingers.

Position in pulses: 0 closed, 850 open (84 mm). Registers as the client library uses them: 0x0000 status, 0x000F error, 0x0100
enable, 0x0101 mode, 0x0109 clean the error, 0x0303 speed (revolutions per minute), 0x0700 target and 0x0702 present position (two
registers each), 0x0801 to 0x0803 version, 0x0817 set zero. Start at `XArmGripper.answer`.
"""

from __future__ import annotations

import struct

SLAVE = 8
READ, WRITE = 0x03, 0x10
EXCEPTION_FUNCTION, EXCEPTION_ADDRESS, EXCEPTION_VALUE = 1, 2, 3
LOWEST, HIGHEST = -100, 850  # pulses; below zero the fingers press
PULSES_PER_REVOLUTION_PER_MINUTE = 0.3  # pulses/s for each revolution/min: 5000 closes the 84 mm in about half a second
STOPPED, MOVING, HOLDING = 0, 1, 2

STATUS, ERROR, ENABLE, MODE, CLEAN, SPEED, TARGET, POSITION, VERSION, ZERO = (
    0x0000, 0x000F, 0x0100, 0x0101, 0x0109, 0x0303, 0x0700, 0x0702, 0x0801, 0x0817,
)  # fmt: skip


class XArmGripper:
    """Fingers that move at the speed that is set and stop at an object. Not locked: the machine that owns it is."""

    def __init__(self, *, position: float = 850.0, object_width: float | None = None, version: tuple[int, int, int] = (3, 4, 3)) -> None:
        """Stand at `position` pulses; between the fingers is an object `object_width` pulses wide, or nothing."""
        self.position = float(position)
        self.object_width = object_width
        self.version = version
        self.error = 0
        self.lost = False  # while set, nothing on the line answers
        self._last_step: float | None = None
        self.lose_power()

    def lose_power(self) -> None:
        """Stop, disabled."""
        self.enabled, self.mode, self.speed = 0, 0, 2000
        self.target = self.position
        self.status = STOPPED

    def step(self, now: float) -> None:
        """Move on to `now`, the steady time in seconds."""
        last, self._last_step = self._last_step, now
        if last is None or self.status != MOVING:
            return
        way = self.target - self.position
        step = min(abs(way), self.speed * PULSES_PER_REVOLUTION_PER_MINUTE * (now - last))
        new = self.position + (step if way > 0 else -step)
        if self.object_width is not None and way < 0 and new <= self.object_width <= self.position:
            self.position, self.status = float(self.object_width), HOLDING
            return
        self.position = new
        if new == self.target:
            self.status = STOPPED

    def answer(self, request: bytes) -> bytes:
        """Return the Modbus reply (without checksum) to a Modbus request (slave, function, data; without checksum)."""
        if len(request) < 6:
            return self._refuse(request, EXCEPTION_VALUE)
        address, count = struct.unpack_from(">HH", request, 2)
        if request[1] == READ:
            registers = self._read(address, count) if len(request) == 6 else None
            if registers is None:
                return self._refuse(request, EXCEPTION_ADDRESS)
            return bytes([SLAVE, READ, len(registers)]) + registers
        if request[1] == WRITE:
            if len(request) != 7 + 2 * count or request[6] != 2 * count:
                return self._refuse(request, EXCEPTION_VALUE)
            if not self._write(address, request[7:]):
                return self._refuse(request, EXCEPTION_ADDRESS)
            return bytes(request[:6])
        return self._refuse(request, EXCEPTION_FUNCTION)

    @staticmethod
    def _refuse(request: bytes, exception: int) -> bytes:
        return bytes([SLAVE, (request[1] if len(request) > 1 else 0) | 0x80, exception])

    def _read(self, address: int, count: int) -> bytes | None:
        """Return the registers as bytes; None for an address or a count that does not exist."""
        known: dict[tuple[int, int], bytes] = {
            (STATUS, 1): struct.pack(">H", self.status),
            (ERROR, 1): struct.pack(">H", self.error),
            (ENABLE, 1): struct.pack(">H", self.enabled),
            (MODE, 1): struct.pack(">H", self.mode),
            (SPEED, 1): struct.pack(">H", self.speed),
            (TARGET, 2): struct.pack(">i", round(self.target)),
            (POSITION, 2): struct.pack(">i", round(self.position)),
            **{(VERSION + index, 1): struct.pack(">H", number) for index, number in enumerate(self.version)},
        }
        return known.get((address, count))

    def _write(self, address: int, values: bytes) -> bool:
        """Set registers; False for an address or a length that does not exist."""
        if address == TARGET and len(values) == 4:
            self._go(struct.unpack(">i", values)[0])
        elif len(values) != 2:
            return False
        else:
            value = struct.unpack(">H", values)[0]
            if address == ENABLE:
                self.enabled = 1 if value else 0
            elif address == MODE:
                self.mode = value
            elif address == SPEED:
                self.speed = max(0, min(value, 5000))
            elif address == CLEAN:
                self.error = 0
            elif address == ZERO:
                self.position = self.target = 0.0
            else:
                return False
        return True

    def _go(self, target: int) -> None:
        """Begin to move, unless disabled or in error."""
        if not self.enabled or self.error:
            return
        self.target = float(max(LOWEST, min(target, HIGHEST)))
        self.status = MOVING if self.target != self.position else STOPPED
        if self.status == MOVING and self.object_width is not None and self.target < self.position == self.object_width:
            self.status = HOLDING
