"""One listening TCP port with one client at a time: framing, refusing others, closing on bytes that are no message.

Used for the arm and for the gripper, whose headers differ only in the width of the first word. One thread serves it. Start at
`CommandServer`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.franka.messages import ProtocolError

MAXIMUM_MESSAGE = 4096  # bytes; the largest request has 428
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends a reset


class CommandServer:
    """Listens, frames, answers. `on_message(command, command_id, payload)` and `on_close()` are called on its thread."""

    def __init__(
        self,
        address: str,
        port: int,
        header: struct.Struct,
        log: CommandLog,
        name: str,
        on_message: Callable[[int, int, bytes], None],
        on_close: Callable[[], None],
    ) -> None:
        self.address, self.port = address, port
        self.name = name
        self.refuse_clients = False
        self._silent = False
        self._header = header
        self._log = log
        self._on_message, self._on_close = on_message, on_close
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._buffer = b""
        self._wake, self._waker = socket.socketpair()
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve.

        Raises:
            OSError: The address or port cannot be had.
        """
        self.listen()
        self._running = True
        self._thread = threading.Thread(target=self._serve, name=f"fake franka {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every socket and end the thread; twice is harmless."""
        self._running = False
        self._nudge()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)
        self._thread = None
        self.close_listener()
        self.drop()
        self._wake.close()
        self._waker.close()

    def listen(self) -> None:
        """Open the port, if it is closed."""
        with self._lock:
            if self._listener is None:
                listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    listener.bind((self.address, self.port))
                except OSError as error:
                    listener.close()
                    raise OSError(f"{self.name} port {self.address}:{self.port} cannot be opened: {error}") from error
                listener.listen(8)
                listener.setblocking(False)
                self._listener = listener
        self._nudge()

    def close_listener(self) -> None:
        """Close the port: clients are refused by the system."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self._nudge()

    @property
    def silent(self) -> bool:
        """Whether nothing is read and nobody is accepted."""
        return self._silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._silent = silent
        self._nudge()

    @property
    def client_address(self) -> str | None:
        """Address of the client that is connected, or None."""
        with self._lock:
            try:
                return None if self._client is None else self._client.getpeername()[0]
            except OSError:
                return None

    def drop(self) -> None:
        """Reset the connection of the client, if there is one."""
        with self._lock:
            client, self._client = self._client, None
            self._buffer = b""
        if client is not None:
            _reset(client)
            self._on_close()
        self._nudge()

    def send(self, command: int, command_id: int, payload: bytes) -> None:
        """Send one answer; a client that is gone gets nothing."""
        message = self._header.pack(command, command_id, self._header.size + len(payload)) + payload
        with self._lock:
            if self._client is not None:
                # A peer that closed just now is found on the next read.
                with contextlib.suppress(OSError):
                    self._client.sendall(message)

    def _serve(self) -> None:
        while self._running:
            with self._lock:
                watched = [one for one in (self._wake, self._listener, self._client) if one is not None]
            if self._silent:
                watched = [self._wake]
            try:
                ready = _readable(watched)
            except (OSError, ValueError):
                continue  # a socket was closed by another thread: look again at what is there
            if self._wake in ready:
                self._wake.recv(4096)
            if self._silent:
                continue
            # The client first: it may have left, and then the next one in the queue is welcome.
            with self._lock:
                client, listener = self._client, self._listener
            if client is not None and client in ready:
                self._read(client)
            if listener is not None and listener in ready:
                self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, peer = listener.accept()
        except OSError:
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            refused = self._client is not None or self.refuse_clients
            if not refused:
                self._client, self._buffer = client, b""
        if refused:
            # Reset, not closed: libfranka waits for ever on a connection that merely ends.
            _reset(client)
            self._log.append("refused", channel=self.name, peer=peer[0], reason="another client is in control")

    def _read(self, client: socket.socket) -> None:
        try:
            received = client.recv(65536)
        except OSError:
            received = b""
        if not received:
            self.drop()
            return
        self._buffer += received
        try:
            while (message := self._next_message()) is not None:
                self._on_message(*message)
                if self._client is not client:
                    return
        except ProtocolError as error:
            self._log.append("protocol_error", channel=self.name, reason=str(error))
            self.drop()

    def _next_message(self) -> tuple[int, int, bytes] | None:
        if len(self._buffer) < self._header.size:
            return None
        command, command_id, size = self._header.unpack_from(self._buffer)
        if not self._header.size <= size <= MAXIMUM_MESSAGE:
            raise ProtocolError(f"a message says that it has {size} bytes; expected {self._header.size} to {MAXIMUM_MESSAGE}")
        if len(self._buffer) < size:
            return None
        payload, self._buffer = self._buffer[self._header.size : size], self._buffer[size:]
        return command, command_id, payload

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b".")


def _readable(sockets: list[socket.socket]) -> list[socket.socket]:
    """Wait at most half a second; return the sockets that have something."""
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(timeout=0.5)]


def _reset(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()
