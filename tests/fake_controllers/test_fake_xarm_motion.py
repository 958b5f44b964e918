"""The vendor's client library moves the fake xArm: streams, planned moves and velocities, within the limits and beyond them."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from fake_xarm_rig import connections, make_ready, wait_for


@pytest.fixture
def connect():
    """Return a function that starts a controller with some facts and connects the vendor's library to it."""
    with connections() as made:
        yield made


def stream(arm, target_at, seconds, period=0.01):
    """Send `target_at(time)` (n,) rad every `period`; returns the codes that are not zero."""
    due, codes = time.monotonic(), []
    for tick in range(1, round(seconds / period) + 1):
        code = arm.set_servo_angle_j(target_at(tick * period))
        if code:
            codes.append(code)
        due = max(due + period, time.monotonic())  # a late target does not make the next ones hurry
        time.sleep(due - time.monotonic() if due > time.monotonic() else 0.0)
    return codes


def turned(pose, other):
    """Return how far two poses (x, y, z, roll, pitch, yaw) differ in their angles, rad; half a turn either way is the same."""
    differences = np.array(pose[3:]) - np.array(other[3:])
    return float(np.abs((differences + math.pi) % (2.0 * math.pi) - math.pi).max())


def test_nothing_moves_before_the_motors_are_enabled(connect):
    _, arm = connect()
    assert arm.get_state() == (0, 4)
    arm.set_mode(1)
    arm.set_state(0)
    assert arm.get_state() == (0, 4)
    assert arm.set_servo_angle_j([0.01] * 6) == 9
    assert arm.get_servo_angle()[1] == [0.0] * 7


def test_a_stream_at_100_hz_is_followed_within_a_period_and_breaks_no_limit(connect):
    controller, arm = connect(axes=7, joints=[0.1, -0.3, 0.2, 0.8, 0.0, 0.9, 0.0])
    make_ready(arm, 1)
    start = np.array([0.1, -0.3, 0.2, 0.8, 0.0, 0.9, 0.0])
    amplitude = np.array([0.25, 0.2, 0.25, 0.2, 0.3, 0.2, 0.3])
    lags = []

    def target_at(moment):
        # The ramp brings the amplitude in smoothly; a stream that starts at full speed would be a jump of velocity.
        share = min(1.0, moment / 0.8)
        ramp = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
        target = start + amplitude * ramp * math.sin(2.0 * moment)
        lags.append(float(np.abs(target - controller.machine.motion.joints).max()))
        return target.tolist()

    assert stream(arm, target_at, 2.5) == []
    assert controller.log.violations == []
    assert 0.3 < controller.log.extremes["joint_velocity"] < 1.2
    assert np.median(lags) < 0.015  # rad: 0.6 rad/s for two periods
    assert arm.get_err_warn_code() == (0, [0, 0])
    wait_for(lambda: np.allclose(controller.machine.motion.joints, target_at(2.5)), "arrival")


def test_a_stream_reads_back_its_velocity_and_comes_to_rest(connect):
    controller, arm = connect()
    make_ready(arm, 1)
    readings = []

    def target_at(moment):
        if moment > 0.5:
            readings.append(arm.get_joint_states()[1][1][0])
        return [0.4 * max(0.0, moment - 0.1) * min(1.0, moment / 0.3)] + [0.0] * 5

    assert stream(arm, target_at, 0.8) == []
    assert np.median(readings) == pytest.approx(0.4, rel=0.1)
    wait_for(lambda: not controller.machine.motion.velocity.any(), "rest")
    assert arm.get_state() == (0, 2)


def test_a_jump_is_error_24_and_stops_the_arm_until_it_is_cleaned(connect):
    controller, arm = connect()
    make_ready(arm, 1)
    assert arm.set_servo_angle_j([0.2] + [0.0] * 5) == 1
    assert arm.get_err_warn_code() == (0, [24, 0])
    assert arm.get_state() == (0, 4)
    (violation,) = controller.log.violations
    assert (violation["name"], violation["error"]) == ("joint1_step", 24)
    assert arm.get_servo_angle()[1] == [0.0] * 7
    assert arm.set_servo_angle_j([0.0] * 6) == 1
    arm.clean_error()
    make_ready(arm, 1)
    assert stream(arm, lambda moment: [0.05 * moment**2] + [0.0] * 5, 0.3) == []


@pytest.mark.parametrize(
    ("target_at", "name", "error"),
    [
        (lambda moment: [-3.5 * moment**2, 0.0, 0.0, 0.0, 0.0, 0.0], "tool_speed", 60),
        (lambda moment: [0.0, 0.0, 0.0, 0.0, 0.0, 8.0 * moment**2], "joint6_", 24),
        (lambda moment: [0.0, 0.0, 0.0, 0.0, 0.0, 0.027 if moment >= 0.155 else 0.0], "joint6_", 16),
        (lambda moment: [0.0, 0.0, 0.0, 0.0, 0.0, 60.0 * max(0.0, moment - 0.1) ** 3], "joint6_", None),
    ],
    ids=["tool speed", "joint speed", "a small jump", "ever more acceleration"],
)
def test_a_stream_beyond_a_published_limit_is_stopped_with_its_error(connect, target_at, name, error):
    joints = [0.0, 1.0, -2.0, 0.0, 0.0, 0.0]  # stretched out, where joint 1 moves the tool fast: 0.72 m from its axis
    controller, arm = connect(joints=joints)
    make_ready(arm, 1)
    codes = stream(arm, lambda moment: np.add(joints, target_at(moment)).tolist(), 1.2)
    assert codes and codes[0] == 1
    (violation,) = controller.log.violations
    assert violation["name"].startswith(name)
    assert violation["value"] > violation["limit"]
    assert error in (None, violation["error"])
    assert arm.get_err_warn_code()[1][0] == violation["error"]


def test_a_late_target_is_no_violation(connect):
    controller, arm = connect()
    make_ready(arm, 1)
    generator = np.random.default_rng(0)
    for tick in range(150):
        moment = tick * 0.01
        assert arm.set_servo_angle_j([0.5 * (1.0 - math.cos(2.0 * moment))] + [0.0] * 5) == 0
        time.sleep(0.010 + generator.choice([-0.006, 0.0, 0.004, 0.030], p=[0.2, 0.6, 0.15, 0.05]))
    assert controller.log.violations == []


def test_a_tool_stream_in_both_notations_goes_where_it_says(connect):
    controller, arm = connect(axes=7, joints=[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    make_ready(arm, 1)
    begin = arm.get_position()[1]
    for tick in range(1, 51):
        pose = [begin[0] + 0.02 * tick**2 * 0.5, *begin[1:]]
        assert arm.set_servo_cartesian(pose) == 0
        time.sleep(0.01)
    wait_for(lambda: abs(arm.get_position()[1][0] - pose[0]) < 0.1, "arrival")
    vector = arm.get_position_aa()[1]
    for tick in range(1, 31):
        assert arm.set_servo_cartesian_aa([*vector[:2], vector[2] - 0.01 * tick**2, *vector[3:]]) == 0
        time.sleep(0.01)
    wait_for(lambda: abs(arm.get_position()[1][2] - (vector[2] - 9.0)) < 0.1, "arrival")
    assert turned(arm.get_position()[1], begin) < 1e-3
    assert controller.log.violations == []


def test_a_tool_step_above_ten_millimetres_is_stopped(connect):
    controller, arm = connect(axes=7, joints=[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    make_ready(arm, 1)
    pose = arm.get_position()[1]
    assert arm.set_servo_cartesian([pose[0] + 12.0, *pose[1:]]) == 1
    assert [violation["name"] for violation in controller.log.violations] == ["tool_step"]


def test_stop_brakes_within_the_joints_acceleration_and_refuses_what_follows(connect):
    controller, arm = connect()
    make_ready(arm, 1)
    stream(arm, lambda moment: [0.6 * moment * min(1.0, moment / 0.3)] + [0.0] * 5, 0.8)
    assert arm.set_state(4) == 0
    at_stop = controller.machine.motion.joints[0]
    assert arm.set_servo_angle_j([at_stop] + [0.0] * 5) == 9
    wait_for(lambda: not controller.machine.motion.moving, "rest", 0.3)
    assert 0.0 < controller.machine.motion.joints[0] - at_stop < 0.03  # 0.6 rad/s against 20 rad/s^2: 9 mrad and a period


@pytest.mark.parametrize("firmware", ["2.5.0", "1.12.3"])
def test_a_planned_move_waits_until_it_has_arrived(connect, firmware):
    _, arm = connect(report_type="rich", firmware=firmware)
    make_ready(arm, 0)
    target = [0.3, -0.2, -0.4, 0.1, 0.2, 0.1]
    begin = time.monotonic()
    assert arm.set_servo_angle(angle=target, speed=1.0, mvacc=10.0, wait=True) == 0
    assert time.monotonic() - begin >= 0.5  # 0.4 rad at 1 rad/s, and the ramps
    assert arm.get_servo_angle()[1][:6] == pytest.approx(target, abs=1e-5)


def test_a_straight_move_keeps_to_the_line(connect):
    controller, arm = connect(axes=7, joints=[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    make_ready(arm, 0)
    begin = np.array(arm.get_position()[1])
    assert arm.set_position(x=begin[0] + 60.0, y=begin[1] + 60.0, speed=200.0, mvacc=2000.0, wait=False) == 0
    seen = []
    wait_for(lambda: seen.append(arm.get_position()[1]) or arm.get_state()[1] == 2, "arrival")
    assert max(turned(pose, begin) for pose in seen) < 1e-3
    seen = np.array(seen) - begin
    assert np.abs(seen[:, 0] - seen[:, 1]).max() < 0.2
    assert np.abs(seen[:, 2]).max() < 0.2
    assert seen[-1, :2] == pytest.approx([60.0, 60.0], abs=0.1)
    assert controller.log.violations == []


def test_a_line_that_the_arm_cannot_follow_is_stopped_with_an_error(connect):
    controller, arm = connect(axes=7, joints=[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    make_ready(arm, 0)
    begin = arm.get_position()[1]
    assert arm.set_position(x=begin[0] + 900.0, speed=200.0, wait=False) == 0
    wait_for(lambda: controller.machine.error == 21, "kinematic error")
    assert arm.get_state() == (0, 4)


def test_online_planning_changes_its_mind_on_the_way(connect):
    controller, arm = connect()
    make_ready(arm, 6)
    arm.set_servo_angle(angle=[0.5, 0, 0, 0, 0, 0], speed=1.0, mvacc=10.0, wait=False)
    wait_for(lambda: controller.machine.motion.joints[0] > 0.1, "start")
    arm.set_servo_angle(angle=[-0.1, 0, 0, 0, 0, 0], speed=1.0, mvacc=10.0, wait=False)
    wait_for(lambda: abs(controller.machine.motion.joints[0] + 0.1) < 1e-5, "arrival")


def test_a_joint_velocity_lasts_as_long_as_it_says(connect):
    controller, arm = connect()
    make_ready(arm, 4)
    assert arm.vc_set_joint_velocity([0.5, 0, 0, 0, 0, 0], duration=0.4) == 0
    wait_for(lambda: controller.machine.motion.joints[0] > 0.05, "start")
    wait_for(lambda: not controller.machine.motion.moving, "end")
    assert controller.machine.motion.joints[0] == pytest.approx(0.2, abs=0.03)


def test_a_tool_velocity_moves_along_its_axis(connect):
    controller, arm = connect(axes=7, joints=[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    make_ready(arm, 5)
    begin = np.array(arm.get_position()[1])
    assert arm.vc_set_cartesian_velocity([0, 100, 0, 0, 0, 0], duration=0.4) == 0
    wait_for(lambda: controller.machine.motion.moving, "start")
    wait_for(lambda: not controller.machine.motion.moving, "end")
    way = np.array(arm.get_position()[1])[:3] - begin[:3]
    assert way[1] == pytest.approx(40.0, abs=12.0)  # 0.4 s less what a busy machine takes to begin
    assert np.abs(way[[0, 2]]).max() < 1.0


def test_a_motion_in_another_mode_is_taken_and_not_done(connect):
    controller, arm = connect()
    make_ready(arm, 0)
    assert arm.set_servo_angle_j([0.001] + [0.0] * 5) == 0
    assert controller.log.counts["wrong_mode"] == 1
    assert arm.get_servo_angle()[1] == [0.0] * 7


def test_the_reduced_mode_narrows_the_stream(connect):
    controller, arm = connect()
    arm.set_reduced_max_joint_speed(0.2)
    arm.set_reduced_mode(True)
    make_ready(arm, 1)
    assert 1 in stream(arm, lambda moment: [0.8 * moment**2] + [0.0] * 5, 0.6)
    (violation,) = controller.log.violations
    assert (violation["name"], violation["limit"]) == ("joint1_velocity", pytest.approx(0.2))
