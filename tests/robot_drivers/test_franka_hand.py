"""The Franka Hand's driver against the fake controller: it grasps with force, never opens by itself, and says what it needs."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from franka_rig import arm_for, eventually, hand_for, own_address

from robot_drivers.checks import check_gripper
from robot_drivers.device_context import DeviceContext
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.grippers.franka_hand import FrankaHand, FrankaHandSettings
from stage_core.errors import ConfigurationError, DeviceError


def resting(hand: FrankaHand) -> bool:
    """Return whether two readings 60 ms apart show the same width and nothing is under way."""
    first = hand.read().width
    time.sleep(0.06)
    return not hand._busy and abs(hand.read().width - first) < 1e-5


def go(hand: FrankaHand, opening: float) -> float:
    """Command an opening; return the width (m) where the fingers rest."""
    before = hand._job
    hand.command(opening)
    eventually(lambda: hand._job > before and resting(hand), "fingers at rest")
    return hand.read().width


@pytest.fixture
def fake():
    with FakeFranka(own_address()) as controller:
        yield controller
        assert "protocol_error" not in controller.log.counts


@pytest.fixture
def hand(fake):
    driver = hand_for(fake)
    driver.connect()
    yield driver
    driver.disconnect()


def test_the_hand_keeps_every_claim_over_the_wire(fake):
    report = check_gripper(hand_for(fake))
    assert report.passed, str(report)


def test_closing_on_an_object_grasps_it_with_the_force_of_the_file():
    with FakeFranka(own_address(), object_width=0.03) as fake:
        hand = hand_for(fake, force_n=33.0)
        hand.connect()
        assert go(hand, 0.0) == pytest.approx(0.03, abs=1e-3)
        assert fake.log.entries("gripper_grasp")[-1]["values"][-1] == 33.0  # width, tolerances, speed, force
        assert hand._newest[2]  # the controller says that it holds something
        hand.disconnect()


@pytest.mark.parametrize("way", ["stop", "disconnect", "closing again"])
def test_what_is_held_stays_held(way):
    with FakeFranka(own_address(), object_width=0.03) as fake:
        hand = hand_for(fake)
        hand.connect()
        go(hand, 0.0)
        stops = fake.log.counts.get("gripper_stop", 0)
        if way == "stop":
            hand.stop()
            hand.stop()
        elif way == "disconnect":
            hand.disconnect()
        else:
            hand.command(0.1)
        time.sleep(0.3)  # time for what must not happen
        assert fake.log.counts.get("gripper_stop", 0) == stops
        assert "gripper_move" not in fake.log.counts
        assert fake.hand.width == pytest.approx(0.03, abs=1e-3)
        hand.disconnect()


def test_fingers_that_are_blocked_on_their_way_grasp_what_blocks_them():
    with FakeFranka(own_address(), object_width=0.05, gripper_width=0.08) as fake:
        hand = hand_for(fake)
        hand.connect()
        assert go(hand, 0.4) == pytest.approx(0.05, abs=1e-3)  # asked for 0.032 m
        eventually(lambda: hand._newest[2], "a grasp")
        hand.disconnect()


def test_command_returns_at_once_and_the_newest_wish_wins(hand):
    go(hand, 1.0)
    begin = time.perf_counter()
    for opening in (0.0, 1.0, 0.0, 0.6):
        hand.command(opening)
    assert time.perf_counter() - begin < 0.05
    eventually(lambda: abs(hand.read().width - 0.048) < 2e-3 and resting(hand), "the newest wish")


def test_a_stop_on_the_way_keeps_the_width(hand):
    go(hand, 0.0)
    hand.command(1.0)
    eventually(lambda: hand.read().width > 0.01, "opening")
    hand.stop()
    eventually(lambda: resting(hand), "rest")
    assert hand.read().width < 0.07


# ---- homing and bring-up


def test_a_hand_that_was_not_homed_is_told_and_waited_for(caplog):
    with FakeFranka(own_address(), gripper_homed=False) as fake:
        hand = hand_for(fake, homing_wait_s=30.0)
        with caplog.at_level(logging.WARNING):
            connecting = threading.Thread(target=hand.connect, daemon=True)
            connecting.start()
            eventually(lambda: "it was not homed. Home it in Desk" in caplog.text, "the words")
            assert "gripper_homing" not in fake.log.counts  # nothing homes by itself
            hand.home()
            connecting.join(timeout=10.0)
        assert not connecting.is_alive()
        assert hand.read().width >= 0.0
        hand.disconnect()


def test_a_hand_that_nobody_homes_connects_and_refuses_every_command_until_it_is_homed():
    with FakeFranka(own_address(), gripper_homed=False) as fake:
        hand = hand_for(fake)
        hand.connect()
        with pytest.raises(DeviceError, match="it was not homed"):
            hand.command(1.0)
        assert not set(fake.log.counts) & {"gripper_move", "gripper_grasp", "gripper_homing"}
        hand.home()
        eventually(hand._homed, "a homed hand")
        assert go(hand, 0.5) == pytest.approx(0.04, abs=2e-3)
        hand.disconnect()


def test_a_missing_hand_is_told_and_points_to_desk(fake):
    fake.inject("gripper_unplugged")
    with pytest.raises(DeviceError, match=r"refuses the connection.*Is the Franka Hand chosen in Desk"):
        hand_for(fake).connect()


def test_a_lost_hand_is_told_and_comes_back_without_moving(fake, hand):
    go(hand, 0.5)
    fake.inject("gripper_unplugged")

    def lost() -> str:
        try:
            hand.read()
        except DeviceError as error:
            return str(error)
        return ""

    eventually(lost, "words for the lost hand")
    with pytest.raises(DeviceError):
        hand.command(1.0)
    moves = fake.log.counts.get("gripper_move", 0)
    fake.clear("gripper_unplugged")
    eventually(lambda: not lost(), "the hand's return")
    assert fake.log.counts.get("gripper_move", 0) == moves
    assert go(hand, 1.0) == pytest.approx(0.08, abs=2e-3)


def test_reading_only_moves_nothing(fake):
    hand = hand_for(fake, read_only=True)
    hand.connect()
    hand.read()
    hand.stop()
    for attempt in (lambda: hand.command(0.0), hand.home):
        with pytest.raises(DeviceError, match="read only"):
            attempt()
    hand.disconnect()
    assert not set(fake.log.counts) & {"gripper_move", "gripper_grasp", "gripper_homing", "gripper_stop"}


# ---- settings


@pytest.mark.parametrize(
    ("change", "words"),
    [({"speed_m_s": 80.0}, "speed_m_s is 80"), ({"force_n": 500.0}, "force_n is 500"), ({"max_width_m": 80.0}, "max_width_m is 80")],
)
def test_a_wrong_setting_is_refused_by_name(change, words):
    with pytest.raises(ConfigurationError, match=words):
        FrankaHandSettings(**({"speed_m_s": 0.08, "force_n": 20.0} | change))


def test_speed_and_force_have_no_default_and_the_address_is_the_arms(fake):
    context = DeviceContext(name="gripper", source="franka.yaml", control_rate_hz=20.0, arm=arm_for(fake))
    with pytest.raises(ConfigurationError, match="force_n is missing"):
        FrankaHand.from_settings({"speed_m_s": 0.08}, context)
    hand = FrankaHand.from_settings({"speed_m_s": 0.08, "force_n": 20.0}, context)
    hand.connect()
    hand.disconnect()
    assert fake.log.counts["connected"] == 1
