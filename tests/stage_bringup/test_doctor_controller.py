"""`stage doctor --address`: asking a controller for its version over real sockets, and saying in words why it does not answer."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from stage_bringup.doctor import controller_version, robot, versions
from stage_core.errors import DeviceError

ADDRESSES = itertools.count(1)


def loopback() -> str:
    """Return a loopback address that no other test process uses."""
    return f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}.{100 + next(ADDRESSES)}"


@contextmanager
def server(answer: Callable[[bytes], bytes], *, closes: bool = True) -> Iterator[tuple[str, int, list[bytes]]]:
    """Yield (address, port, messages received) of a server that answers each client's first message."""
    heard: list[bytes] = []
    listener = socket.create_server((loopback(), 0))

    def serve() -> None:
        try:
            while True:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(1024))
                    connection.sendall(answer(heard[-1]))
                    if not closes:
                        connection.recv(1024)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield (*listener.getsockname(), heard)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5.0)


def incompatible(version: int) -> bytes:
    """Return an FCI's answer to a client of another version: command 0, number 1, 15 bytes, status 1, its own version."""
    return struct.pack("<IIIBH", 0, 1, 15, 1, version)


def test_the_question_to_a_franka_is_a_connect_with_a_version_no_client_has():
    taken = []

    def answer(question: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            try:
                other.bind(("", struct.unpack("<IIIHH", question)[4]))
            except OSError:
                taken.append(True)
        return incompatible(7)

    with server(answer) as (address, port, heard):
        assert controller_version.ask_franka(address, port=port) == 7
    assert struct.unpack("<IIIHH", heard[0])[:4] == (0, 1, 16, 0)
    assert taken == [True]  # the port it names for states is its own


def test_an_answer_that_is_no_fcis_is_refused_with_what_was_expected():
    with server(lambda _: b"HTTP/1.1 400 Bad Request") as (address, port, _), pytest.raises(DeviceError, match="Is it a Franka"):
        controller_version.ask_franka(address, port=port)


def test_a_connection_closed_in_mid_answer_is_told():
    with server(lambda _: incompatible(7)[:13]) as (address, port, _), pytest.raises(DeviceError, match="1 of 3 bytes"):
        controller_version.ask_franka(address, port=port)


def test_the_question_to_an_xarm_reads_one_register():
    text = b"6,6,XI1300000000,AC1300000000,v2.5.0".ljust(40, b"\0")
    with server(lambda _: struct.pack(">HHHBB", 1, 2, 42, 1, 0) + text) as (address, port, heard):
        assert controller_version.ask_xarm(address, port=port).endswith("v2.5.0")
    assert heard == [bytes([0, 1, 0, 2, 0, 1, 1])]


def test_an_answer_that_is_no_xarms_is_refused():
    with server(lambda _: b"SSH-2.0-OpenSSH") as (address, port, _), pytest.raises(DeviceError, match="Is it an xArm"):
        controller_version.ask_xarm(address, port=port)


def test_the_fake_franka_tells_its_version_and_begins_no_session():
    address = loopback()
    with FakeFranka(address) as fake:
        assert controller_version.ask_franka(address) == versions.TESTED_INTERFACE
        assert controller_version.ask_franka(address) == versions.TESTED_INTERFACE  # it did not stay connected
        assert [entry for entry in fake.log.entries() if entry["kind"] == "protocol_error"] == []


def test_asking_a_franka_in_use_does_not_disturb_its_client():
    address = loopback()
    with (
        FakeFranka(address),
        socket.create_connection((address, 1337), timeout=5.0) as control,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as states,
    ):
        states.bind(("", 0))
        states.settimeout(5.0)
        control.sendall(struct.pack("<IIIHH", 0, 1, 16, 10, states.getsockname()[1]))
        assert struct.unpack("<IIIBH", control.recv(64)) == (0, 1, 15, 0, 10)
        first = struct.unpack("<Q", states.recv(4096)[:8])[0]
        finding = robot.check_controller(robot.RobotRequest(robot="franka", address=address), address)
        assert finding.required and not finding.ok and "another client" in finding.found + finding.remedy
        numbers = [struct.unpack("<Q", states.recv(4096)[:8])[0] for _ in range(200)]
        assert numbers == sorted(numbers) and numbers[-1] >= first + 200  # the states go on


def test_asking_an_xarm_in_use_does_not_disturb_its_client():
    address, question = loopback(), bytes([0, 1, 0, 2, 0, 1, 1])
    with FakeXArm(address, control_port=50502), socket.create_connection((address, 50502), timeout=5.0) as client:
        client.sendall(question)
        first = client.recv(512)
        assert controller_version.ask_xarm(address, port=50502)
        client.sendall(question)
        assert client.recv(512) == first


def test_the_fake_xarm_tells_a_firmware_that_fits():
    address = loopback()
    with FakeXArm(address, control_port=50502):
        answer = controller_version.ask_xarm(address, port=50502)
    assert versions.check_xarm_firmware(answer).ok


def test_every_check_of_a_fake_franka_passes_but_the_pcs_own():
    address = loopback()
    with FakeFranka(address):
        findings = robot.controller_checks(robot.RobotRequest(robot="franka", address=address, tries=20))
    assert [finding.name for finding in findings] == ["network card", "latency", "robot system image"]
    assert findings[0].ok and findings[2].ok


def test_a_controller_without_fci_is_told_from_one_that_is_not_there():
    request = robot.RobotRequest(robot="franka", address=loopback(), tries=5)
    finding = robot.controller_checks(request)[-1]
    assert finding.required and not finding.ok and "refuses clients" in finding.found and "Activate FCI" in finding.remedy


def test_a_controller_that_accepts_and_stays_silent_is_told():
    with server(lambda _: b"", closes=False) as (address, port, _), pytest.raises(TimeoutError) as raised:
        controller_version.ask_franka(address, port=port, timeout_s=0.1)
    finding = controller_version.explain_silence("franka", address, raised.value)
    assert not finding.ok and "no answer" in finding.found and "another client" in finding.remedy


def test_a_controller_that_moves_an_arm_is_not_asked():
    with server(lambda _: b"") as (address, port, heard):
        request = robot.RobotRequest(robot="xarm", address=address, control_port=port, in_use=True)
        finding = robot.check_controller(request, address)
    assert heard == [] and not finding.ok and "not asked" in finding.found


@pytest.mark.parametrize("name", ["franka", "xarm"])
@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError("timed out"), DeviceError("strange"), OSError(113, "No route")])
def test_every_silence_has_a_remedy(name, error):
    finding = controller_version.explain_silence(name, "172.16.0.2", error)
    assert not finding.ok and finding.found and finding.remedy


def test_without_an_address_it_says_what_it_did_not_look_at():
    (finding,) = robot.controller_checks(robot.RobotRequest(robot="xarm"))
    assert not finding.ok and not finding.required and "--address" in finding.remedy


def test_an_address_that_is_none_is_refused():
    (finding,) = robot.controller_checks(robot.RobotRequest(robot="xarm", address="not an address"))
    assert finding.required and not finding.ok
