"""A Robotiq 2F-85 or 2F-140 to dry-run against: real Modbus bytes, made-up fingers. Start at `FakeRobotiq`.

It listens for Modbus TCP on its address and, by `rtu_path`, on a pseudo-terminal that stands for the serial line; both
reach the same gripper.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.robotiq.fingers import MODELS, Fingers
from robot_drivers.fake_controllers.robotiq.registers import INPUT, OUTPUT, MalformedRequest, Registers
from robot_drivers.fake_controllers.robotiq.rtu_server import RtuServer
from robot_drivers.fake_controllers.robotiq.tcp_server import TcpServer

PORT = 1502  # Modbus's own 502 is for administrators
GATEWAY_NO_ANSWER = 11
CODES = {
    "over_temperature": 0x08,
    "no_communication": 0x09,
    "under_voltage": 0x0A,
    "internal_fault": 0x0C,
    "over_current": 0x0E,
}


class FakeRobotiq:
    """One gripper behind two lines."""

    FAULTS = {
        "not_activated": "the gripper forgets its activation, as after a power cut",
        "over_temperature": "fault 0x08: too hot inside",
        "no_communication": "fault 0x09: nobody asked for a second",
        "under_voltage": "fault 0x0A: the supply is too low",
        "internal_fault": "fault 0x0C",
        "over_current": "fault 0x0E",
        "activation_fault": "the next activations fail half-way with fault 0x0D, until cleared",
        "silence": "requests are taken and not answered, until cleared",
        "communication_loss": "both lines are cut and refused, until cleared",
        "slow": "every answer takes `seconds` more (0.2), until cleared",
        "busy": "every request is answered with Modbus exception 6, until cleared",
        "wrong_checksum": "answers on the serial line have a wrong checksum, until cleared",
        "object": "an object of `width` m (0.03) is between the fingers, until cleared",
    }

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        log_path: Path | None = None,
        port: int = PORT,
        unit: int = 9,
        model: str = "2f_85",
        activated: bool = False,
        activation_s: float = 3.0,
        output_register: int = OUTPUT,
        input_register: int = INPUT,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a gripper with open fingers; nothing listens yet.

        Args:
            address: Where Modbus TCP listens.
            log_path: A file for what reaches the controller.
            port: TCP port, 0 for any.
            unit: Modbus device number.
            model: 2f_85 or 2f_140.
            activated: True begins as if somebody had activated it before.
            activation_s: How long an activation takes, s.
            output_register: First register that is written.
            input_register: First register that is read.
            steady: The clock of the motion, s.
        """
        if model not in MODELS:
            raise ValueError(f"model is {model}; expected one of {', '.join(MODELS)}.")
        self.log = CommandLog(log_path)
        self._unit, self._activation_s, self._steady = unit, activation_s, steady
        self._lock = threading.Lock()
        self._fingers = Fingers(MODELS[model], activated=activated, activation_s=activation_s, steady=steady)
        self._registers = Registers(self._fingers, self.log, output=output_register, first_input=input_register)
        self._tcp = TcpServer(address, port, self._answer_as_gateway, self._complain)
        self._rtu = RtuServer(self._answer, self._complain)
        self._silent, self._delay, self._running = False, 0.0, False

    @property
    def address(self) -> str:
        """The IP address."""
        return self._tcp.address

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._tcp.port

    @property
    def rtu_path(self) -> str:
        """The serial device."""
        return str(self._rtu.path)

    @property
    def width(self) -> float:
        """Between the finger tips, m, as it truly is."""
        with self._lock:
            return self._fingers.width

    @property
    def moving(self) -> bool:
        """True while the fingers are truly under way."""
        with self._lock:
            return self._fingers.moving

    def start(self) -> None:
        """Listen on both lines; returns once they can be reached."""
        if not self._running:
            self._tcp.start()
            self._rtu.start()
            self._running = True

    def stop(self) -> None:
        """Close both lines. Idempotent."""
        self._running = False
        self._tcp.stop()
        self._rtu.stop()

    def __enter__(self) -> FakeRobotiq:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.log.close()

    def inject(self, fault: str, **options: float) -> None:
        """Let something go wrong. Raises ValueError, naming the known faults, for another one."""
        if fault not in self.FAULTS:
            raise ValueError(f"there is no fault {fault}; known: {', '.join(self.FAULTS)}.")
        self.log.append("injected", fault=fault, **options)
        if fault == "communication_loss":
            self.stop()
            return
        with self._lock:
            if fault in CODES:
                self._fingers.fall_into(CODES[fault])
            elif fault == "not_activated":
                self._fingers.lose_power()
                self._registers.forget()
            elif fault == "object":
                self._fingers.object_width = float(options.get("width", 0.03))
            else:
                self._lasting(fault, True, options.get("seconds", 0.2))

    def clear(self, fault: str | None = None) -> None:
        """End what lasts: one condition, or all of them; a fault code goes too, as if its cause were mended."""
        if fault is not None and fault not in self.FAULTS:
            raise ValueError(f"there is no fault {fault}; known: {', '.join(self.FAULTS)}.")
        with self._lock:
            for name in self.FAULTS if fault is None else (fault,):
                self._lasting(name, False, 0.0)
                if name == "object":
                    self._fingers.object_width = 0.0
                elif name in CODES and self._fingers.fault == CODES[name]:
                    self._fingers.fault = 0
        if fault in (None, "communication_loss"):
            self.start()

    def restart(self) -> None:
        """Cut the power for a moment: every line drops, the activation is forgotten, the fingers stay where they are."""
        self.stop()
        with self._lock:
            self._fingers.lose_power()
            self._registers.forget()
        self.log.append("restart")
        self.start()

    def _lasting(self, fault: str, present: bool, seconds: float) -> None:
        if fault == "silence":
            self._silent = present
        elif fault == "slow":
            self._delay = float(seconds) if present else 0.0
        elif fault == "busy":
            self._registers.busy = present
        elif fault == "wrong_checksum":
            self._rtu.spoil_checksum = present
        elif fault == "activation_fault":
            self._fingers.activation_fails = present

    def _answer(self, unit: int, request: bytes) -> bytes | None:
        """Answer one request as the gripper itself does; None stays silent."""
        if self._silent:
            self.log.count("unanswered")
            return None
        if unit != self._unit:
            self.log.append("other_unit", unit=unit)
            return None
        with self._lock:
            try:
                answer = self._registers.answer(request)
            except MalformedRequest as error:
                raise ValueError(str(error)) from None
        if self._delay > 0.0:
            time.sleep(self._delay)
        return answer

    def _answer_as_gateway(self, unit: int, request: bytes) -> bytes | None:
        """Answer one request over TCP: a gateway speaks for units that nobody has."""
        answer = self._answer(unit, request)
        return bytes([request[0] | 0x80, GATEWAY_NO_ANSWER]) if unit != self._unit and not self._silent else answer

    def _complain(self, words: str) -> None:
        self.log.append("protocol_error", words=words)
