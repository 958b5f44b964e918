"""Bytes on the wire: what the fake Franka accepts, what it refuses, and what it does by the clock. Raw sockets, no SDK."""

from __future__ import annotations

import math
import socket
import struct

import pytest
from fake_franka_rig import free_address, until
from raw_franka_client import ROBOT_MODE, STATE_SIZE, RawClient, joints_of, message_id_of

from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.fake_controllers.franka.statuses import MoveStatus, RobotMode

JOINT_POSITION, JOINT_VELOCITY, CARTESIAN_POSE, NO_GENERATOR = 0, 1, 2, 4
IDENTITY = (1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0)


@pytest.fixture
def fake():
    with FakeFranka(free_address()) as made:
        yield made


@pytest.fixture
def client(fake):
    made = RawClient(fake.address)
    yield made
    made.close()


@pytest.fixture
def greeted(client):
    assert client.connect() == struct.pack("<BH", 0, 10)
    return client


def reasons(fake):
    return [entry["reason"] for entry in fake.log.entries("protocol_error")]


def begin(client, generator=JOINT_POSITION, controller=0):
    """Start a motion; return the newest state."""
    assert client.move(1, generator, controller) == MoveStatus.MOTION_STARTED
    state = client.state()
    while state[ROBOT_MODE] != RobotMode.MOVE:
        state = client.state()
    return state


def test_state_has_the_size_of_the_true_struct_and_the_clock_goes_on(greeted):
    first = greeted.state()
    assert len(first) == STATE_SIZE
    assert message_id_of(greeted.state()) > message_id_of(first)
    assert joints_of(first)[3] == pytest.approx(-3 * math.pi / 4, abs=1e-6)
    assert first[ROBOT_MODE] == RobotMode.IDLE


@pytest.mark.parametrize(
    ("command", "payload", "size"),
    [
        (99, b"", None),
        (2, b"\0", None),
        (0, struct.pack("<HH", 10, 1), None),
        (1, b"\0" * 112, None),
        (4, b"\0" * 55, None),
        (4, b"\0" * 57, None),
        (6, bytes([0, 1, 2, 0, 0, 0, 0]), None),
        (2, b"", 11),
        (2, b"", 5_000_000),
        (2, b"", 0),
    ],
    ids=[
        "unknown command",
        "stop with a byte too many",
        "connect twice",
        "move too short",
        "impedance too short",
        "impedance too long",
        "bool of 2",
        "size below the header",
        "size of megabytes",
        "size of nothing",
    ],
)
def test_bytes_that_are_no_message_end_the_connection(fake, greeted, command, payload, size):
    greeted.send(command, 7, payload, size)
    assert greeted.ended()
    until(lambda: reasons(fake), what="a protocol error in the log")


def test_command_before_connect_ends_the_connection(fake, client):
    client.send(2, 0)
    assert client.ended()
    assert "before CONNECT" in reasons(fake)[0]


def test_message_in_pieces_is_one_message(greeted):
    message = struct.pack("<III", 11, 5, 12)
    greeted.tcp.sendall(message[:7])
    greeted.tcp.sendall(message[7:])
    command, command_id, payload = greeted.receive()
    assert (command, command_id, payload[0]) == (11, 5, 0)
    assert b'name="joint7"' in payload


def test_two_messages_at_once_get_two_answers(greeted):
    greeted.tcp.sendall(struct.pack("<III", 2, 5, 12) + struct.pack("<III", 2, 6, 12))
    assert [greeted.receive()[1], greeted.receive()[1]] == [5, 6]


def test_next_client_is_served_after_one_that_sent_nonsense(fake, greeted):
    greeted.tcp.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert greeted.ended()
    again = RawClient(fake.address)
    assert again.connect() == struct.pack("<BH", 0, 10)
    again.close()


@pytest.mark.parametrize("change", [lambda message: message[:-1], lambda message: message + b"\0", lambda message: message[:-1] + b"\2"])
def test_robot_command_of_another_shape_ends_the_connection(fake, greeted, change):
    state = begin(greeted)
    greeted.udp.sendto(change(greeted.robot_command(message_id_of(state), joints_of(state))), greeted.server)
    assert greeted.ended()
    assert reasons(fake)


def test_robot_command_for_a_state_that_was_never_sent_ends_the_connection(fake, greeted):
    state = begin(greeted)
    greeted.udp.sendto(greeted.robot_command(message_id_of(state) + 1_000_000, joints_of(state)), greeted.server)
    assert greeted.ended()
    assert "newest" in reasons(fake)[0]


def test_robot_command_of_a_stranger_moves_nothing(fake, greeted):
    state = begin(greeted)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(greeted.robot_command(message_id_of(state), (1.0,) * 7), greeted.server)
    until(lambda: reasons(fake), what="a protocol error in the log")
    assert "not the client" in reasons(fake)[0]
    assert fake.robot.motion is not None
    assert fake.log.violations == []


@pytest.mark.parametrize(
    ("generator", "controller", "fields"),
    [
        (JOINT_POSITION, 0, {"joints": (math.nan,) * 7}),
        (JOINT_VELOCITY, 0, {"velocity": (0, 0, math.inf, 0, 0, 0, 0)}),
        (CARTESIAN_POSE, 0, {"pose": (2.0, *IDENTITY[1:])}),
        (CARTESIAN_POSE, 0, {"pose": (math.nan, *IDENTITY[1:])}),
        (NO_GENERATOR, 2, {"torque": (math.nan,) * 7}),
    ],
    ids=["joints that are no number", "infinite velocity", "scaled pose", "pose that is no number", "torque that is no number"],
)
def test_command_that_is_no_motion_ends_it(fake, greeted, generator, controller, fields):
    state = begin(greeted, generator, controller)
    before = fake.joints
    greeted.udp.sendto(greeted.robot_command(message_id_of(state), **fields), greeted.server)
    assert greeted.receive()[2][0] == MoveStatus.INPUT_ERROR_ABORTED
    assert (fake.joints == before).all()
    assert fake.log.entries("invalid_input")


@pytest.mark.parametrize("step", [0.5, 2e-4])
def test_jump_ends_in_a_reflex_and_is_in_the_log_with_value_and_limit(fake, greeted, step):
    state = begin(greeted)
    joints = list(joints_of(state))
    joints[1] += step
    greeted.udp.sendto(greeted.robot_command(message_id_of(state), tuple(joints)), greeted.server)
    assert greeted.receive()[2][0] == MoveStatus.REFLEX_ABORTED
    violation = fake.log.violations[0]
    assert violation["value"] > violation["limit"]
    # 0.2 mrad in a millisecond is 200 rad/s^2; half a radian is not even near the start.
    assert violation["name"] == ("distance to the start position" if step > 0.01 else "joint2 acceleration")
    assert fake.mode is RobotMode.REFLEX


def test_torque_beyond_the_rate_ends_in_a_reflex(fake, greeted):
    state = begin(greeted, NO_GENERATOR, 2)
    greeted.udp.sendto(greeted.robot_command(message_id_of(state), torque=(5.0, 0, 0, 0, 0, 0, 0)), greeted.server)
    assert greeted.receive()[2][0] == MoveStatus.REFLEX_ABORTED
    assert fake.log.violations[0]["error"] == "controller_torque_discontinuity"


@pytest.mark.parametrize(("generator", "controller"), [(7, 0), (0, 3), (NO_GENERATOR, 0)])
def test_motion_that_does_not_exist_is_refused(greeted, generator, controller):
    assert greeted.move(1, generator, controller) == MoveStatus.INVALID_ARGUMENT


def test_second_motion_is_refused_while_one_runs(greeted):
    begin(greeted)
    assert greeted.move(2, JOINT_POSITION) == MoveStatus.NOT_POSSIBLE


def test_client_that_stops_commanding_is_a_communication_violation():
    with FakeFranka(free_address(), command_timeout_s=0.1) as fake:
        client = RawClient(fake.address)
        client.connect()
        state = begin(client)
        client.udp.sendto(client.robot_command(message_id_of(state), joints_of(state)), client.server)
        assert client.receive()[2][0] == MoveStatus.REFLEX_ABORTED
        assert fake.log.entries("reflex")[0]["errors"] == ["communication_constraints_violation"]
        client.close()


def test_twenty_lost_commands_in_a_row_are_a_communication_violation_by_the_clock():
    with FakeFranka(free_address(), realtime=True) as fake:
        client = RawClient(fake.address)
        client.connect()
        state = begin(client)
        client.udp.sendto(client.robot_command(message_id_of(state), joints_of(state)), client.server)
        assert client.receive()[2][0] == MoveStatus.REFLEX_ABORTED
        assert fake.log.entries("reflex")[0]["errors"] == ["communication_constraints_violation"]
        assert fake.log.counts["lost_command"] == 20
        client.close()


def test_two_controllers_live_side_by_side():
    with FakeFranka(free_address()) as one, FakeFranka(free_address(), start_joints=(0.1, 0, 0, -1.5, 0, 1.5, 0)) as other:
        clients = [RawClient(one.address), RawClient(other.address)]
        for client in clients:
            client.connect()
        assert joints_of(clients[0].state())[0] == pytest.approx(0.0)
        assert joints_of(clients[1].state())[0] == pytest.approx(0.1)
        for client in clients:
            client.close()


def test_port_that_is_taken_is_said_so(fake):
    with pytest.raises(OSError, match="1337"):
        FakeFranka(fake.address).start()


def test_impossible_facts_are_refused_by_name():
    with pytest.raises(TypeError, match="start_joints"):
        FakeFranka(free_address(), start_joint=1)
    with pytest.raises(ValueError, match="start_joints"):
        FakeFranka(free_address(), start_joints=(9.0,) * 7)


def test_stop_twice_is_harmless_and_frees_the_ports():
    address = free_address()
    first = FakeFranka(address)
    first.start()
    first.stop()
    first.stop()
    with FakeFranka(address):
        pass
