"""The xArm driver with the maker's own SDK against a controller that speaks its protocol: contract, bring-up, settings, read only."""

from __future__ import annotations

import logging
import socket
import threading
import time

import numpy as np
import pytest
from xarm_rig import CONTROL_PORT, JOINTS, TOOL, Stream, joint_command, loopback_address, make_fake, make_settings, wait_until

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.checks import check_arm
from robot_drivers.device_context import DeviceContext
from robot_drivers.xarm.xarm_arm import XArm
from stage_core.errors import ConfigurationError, DeviceError


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


@pytest.mark.parametrize("model", ["xarm7", pytest.param("xarm6", marks=pytest.mark.slow), pytest.param("lite6", marks=pytest.mark.slow)])
def test_the_driver_keeps_the_contract_over_the_wire(model) -> None:
    with make_fake(model) as fake:
        report = check_arm(XArm(make_settings(fake.address, model)))
        assert report.passed, str(report)
        assert fake.log.violations == []


def test_the_process_keeps_its_own_socket_time_out(fake) -> None:
    socket.setdefaulttimeout(7.0)
    try:
        arm = XArm(make_settings(fake.address))
        arm.connect()
        assert socket.getdefaulttimeout() == 7.0
        fake.inject("communication_loss", seconds=0.2)
        wait_until(lambda: not arm._session.main.alive)
        arm.recover()
        assert socket.getdefaulttimeout() == 7.0
        arm.disconnect()
    finally:
        socket.setdefaulttimeout(None)


# ---- bring-up, in words


def test_a_control_box_that_is_not_there_is_told(caplog) -> None:
    arm = XArm(make_settings(loopback_address()))
    with pytest.raises(DeviceError, match=r"no xArm control box answers at 127\..*Check its power, the cable"):
        arm.connect()


def test_something_else_behind_the_address_is_told_in_time() -> None:
    address = loopback_address()
    with socket.create_server((address, CONTROL_PORT)):
        arm = XArm(make_settings(address))
        begin = time.monotonic()
        with pytest.raises(DeviceError, match="accepts connections but does not answer as an xArm"):
            arm.connect()
        assert time.monotonic() - begin < 8.0


def test_another_arm_than_the_files_is_refused(fake) -> None:
    with pytest.raises(ConfigurationError, match=r"settings.arm.model is xarm6; the controller at .* drives xArm 7 \(xarm7\)"):
        XArm(make_settings(fake.address, "xarm6")).connect()


def test_a_pressed_emergency_stop_is_told_and_waited_for(fake, caplog) -> None:
    fake.inject("user_stop")
    arm = XArm(make_settings(fake.address, connect_timeout_s=10.0))
    thread = threading.Thread(target=arm.connect)
    thread.start()
    wait_until(lambda: "emergency stop input of the control box is open" in caplog.text)
    fake.clear("user_stop")
    fake.machine.clean_error()  # somebody in UFACTORY Studio
    thread.join(timeout=8.0)
    assert not thread.is_alive()
    assert arm.read_state().fault == ""
    arm.disconnect()


def test_an_error_is_told_and_never_cleared_by_connecting(fake) -> None:
    fake.inject("collision")
    with pytest.raises(DeviceError, match="error 31: the arm hit something"):
        XArm(make_settings(fake.address)).connect()
    assert fake.machine.error == 31
    assert fake.log.entries("motion_enable") == []


def test_an_arm_that_somebody_guides_by_hand_is_left_alone(fake) -> None:
    fake.inject("mode_switched", mode=2)
    with pytest.raises(DeviceError, match="somebody guides the arm by hand"):
        XArm(make_settings(fake.address)).connect()
    assert fake.machine.mode == 2


def test_a_base_offset_is_told(fake) -> None:
    fake.machine.settings.world_offset[2] = 50.0
    fake.machine.apply_offsets()
    with pytest.raises(DeviceError, match=r"base coordinate offset of \[0.0, 0.0, 0.05,"):
        XArm(make_settings(fake.address)).connect()


def test_motors_that_stay_off_are_told(fake) -> None:
    fake.machine.enable = lambda joint, on: True  # takes the command and does nothing
    with pytest.raises(DeviceError, match="the servo motors are not enabled"):
        XArm(make_settings(fake.address)).connect()


def test_firmware_and_sdk_are_told(fake, caplog) -> None:
    caplog.set_level(logging.INFO)
    arm = XArm(make_settings(fake.address))
    arm.connect()
    arm.disconnect()
    assert "firmware 2.5.0, xarm-python-sdk 1." in caplog.text


def test_nothing_is_printed(fake, capfd) -> None:
    arm = XArm(make_settings(fake.address))
    arm.connect()
    arm.disconnect()
    assert capfd.readouterr().out == ""


# ---- settings that move metal


def test_tool_payload_and_sensitivity_of_the_file_reach_the_controller() -> None:
    with make_fake(tool_offset=(0, 0, 50.0, 0.3, 0, 0), tool_load=(0, 0, 0, 0)) as fake:
        arm = XArm(make_settings(fake.address, collision_sensitivity=4))
        arm.connect()
        tool, settings = arm.read_tool(), fake.machine.settings
        arm.disconnect()
    assert settings.tool_offset == pytest.approx([0.0, 0.0, 172.0, 0.0, 0.0, 0.0], abs=1e-3)
    assert settings.tool_load == pytest.approx([0.82, 0.0, 0.0, 48.0], abs=1e-4)
    assert settings.collision_sensitivity == 4
    assert tool.flange_to_tool[:3] == pytest.approx(TOOL[:3], abs=1e-6)
    assert abs(tool.flange_to_tool[3:] @ np.array(TOOL[3:])) == pytest.approx(1.0, abs=1e-6)
    assert tool.payload_mass == pytest.approx(0.82, abs=1e-3)
    assert tool.payload_center_of_mass == pytest.approx([0.0, 0.0, 0.048], abs=1e-6)


def test_a_controller_that_has_them_already_is_not_stopped_for_them(fake, arm) -> None:
    assert arm.read_tool().payload_mass == pytest.approx(0.82, abs=1e-3)
    assert fake.log.entries("set_tool_offset") == []


def test_reduced_speed_is_set_in_the_controller_too_until_full_speed_is_asked(fake, arm) -> None:
    reduced = fake.machine.settings.reduced
    assert reduced.on
    assert reduced.tool_speed == pytest.approx(1.2 * 250.0)
    assert reduced.joint_speed == pytest.approx(1.2 * 0.2 * np.pi, abs=1e-4)
    arm.disconnect()
    fast = XArm(make_settings(fake.address), full_speed=True)
    fast.connect()
    fast.disconnect()
    assert not fake.machine.settings.reduced.on


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "xarm9"}, "Did you mean"),
        ({"payload_mass": 820.0}, "Kilograms"),
        ({"payload_center_of_mass": (0.0, 0.0, 48.0)}, "Metres"),
        ({"flange_to_tool": (0.0, 0.0, 172.0, 0.0, 0.0, 0.0, 1.0)}, "Metres"),
        ({"flange_to_tool": (0.0, 0.0, 0.1, 0.0, 0.0, 90.0, 0.0)}, "quaternion"),
        ({"collision_sensitivity": 9}, "0 .off. to 5"),
    ],
)
def test_a_setting_in_wrong_units_is_refused_in_words(change, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make_settings("127.0.0.1", **change)


def test_a_missing_setting_is_named() -> None:
    context = DeviceContext(name="arm", source="xarm.yaml: settings.arm", control_rate_hz=20.0)
    with pytest.raises(ConfigurationError, match=r"settings.arm: .*flange_to_tool is missing"):
        XArm.from_settings({"address": "192.168.1.203", "model": "xarm7"}, context)


def test_a_dry_run_reaches_loopback_addresses_only() -> None:
    context = DeviceContext(name="arm", source="xarm.yaml", control_rate_hz=20.0, dry_run=True)
    settings = vars(make_settings("192.168.1.203"))
    with pytest.raises(ConfigurationError, match="a dry run reaches loopback addresses"):
        XArm.from_settings(settings, context)


# ---- read only


def test_read_only_reads_and_never_writes(fake) -> None:
    arm = XArm(make_settings(fake.address), read_only=True)
    arm.connect()
    assert arm.read_state().joint_positions == pytest.approx(JOINTS["xarm7"], abs=1e-5)
    assert arm.read_tool().payload_mass == pytest.approx(0.82, abs=1e-3)
    with pytest.raises(DeviceError, match="read only"):
        arm.command(joint_command(arm, np.array(JOINTS["xarm7"])))
    with pytest.raises(DeviceError, match="read only"):
        arm.recover()
    arm.stop()
    arm.disconnect()
    assert {entry["kind"] for entry in fake.log.entries()} <= {"connected", "disconnected"}


def test_read_only_works_beside_an_error_and_tells_it(fake) -> None:
    fake.inject("user_stop")
    arm = XArm(make_settings(fake.address), read_only=True)
    arm.connect()
    assert "emergency stop" in arm.read_state().fault
    arm.disconnect()


# ---- streaming


def test_a_stream_reaches_the_controller_set_point_by_set_point(fake, arm) -> None:
    stream = Stream(arm)
    begin = stream.target[-1]
    stream.run(0.5)
    sent = np.array([entry["joints"] for entry in fake.log.entries("servo_joints")])
    steps = np.diff(sent[2:, -1])
    assert len(sent) > 40
    assert np.abs(steps - 0.002).max() < 0.0025, "a lawful stream is not reshaped"
    assert sent[-1, -1] == pytest.approx(begin + 0.01 * 0.2 * round((stream.target[-1] - begin) / 0.002), abs=0.003)
    assert fake.log.violations == []


def test_velocities_are_those_of_the_motion(arm) -> None:
    stream = Stream(arm, speed=0.3)
    stream.run(0.6)
    assert arm.read_state().joint_velocities[-1] == pytest.approx(0.3, abs=0.1)


def test_a_pose_and_joints_may_follow_each_other(fake, arm) -> None:
    state = arm.read_state()
    pose = np.array([*state.ee_position, *state.ee_orientation])
    pose[2] += 0.004
    for _ in range(60):
        arm.command(ArmCommand(stamp=time.time(), action_space=ActionSpace.EE_POSE, values=pose, valid_for=0.1))
        time.sleep(0.01)
    assert arm.read_state().ee_position[2] == pytest.approx(pose[2], abs=5e-4)
    Stream(arm).run(0.3)
    assert arm.read_state().fault == ""
    assert fake.log.violations == []


def test_a_target_far_away_is_approached_within_the_limits_of_the_arm(fake, arm) -> None:
    target = arm.read_state().joint_positions + 0.15
    for _ in range(130):
        arm.command(joint_command(arm, target))
        time.sleep(0.01)
    assert arm.read_state().joint_positions == pytest.approx(target, abs=1e-3)
    assert fake.log.violations == []
    assert fake.log.extremes["tool_speed_mm_s"] < 275.0


def test_after_a_stop_the_next_command_moves_again_from_where_the_arm_is(fake, arm) -> None:
    Stream(arm).run(0.3)
    arm.stop()
    wait_until(lambda: fake.machine.stopped)
    time.sleep(0.1)
    before = arm.read_state().joint_positions
    stream = Stream(arm)
    stream.run(0.5)
    after = arm.read_state().joint_positions
    assert after[-1] - before[-1] == pytest.approx(0.1, abs=0.03)
    assert np.abs(after[:-1] - before[:-1]).max() < 1e-4
    assert fake.log.violations == []


def test_a_target_from_before_a_stop_is_never_sent_after_it(fake, arm) -> None:
    target = arm.read_state().joint_positions
    target[-1] += 0.2
    arm.command(joint_command(arm, target))
    wait_until(lambda: len(fake.log.entries("servo_joints")) > 3)
    arm.stop()
    stopped_at = time.monotonic()
    time.sleep(0.3)
    assert [entry for entry in fake.log.entries("servo_joints") if entry["time"] > stopped_at + 0.01] == []
    assert fake.machine.stopped
