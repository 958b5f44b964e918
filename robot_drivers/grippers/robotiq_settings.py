"""The settings of a Robotiq gripper in a workcell file, and how m, m/s and N become the gripper's bytes. Start at `RobotiqSettings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robot_drivers.grippers.robotiq_registers import FULL, INPUT_REGISTER, OUTPUT_REGISTER
from stage_core.errors import ConfigurationError

SPEEDS = {"2f_85": (0.020, 0.150), "2f_140": (0.030, 0.250)}  # m/s at speed byte 0 and 255
FORCES = {"2f_85": (20.0, 235.0), "2f_140": (10.0, 125.0)}  # N at force byte 0 and 255
REDUCED = 0.2  # of the speed range until full speed is asked for


@dataclass(frozen=True, kw_only=True)
class RobotiqSettings:
    """The entry `settings.gripper` with `driver: robotiq`.

    Attributes:
        transport: rtu (a serial line) or tcp.
        model: 2f_85 or 2f_140.
        max_width_m: Between the finger tips when fully open, m; 0.085 or 0.140 with the tips they come with.
        speed_m_s: Of the fingers; 0.020 to 0.150 m/s (2F-85), 0.030 to 0.250 m/s (2F-140).
        force_n: Of the grip; 20 to 235 N (2F-85), 10 to 125 N (2F-140).
        port: The serial device for rtu, best by its name below /dev/serial/by-id.
        address: IP address for tcp.
        tcp_port: TCP port.
        baudrate: Of the serial line, bit/s.
        unit: Modbus device number.
        output_register: First of the registers written; 0 behind Robotiq's universal controller.
        input_register: First of the registers read; 0 behind Robotiq's universal controller.
        open_count: Position byte when fully open; `home()` tells what it saw.
        closed_count: Position byte when fully closed on nothing.
        answer_timeout_s: Longest wait for one answer, s.
        poll_s: Time between two readings, s.
    """

    transport: Literal["rtu", "tcp"]
    model: Literal["2f_85", "2f_140"]
    max_width_m: float
    speed_m_s: float
    force_n: float
    port: str = ""
    address: str = ""
    tcp_port: int = 502
    baudrate: int = 115200
    unit: int = 9
    output_register: int = OUTPUT_REGISTER
    input_register: int = INPUT_REGISTER
    open_count: int = 0
    closed_count: int = FULL
    answer_timeout_s: float = 0.3
    poll_s: float = 0.025

    def __post_init__(self) -> None:
        if self.transport == "rtu" and not self.port:
            raise ConfigurationError("port is empty; expected the serial device, such as /dev/serial/by-id/usb-FTDI. Write it there.")
        if self.transport == "tcp" and not self.address:
            raise ConfigurationError("address is empty; expected the gripper's IP address. Write it there.")
        slowest, fastest = SPEEDS[self.model]
        weakest, strongest = FORCES[self.model]
        _check("max_width_m", self.max_width_m, 0.01, 0.3, "m. Metres, not millimetres?")
        _check("speed_m_s", self.speed_m_s, slowest, fastest, f"m/s for the {self.model}.")
        _check("force_n", self.force_n, weakest, strongest, f"N for the {self.model}.")
        _check("tcp_port", self.tcp_port, 1, 65535, "")
        _check("baudrate", self.baudrate, 9600, 115200, "bit/s.")
        _check("unit", self.unit, 1, 247, "")
        _check("output_register", self.output_register, 0, 0xFFFF, "")
        _check("input_register", self.input_register, 0, 0xFFFF, "")
        _check("open_count", self.open_count, 0, 100, "counts.")
        _check("closed_count", self.closed_count, 155, FULL, "counts.")
        _check("answer_timeout_s", self.answer_timeout_s, 0.02, 2.0, "s.")
        _check("poll_s", self.poll_s, 0.005, 0.2, "s.")

    def speed_byte(self, *, full_speed: bool) -> int:
        """Return rSP; without `full_speed` at most a fifth of the range."""
        share = _share(self.speed_m_s, SPEEDS[self.model])
        return round(FULL * (share if full_speed else min(share, REDUCED)))

    @property
    def force_byte(self) -> int:
        """rFR."""
        return round(FULL * _share(self.force_n, FORCES[self.model]))

    def opening(self, count: int) -> float:
        """Return the opening in [0, 1], 1 = open, of a position byte."""
        return min(1.0, max(0.0, (self.closed_count - count) / (self.closed_count - self.open_count)))

    def count(self, opening: float) -> int:
        """Return the position byte to request for an opening in [0, 1]; the ends ask for the whole travel."""
        if opening in (0.0, 1.0):
            return 0 if opening else FULL
        return round(self.closed_count - opening * (self.closed_count - self.open_count))


def _share(value: float, ends: tuple[float, float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])


def _check(name: str, value: float, lowest: float, highest: float, unit: str) -> None:
    if not lowest <= value <= highest:
        raise ConfigurationError(f"{name} is {value}; expected {lowest:g} to {highest:g} {unit}".rstrip())
