"""The real franky moves the fake arm: every kind of motion, re-targeting, stop, settings, and the limits that end a motion."""

from __future__ import annotations

import time

import franky
import numpy as np
import pytest
from fake_franka_rig import connect, free_address, until

from robot_drivers.fake_controllers.franka import limits
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.fake_controllers.franka.statuses import RobotMode

STEP = np.array([0.2, -0.1, 0.1, 0.15, -0.1, 0.2, 0.15])


@pytest.fixture(scope="module")
def shared():
    """One fake and one franky for the tests that leave both as they found them."""
    with FakeFranka(free_address()) as fake:
        yield fake, connect(fake)


@pytest.fixture
def fresh():
    with FakeFranka(free_address()) as fake:
        yield fake, connect(fake)


def test_state_shows_the_facts_of_the_robot(shared):
    fake, robot = shared
    state = robot.state
    assert state.robot_mode == franky.RobotMode.Idle
    np.testing.assert_allclose(state.q, fake.joints, atol=1e-6)
    np.testing.assert_allclose(state.O_T_EE.matrix, fake.end_effector, atol=1e-6)
    assert state.m_ee == pytest.approx(0.73)
    assert state.m_total == pytest.approx(0.73)
    np.testing.assert_allclose(state.F_x_Cee, [-0.01, 0.0, 0.03], atol=1e-7)
    # The Franka Hand: 45 degrees about the flange axis, 103.4 mm.
    np.testing.assert_allclose(state.F_T_EE.translation, [0.0, 0.0, 0.1034], atol=1e-7)
    np.testing.assert_allclose(state.F_T_EE.quaternion, [0.0, 0.0, -np.sin(np.pi / 8), np.cos(np.pi / 8)], atol=1e-6)


def test_clock_of_the_state_goes_on(shared):
    _, robot = shared
    first = robot.state.time.to_msec()
    time.sleep(0.05)
    assert robot.state.time.to_msec() >= first + 10


def test_own_kinematics_agree_with_the_model_that_libfranka_builds(fresh):
    fake, robot = fresh
    for joints in ([0.3, 0.2, -0.4, -1.7, 0.6, 2.1, -0.9], [-1.2, -0.9, 1.1, -2.6, -1.4, 3.3, 1.8]):
        with fake.robot.lock:
            fake.robot.arm.desired = np.array(joints)
            fake.robot.arm.rest()
            fake.robot.changed = True
        until(lambda wanted=joints: np.allclose(robot.state.q, wanted, atol=1e-6), what="the new position")
        state = robot.state
        modelled = robot.model.pose(franky.Frame.EndEffector, state)
        np.testing.assert_allclose(modelled.matrix, fake.end_effector, atol=1e-6)


def test_joint_motion_arrives_within_all_limits(fresh):
    fake, robot = fresh
    start = robot.state.q
    robot.relative_dynamics_factor = 1.0
    robot.move(franky.JointMotion(start + STEP))
    np.testing.assert_allclose(fake.joints, start + STEP, atol=2e-6)
    assert fake.log.violations == []
    assert 1.0 < fake.log.extremes["joint_velocity"] < 2.62
    assert 8.0 < fake.log.extremes["joint_acceleration"] < 10.5
    assert len(fake.recording()) > 100


def test_cartesian_motion_arrives_within_all_limits(fresh):
    fake, robot = fresh
    before = fake.end_effector
    robot.relative_dynamics_factor = 0.1
    robot.move(franky.CartesianMotion(franky.Affine([0.05, 0.04, -0.06]), franky.ReferenceType.Relative))
    moved = np.linalg.inv(before) @ fake.end_effector
    np.testing.assert_allclose(moved[:3, 3], [0.05, 0.04, -0.06], atol=1e-5)
    np.testing.assert_allclose(moved[:3, :3], np.eye(3), atol=1e-5)
    assert fake.log.violations == []
    assert fake.log.extremes["translation_velocity"] < 0.5


def test_joint_velocity_motion_turns_the_joint_that_was_asked(fresh):
    fake, robot = fresh
    start = fake.joints
    robot.move(franky.JointVelocityMotion([0.2, 0, 0, 0, 0, 0, 0], franky.Duration(300)))
    turned = fake.joints - start
    assert 0.04 < turned[0] < 0.09
    np.testing.assert_allclose(turned[1:], 0.0, atol=1e-6)
    assert fake.log.violations == []


def test_cartesian_velocity_motion_goes_where_it_was_asked(fresh):
    fake, robot = fresh
    before = fake.end_effector
    robot.relative_dynamics_factor = 0.1
    robot.move(franky.CartesianVelocityMotion(franky.Twist([0.0, 0.0, -0.05], [0, 0, 0]), franky.Duration(400)))
    change = fake.end_effector[:3, 3] - before[:3, 3]
    assert -0.03 < change[2] < -0.01
    np.testing.assert_allclose(change[:2], 0.0, atol=1e-5)
    assert fake.log.violations == []


def test_impedance_motion_converges_under_torques(fresh):
    fake, robot = fresh
    target = fake.joints + 0.05
    robot.move(franky.JointImpedanceMotion(target), asynchronous=True)
    until(lambda: np.allclose(fake.joints, target, atol=0.005), seconds=10.0, what="the target")
    robot.stop()
    assert fake.log.entries("move")[-1]["controller"] == "EXTERNAL"
    assert fake.log.violations == []


@pytest.mark.parametrize("rate_hz", [20, 50])
def test_asynchronous_retargeting_is_one_motion_without_a_stop(fresh, rate_hz):
    fake, robot = fresh
    start = robot.state.q
    sent = 0
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < 1.5:
        # A steady walk of joint 1 at 0.2 rad/s; each target is to be reached a while after the next one comes.
        waypoint = franky.JointWaypoint(start + [0.2 * elapsed + 0.1, 0, 0, 0, 0, 0, 0], minimum_time=franky.Duration(400))
        robot.move(franky.JointWaypointMotion([waypoint]), asynchronous=True)
        sent += 1
        time.sleep(1.0 / rate_hz)
    robot.join_motion()
    assert sent > 1.5 * rate_hz * 0.5
    assert fake.log.counts["move"] == 1
    assert fake.log.violations == []
    samples = fake.recording()
    under_way = samples[100:-400]
    assert len(under_way) > 200
    assert np.min(under_way["velocity"][:, 0]) > 0.02  # it never came to a stop between targets
    assert np.all(np.diff(samples["message_id"].astype(np.int64)) == 1)  # nothing was skipped


def test_stop_ends_a_motion_and_the_arm_brakes(fresh):
    fake, robot = fresh
    robot.move(franky.JointMotion(fake.joints + STEP), asynchronous=True)
    until(lambda: fake.log.extremes.get("joint_velocity", 0.0) > 0.2, what="a moving arm")
    robot.stop()
    with pytest.raises(franky.ControlException, match="preempted"):
        robot.join_motion()
    until(lambda: fake.robot.arm.standing, what="standstill")
    assert fake.log.counts["stopped"] == 1
    robot.move(franky.JointMotion(fake.joints - 0.05))
    assert fake.log.counts["motion_finished"] == 1


def test_settings_reach_the_state(fresh):
    fake, robot = fresh
    robot.set_load(0.5, [0.0, 0.0, 0.05], [0.001, 0, 0, 0, 0.001, 0, 0, 0, 0.001])
    robot.set_ee([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0.0, 0.0, 0.1, 1])
    robot.set_k([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0.02, 0.0, 0.0, 1])
    robot.set_joint_impedance([1000.0] * 7)
    robot.set_cartesian_impedance([500.0] * 3 + [50.0] * 3)
    robot.set_guiding_mode([True, True, False, False, True, True], False)
    robot.set_collision_behavior(30.0, 40.0)
    state = robot.state
    assert state.m_load == pytest.approx(0.5)
    assert state.m_total == pytest.approx(1.23)
    np.testing.assert_allclose(state.NE_T_EE.translation, [0, 0, 0.1], atol=1e-7)
    np.testing.assert_allclose(state.F_T_EE.translation, [0, 0, 0.2034], atol=1e-6)
    np.testing.assert_allclose(state.EE_T_K.translation, [0.02, 0, 0], atol=1e-7)
    assert fake.log.entries("set_joint_impedance")[0]["stiffness"] == [1000.0] * 7
    assert fake.log.entries("set_guiding_mode")[0]["axes"] == [1, 1, 0, 0, 1, 1]
    assert fake.log.entries("set_collision_behavior")[-1]["upper_torque_nominal"] == [30.0] * 7
    assert fake.log.entries("set_collision_behavior")[-1]["upper_force_nominal"] == [40.0] * 6


@pytest.mark.parametrize(
    "setting",
    [
        lambda robot: robot.set_ee([2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        lambda robot: robot.set_k([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]),
        lambda robot: robot.set_load(20.0, [0, 0, 0], [0.001, 0, 0, 0, 0.001, 0, 0, 0, 0.001]),
        lambda robot: robot.set_load(1.0, [0, 0, 0], [-0.001, 0, 0, 0, 0.001, 0, 0, 0, 0.001]),
        lambda robot: robot.set_joint_impedance([-1.0] * 7),
        lambda robot: robot.set_cartesian_impedance([9000.0] * 6),
    ],
    ids=["scaled tool", "mirrored stiffness frame", "load too heavy", "negative inertia", "negative stiffness", "stiffness too high"],
)
def test_impossible_setting_is_refused_and_changes_nothing(shared, setting):
    fake, robot = shared
    before = (fake.robot.configuration.flange_to_end_effector.tolist(), fake.robot.configuration.load_mass)
    with pytest.raises(franky.CommandException, match="invalid argument"):
        setting(robot)
    assert (fake.robot.configuration.flange_to_end_effector.tolist(), fake.robot.configuration.load_mass) == before
    assert fake.log.counts["setting_refused"] >= 1


def test_motion_beyond_the_acceleration_limit_ends_in_a_reflex(fresh):
    fake, robot = fresh
    # What franky would do by itself: the limits of the FER.
    robot.joint_acceleration_limit.set(robot.joint_acceleration_limit.max)
    robot.joint_jerk_limit.set(robot.joint_jerk_limit.max)
    robot.relative_dynamics_factor = 1.0
    with pytest.raises(franky.ControlException, match="reflex"):
        robot.move(franky.JointMotion(fake.joints + [0, 0, 0, 0, 0, 0.5, 0.5]))
    assert fake.log.violations[0]["limit"] in (limits.JOINT_ACCELERATION, limits.JOINT_JERK)
    assert fake.mode is RobotMode.REFLEX
    state = robot.state
    assert state.robot_mode == franky.RobotMode.Reflex
    names = ("joint_motion_generator_velocity_discontinuity", "joint_motion_generator_acceleration_discontinuity")
    assert any(getattr(state.last_motion_errors, name) for name in names)
    assert any(getattr(state.current_errors, name) for name in names)
    until(lambda: fake.robot.arm.standing, what="standstill")
    # What was carried out kept the limit.
    assert fake.log.extremes.get("joint_acceleration", 0.0) <= limits.JOINT_ACCELERATION + limits.ACCELERATION_SLACK


def test_motion_beyond_a_joint_ends_in_a_reflex_with_the_joint_named(fresh):
    fake, robot = fresh
    with pytest.raises(franky.ControlException, match="joint_motion_generator_"):
        robot.move(franky.JointMotion([0.0, -1.95, 0.0, -2.356, 0.0, 1.571, 0.785]))
    names = {violation["name"] for violation in fake.log.violations}
    assert names & {"joint2 position", "joint2 velocity"}
    assert np.all(fake.joints >= limits.LOWER_JOINTS)


def test_cartesian_motion_beyond_its_velocity_limit_ends_in_a_reflex(fresh):
    fake, robot = fresh
    robot.relative_dynamics_factor = 1.0
    with pytest.raises(franky.ControlException, match="cartesian_motion_generator"):
        robot.move(franky.CartesianMotion(franky.Affine([0.3, 0.2, 0.0]), franky.ReferenceType.Relative))
    assert fake.log.violations
    assert robot.recover_from_errors()


def test_push_beyond_the_threshold_ends_in_a_reflex(fresh):
    fake, robot = fresh
    robot.set_collision_behavior(30.0, 25.0)
    robot.move(franky.JointMotion(fake.joints + STEP), asynchronous=True)
    until(lambda: fake.log.extremes.get("joint_velocity", 0.0) > 0.05, what="a moving arm")
    fake.push([0, 0, 40.0, 0, 0, 0])
    with pytest.raises(franky.ControlException, match="cartesian_reflex"):
        robot.join_motion()
    state = robot.state
    np.testing.assert_allclose(state.O_F_ext_hat_K, [0, 0, 40.0, 0, 0, 0], atol=1e-4)
    assert np.any(state.tau_ext_hat_filtered)
    fake.push(np.zeros(6))
    assert robot.recover_from_errors()
