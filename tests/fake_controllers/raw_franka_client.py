"""An FCI client of a few lines, for what libfranka would never send: its layouts are written out here once more, by hand."""

from __future__ import annotations

import socket
import struct
import time

STATE_SIZE = 1377
MESSAGE_ID = struct.Struct("<Q")
Q_D = 8 + 4 * (6 * 16 + 13 + 13 + 4 + 7 * 4)  # offset of q_d: after the transforms, two bodies, two elbows, three torques, q
ROBOT_MODE = STATE_SIZE - 5


class RawClient:
    """A TCP connection to a port of the fake, and a UDP socket for its states."""

    def __init__(self, address: str, port: int = 1337, header: str = "<III") -> None:
        self.header = struct.Struct(header)
        self.tcp = socket.create_connection((address, port), timeout=5.0)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", 0))
        self.udp.settimeout(5.0)
        self.server: tuple[str, int] | None = None

    def close(self) -> None:
        """Close both sockets."""
        self.tcp.close()
        self.udp.close()

    def send(self, command: int, command_id: int, payload: bytes = b"", size: int | None = None) -> None:
        """Send one message; `size` lies about its length."""
        self.tcp.sendall(self.header.pack(command, command_id, self.header.size + len(payload) if size is None else size) + payload)

    def receive(self) -> tuple[int, int, bytes]:
        """Return command, id and payload of the next answer. Raises ConnectionError where the connection ended."""
        command, command_id, size = self.header.unpack(self._exactly(self.header.size))
        return command, command_id, self._exactly(size - self.header.size)

    def connect(self, version: int = 10) -> bytes:
        """Say CONNECT; return the payload of the answer."""
        self.send(0, 0, struct.pack("<HH", version, self.udp.getsockname()[1]))
        return self.receive()[2]

    def state(self) -> bytes:
        """Return the newest state."""
        datagram, self.server = self.udp.recvfrom(4096)
        self.udp.setblocking(False)
        try:
            while True:
                datagram, self.server = self.udp.recvfrom(4096)
        except BlockingIOError:
            return datagram
        finally:
            self.udp.settimeout(5.0)

    def move(self, command_id: int, generator: int, controller: int = 0) -> int:
        """Ask for a motion; return the status of the first answer."""
        self.send(1, command_id, struct.pack("<II6d?7d", controller, generator, *[10.0] * 6, False, *[0.0] * 7))
        return self.receive()[2][0]

    def robot_command(
        self, message_id: int, joints: tuple[float, ...] = (0.0,) * 7, *, finished: int = 0, **fields: tuple[float, ...]
    ) -> bytes:
        """Return the 371 bytes of one robot command."""
        pose = fields.get("pose", (0.0,) * 16)
        return (
            struct.pack("<Q7d7d16d6d2d", message_id, *joints, *fields.get("velocity", (0.0,) * 7), *pose, *[0.0] * 6, *[0.0] * 2)
            + bytes([0, finished])
            + struct.pack("<7d", *fields.get("torque", (0.0,) * 7))
            + bytes([0])
        )

    def ended(self, seconds: float = 3.0) -> bool:
        """Whether the server ends the connection within `seconds`."""
        self.tcp.settimeout(seconds)
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                if not self.tcp.recv(4096):
                    return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return False

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            part = self.tcp.recv(count - len(received))
            if not part:
                raise ConnectionError("the server closed the connection")
            received += part
        return received


def message_id_of(state: bytes) -> int:
    """Return the clock of a state, ms."""
    return MESSAGE_ID.unpack_from(state)[0]


def joints_of(state: bytes) -> tuple[float, ...]:
    """Return q_d of a state, rad."""
    return struct.unpack_from("<7f", state, Q_D)
