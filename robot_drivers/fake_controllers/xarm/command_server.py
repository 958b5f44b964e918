"""The control port: connections, the bytes that come in, and the replies that go out, all in one thread.

No socket here depends on the process-wide default timeout, which the vendor's client library changes. Start at `CommandServer`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time

from .commands import Client
from .machine import Machine
from .messages import (
    PROTOCOL_HEARTBEAT,
    PROTOCOL_STANDARD_MODBUS,
    ProtocolError,
    Request,
    modbus_refusal,
    take_request,
)
from .registers import execute

NEVER = float("-inf")


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket that neither blocks nor times out."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as problem:
        listener.close()
        raise OSError(problem.errno, f"{address}:{port}: {problem.strerror}") from problem
    listener.listen(16)
    listener.setblocking(False)
    return listener


def close_abruptly(connection: socket.socket) -> None:
    """Close so that the other side sees a reset, as when the box loses its power."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class _Connection:
    """One client's socket, what has come in so far, and a way to send from any thread."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.received = bytearray()
        self._lock = threading.Lock()
        self.client = Client(send=self.send, name=name)

    def send(self, frame: bytes) -> None:
        """Send or drop: a client that does not read what it asked for gets no more."""
        with self._lock, contextlib.suppress(OSError):
            self.socket.send(frame)


class CommandServer:
    """Accepts clients on the control port (and the one above it, which the client library uses for pass-through)."""

    def __init__(self, machine: Machine, address: str, ports: tuple[int, ...]) -> None:
        """Serve `machine`; nothing listens yet."""
        self._machine, self._address, self._ports = machine, address, ports
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self.silent_until = NEVER  # steady time; until then commands come in and are neither done nor answered

    def start(self) -> None:
        """Listen; raises OSError if a port is taken or needs more rights."""
        self._ending.clear()
        selector = selectors.DefaultSelector()
        try:
            for port in self._ports:
                selector.register(listen(self._address, port), selectors.EVENT_READ, None)
        except OSError:
            for key in list(selector.get_map().values()):
                key.fileobj.close()
            raise
        self._selector = selector
        self._thread = threading.Thread(target=self._serve, args=(selector,), name="xarm-commands", daemon=True)
        self._thread.start()

    def stop(self, *, abruptly: bool = False) -> None:
        """Close every socket and wait for the thread; twice is harmless."""
        self._ending.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(2.0)
        selector, self._selector = self._selector, None
        if selector is None:
            return
        for key in list(selector.get_map().values()):
            if abruptly and key.data is not None:
                close_abruptly(key.fileobj)
            else:
                key.fileobj.close()
        selector.close()

    @property
    def listening(self) -> bool:
        """Return whether the control port is open."""
        return self._selector is not None

    @property
    def clients(self) -> int:
        """Return how many clients are connected."""
        selector = self._selector
        return 0 if selector is None else sum(key.data is not None for key in list(selector.get_map().values()))

    def _serve(self, selector: selectors.BaseSelector) -> None:
        while not self._ending.is_set():
            for key, _ in selector.select(timeout=0.05):
                if key.data is None:
                    self._accept(selector, key.fileobj)
                else:
                    self._read(selector, key.data)

    def _accept(self, selector: selectors.BaseSelector, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            accepted, peer = listener.accept()
            connection = _Connection(accepted, f"{peer[0]}:{peer[1]}")
            selector.register(accepted, selectors.EVENT_READ, connection)
            self._machine.log.append("connected", client=connection.client.name)

    def _drop(self, selector: selectors.BaseSelector, connection: _Connection) -> None:
        selector.unregister(connection.socket)
        connection.socket.close()
        self._machine.log.append("disconnected", client=connection.client.name)

    def _read(self, selector: selectors.BaseSelector, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._drop(selector, connection)
            return
        connection.received += received
        try:
            while (request := take_request(connection.received)) is not None:
                self._do(connection, request)
        except ProtocolError as problem:
            self._machine.log.append("protocol_error", reason=str(problem), client=connection.client.name)
            self._drop(selector, connection)

    def _do(self, connection: _Connection, request: Request) -> None:
        if time.monotonic() < self.silent_until:
            self._machine.log.count("unanswered")
        elif request.protocol == PROTOCOL_HEARTBEAT:
            if request.function or request.data != b"\0":
                raise ProtocolError("a heartbeat has one function byte and one data byte, both zero")
        elif request.protocol == PROTOCOL_STANDARD_MODBUS:
            connection.send(modbus_refusal(request))
        else:
            connection.send(execute(self._machine, request, connection.client))
