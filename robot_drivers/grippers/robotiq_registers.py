"""The registers of a Robotiq 2F gripper: what the driver writes and reads, and its faults in words.

Start at `Status` and `Request`. Source: Robotiq 2F-85 & 2F-140 instruction manual, chapter "Control".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

OUTPUT_REGISTER = 0x03E8  # first of three that are written
INPUT_REGISTER = 0x07D0  # first of three that are read
REGISTERS = 3
FULL = 255  # position request of the closed end, highest speed and force

FAULTS = {
    0x05: "the action waits until the activation is complete",
    0x07: "the action came before the activation. Home the gripper",
    0x08: "too hot inside (85 °C or more). Let it cool down",
    0x09: "no communication for a second",
    0x0A: "the supply voltage is too low. Check the 24 V supply, then home the gripper",
    0x0B: "an automatic release is in progress. Wait, then home the gripper",
    0x0C: "internal fault. Home the gripper; if it comes again, ask the maker",
    0x0D: "the activation failed. Free the fingers of anything in their way, then home the gripper",
    0x0E: "too much current. Free the fingers, then home the gripper",
    0x0F: "an automatic release has ended. Home the gripper",
}
SERIOUS = frozenset({0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F})  # the fingers do not obey until somebody acts


class Activation(IntEnum):
    """gSTA."""

    RESET = 0
    IN_PROGRESS = 1
    UNUSED = 2
    COMPLETE = 3


class Contact(IntEnum):
    """gOBJ: what the fingers met on their way to the requested position."""

    MOVING = 0
    WHILE_OPENING = 1
    WHILE_CLOSING = 2
    ARRIVED = 3


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the gripper reports.

    Attributes:
        active: gACT, echo of the activation request.
        follows: gGTO, True while the fingers obey the requested position.
        activation: gSTA.
        contact: gOBJ; means something only while `follows`.
        fault: gFLT, 0 without one.
        requested: gPR, echo of the requested position, 0 to 255.
        position: gPO, 0 (open) to 255 (closed).
        current: gCU, A.
    """

    active: bool
    follows: bool
    activation: Activation
    contact: Contact
    fault: int
    requested: int
    position: int
    current: float

    @classmethod
    def from_registers(cls, registers: list[int]) -> Status:
        """Return the status in three input registers of 16 bits each; ValueError for another number of them."""
        if len(registers) != REGISTERS:
            raise ValueError(f"{len(registers)} registers; expected {REGISTERS}.")
        state, fault, position = registers
        bits = state >> 8
        return cls(
            active=bool(bits & 0x01),
            follows=bool(bits & 0x08),
            activation=Activation((bits >> 4) & 0x03),
            contact=Contact((bits >> 6) & 0x03),
            fault=(fault >> 8) & 0x0F,
            requested=fault & 0xFF,
            position=position >> 8,
            current=0.01 * (position & 0xFF),
        )

    @property
    def activated(self) -> bool:
        """True once the fingers know their travel and obey."""
        return self.active and self.activation is Activation.COMPLETE

    @property
    def holds_object(self) -> bool:
        """True while the fingers press on something on their way."""
        return self.activated and self.follows and self.contact in (Contact.WHILE_OPENING, Contact.WHILE_CLOSING)

    @property
    def fault_in_words(self) -> str:
        """The fault with its code and what to do, empty without one."""
        return f"fault 0x{self.fault:02X}: {FAULTS.get(self.fault, 'unknown; see the manual')}" if self.fault else ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is written. The automatic release (rATR) is not among it: it opens the fingers.

    Attributes:
        active: rACT; its rising edge starts an activation, which moves the fingers.
        follows: rGTO; False stops the fingers where they are.
        position: rPR, 0 (open) to 255 (closed).
        speed: rSP, 0 to 255.
        force: rFR, 0 to 255.
    """

    active: bool
    follows: bool = False
    position: int = 0
    speed: int = 0
    force: int = 0

    def to_registers(self) -> list[int]:
        """Return the three output registers; ValueError for a number that is no byte."""
        for name in ("position", "speed", "force"):
            if not 0 <= getattr(self, name) <= FULL:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to {FULL}.")
        return [(int(self.active) | int(self.follows) << 3) << 8, self.position, self.speed << 8 | self.force]
