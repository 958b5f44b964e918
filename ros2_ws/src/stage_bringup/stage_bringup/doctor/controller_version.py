"""Asks a controller which version it runs, without taking it over. Start at `ask_franka` and `ask_xarm`.

Why both questions are harmless:

- Franka: the first message of every client is a request to connect, with the version of the interface the client speaks. Asked with a
  version that no client ever had, the controller answers "not compatible" with its own version, begins no session and sends no states;
  the connection is closed at once. A controller that is in use keeps its client and refuses this one.
- xArm: the control box serves several clients side by side. Reading the version register is what each of them does first; it changes
  nothing, and no other register is touched.

Both are known from the protocol, tested against the fake controllers, and not yet against hardware.
"""

from __future__ import annotations

import socket
import struct

from stage_bringup.doctor.finding import Finding, failed, noted
from stage_core.errors import DeviceError

FRANKA_PORT = 1337
FRANKA_CONNECT = 0
FRANKA_NO_CLIENT_VERSION = 0  # real ones begin at 1
FRANKA_HEADER = struct.Struct("<III")  # command, number, size of the whole message
XARM_PORT = 502
XARM_HEADER = struct.Struct(">HHH")  # transaction, protocol, bytes that follow
XARM_PRIVATE_PROTOCOL = 2
XARM_GET_VERSION = 1


def ask_franka(address: str, *, port: int = FRANKA_PORT, timeout_s: float = 2.0) -> int:
    """Return the version of the robot interface that the controller speaks.

    Raises:
        ConnectionRefusedError: If FCI is not active, or another client is in control.
        ConnectionResetError: If another client is in control.
        DeviceError: If the answer is none, or not that of an FCI.
        OSError: If the address cannot be reached.
    """
    with (
        socket.create_connection((address, port), timeout=timeout_s) as control,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as states,
    ):
        states.bind(("", 0))  # a client names the port for its states; a refused one gets none
        question = struct.pack("<HH", FRANKA_NO_CLIENT_VERSION, states.getsockname()[1])
        control.sendall(FRANKA_HEADER.pack(FRANKA_CONNECT, 1, FRANKA_HEADER.size + len(question)) + question)
        command, _number, size = FRANKA_HEADER.unpack(_receive(control, FRANKA_HEADER.size, address))
        if command != FRANKA_CONNECT or size != FRANKA_HEADER.size + 3:
            raise DeviceError(f"{address}:{port} answered command {command} with {size} bytes; expected 0 with 15. Is it a Franka?")
        _status, version = struct.unpack("<BH", _receive(control, 3, address))
        return version


def ask_xarm(address: str, *, port: int = XARM_PORT, timeout_s: float = 2.0) -> str:
    """Return the text of the control box's version register.

    Raises:
        DeviceError: If the answer is none, or not that of an xArm.
        OSError: If the address cannot be reached.
    """
    with socket.create_connection((address, port), timeout=timeout_s) as control:
        control.sendall(XARM_HEADER.pack(1, XARM_PRIVATE_PROTOCOL, 1) + bytes([XARM_GET_VERSION]))
        _transaction, protocol, length = XARM_HEADER.unpack(_receive(control, XARM_HEADER.size, address))
        if protocol != XARM_PRIVATE_PROTOCOL or not 2 < length < 512:
            raise DeviceError(f"{address}:{port} answered protocol {protocol}, {length} bytes; expected 2, about 42. Is it an xArm?")
        return _receive(control, length, address)[2:].split(b"\0")[0].decode("ascii", "replace")


def _receive(control: socket.socket, count: int, address: str) -> bytes:
    """Return exactly `count` bytes."""
    data = b""
    while len(data) < count:
        part = control.recv(count - len(data))
        if not part and not data:
            raise ConnectionResetError("it hung up without an answer")
        if not part:
            raise DeviceError(f"{address} closed the connection after {len(data)} of {count} bytes; expected an answer. Is it this robot?")
        data += part
    return data


def explain_silence(robot: str, address: str, error: Exception) -> Finding:
    """Return a finding for a controller that did not tell its version.

    Args:
        robot: `franka` or `xarm`.
        address: Where it was asked.
        error: What `ask_franka` or `ask_xarm` raised.
    """
    name = "controller"
    refused = isinstance(error, ConnectionRefusedError)
    if robot == "franka" and refused:
        remedy = "in the robot's web page (Desk): unlock the joints, then Activate FCI; and end any other client that is in control"
        return failed(name, f"{address} is there but refuses clients on port {FRANKA_PORT}", remedy)
    if robot == "franka" and isinstance(error, (ConnectionResetError, BrokenPipeError)):
        remedy = "end the program that controls the arm (its own page, Desk, shows it as in use), then look again"
        return failed(name, f"{address} hung up on port {FRANKA_PORT}: another client is in control", remedy)
    if robot == "franka" and isinstance(error, TimeoutError):
        remedy = f"ping {address}; if it answers, another client may be in control: end it, then look again"
        return failed(name, f"{address} gave no answer on port {FRANKA_PORT}", remedy)
    if robot == "xarm" and refused:
        remedy = "is it the control box's address (on its label)? Wait a minute after switching it on"
        return failed(name, f"{address} is there but refuses port {XARM_PORT}", remedy)
    if isinstance(error, DeviceError):
        return noted(name, str(error), "read the version in the controller's own web page, and compare it with the table in its guide")
    reason = " ".join(str(error).split()) or type(error).__name__
    return failed(
        name, f"{address} cannot be reached: {reason}", "check power, cable, and the network card's address; then: ping " + address
    )
