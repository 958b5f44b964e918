"""The watch over commanded motion: lawful signals pass, each limit that is broken is named, and gaps never make a lawful signal unlawful."""

from __future__ import annotations

import numpy as np
import pytest

from robot_drivers.fake_controllers.franka import limits
from robot_drivers.fake_controllers.franka.facts import READY_JOINTS
from robot_drivers.fake_controllers.franka.kinematics import ArmPose, is_rigid, rotation_difference, turned
from robot_drivers.fake_controllers.franka.limits import CartesianWatch, JointWatch

READY = np.array(READY_JOINTS)


def swing(amplitude, frequency, time):
    """A smooth start into amplitude * sin: the ramp is slow enough to add nothing to the derivatives."""
    ramp = np.clip(time / 4.0, 0.0, 1.0)
    return amplitude * ramp**4 * (35 - 84 * ramp + 70 * ramp**2 - 20 * ramp**3) * np.sin(2 * np.pi * frequency * time)


def broken_by(joint, amplitude, frequency, step=1):
    """Return what a swing of one joint breaks; `step` takes only every so many milliseconds."""
    watch = JointWatch(READY, cartesian=False)
    names = set()
    for tick in range(step, 6000, step):
        joints = READY.copy()
        joints[joint] += swing(amplitude, frequency, tick * 1e-3)
        names |= {broken.quantity for broken in watch.step(joints, step * 1e-3)}
    return names


# (joint, frequency in Hz, factor that turns an amplitude into the quantity's extreme, limit, quantity)
CASES = [
    (0, 0.55, 2 * np.pi * 0.55, 2.62, "joint1 velocity"),
    (4, 0.3, 2 * np.pi * 0.3, 5.26, "joint5 velocity"),
    (1, 3.0, (2 * np.pi * 3.0) ** 2, 10.0, "joint2 acceleration"),
    (4, 90.0, (2 * np.pi * 90.0) ** 3, 5000.0, "joint5 jerk"),
]


@pytest.mark.parametrize(("joint", "frequency", "factor", "limit", "quantity"), CASES, ids=[case[4] for case in CASES])
def test_each_limit_is_enforced_where_it_is(joint, frequency, factor, limit, quantity):
    assert broken_by(joint, 0.9 * limit / factor, frequency) == set()
    assert quantity in broken_by(joint, 1.3 * limit / factor, frequency)


def test_joint_slows_down_before_its_end():
    near_the_end = np.array([2.70, 0.0, 0.0, -1.5, 0.0, 2.0, 0.0])
    lower, upper = limits.velocity_bounds(near_the_end)
    # sqrt(2 * 6.0 * 0.0501) - 0.30 rad/s, by hand; away from the end the full 2.62 rad/s.
    assert upper[0] == pytest.approx(np.sqrt(0.6012) - 0.30, abs=1e-9)
    assert lower[0] == pytest.approx(-2.62)
    assert limits.velocity_bounds(limits.UPPER_JOINTS)[1] == pytest.approx(np.zeros(7))


@pytest.mark.parametrize("beyond", [0.001, -0.001])
def test_position_beyond_an_end_is_named(beyond):
    ends = limits.UPPER_JOINTS if beyond > 0 else limits.LOWER_JOINTS
    watch = JointWatch(np.where(np.arange(7) == 2, ends, READY), cartesian=True)
    joints = watch.joints.copy()
    joints[2] += beyond
    broken = watch.step(joints, 1e-3)
    assert broken[0].quantity == "joint3 position"
    assert broken[0].error == "cartesian_motion_generator_joint_position_limits_violation"
    assert broken[0].limit == ends[2]


@pytest.mark.parametrize("step", [2, 3, 7])
def test_lawful_motion_with_samples_missing_stays_lawful(step):
    assert broken_by(1, 0.9 * 10.0 / (2 * np.pi * 3.0) ** 2, 3.0, step) == set()


def test_rounding_of_the_state_breaks_nothing():
    watch = JointWatch(READY, cartesian=False)
    for tick in range(1, 3000):
        joints = READY + swing(0.2, 0.5, tick * 1e-3)
        assert watch.step(joints.astype(np.float32).astype(float), 1e-3) == []


def cartesian_breaks(direction, amplitude, frequency):
    pose = ArmPose(READY).flange
    watch = CartesianWatch(pose, 0.0)
    names = set()
    for tick in range(1, 6000):
        moved = pose.copy()
        distance = swing(amplitude, frequency, tick * 1e-3)
        if direction < 3:
            moved[direction, 3] += distance
        else:
            moved[:3, :3] = turned(pose[:3, :3], np.eye(3)[direction - 3] * distance)
        names |= {broken.quantity for broken in watch.step(moved, None, 1e-3)}
    return names


@pytest.mark.parametrize(
    ("direction", "frequency", "order", "limit", "quantity"),
    [
        (0, 0.4, 1, 3.0, "translation velocity"),
        (2, 2.0, 2, 9.0, "translation acceleration"),
        (4, 0.5, 1, 2.5, "rotation velocity"),
        (5, 3.0, 2, 17.0, "rotation acceleration"),
    ],
)
def test_each_cartesian_limit_is_enforced_where_it_is(direction, frequency, order, limit, quantity):
    factor = (2 * np.pi * frequency) ** order
    assert cartesian_breaks(direction, 0.9 * limit / factor, frequency) == set()
    assert quantity in cartesian_breaks(direction, 1.3 * limit / factor, frequency)


def test_elbow_has_limits_of_its_own():
    pose = ArmPose(READY).flange
    watch = CartesianWatch(pose, 0.0)
    assert watch.step(pose, 0.0, 1e-3) == []
    assert {broken.error for broken in watch.step(pose, 0.01, 1e-3)} == {"cartesian_motion_generator_elbow_limit_violation"}


def test_jacobian_is_the_derivative_of_the_pose():
    joints = np.array([0.3, 0.2, -0.4, -1.7, 0.6, 2.1, -0.9])
    pose, step = ArmPose(joints), 1e-6
    jacobian = pose.jacobian(pose.flange[:3, 3])
    for joint in range(7):
        moved = joints.copy()
        moved[joint] += step
        other = ArmPose(moved).flange
        numeric = np.concatenate([other[:3, 3] - pose.flange[:3, 3], rotation_difference(other[:3, :3], pose.flange[:3, :3])]) / step
        np.testing.assert_allclose(jacobian[:, joint], numeric, atol=1e-5)


def test_flange_at_the_ready_position_is_where_the_data_sheet_puts_it():
    flange = ArmPose(READY).flange
    # 0.3069 m in front of and 0.5903 m above the base, looking down.
    np.testing.assert_allclose(flange[:3, 3], [0.3069, 0.0, 0.5903], atol=1e-4)
    np.testing.assert_allclose(flange[:3, 2], [0.0, 0.0, -1.0], atol=1e-9)
    assert is_rigid(flange)


def test_mirrored_scaled_and_sheared_transforms_are_not_rigid():
    for entry, value in (((0, 0), -1.0), ((1, 1), 1.01), ((0, 1), 0.01), ((3, 0), 0.1), ((0, 3), np.nan)):
        transform = np.eye(4)
        transform[entry] = value
        assert not is_rigid(transform)
