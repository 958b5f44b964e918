"""Everything that can befall the fake Franka, as the real franky sees it, and how each ends."""

from __future__ import annotations

import subprocess
import sys
import time

import franky
import numpy as np
import pytest
from fake_franka_rig import connect, free_address, in_thread, until

from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.fake_controllers.franka.error_bits import ERROR_NAMES
from robot_drivers.fake_controllers.franka.statuses import RobotMode

STEP = np.array([0.25, -0.1, 0.1, 0.2, -0.1, 0.2, 0.2])


@pytest.fixture
def fake():
    with FakeFranka(free_address()) as made:
        yield made


@pytest.fixture
def moving(fake):
    """A fake and a franky whose arm is on its way."""
    robot = connect(fake)
    robot.move(franky.JointMotion(fake.joints + STEP), asynchronous=True)
    until(lambda: fake.log.extremes.get("joint_velocity", 0.0) > 0.1, what="a moving arm")
    return fake, robot


def standing(fake):
    until(lambda: fake.robot.arm.standing, what="standstill")


@pytest.mark.parametrize("error", ["cartesian_reflex", "joint_reflex", "self_collision_avoidance_violation", "power_limit_violation"])
def test_reflex_ends_the_motion_and_the_arm_moves_again_after_recovery(moving, error):
    fake, robot = moving
    fake.inject("reflex", error=error)
    with pytest.raises(franky.ControlException, match=error):
        robot.join_motion()
    assert robot.state.robot_mode == franky.RobotMode.Reflex
    assert getattr(robot.state.current_errors, error)
    standing(fake)
    with pytest.raises(franky.CommandException, match="not possible in the current mode"):
        robot.move(franky.JointMotion(fake.joints))
    assert robot.recover_from_errors()
    assert getattr(robot.state.last_motion_errors, error)  # kept until the next motion
    robot.move(franky.JointMotion(fake.joints - 0.05))
    assert not getattr(robot.state.last_motion_errors, error)


def test_every_error_bit_is_where_libfranka_reads_it(fake):
    robot = connect(fake)
    for error in ERROR_NAMES:
        with fake.robot.lock:
            fake.robot.errors[:] = 0
        fake.inject("reflex", error=error)
        until(lambda name=error: getattr(robot.state.current_errors, name), what=error)
        state = robot.state
        assert [name for name in ERROR_NAMES if getattr(state.current_errors, name)] == [error]
    assert len(ERROR_NAMES) == 41


def test_joint_limit_may_need_a_hand_before_it_recovers(moving):
    fake, robot = moving
    fake.inject("joint_limit", manual=True)
    with pytest.raises(franky.ControlException, match="joint_position_limits_violation"):
        robot.join_motion()
    with pytest.raises(franky.CommandException, match="manual error recovery"):
        robot.recover_from_errors()
    fake.clear("joint_limit")
    assert robot.recover_from_errors()


def test_user_stop_ends_the_motion_and_recovery_does_not_release_it(moving):
    fake, robot = moving
    fake.inject("user_stop")
    with pytest.raises(franky.ControlException, match="User Stop"):
        robot.join_motion()
    assert robot.state.robot_mode == franky.RobotMode.UserStopped
    with pytest.raises(franky.CommandException, match="User Stop"):
        robot.recover_from_errors()
    assert fake.mode is RobotMode.USER_STOPPED
    standing(fake)
    fake.clear("user_stop")
    until(lambda: robot.state.robot_mode == franky.RobotMode.Idle, what="idle")
    robot.move(franky.JointMotion(fake.joints - 0.05))


def test_locked_joints_refuse_motions_and_settings_until_unlocked(moving):
    fake, robot = moving
    fake.inject("joints_locked")
    with pytest.raises(franky.ControlException):
        robot.join_motion()
    assert robot.state.robot_mode == franky.RobotMode.Other
    with pytest.raises(franky.CommandException, match="open the brakes"):
        robot.move(franky.JointMotion(fake.joints))
    with pytest.raises(franky.CommandException, match="open the brakes"):
        robot.set_joint_impedance([1000.0] * 7)
    fake.clear("joints_locked")
    until(lambda: robot.state.robot_mode == franky.RobotMode.Idle, what="idle")
    robot.move(franky.JointMotion(fake.joints - 0.05))


@pytest.mark.parametrize("what", ["cable", "udp", "tcp"])
def test_lost_network_ends_the_motion_and_a_new_robot_goes_on(moving, what):
    fake, robot = moving
    fake.inject("communication_loss", what=what)
    with pytest.raises((franky.Exception, RuntimeError)):
        in_thread(robot.join_motion)
    standing(fake)
    assert fake.mode is RobotMode.REFLEX
    fake.clear("communication_loss")
    del robot
    again = connect(fake)
    assert again.state.last_motion_errors.communication_constraints_violation
    assert again.recover_from_errors()
    again.move(franky.JointMotion(fake.joints - 0.05))


def test_communication_loss_can_end_by_itself(fake):
    robot = connect(fake)
    fake.inject("communication_loss", what="udp", seconds=0.2)
    begin = time.monotonic()
    before = robot.state.time.to_msec()
    until(lambda: robot.state.time.to_msec() > before + 100, what="states that go on")
    assert time.monotonic() - begin > 0.15


def test_silence_stops_states_and_answers_and_then_ends(moving):
    fake, robot = moving
    fake.inject("silence", seconds=0)
    standing(fake)
    with pytest.raises(TimeoutError):
        in_thread(lambda: connect(fake), seconds=0.5)
    fake.clear("silence")
    with pytest.raises((franky.Exception, RuntimeError)):
        in_thread(robot.join_motion)
    assert fake.mode is RobotMode.REFLEX


def test_inactive_fci_refuses_the_connection_in_libfrankas_words(fake):
    fake.inject("fci_inactive")
    with pytest.raises(franky.NetworkException, match="enable FCI mode in Desk"):
        connect(fake)
    fake.clear("fci_inactive")
    assert connect(fake).state.robot_mode == franky.RobotMode.Idle


def test_second_client_is_refused_and_does_not_hang(fake):
    first = connect(fake)
    with pytest.raises((franky.NetworkException, RuntimeError)):
        connect(fake)
    assert first.state.robot_mode == franky.RobotMode.Idle
    assert fake.log.entries("refused")


def test_other_client_in_control_refuses_until_it_leaves(fake):
    fake.inject("other_client")
    with pytest.raises((franky.NetworkException, RuntimeError)):
        connect(fake)
    fake.clear()
    connect(fake)


def test_wrong_end_effector_shows_in_the_state(fake):
    robot = connect(fake)
    fake.inject("wrong_end_effector", mass=0.2, height=0.01)
    until(lambda: robot.state.m_ee == pytest.approx(0.2), what="the other tool")
    np.testing.assert_allclose(robot.state.F_T_EE.translation, [0, 0, 0.01], atol=1e-7)
    fake.clear("wrong_end_effector")
    until(lambda: robot.state.m_ee == pytest.approx(0.73), what="the tool of before")


def test_another_interface_version_is_refused_with_both_numbers(fake):
    fake.inject("version_mismatch")
    with pytest.raises(franky.IncompatibleVersionException, match=r"server version: 5.*library version: 10"):
        connect(fake)
    fake.clear("version_mismatch")
    connect(fake)


def test_restart_in_mid_motion_begins_anew(moving):
    fake, robot = moving
    start = np.array(fake.facts.start_joints)
    fake.restart()
    with pytest.raises((franky.Exception, RuntimeError)):
        in_thread(robot.join_motion)
    del robot
    again = connect(fake)
    assert again.state.robot_mode == franky.RobotMode.Idle
    np.testing.assert_allclose(fake.joints, start)
    again.move(franky.JointMotion(start + 0.05))


MOVE_UNTIL_KILLED = """
import sys, threading, franky
robot = franky.Robot(sys.argv[1], realtime_config=franky.RealtimeConfig.Ignore)
robot.relative_dynamics_factor = 0.05
robot.move(franky.JointMotion([0.5, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]), asynchronous=True)
threading.Event().wait()
"""


def test_client_that_is_killed_in_mid_motion_leaves_a_reflex_and_an_arm_that_stands(fake):
    client = subprocess.Popen([sys.executable, "-c", MOVE_UNTIL_KILLED, fake.address])
    try:
        until(lambda: fake.log.extremes.get("joint_velocity", 0.0) > 0.05, seconds=30.0, what="a moving arm")
    finally:
        client.kill()
        client.wait()
    standing(fake)
    until(lambda: fake.mode is RobotMode.REFLEX, what="the reflex")
    assert fake.log.entries("reflex")[-1]["errors"] == ["communication_constraints_violation"]
    robot = connect(fake)
    assert robot.recover_from_errors()


def test_arm_that_is_guided_by_hand_says_so_and_refuses_to_move(fake):
    robot = connect(fake)
    fake.inject("guiding")
    until(lambda: robot.state.robot_mode == franky.RobotMode.Guiding, what="guiding")
    with pytest.raises(franky.CommandException, match="not possible in the current mode"):
        robot.move(franky.JointMotion(fake.joints))
    fake.clear("guiding")
    until(lambda: robot.state.robot_mode == franky.RobotMode.Idle, what="idle")


def test_unknown_fault_is_refused_by_name(fake):
    with pytest.raises(ValueError, match="joints_locked"):
        fake.inject("earthquake")
    with pytest.raises(ValueError, match="joints_locked"):
        fake.clear("earthquake")
    with pytest.raises(ValueError, match="cartesian_reflex"):
        fake.inject("reflex", error="no_such_error")
    with pytest.raises(ValueError, match="cable"):
        fake.inject("communication_loss", what="moon")


def test_every_fault_is_there_and_can_be_cleared(fake):
    for fault in FakeFranka.FAULTS:
        fake.inject(fault)
    fake.clear()
    with fake.robot.lock:
        fake.robot.errors[:] = 0
    assert connect(fake).state.robot_mode == franky.RobotMode.Idle
