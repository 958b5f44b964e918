"""What the xArm driver makes of faults: told in words within a bound, recovered only when asked, and nothing moves because of it."""

from __future__ import annotations

import contextlib
import re
import threading
import time

import numpy as np
import pytest
from xarm_rig import Stream, fault_of, joint_command, make_fake, make_settings, wait_until

from robot_drivers.arm import ArmMode
from robot_drivers.xarm import words
from robot_drivers.xarm.xarm_arm import XArm
from stage_core.errors import DeviceError

TOLD_S = 0.3
SLACK_S = 0.15  # threads wake late on a busy machine


@pytest.fixture
def fake():
    with make_fake() as controller:
        yield controller


@pytest.fixture
def arm(fake):
    driver = XArm(make_settings(fake.address))
    driver.connect()
    yield driver
    driver.disconnect()


def stream_into(fake, arm, fault: str, **options) -> tuple[str, float]:
    """Inject a fault in the middle of a motion; return the words and after how many seconds they came."""
    Stream(arm).run(0.2)
    fake.inject(fault, **options)
    begin = time.monotonic()
    stream = Stream.__new__(Stream)
    stream.arm, stream.speed = arm, 0.2
    stream.target = np.array(fake.machine.motion.joints)
    with contextlib.suppress(DeviceError):
        stream.run(2.0, until=lambda: bool(fault_of(arm)))
    return fault_of(arm), time.monotonic() - begin


@pytest.mark.parametrize(
    ("fault", "options", "expected"),
    [
        ("collision", {}, "error 31: the arm hit something"),
        ("joint_limit", {}, "error 23: a joint is beyond its limit"),
        ("servo_error", {"joint": 4}, "error 14: the servo motor of joint 4 failed"),
        ("error", {"code": 77}, "error 77: not known to this driver"),
        ("user_stop", {}, "error 2: the emergency stop input of the control box is open"),
        ("silence", {}, "has not answered a command"),
        ("cable_pulled", {}, "the link is lost"),
        ("communication_loss", {}, "the controller closed the connection|no report from the controller|the link is lost"),
        ("mode_switched", {}, "another client switched the mode: .*mode 0 .position."),
    ],
)
def test_a_fault_in_the_middle_of_a_motion_is_told_in_words_in_time(fake, arm, fault, options, expected) -> None:
    told, took = stream_into(fake, arm, fault, **options)
    assert re.search(expected, told), told
    assert took < TOLD_S + SLACK_S
    with pytest.raises(DeviceError):
        arm.command(joint_command(arm, np.array(fake.machine.motion.joints)))


def test_a_motor_that_another_client_switched_off_is_told(fake, arm) -> None:
    told, took = stream_into(fake, arm, "motors_disabled")
    assert "another client stopped the arm" in told
    assert took < TOLD_S + SLACK_S


def test_reports_that_stop_are_told(fake, arm) -> None:
    told, took = stream_into(fake, arm, "report_stall")
    assert "no report from the controller" in told
    assert took < 0.55 + SLACK_S


def test_an_arm_at_rest_tells_its_faults_too(fake, arm) -> None:
    fake.inject("collision")
    wait_until(lambda: "error 31" in fault_of(arm), timeout=TOLD_S + SLACK_S)
    assert arm.read_state().mode is ArmMode.FAULT


def test_a_warning_is_logged_and_stops_nothing(fake, arm, caplog) -> None:
    fake.inject("warning", code=11)
    Stream(arm).run(0.5)
    assert fault_of(arm) == ""
    assert "warning 11: the controller's command buffer is full" in caplog.text


def test_command_returns_at_once_while_the_link_is_stuck(fake, arm) -> None:
    Stream(arm).run(0.1)
    fake.inject("silence", seconds=0)
    target, longest = arm.read_state().joint_positions, 0.0
    for _ in range(15):
        begin = time.perf_counter()
        arm.command(joint_command(arm, target))
        longest = max(longest, time.perf_counter() - begin)
        time.sleep(0.01)
    assert longest < 0.005
    fake.clear("silence")


def test_stop_returns_at_once_while_a_call_is_stuck(fake, arm) -> None:
    Stream(arm).run(0.1)
    fake.inject("silence", seconds=0)
    arm.command(joint_command(arm, arm.read_state().joint_positions))
    wait_until(lambda: arm._session._silence.seconds[2] > 0.05)
    begin = time.perf_counter()
    arm.stop()
    assert time.perf_counter() - begin < 0.06
    fake.clear("silence")


def test_stop_works_while_a_call_is_stuck_on_its_own_connection(fake, arm) -> None:
    Stream(arm).run(0.1)
    lock = arm._session.main._api.core.lock
    with lock:  # what a call that waits for its answer holds
        arm.command(joint_command(arm, arm.read_state().joint_positions + 0.001))
        wait_until(lambda: arm._session._silence.seconds[2] > 0.02)
        begin = time.monotonic()
        arm.stop()
        wait_until(lambda: fake.machine.stopped)
        assert time.monotonic() - begin < arm.description.max_stop_latency + SLACK_S


@pytest.mark.parametrize("fault", ["collision", "mode_switched", "motors_disabled"])
def test_recovery_moves_nothing_and_the_next_command_moves_again(fake, arm, fault) -> None:
    stream_into(fake, arm, fault)
    time.sleep(0.2)
    before = np.array(fake.machine.motion.joints)
    arm.recover()
    time.sleep(0.2)
    assert fault_of(arm) == ""
    assert np.abs(fake.machine.motion.joints - before).max() < 1e-4
    Stream(arm).run(0.3)
    assert fake.machine.motion.joints[-1] - before[-1] > 0.03


@pytest.mark.parametrize("fault", ["cable_pulled", "communication_loss"])
def test_a_lost_link_is_recovered_by_connecting_anew(fake, arm, fault) -> None:
    stream_into(fake, arm, fault, seconds=0)
    fake.clear(fault)
    arm.recover()
    assert fault_of(arm) == ""
    Stream(arm).run(0.2)
    assert fault_of(arm) == ""


def test_a_controller_restart_in_the_middle_of_a_motion_is_told_and_recovered_with_its_tool() -> None:
    with make_fake(tool_offset=(0, 0, 0, 0, 0, 0), tool_load=(0, 0, 0, 0)) as fake:  # what the restart leaves
        arm = XArm(make_settings(fake.address))
        arm.connect()
        Stream(arm).run(0.2)
        fake.restart()
        wait_until(lambda: bool(fault_of(arm)), timeout=1.0)
        arm.recover()
        assert fault_of(arm) == ""
        assert fake.machine.settings.tool_offset[2] == pytest.approx(172.0)
        assert fake.machine.settings.tool_load[0] == pytest.approx(0.82)
        Stream(arm).run(0.2)
        arm.disconnect()


def test_a_link_that_stays_lost_ends_the_recovery_in_words(fake) -> None:
    arm = XArm(make_settings(fake.address), reconnect_s=1.0)
    arm.connect()
    fake.inject("communication_loss")
    wait_until(lambda: bool(fault_of(arm)))
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="no xArm control box answers .* Tried for 1 s"):
        arm.recover()
    assert time.monotonic() - begin < 3.0
    assert fault_of(arm) != ""
    arm.disconnect()


def test_a_pressed_emergency_stop_is_not_recovered(fake, arm) -> None:
    stream_into(fake, arm, "user_stop", code=1)
    with pytest.raises(DeviceError, match="error 1: the emergency stop button of the control box is pressed. Release it"):
        arm.recover()
    assert fake.machine.enabled == 0
    fake.clear("user_stop")
    time.sleep(0.3)
    assert fake.machine.stopped, "a released button alone must not make the arm ready"
    assert "emergency stop" in fault_of(arm)
    arm.recover()
    assert fault_of(arm) == ""


def test_nothing_is_enabled_by_itself_after_a_fault(fake, arm) -> None:
    stream_into(fake, arm, "collision")
    since = time.monotonic()
    time.sleep(0.6)
    kinds = {entry["kind"] for entry in fake.log.entries() if entry["time"] > since}
    assert not kinds & {"motion_enable", "clean_error", "set_mode", "servo_joints"}
    assert fake.machine.error == 31


def test_a_stop_in_the_middle_of_getting_ready_wins(fake, arm) -> None:
    arm.stop()
    target = arm.read_state().joint_positions + 0.01
    for _ in range(20):
        arm.command(joint_command(arm, target))
        threading.Timer(0.002, arm.stop).start()
        time.sleep(0.03)
    arm.stop()
    time.sleep(0.2)
    assert fake.machine.stopped
    assert fault_of(arm) == ""


@pytest.mark.parametrize("code", [1, 10, 17, 19, 24, 31, 60, 111])
def test_known_error_codes_say_what_to_do(code) -> None:
    told = words.error_in_words(code)
    assert told.startswith(f"error {code}: ")
    assert "not known" not in told
    assert told.count(".") >= 1


def test_unknown_codes_are_told_by_number() -> None:
    assert "error 200: not known" in words.error_in_words(200)
    assert "warning 99: not known" in words.warning_in_words(99)
    assert "code 150: not known" in words.reply_in_words(150)
