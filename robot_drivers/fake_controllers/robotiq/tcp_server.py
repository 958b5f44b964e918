"""Modbus TCP: a header of seven bytes before each request. Start at `TcpServer`.

Header: transaction, protocol (0), number of bytes that follow, unit. What does not fit closes the connection.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

HEADER = struct.Struct(">HHHB")
LARGEST = 254  # bytes after the length field: unit and 253 of function and data


class TcpServer:
    """Answers every connection in a thread of its own."""

    def __init__(self, address: str, port: int, answer: Callable[[int, bytes], bytes | None], complain: Callable[[str], None]) -> None:
        """Prepare; nothing listens yet.

        Args:
            address: Where to listen.
            port: TCP port, 0 for any.
            answer: Takes unit and request, returns the answer, or None to stay silent; ValueError closes the connection.
            complain: Takes what was wrong with a request.
        """
        self._place, self._answer, self._complain = (address, port), answer, complain
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """On which address it listens."""
        return self._place[0]

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._place[1]

    def start(self) -> None:
        """Listen; returns once it does."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.settimeout(None)  # whatever somebody set for the whole process, as an SDK of an arm does: an idle server must not end
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._place)
        listener.listen(8)
        self._place = listener.getsockname()
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="robotiq-tcp", daemon=True).start()

    def stop(self) -> None:
        """Close every socket. Idempotent."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._listener is not listener:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="robotiq-connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while (header := _receive(connection, HEADER.size)) is not None:
                transaction, protocol, length, unit = HEADER.unpack(header)
                if protocol != 0 or not 2 <= length <= LARGEST:
                    self._complain(f"header {header.hex()}: protocol {protocol}, length {length}")
                    break
                request = _receive(connection, length - 1)
                if request is None:
                    break
                try:
                    answer = self._answer(unit, request)
                except ValueError as error:
                    self._complain(f"request {request.hex()}: {error}")
                    break
                if answer is not None:
                    connection.sendall(HEADER.pack(transaction, 0, len(answer) + 1, unit) + answer)
        with self._lock:
            self._connections.discard(connection)


def _receive(connection: socket.socket, size: int) -> bytes | None:
    """Return exactly `size` bytes, None where the peer closed before."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return None
        data += more
    return data
