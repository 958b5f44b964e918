"""Bytes that a true control box would not accept are refused by the fake one, and the reports have the true layout."""

from __future__ import annotations

import math
import socket
import struct
import time

import numpy as np
import pytest
from fake_xarm_rig import CONTROL_PORT, RawClient, loopback, wait_for

from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from robot_drivers.fake_controllers.xarm.registers import COMMANDS

ERROR, WARNING, NOT_READY, INVALID = 0x40, 0x20, 0x10, 0x08


@pytest.fixture
def controller():
    with FakeXArm(loopback(), control_port=CONTROL_PORT) as made:
        yield made


@pytest.fixture
def client(controller):
    with RawClient(controller.address) as made:
        yield made


def make_ready(client: RawClient, mode: int) -> None:
    """Enable, change the mode and ask for state 0."""
    for function, data in ((11, bytes([8, 1])), (19, bytes([mode, 0])), (12, bytes([0]))):
        state, _ = client.ask(function, data)
        assert not state & INVALID


def test_a_command_is_answered_with_its_own_head_and_state(client):
    state, data = client.ask(15)
    assert (state, data) == (NOT_READY, bytes([0, 0]))


@pytest.mark.parametrize("protocol", [4, 255, 65535])
def test_an_unknown_protocol_closes_the_connection(controller, client, protocol):
    client.socket.sendall(struct.pack(">HHHB", 1, protocol, 1, 13))
    assert client.is_closed()
    assert controller.log.counts["protocol_error"] == 1


@pytest.mark.parametrize("length", [0, 1025, 65535])
def test_an_impossible_length_closes_the_connection(controller, client, length):
    client.socket.sendall(struct.pack(">HHHB", 1, 2, length, 13))
    assert client.is_closed()
    assert controller.log.counts["protocol_error"] == 1


def test_an_unknown_function_is_invalid_and_warned_of(controller, client):
    unknown = sorted(set(range(255)) - set(COMMANDS))
    for function in unknown:
        state, data = client.ask(function)
        assert state & INVALID and data == b"", function
        assert client.ask(15)[1] == bytes([0, 13]), function
    assert controller.log.counts["protocol_error"] == len(unknown)


def test_data_of_a_wrong_size_is_invalid_and_changes_nothing(controller, client):
    count = 0
    for function, (sizes, _) in sorted(COMMANDS.items()):
        for size in {size + by for size in sizes for by in (-1, 1)} - {-1, *sizes}:
            state, data = client.ask(function, bytes(size))
            count += 1
            assert state & INVALID and data == b"", (function, size)
            assert client.ask(15)[1] == bytes([0, 12]), (function, size)
    assert controller.log.counts["protocol_error"] == count
    assert set(controller.log.counts) <= {"connected", "protocol_error", "warning"}


def test_a_command_in_pieces_is_taken_as_one(client):
    frame = struct.pack(">HHHB", 7, 2, 1, 13)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in frame:
        client.socket.sendall(bytes([byte]))
    assert client.read(9) == struct.pack(">HHHBBB", 7, 2, 3, 13, NOT_READY, 4)


def test_two_commands_in_one_piece_get_two_replies(client):
    client.socket.sendall(struct.pack(">HHHB", 1, 2, 1, 13) + struct.pack(">HHHB", 2, 2, 1, 13))
    assert [struct.unpack_from(">H", client.read(9))[0] for _ in range(2)] == [1, 2]


def test_garbage_never_moves_the_arm_nor_ends_the_server(controller):
    generator = np.random.default_rng(4)
    for _ in range(100):
        with RawClient(controller.address) as client:
            client.socket.sendall(generator.integers(0, 256, size=int(generator.integers(1, 200)), dtype=np.uint8).tobytes())
    with RawClient(controller.address) as client:
        assert client.ask(13)[1] == bytes([4])
    assert controller.machine.motion.joints.tolist() == [0.0] * 6
    assert controller.log.violations == []


def test_standard_modbus_is_refused_in_its_own_words(client):
    client.socket.sendall(struct.pack(">HHHBBHH", 3, 0, 6, 1, 3, 0, 1))
    assert client.read(9) == struct.pack(">HHHBBB", 3, 0, 3, 1, 0x83, 1)


def test_a_heartbeat_is_not_answered_and_keeps_the_connection(client):
    client.socket.sendall(bytes([0, 0, 0, 1, 0, 2, 0, 0]))
    assert client.ask(13)[1] == bytes([4])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_streamed_target_that_is_no_number_stops_the_arm(controller, client, value):
    make_ready(client, 1)
    state, _ = client.ask(29, struct.pack("<10f", value, *[0.0] * 9))
    assert state & ERROR
    assert client.ask(15)[1] == bytes([38, 0])
    assert controller.machine.motion.joints.tolist() == [0.0] * 6


def test_a_streamed_target_out_of_range_is_error_23(controller, client):
    make_ready(client, 1)
    client.ask(29, struct.pack("<10f", 0.0, math.radians(121.0), *[0.0] * 8))
    assert client.ask(15)[1] == bytes([23, 0])
    assert client.ask(13)[1] == bytes([4])
    (violation,) = controller.log.violations
    assert violation["name"] == "joint2_position"
    assert violation["limit"] == pytest.approx(math.radians(120.0))


@pytest.mark.parametrize(("stopped", "result"), [(False, 0), (True, 2)])
def test_a_client_that_asked_for_feedback_is_told_how_its_move_ended(client, stopped, result):
    make_ready(client, 0)
    client.ask(254, bytes([2]))
    client.ask(23, struct.pack("<10f", 0.1, *[0.0] * 6, 1.0, 10.0, 0.0))
    asked = client._transaction
    if stopped:
        client.socket.sendall(struct.pack(">HHHBB", 99, 2, 2, 12, 4))
    transaction, protocol, length, marker, _, kind, function, _, told, _ = struct.unpack(">HHHBBBBHBQ", client.read(21))
    assert (transaction, protocol, length, marker) == (asked, 2, 15, 0xFF)
    assert (kind, function, told) == (2, 23, result)


def test_a_client_that_did_not_ask_for_feedback_gets_replies_alone(client):
    make_ready(client, 0)
    client.ask(23, struct.pack("<10f", 0.02, *[0.0] * 6, 1.0, 10.0, 0.0))
    wait_for(lambda: client.ask(13)[1] == bytes([2]), "arrival")  # `ask` fails on any other packet


def test_a_mode_or_state_that_does_not_exist_is_refused(client):
    for function, data in (
        (19, bytes([3])),
        (19, bytes([12])),
        (12, bytes([7])),
        (11, bytes([9, 1])),
        (11, bytes([7, 1])),
        (11, bytes([1, 2])),
    ):
        assert client.ask(function, data)[0] & INVALID


@pytest.mark.parametrize(("port", "size"), [(30001, 145), (30002, 587), (30003, 135)])
def test_a_report_has_its_true_size_and_says_so(controller, port, size):
    with RawClient(controller.address, port) as client:
        first, second = client.read(size), client.read(size)
    assert struct.unpack_from(">I", first) == struct.unpack_from(">I", second) == (size,)
    assert first[4] == 4  # mode 0, state 4
    assert struct.unpack_from("<3f", first, 35) == pytest.approx((207.0, 0.0, 112.0), abs=1e-3)


def test_the_real_time_report_comes_a_hundred_times_a_second(controller):
    with RawClient(controller.address, 30003) as client:
        client.read(135)
        begin = time.monotonic()
        client.read(135 * 100)
    assert time.monotonic() - begin == pytest.approx(1.0, abs=0.15)


def test_the_port_above_the_control_port_serves_as_well(controller):
    with RawClient(controller.address, CONTROL_PORT + 1) as client:
        assert client.ask(13)[1] == bytes([4])


def test_a_taken_port_is_an_error_that_names_it(controller):
    second = FakeXArm(controller.address, control_port=CONTROL_PORT)
    with pytest.raises(OSError, match=rf"{controller.address}:\d+: Address already in use"):
        second.start()
    second.stop()


def test_stop_closes_everything_and_twice_is_harmless():
    controller = FakeXArm(loopback(), control_port=CONTROL_PORT)
    controller.start()
    with RawClient(controller.address) as client, RawClient(controller.address, 30003) as reports:
        wait_for(lambda: controller.commands.clients == 1, "accepted")
        reports.read(135)
        controller.stop()
        controller.stop()
        assert client.is_closed()
    with pytest.raises(ConnectionRefusedError):
        RawClient(controller.address)


@pytest.mark.parametrize(
    "facts",
    [
        {"robot_type": "ur5"},
        {"axes": 4},
        {"axes": 7, "robot_type": "xarm6"},
        {"joints": [0.0] * 5},
        {"tool_load": [1.0]},
        {"firmware": "2.5"},
    ],
)
def test_facts_that_do_not_fit_are_refused(facts):
    with pytest.raises(ValueError, match="expected|has 6"):
        FakeXArm(loopback(), **facts)
