"""The fake Robotiq gripper on the wire, asked with bytes written out here; known frames are the manual's own examples."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import struct
import time

import pytest

from robot_drivers.fake_controllers.robotiq.controller import FakeRobotiq
from robot_drivers.fake_controllers.robotiq.fingers import MODELS, Fingers
from robot_drivers.fake_controllers.robotiq.rtu_server import crc16

_COUNTER = itertools.count(1)
READ = bytes.fromhex("0904 07D0 0003 B1CE".replace(" ", ""))  # the manual's: read three input registers
CLEAR = bytes.fromhex("0910 03E8 0003 06 0000 0000 0000 7330".replace(" ", ""))
WRITTEN = bytes.fromhex("0910 03E8 0003 0130".replace(" ", ""))
ACTIVATE = bytes.fromhex("0910 03E8 0003 06 0100 0000 0000 72E1".replace(" ", ""))
CLOSE = bytes.fromhex("0910 03E8 0003 06 0900 00FF FFFF 4229".replace(" ", ""))
OPEN = bytes.fromhex("0910 03E8 0003 06 0900 0000 FFFF 7219".replace(" ", ""))


def own_address() -> str:
    """Return a loopback address that no other test worker has."""
    pid = os.getpid()
    return f"127.{100 + pid // 250 % 100}.{pid % 250}.{next(_COUNTER) % 250 + 1}"


@pytest.fixture
def fake():
    with FakeRobotiq(own_address(), port=0, activation_s=0.2) as controller:
        yield controller


class Line:
    """The other end of the serial line."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)

    def ask(self, data: bytes, timeout: float = 0.5) -> bytes:
        os.write(self.descriptor, data)
        answer = b""
        while select.select([self.descriptor], [], [], 0.02 if answer else timeout)[0]:
            answer += os.read(self.descriptor, 256)
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)


class Connection:
    """Modbus TCP, by hand."""

    def __init__(self, fake: FakeRobotiq) -> None:
        self.socket = socket.create_connection((fake.address, fake.port), timeout=1.0)

    def send(self, data: bytes, *, unit: int = 9, protocol: int = 0, length: int | None = None) -> bytes:
        """Return unit and data of the answer; b"" where the connection was closed."""
        self.socket.sendall(struct.pack(">HHHB", 0x1234, protocol, len(data) + 1 if length is None else length, unit) + data)
        header = self.receive(6)
        if not header:
            return b""
        transaction, zero, size = struct.unpack(">HHH", header)
        assert (transaction, zero) == (0x1234, 0)
        return self.receive(size)

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            with contextlib.suppress(ConnectionResetError):
                if more := self.socket.recv(size - len(data)):
                    data += more
                    continue
            return b""
        return data

    def status(self) -> bytes:
        return self.send(struct.pack(">BHH", 4, 0x07D0, 3))[3:]

    def write(self, *registers: int) -> bytes:
        return self.send(struct.pack(">BHHB3H", 16, 0x03E8, 3, 6, *registers))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def until(condition, timeout: float = 8.0) -> bool:
    """Return True as soon as `condition()` holds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("frame", [READ, CLEAR, WRITTEN, ACTIVATE, CLOSE, OPEN])
def test_the_checksum_is_that_of_the_manuals_examples(frame) -> None:
    assert struct.pack("<H", crc16(frame[:-2])) == frame[-2:]


def test_the_manuals_frames_activate_close_and_open_over_the_serial_line(fake) -> None:
    with Line(fake.rtu_path) as line:
        assert line.ask(CLEAR) == WRITTEN
        assert line.ask(ACTIVATE) == WRITTEN
        assert line.ask(READ)[3] == 0x11  # activation in progress
        assert until(lambda: line.ask(READ)[3] == 0x31 | 0xC0)  # complete, at rest
        assert line.ask(CLOSE) == WRITTEN
        assert line.ask(READ)[3] == 0x39  # under way
        assert until(lambda: line.ask(READ)[3] == 0xF9)
        assert line.ask(READ)[5:9] == bytes([0x00, 0xFF, 0xFF, 0x00])  # no fault, echo 255, position 255, no current
        assert line.ask(OPEN) == WRITTEN
        assert until(lambda: line.ask(READ)[7] == 0)
    assert fake.width == pytest.approx(0.085)


def test_a_frame_with_a_wrong_checksum_is_not_answered_and_moves_nothing(fake) -> None:
    with Line(fake.rtu_path) as line:
        line.ask(ACTIVATE)
        assert until(lambda: line.ask(READ)[3] & 0x30 == 0x30)
        assert line.ask(CLOSE[:-1] + b"\x00", timeout=0.1) == b""
        assert line.ask(CLOSE[:-3], timeout=0.1) == b""
        assert line.ask(READ)[3] & 0x08 == 0
    assert len(fake.log.entries("protocol_error")) == 2
    assert len(fake.log.entries("request")) == 1


def test_a_frame_for_another_unit_is_not_answered(fake) -> None:
    with Line(fake.rtu_path) as line:
        body = b"\x05" + READ[1:-2]
        assert line.ask(body + struct.pack("<H", crc16(body)), timeout=0.1) == b""
    with Connection(fake) as connection:
        assert connection.send(READ[1:-2], unit=5) == bytes([5, 0x84, 11])


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (struct.pack(">BHH", 1, 0, 1), 1),  # coils: no such function
        (struct.pack(">BHH", 6, 0x03E8, 0x0900), 1),  # a single register: neither
        (struct.pack(">BHH", 4, 0x07CF, 3), 2),
        (struct.pack(">BHH", 4, 0x07D0, 4), 2),
        (struct.pack(">BHH", 4, 0x07D0, 0), 3),
        (struct.pack(">BHH", 4, 0x07D0, 200), 3),
        (struct.pack(">BHHB3H", 16, 0x07D0, 3, 6, 1, 2, 3), 2),  # inputs cannot be written
        (struct.pack(">BHHB3H", 16, 0x03E8, 2, 6, 1, 2, 3), 3),
    ],
)
def test_what_no_register_or_function_is_for_gets_the_modbus_exception(fake, request_bytes, code) -> None:
    with Connection(fake) as connection:
        assert connection.send(request_bytes) == bytes([9, request_bytes[0] | 0x80, code])
    assert fake.log.entries("request") == []


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"\x04\x07\xd0\x00", {}),
        (b"\x04\x07\xd0\x00\x03\x00", {}),
        (struct.pack(">BHHB2H", 16, 0x03E8, 3, 6, 0x0900, 255), {}),
        (READ[1:-2], {"protocol": 1}),
        (READ[1:-2], {"length": 0}),
        (READ[1:-2], {"length": 300}),
    ],
)
def test_bytes_of_another_layout_close_the_connection(fake, data, header) -> None:
    with Connection(fake) as connection:
        assert connection.send(data, **header) == b""
    assert until(lambda: len(fake.log.entries("protocol_error")) == 1)


def test_nothing_moves_before_the_activation(fake) -> None:
    with Connection(fake) as connection:
        connection.write(0x0800, 255, 0xFFFF)
        status = connection.status()
        assert (status[0] & 0x31, status[2]) == (0, 0x07)
    assert not fake.moving


def test_an_object_stops_closing_fingers_and_is_reported(fake) -> None:
    fake.inject("object", width=0.04)
    with Connection(fake) as connection:
        connection.write(0x0100, 0, 0)
        assert until(lambda: connection.status()[0] & 0x30 == 0x30)
        connection.write(0x0900, 255, 0xFFFF)
        assert until(lambda: connection.status()[0] == 0xB9)
        assert fake.width == pytest.approx(0.04, abs=0.001)
        connection.write(0x0900, 0, 0xFFFF)
        assert until(lambda: connection.status()[0] == 0xF9)


def test_rgto_0_stops_the_fingers_half_way(fake) -> None:
    with Connection(fake) as connection:
        connection.write(0x0100, 0, 0)
        assert until(lambda: connection.status()[0] & 0x30 == 0x30)
        connection.write(0x0900, 255, 0x00FF)
        assert until(lambda: fake.width < 0.08)
        connection.write(0x0100, 255, 0x00FF)
        assert not fake.moving
        assert 0.04 < fake.width < 0.08


def test_the_speed_byte_is_the_speed_of_the_manual() -> None:
    """2F-85: 20 mm/s at byte 0, 150 mm/s at 255, over a stroke of 85 mm."""
    now = [0.0]
    fingers = Fingers(MODELS["2f_85"], activated=True, activation_s=1.0, steady=lambda: now[0])
    fingers.request(active=True, follows=True, release=False, position=255, speed=0)
    now[0] += 1.0
    assert fingers.width == pytest.approx(0.085 - 0.020)
    fingers.request(active=True, follows=True, release=False, position=255, speed=255)
    now[0] += 0.1
    assert fingers.width == pytest.approx(0.085 - 0.020 - 0.015)


def test_the_automatic_release_opens_and_is_written_down(fake) -> None:
    with Connection(fake) as connection:
        connection.write(0x0100, 0, 0)
        assert until(lambda: connection.status()[0] & 0x30 == 0x30)
        connection.write(0x1100, 0, 0)
        assert until(lambda: connection.status()[2] == 0x0F)
    assert len(fake.log.entries("automatic_release")) == 1


@pytest.mark.parametrize("fault", sorted(FakeRobotiq.FAULTS))
def test_every_fault_can_be_injected_and_cleared(fake, fault) -> None:
    fake.inject(fault)
    fake.clear(fault)
    with Connection(fake) as connection:
        assert connection.status()[2] in (0, 0x09)


def test_an_unknown_fault_names_the_known_ones(fake) -> None:
    with pytest.raises(ValueError, match="not_activated"):
        fake.inject("gremlins")


def test_a_restart_drops_the_lines_and_forgets_the_activation(fake) -> None:
    with Connection(fake) as connection:
        connection.write(0x0100, 0, 0)
        assert until(lambda: connection.status()[0] & 0x30 == 0x30)
        fake.restart()
        assert connection.receive(1) == b""
    with Connection(fake) as connection:
        assert connection.status()[0] & 0x31 == 0
    with Line(fake.rtu_path) as line:
        assert line.ask(READ)[:3] == b"\x09\x04\x06"


def test_an_idle_line_stays_open_whatever_time_out_the_process_gives_its_sockets() -> None:
    """The SDK of an arm may set one, for every socket of the process."""
    socket.setdefaulttimeout(0.05)
    try:
        with FakeRobotiq(own_address(), port=0) as fake:
            time.sleep(0.2)  # what is looked at is that nothing ends meanwhile
            connection = Connection(fake)
            for _ in range(2):
                assert len(connection.send(READ[1:-2])) == 2 + 1 + 6
                time.sleep(0.2)
    finally:
        socket.setdefaulttimeout(None)


def test_stop_twice_is_harmless(fake) -> None:
    fake.stop()
    fake.stop()
