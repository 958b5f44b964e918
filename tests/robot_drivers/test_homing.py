"""Going home: slowly, on a way that was looked at before, through the same door as every command."""

import numpy as np
import pytest
from driver_rig import make_limits

from robot_drivers.fake_devices import HOME, FakeArm
from robot_drivers.safety import Homing, KeepOutBox, SafeArm
from stage_core.errors import CommandRefusedError

PERIOD = 0.05
NEAR = np.array(HOME) + [0.10, 0.05, 0.0, 0.05, 0.0, 0.0, 0.2]


@pytest.fixture
def rig():
    """Return a function that makes a running SafeArm and its Homing; each is ended after the test."""
    opened = []

    def make(home, **changes):
        limits = make_limits(**changes)
        import time

        arm = SafeArm(FakeArm(time_constant_s=0.0), None, limits, control_period_s=PERIOD, auto_resume_s=0.0, clock=time.time)
        arm.connect()
        arm.start_loop()
        opened.append(arm)
        return arm, Homing(arm, limits, home, control_period_s=PERIOD)

    yield make
    for arm in opened:
        arm.disconnect()


def test_the_arm_arrives_at_home_and_is_given_back(rig):
    arm, homing = rig(NEAR)
    assert "tenth of the speed" in homing.start()
    assert homing.wait(20.0)
    assert np.allclose(arm.read_state().joint_positions, NEAR, atol=2e-3)
    assert arm.source == "none" and arm.status().interventions == {}


def test_no_joint_passes_a_tenth_of_its_speed_on_the_way(rig):
    arm, homing = rig(NEAR)
    homing.start()
    fastest = 0.0
    last = None
    import time

    while homing.running:
        now, joints = time.monotonic(), arm.read_state().joint_positions
        if last is not None and now - last[0] > 0.04:
            fastest = max(fastest, float(np.abs((joints - last[1]) / (now - last[0]) / arm.description.joint_velocity_limits).max()))
            last = (now, joints)
        last = last or (now, joints)
        time.sleep(0.005)
    assert 0.01 < fastest < 0.15  # a tenth, and what a busy machine adds to a window of 40 ms


def test_a_way_through_a_keep_out_is_refused_before_anything_moves(rig):
    box = KeepOutBox(name="camera stand", lower_m=(0.30, 0.06, 0.0), upper_m=(0.50, 0.20, 0.5))
    arm, homing = rig(np.array(HOME) + [0.9, 0, 0, 0, 0, 0, 0], keep_out_boxes=(box,), workspace_lower_m=(0.0, -0.6, 0.05))
    with pytest.raises(CommandRefusedError, match="camera stand"):
        homing.start()
    assert np.array_equal(arm.read_state().joint_positions, np.array(HOME)) and arm.source == "none"


def test_a_stop_ends_it_where_the_arm_is(rig):
    arm, homing = rig(NEAR)
    homing.start()
    homing.wait(0.7)
    arm.stop("test")
    assert homing.wait(2.0)
    joints = arm.read_state().joint_positions
    assert not np.allclose(joints, NEAR, atol=0.02)
    assert arm.source == "none" and arm.status().mode == "stopped"


@pytest.mark.parametrize(
    ("home", "words"),
    [(None, "home_joints_rad"), (np.zeros(3), "has 3 numbers"), (np.array(HOME) + [4.0, 0, 0, 0, 0, 0, 0], "outside the joint limits")],
)
def test_a_home_that_cannot_be_is_refused_in_words(rig, home, words):
    _, homing = rig(home)
    with pytest.raises(CommandRefusedError, match=words):
        homing.start()


def test_it_does_not_take_the_arm_from_a_source(rig):
    arm, homing = rig(NEAR)
    arm.switch_source("policy", "test")
    with pytest.raises(CommandRefusedError, match="policy commands the arm"):
        homing.start()
