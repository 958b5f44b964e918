"""The real franky drives the fake Franka Hand; raw bytes that are no message are refused."""

from __future__ import annotations

import struct
import threading

import franky
import pytest
from fake_franka_rig import free_address, in_thread, until
from raw_franka_client import RawClient

from robot_drivers.fake_controllers.franka.controller import FakeFranka


@pytest.fixture
def fake():
    with FakeFranka(free_address()) as made:
        yield made


def gripper_of(fake):
    return in_thread(lambda: franky.Gripper(fake.address))


def test_fingers_move_to_the_width_and_the_state_shows_it(fake):
    gripper = gripper_of(fake)
    assert gripper.move(0.07, 0.1)
    assert gripper.width == pytest.approx(0.07)
    assert gripper.max_width == pytest.approx(0.08)
    assert not gripper.is_grasped


def test_grasp_of_an_object_holds_it_and_of_nothing_does_not(fake):
    gripper = gripper_of(fake)
    assert not gripper.grasp(0.03, 0.1, 20.0, 0.005, 0.005)
    assert not gripper.is_grasped
    assert gripper.width == pytest.approx(0.0)
    gripper.move(0.08, 0.1)
    fake.hand.object_width = 0.032
    assert gripper.grasp(0.03, 0.1, 20.0, 0.005, 0.005)
    assert gripper.is_grasped
    assert gripper.width == pytest.approx(0.032)
    fake.hand.object_width = None
    gripper.move(0.08, 0.1)
    assert not gripper.is_grasped


def test_move_onto_an_object_is_unsuccessful(fake):
    fake.hand.object_width = 0.03
    assert not gripper_of(fake).move(0.01, 0.1)


@pytest.mark.parametrize(("width", "speed"), [(0.2, 0.1), (-0.01, 0.1), (0.05, 0.0), (float("nan"), 0.1)])
def test_impossible_move_fails(fake, width, speed):
    with pytest.raises(franky.CommandException, match="failed"):
        gripper_of(fake).move(width, speed)


def test_gripper_that_is_not_homed_fails_until_homed(fake):
    fake.inject("gripper_not_homed")
    gripper = gripper_of(fake)
    assert gripper.max_width == 0.0
    with pytest.raises(franky.CommandException, match="failed"):
        gripper.move(0.05, 0.1)
    assert gripper.homing()
    assert gripper.max_width == pytest.approx(0.08)
    assert gripper.move(0.05, 0.1)


def test_stop_aborts_a_move(fake):
    gripper = gripper_of(fake)
    gripper.move(0.08, 0.1)
    result = {}

    def slow_move():
        try:
            gripper.move(0.0, 0.01)
        except franky.CommandException as error:
            result["error"] = str(error)

    thread = threading.Thread(target=slow_move)
    thread.start()
    until(lambda: fake.hand.width < 0.079, what="moving fingers")
    assert gripper.stop()
    thread.join(5.0)
    assert "aborted" in result["error"]
    assert 0.01 < fake.hand.width < 0.08


def test_unplugged_gripper_refuses_and_works_again_when_plugged_in(fake):
    gripper = gripper_of(fake)
    fake.inject("gripper_unplugged")
    with pytest.raises((franky.Exception, RuntimeError)):
        in_thread(lambda: gripper.move(0.05, 0.1))
    with pytest.raises((franky.Exception, RuntimeError)):
        gripper_of(fake)
    fake.clear("gripper_unplugged")
    assert gripper_of(fake).move(0.05, 0.1)


def test_robot_without_a_gripper_refuses(fake):
    with FakeFranka(free_address(), has_gripper=False) as bare, pytest.raises((franky.Exception, RuntimeError)):
        gripper_of(bare)


@pytest.mark.parametrize(
    ("command", "payload"),
    [(9, b""), (1, b"\0"), (3, b"\0" * 15), (2, b"\0" * 41), (0, struct.pack("<HH", 3, 1))],
    ids=["unknown command", "homing with a byte", "move too short", "grasp too long", "connect twice"],
)
def test_bytes_that_are_no_message_end_the_connection(fake, command, payload):
    client = RawClient(fake.address, 1338, "<HII")
    assert client.connect(version=3) == struct.pack("<HH", 0, 3)
    client.send(command, 3, payload)
    assert client.ended()
    assert fake.log.entries("protocol_error")[0]["channel"] == "gripper"
    client.close()
