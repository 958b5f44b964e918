"""What can be made to go wrong with the fake xArm does go wrong as clients of a true one see it, and ends when it should."""

from __future__ import annotations

import threading
import time

import pytest
from fake_xarm_rig import CONTROL_PORT, RawClient, hang_up, loopback, make_ready, vendor_client_settings, wait_for
from xarm.wrapper import XArmAPI

from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from robot_drivers.fake_controllers.xarm.faults import FAULTS


@pytest.fixture(autouse=True)
def vendor_settings():
    """Every test here may use the vendor's library."""
    with vendor_client_settings():
        yield


@pytest.fixture
def controller():
    with FakeXArm(loopback(), control_port=CONTROL_PORT) as made:
        yield made


@pytest.fixture
def arm(controller):
    made = XArmAPI(controller.address, is_radian=True, report_type="real")
    yield made
    hang_up(made)


def set_off(controller, arm):
    """Be in the middle of a long planned move."""
    make_ready(arm, 0)
    assert arm.set_servo_angle(angle=[1.0, 0, 0, 0, 0, 0], speed=0.5, wait=False) == 0
    wait_for(lambda: controller.machine.motion.joints[0] > 0.05, "under way")


@pytest.mark.parametrize(
    ("fault", "options", "error", "powered"),
    [
        ("error", {"code": 22}, 22, True),
        ("collision", {}, 31, True),
        ("joint_limit", {}, 23, True),
        ("servo_error", {"joint": 3, "servo_code": 23}, 13, False),
        ("user_stop", {}, 2, False),
        ("user_stop", {"code": 1}, 1, False),
    ],
)
def test_an_error_in_mid_motion_stops_the_arm_and_is_read_by_its_code(controller, arm, fault, options, error, powered):
    set_off(controller, arm)
    controller.inject(fault, **options)
    assert arm.get_err_warn_code() == (0, [error, 0])
    assert arm.get_state() == (0, 4)
    wait_for(lambda: not controller.machine.motion.moving, "rest", 0.2)
    assert controller.machine.motion.joints[0] < 0.5
    assert bool(controller.machine.enabled) is powered
    assert arm.set_state(0) == 0
    assert arm.get_state() == (0, 4)  # an error is not ended by asking for state 0


def test_an_error_is_cleaned_and_the_arm_goes_on_only_when_it_is_asked_to(controller, arm):
    set_off(controller, arm)
    controller.inject("collision")
    wait_for(lambda: not controller.machine.motion.moving, "rest", 0.2)
    at_rest = controller.machine.motion.joints[0]
    assert arm.clean_error() == 0
    assert arm.get_err_warn_code() == (0, [0, 0])
    assert arm.get_state() == (0, 4)
    make_ready(arm, 0)
    assert arm.get_state() == (0, 2)
    assert controller.machine.motion.joints[0] == at_rest
    assert arm.set_servo_angle(angle=[at_rest + 0.1, 0, 0, 0, 0, 0], speed=1.0, wait=False) == 0
    wait_for(lambda: controller.machine.motion.joints[0] == pytest.approx(at_rest + 0.1), "arrival")


def test_the_emergency_stop_cannot_be_cleaned_until_it_is_released(controller, arm):
    make_ready(arm, 1)
    controller.inject("user_stop")
    arm.clean_error()
    assert arm.get_err_warn_code() == (0, [2, 0])
    arm.motion_enable(True)
    assert controller.machine.enabled == 0
    controller.clear("user_stop")
    assert arm.get_err_warn_code() == (0, [2, 0])
    arm.clean_error()
    make_ready(arm, 1)
    assert arm.get_state() == (0, 2)


def test_a_warning_stops_nothing(controller, arm):
    set_off(controller, arm)
    controller.inject("warning", code=11)
    assert arm.get_err_warn_code() == (0, [0, 11])
    assert arm.get_state() == (0, 1)
    assert arm.clean_warn() == 0
    assert arm.get_err_warn_code() == (0, [0, 0])


def test_silence_leaves_a_call_stuck_until_its_time_is_over(controller, arm):
    make_ready(arm, 1)
    controller.inject("silence", seconds=0)
    begin = time.monotonic()
    assert arm.set_servo_angle_j([0.01] * 2 + [0.0] * 4) == 3
    assert time.monotonic() - begin == pytest.approx(2.0, abs=0.3)  # the library's own limit
    assert controller.machine.motion.joints.tolist() == [0.0] * 6
    assert controller.log.counts["unanswered"] == 1
    controller.clear("silence")
    assert arm.get_state() == (0, 2)


def test_silence_ends_by_itself(controller):
    controller.inject("silence", seconds=0.3)
    with RawClient(controller.address) as client:
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.ask(13)
        time.sleep(0.3)
        client.socket.settimeout(2.0)
        assert client.ask(13)[1] == bytes([4])


def test_a_pulled_cable_sends_nothing_and_closes_nothing(controller, arm):
    with RawClient(controller.address, 30003) as reports:
        reports.read(135)
        controller.inject("cable_pulled")
        reports.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            reports.read(135 * 100)
        controller.clear("cable_pulled")
        reports.socket.settimeout(2.0)
        reports.read(1)
    assert arm.connected


def test_a_report_stall_leaves_commands_answered(controller, arm):
    with RawClient(controller.address, 30003) as reports:
        reports.read(135)
        controller.inject("report_stall")
        reports.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            reports.read(135 * 100)
    assert arm.get_state() == (0, 4)


def test_lost_communication_is_told_by_callback_and_refuses_new_connections(controller, arm):
    lost = threading.Event()
    arm.register_connect_changed_callback(lambda item: None if item["connected"] else lost.set())
    controller.inject("communication_loss")
    wait_for(lambda: not arm.connected, "loss")
    assert lost.wait(5.0)
    with pytest.raises(ConnectionRefusedError):
        RawClient(controller.address)
    controller.clear("communication_loss")
    with RawClient(controller.address) as client:
        assert client.ask(13)[1] == bytes([4])


def test_lost_communication_mends_by_itself_after_its_time(controller):
    controller.inject("communication_loss", seconds=0.2)
    with pytest.raises(ConnectionRefusedError):
        RawClient(controller.address)
    wait_for(lambda: controller.commands.listening, "mended")
    with RawClient(controller.address, 30001) as client:
        client.read(145)


def test_an_arm_that_lost_its_client_holds_the_last_target(controller, arm):
    make_ready(arm, 1)
    assert arm.set_servo_angle_j([0.004] + [0.0] * 5) == 0
    controller.inject("communication_loss")
    wait_for(lambda: controller.machine.motion.joints[0] == pytest.approx(0.004), "held")
    assert controller.machine.error == 0


def test_a_restart_in_mid_motion_begins_anew_where_the_arm_stands(controller, arm):
    set_off(controller, arm)
    arm.set_tcp_load(0.5, [0, 0, 30])
    controller.restart()
    wait_for(lambda: not arm.connected, "the old connection ends")
    assert 0.05 < controller.machine.motion.joints[0] < 0.9
    again = XArmAPI(controller.address, is_radian=True, report_type="real")
    try:
        assert again.get_state() == (0, 4)
        assert again.get_err_warn_code() == (0, [0, 0])
        assert controller.machine.enabled == 0
        assert controller.machine.settings.tool_load == [0.0] * 4
        make_ready(again, 1)
        assert again.get_state() == (0, 2)
    finally:
        hang_up(again)


def test_what_was_saved_survives_a_restart(controller, arm):
    make_ready(arm, 0)
    arm.set_tcp_load(0.5, [0, 0, 30])
    assert arm.save_conf() == 0
    controller.restart()
    assert controller.machine.settings.tool_load == pytest.approx([0.5, 0.0, 0.0, 30.0])


def test_a_mode_that_another_client_switched_is_reported_and_streams_no_more(controller, arm):
    make_ready(arm, 1)
    wait_for(lambda: arm.mode == 1, "report")
    controller.inject("mode_switched", mode=0)
    wait_for(lambda: arm.mode == 0, "report")
    arm.set_servo_angle_j([0.004] + [0.0] * 5)
    assert controller.log.counts["wrong_mode"] == 1
    assert controller.machine.motion.joints[0] == 0.0


def test_a_busy_controller_is_not_ready_until_it_is_free(controller, arm):
    make_ready(arm, 1)
    controller.inject("controller_busy")
    assert arm.set_servo_angle_j([0.004] + [0.0] * 5) == 9
    controller.clear("controller_busy")
    assert arm.set_servo_angle_j([0.004] + [0.0] * 5) == 0


def test_motors_that_another_client_switched_off_are_reported(controller):
    arm = XArmAPI(controller.address, is_radian=True, report_type="normal")
    try:
        make_ready(arm, 1)
        wait_for(lambda: all(arm.motor_enable_states[:6]), "report")
        controller.inject("motors_disabled")
        wait_for(lambda: not any(arm.motor_enable_states[:6]), "report")
        assert arm.set_servo_angle_j([0.004] + [0.0] * 5) == 9
    finally:
        hang_up(arm)


def test_gripper_faults_are_told_as_they_are(controller, arm):
    make_ready(arm, 1)
    arm.set_gripper_enable(True)
    controller.inject("gripper_error", code=11)
    assert arm.get_gripper_err_code() == (0, 11)
    assert arm.clean_gripper_error() == 0
    assert arm.get_gripper_err_code() == (0, 0)
    controller.inject("gripper_lost")
    arm.get_gripper_position()
    assert arm.get_err_warn_code() == (0, [19, 0])
    controller.clear("gripper_lost")
    arm.clean_error()
    assert arm.get_gripper_position() == (0, 850)


def test_an_unknown_fault_names_the_known_ones(controller):
    with pytest.raises(ValueError, match="user_stop"):
        controller.inject("meteor")
    with pytest.raises(ValueError, match="servo_code"):
        controller.inject("error", colour="red")
    with pytest.raises(ValueError, match="silence"):
        controller.clear("meteor")
    with pytest.raises(ValueError, match="joint"):
        controller.inject("servo_error", joint=9)
    assert controller.FAULTS is FAULTS


def test_every_fault_can_be_injected_and_cleared(controller):
    for fault in FAULTS:
        controller.inject(fault)
        controller.clear(fault)
    controller.clear()
    with RawClient(controller.address) as client:
        assert client.ask(13)[1] == bytes([4])
