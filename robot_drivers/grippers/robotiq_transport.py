"""Modbus to a Robotiq gripper, over TCP or a serial line: the one place that knows pymodbus. Start at `RobotiqTransport`.

Each question has a deadline. After any failure the transport is closed; whoever owns it opens it again.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

from robot_drivers.grippers.robotiq_registers import REGISTERS, Request, Status
from robot_drivers.grippers.robotiq_settings import RobotiqSettings
from stage_core.errors import DeviceError, MissingDependencyError

MODBUS_EXCEPTIONS = {
    1: "it does not know the function",
    2: "it has no such registers; check input_register and output_register",
    3: "it refused the values",
    4: "it failed inside",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "it did not answer the gateway; check unit and cable",
}


class RobotiqTransport:
    """One connection. Not thread-safe: one thread asks."""

    def __init__(self, settings: RobotiqSettings) -> None:
        """Prepare; nothing is opened yet."""
        self._settings = settings
        self._client: Any = None
        self._who: dict[str, int] = {}

    @property
    def place(self) -> str:
        """Where the gripper is, for messages."""
        settings = self._settings
        return settings.port if settings.transport == "rtu" else f"{settings.address}:{settings.tcp_port}"

    def open(self) -> None:
        """Open the line or the connection; nothing is asked yet.

        Raises:
            DeviceError: If it cannot be opened within `answer_timeout_s`.
            MissingDependencyError: Without pymodbus or pyserial.
        """
        self.close()
        client = self._make_client()
        if not client.connect():
            hint = (
                "Check the cable and that you are in the group dialout"
                if self._settings.transport == "rtu"
                else "Check cable, power and address"
            )
            raise DeviceError(f"no Robotiq gripper at {self.place}: it cannot be opened. {hint}.")
        # The keyword that names the device was renamed between versions of pymodbus.
        known = inspect.signature(client.read_input_registers).parameters
        keyword = next(name for name in ("device_id", "slave", "unit") if name in known)
        self._who = {keyword: self._settings.unit}
        self._client = client

    def read(self) -> Status:
        """Return what the gripper reports now. Raises DeviceError; the transport is closed then."""
        answer = self._ask("read_input_registers", self._settings.input_register, count=REGISTERS)
        try:
            return Status.from_registers(answer.registers)
        except ValueError as error:
            self.close()
            raise DeviceError(f"the gripper at {self.place} answered {error} Another device at this address?") from None

    def write(self, request: Request) -> None:
        """Write a request. Raises DeviceError; the transport is closed then."""
        self._ask("write_registers", self._settings.output_register, values=request.to_registers())

    def close(self) -> None:
        """Close the line or the connection; nothing is sent. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _make_client(self) -> Any:
        try:
            from pymodbus.client import ModbusSerialClient, ModbusTcpClient

            if self._settings.transport == "rtu":
                import serial  # noqa: F401  pymodbus needs it and would tell it late
        except ImportError as error:
            raise MissingDependencyError(
                f"a Robotiq gripper needs {error.name}, which is not installed. Run: pip install 'stage-robotics[grippers]'"
            ) from None
        # Its messages repeat, at each poll, what is told here once.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        settings = self._settings
        if settings.transport == "rtu":
            return ModbusSerialClient(settings.port, baudrate=settings.baudrate, timeout=settings.answer_timeout_s, retries=0)
        return ModbusTcpClient(settings.address, port=settings.tcp_port, timeout=settings.answer_timeout_s, retries=0)

    def _ask(self, function: str, address: int, **arguments: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        if self._client is None:
            raise DeviceError(f"the gripper at {self.place} is not connected. Call connect() first.")
        try:
            answer = getattr(self._client, function)(address, **arguments, **self._who)
        except (ModbusException, OSError) as error:
            self.close()
            words = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DeviceError(
                f"the gripper at {self.place} gave no answer within {self._settings.answer_timeout_s:g} s ({words}). Check cable and power."
            ) from None
        if answer.isError():
            self.close()
            code = getattr(answer, "exception_code", 0)
            raise DeviceError(
                f"the gripper at {self.place} refused: {MODBUS_EXCEPTIONS.get(code, 'unknown reason')} (Modbus exception {code})."
            )
        return answer
