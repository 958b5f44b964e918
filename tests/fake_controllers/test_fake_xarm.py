"""The vendor's client library reads, sets and reads back: identity, tool, settings, reports, gripper, kinematics."""

from __future__ import annotations

import math
import threading
import time

import pytest
from fake_xarm_rig import connections, make_ready, wait_for


@pytest.fixture
def connect():
    """Return a function that starts a controller with some facts and connects the vendor's library to it."""
    with connections() as made:
        yield made


@pytest.mark.parametrize(
    ("robot_type", "axes", "type_number", "zero"),
    [
        ("xarm5", 5, 5, (207.0, 0.0, 112.0)),
        ("xarm6", 6, 6, (207.0, 0.0, 112.0)),
        ("xarm7", 7, 7, (206.0, 0.0, 120.5)),
        ("lite6", 6, 9, (87.0, 0.0, 154.2)),
        ("850", 6, 12, (150.0, 0.0, 238.0)),
    ],
)
def test_every_kind_of_arm_says_what_it_is_and_stands_at_its_published_zero(connect, robot_type, axes, type_number, zero):
    _, arm = connect(robot_type=robot_type, firmware="2.6.1", serial="XX130411223344")
    assert (arm.axis, arm.device_type, arm.version_number, arm.sn) == (axes, type_number, (2, 6, 1), "XX130411223344")
    code, pose = arm.get_position()
    assert code == 0
    assert pose[:3] == pytest.approx(zero, abs=1e-3)
    assert [abs(pose[3]), pose[4], pose[5]] == pytest.approx([math.pi, 0.0, 0.0], abs=1e-5)  # the tool looks down
    assert arm.get_servo_angle() == (0, [0.0] * 7)


def test_serial_numbers_are_read_back(connect):
    _, arm = connect(serial="XI130411223344")
    assert arm.get_robot_sn() == (0, "XI130411223344")
    assert arm.control_box_sn == "AC130200000000"


def test_a_newer_generation_has_its_narrower_ranges(connect):
    _, arm = connect(serial="XI130511223344")
    assert arm.is_joint_limit([0.0, math.radians(119.0), 0, 0, 0, 0]) == (0, True)
    _, older = connect(serial="XI130411223344")
    assert older.is_joint_limit([0.0, math.radians(119.0), 0, 0, 0, 0]) == (0, False)


def test_tool_offset_and_load_are_read_back_and_used(connect):
    controller, arm = connect(report_type="rich")
    make_ready(arm, 0)
    bare = arm.get_position()[1]
    assert arm.set_tcp_load(0.8, [1.0, 2.0, 60.0]) == 0
    assert arm.set_tcp_offset([0.0, 0.0, 172.0, 0.0, 0.0, 0.1]) == 0
    assert arm.get_state() == (0, 5)  # a changed offset ends what moves
    assert arm.set_servo_angle(angle=[0.1] * 6, wait=False) != 0
    arm.set_state(0)
    wait_for(lambda: arm.tcp_offset == pytest.approx([0.0, 0.0, 172.0, 0.0, 0.0, 0.1], abs=1e-6), "report of the offset")
    assert arm.tcp_load == [0.8, [1.0, 2.0, 60.0]]
    assert arm.get_position()[1][2] == pytest.approx(bare[2] - 172.0, abs=1e-3)
    assert controller.machine.efforts()[1] != 0.0


def test_a_load_is_refused_while_the_arm_is_stopped(connect):
    controller, arm = connect()
    assert arm.set_tcp_load(0.8, [0.0, 0.0, 60.0]) == 9
    assert controller.machine.settings.tool_load == [0.0] * 4


def test_a_tool_that_the_box_has_from_the_start_is_reported(connect):
    _, arm = connect(report_type="normal", tool_offset=[0, 0, 172, 0, 0, 0], tool_load=[0.82, 0, 0, 48])
    wait_for(lambda: arm.tcp_offset[2] == 172.0, "report")
    assert arm.tcp_load == [0.82, [0.0, 0.0, 48.0]]


def test_settings_are_read_back_from_the_rich_report(connect):
    _, arm = connect(report_type="rich")
    make_ready(arm, 0)
    assert arm.set_collision_sensitivity(4) == 0
    assert arm.set_joint_maxacc(12.0) == 0
    assert arm.set_joint_jerk(15.0) == 0
    assert arm.set_tcp_maxacc(3000.0) == 0
    assert arm.set_tcp_jerk(5000.0) == 0
    arm.set_reduced_max_tcp_speed(120.0)
    arm.set_reduced_max_joint_speed(0.7)
    arm.set_reduced_tcp_boundary([500, -500, 400, -400, 600, 10])
    arm.set_reduced_mode(True)
    wait_for(lambda: bool(arm.is_reduced_mode), "report")
    assert arm.collision_sensitivity == 4
    assert arm.joint_acc_limit[1] == pytest.approx(12.0)
    assert (arm.joint_jerk, arm.tcp_acc_limit[1], arm.tcp_jerk) == (15.0, 3000.0, 5000.0)
    code, (on, boundary, tool_speed, joint_speed, *_) = arm.get_reduced_states()
    assert (code, on, boundary, tool_speed, joint_speed) == (0, 1, [500, -500, 400, -400, 600, 10], 120.0, pytest.approx(0.7))


def test_the_fence_stops_the_arm_with_error_35(connect):
    controller, arm = connect()
    arm.set_reduced_tcp_boundary([9999, -9999, 20, -20, 9999, -9999])
    arm.set_fence_mode(True)
    make_ready(arm, 0)
    arm.set_servo_angle(angle=[0.5, 0, 0, 0, 0, 0], speed=0.5, wait=False)
    wait_for(lambda: controller.machine.error == 35, "error")
    assert controller.log.violations[0]["name"] == "fence_y"


def test_reports_tell_joints_velocities_and_changes_by_callback(connect):
    controller, arm = connect(report_type="rich")
    states, errors, located = [], [], threading.Event()
    arm.register_state_changed_callback(lambda item: states.append(item["state"]))
    arm.register_error_warn_changed_callback(lambda item: errors.append((item["error_code"], item["warn_code"])))
    arm.register_report_location_callback(lambda item: located.set(), report_cartesian=True, report_joints=True)
    assert located.wait(3.0)
    make_ready(arm, 0)
    arm.set_servo_angle(angle=[0.5, 0, 0, 0, 0, 0], speed=0.5, wait=False)
    wait_for(lambda: arm.realtime_joint_speeds[0] == pytest.approx(0.5, rel=0.05), "velocity in a report")
    assert arm.realtime_tcp_speed == pytest.approx(0.5 * 207.0, rel=0.1)
    controller.inject("error", code=31)
    wait_for(lambda: (31, 0) in errors and 4 in states, "callbacks")


def test_the_gripper_moves_at_its_speed_and_is_read_back(connect):
    controller, arm = connect()
    make_ready(arm, 1)
    assert arm.set_gripper_mode(0) == 0
    assert arm.set_gripper_enable(True) == 0
    assert arm.set_gripper_speed(3000) == 0
    assert arm.get_gripper_position() == (0, 850)
    begin = time.monotonic()
    assert arm.set_gripper_position(400, wait=False) == 0
    wait_for(lambda: arm.get_gripper_position() == (0, 400), "arrival")
    assert time.monotonic() - begin == pytest.approx(450 / 900, abs=0.15)
    assert arm.get_gripper_version() == (0, "3.4.3")
    assert arm.get_gripper_err_code() == (0, 0)
    assert controller.log.counts.get("error") is None


def test_the_gripper_stops_at_an_object(connect):
    _, arm = connect(object_width=300)
    make_ready(arm, 1)
    arm.set_gripper_enable(True)
    arm.set_gripper_speed(5000)
    assert arm.set_gripper_position(0, wait=True) == 0
    assert arm.get_gripper_position() == (0, 300)
    assert arm.get_gripper_status() == (0, 2)


def test_a_gripper_that_is_not_fitted_is_error_19(connect):
    controller, arm = connect(gripper=False)
    make_ready(arm, 1)
    assert arm.get_gripper_position()[0] != 0
    assert controller.machine.error == 19
    assert arm.get_err_warn_code() == (0, [19, 0])


def test_kinematics_of_the_box_agree_with_each_other(connect):
    _, arm = connect(axes=7)
    joints = [0.3, -0.4, 0.2, 1.1, -0.3, 0.9, 0.5]
    code, pose = arm.get_forward_kinematics(joints)
    assert code == 0
    code, solved = arm.get_inverse_kinematics(pose, ref_angles=joints)
    assert code == 0
    assert arm.get_forward_kinematics(solved)[1] == pytest.approx(pose, abs=0.1)
    assert arm.is_joint_limit([0.0, 2.2, 0, 0, 0, 0, 0]) == (0, True)
    assert arm.is_joint_limit(joints) == (0, False)
    assert arm.get_inverse_kinematics([2000, 0, 0, math.pi, 0, 0])[0] != 0
