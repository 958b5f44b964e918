"""What the tests of the fake xArm share: an address of their own, the vendor's client, and a client of bare sockets."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from xarm.core.config.x_config import XCONF
from xarm.wrapper import XArmAPI

from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from robot_drivers.xarm.sdk import load_sdk

load_sdk()  # by itself the vendor's library gives every socket of the process a time-out, also from its threads that outlive a test
CONTROL_PORT = 5020
_COUNT = itertools.count(1)


def loopback() -> str:
    """Return a loopback address that no other test and no other test process uses."""
    process, count = os.getpid(), next(_COUNT)
    return f"127.{64 + (process >> 8) % 64}.{process % 256}.{count % 250 + 1}"


def wait_for(true: Callable[[], bool], what: str, timeout_s: float = 5.0) -> None:
    """Return once `true()` is; AssertionError after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"{what}: not within {timeout_s} s"
        time.sleep(0.002)


@contextlib.contextmanager
def vendor_client_settings() -> Iterator[None]:
    """Point the vendor's library at `CONTROL_PORT` for a while."""
    before = XCONF.SocketConf.TCP_CONTROL_PORT
    XCONF.SocketConf.TCP_CONTROL_PORT = CONTROL_PORT
    try:
        yield
    finally:
        XCONF.SocketConf.TCP_CONTROL_PORT = before


def hang_up(arm: XArmAPI) -> None:
    """Disconnect without waiting: the library closes its sockets at once and then waits up to a second for its own threads."""
    threading.Thread(target=arm.disconnect, daemon=True).start()


@contextlib.contextmanager
def connections() -> Iterator[Callable[..., tuple[FakeXArm, XArmAPI]]]:
    """Give a function that starts a controller with some facts and connects the vendor's library to it; ends all of them."""
    with vendor_client_settings(), contextlib.ExitStack() as ends:

        def connect(report_type: str = "real", **facts: Any) -> tuple[FakeXArm, XArmAPI]:
            controller = ends.enter_context(FakeXArm(loopback(), control_port=CONTROL_PORT, **facts))
            arm = XArmAPI(controller.address, is_radian=True, report_type=report_type, check_joint_limit=False)
            ends.callback(hang_up, arm)
            return controller, arm

        yield connect


def make_ready(arm: XArmAPI, mode: int) -> None:
    """Enable, change the mode and ask for state 0, as every client does."""
    assert [arm.motion_enable(True), arm.set_mode(mode), arm.set_state(0)] == [0, 0, 0]
    assert arm.get_state() == (0, 2)


class RawClient:
    """A client that sends exactly the bytes it is told to."""

    def __init__(self, address: str, port: int = CONTROL_PORT) -> None:
        """Connect."""
        self.socket = socket.create_connection((address, port), timeout=3.0)
        self._transaction = 0

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, function: int, data: bytes = b"", protocol: int = 2) -> tuple[int, bytes]:
        """Send a command; return the reply's state byte and data, whose head must repeat the command's."""
        self._transaction += 1
        self.socket.sendall(struct.pack(">HHHB", self._transaction, protocol, len(data) + 1, function) + data)
        head = self.read(6)
        transaction, answered, length = struct.unpack(">HHH", head)
        assert (transaction, answered) == (self._transaction, protocol)
        body = self.read(length)
        assert body[0] == function
        return body[1], body[2:]

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "the controller closed the connection"
            data += part
        return data

    def is_closed(self) -> bool:
        """Return whether the controller closes this connection within the time-out, having sent nothing more."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
