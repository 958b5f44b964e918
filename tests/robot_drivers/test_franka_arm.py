"""The Franka driver against the fake controller: bring-up in words, settings, reading only, faults in mid-motion, recovery."""

from __future__ import annotations

import logging
import os
import threading
import time

import numpy as np
import pytest
from franka_rig import Mover, arm_for, eventually, in_fault, own_address, send, settings_for

from robot_drivers.arm import ArmMode
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.franka.deadline import real_time_threads
from robot_drivers.franka.franka_arm import MAX_STOP_LATENCY_S, FrankaArm
from robot_drivers.safety import SafeArm, reduced
from robot_drivers.workcell import load_workcell_config
from stage_core.errors import DeviceError

SETTINGS = ("set_collision_behavior", "set_joint_impedance", "set_ne_to_ee", "set_load", "set_ee_to_k", "set_cartesian_impedance")


@pytest.fixture
def fake():
    with FakeFranka(own_address()) as controller:
        yield controller
        # A connection that a fault cut may end within a message.
        assert "protocol_error" not in controller.log.counts or {"fault_injected", "restarted"} & set(controller.log.counts)
        assert not controller.log.violations


@pytest.fixture
def arm(fake):
    driver = arm_for(fake)
    driver.connect()
    yield driver
    driver.disconnect()


# ---- bring-up


@pytest.mark.parametrize(
    ("fault", "options", "words"),
    [
        ("joints_locked", {}, "joints are locked"),
        ("user_stop", {}, "user stop is pressed"),
        ("fci_inactive", {}, "FCI is inactive"),
        ("other_client", {}, "another client is in control"),
        ("wrong_end_effector", {}, "wrong end-effector"),
        ("communication_loss", {"what": "cable", "seconds": 0}, "the controller refuses the connection"),
        ("silence", {"seconds": 0}, "another client is in control, or it hangs"),
    ],
)
def test_bring_up_tells_what_is_in_the_way_and_waits_for_it(fake, caplog, fault, options, words):
    fake.inject(fault, **options)
    arm = arm_for(fake, changes={"connect_timeout_s": 30.0})
    with caplog.at_level(logging.WARNING):
        connecting = threading.Thread(target=arm.connect, daemon=True)
        connecting.start()
        eventually(lambda: words in caplog.text, words)
        assert connecting.is_alive()
        fake.clear(fault)
        connecting.join(timeout=20.0)
    assert not connecting.is_alive()
    assert arm.read_state().mode is ArmMode.IDLE
    arm.disconnect()
    assert "move" not in fake.log.counts


def test_a_pending_reflex_is_a_fault_after_connect_and_never_cleared_by_itself(fake, caplog):
    fake.inject("reflex", error="joint_reflex")
    arm = arm_for(fake)
    arm.connect()
    try:
        eventually(lambda: arm.read_state().mode is ArmMode.FAULT, "the reflex is a fault")
        assert "a joint torque passed collision_torque_nm" in arm.read_state().fault
        assert "a reflex is pending" in caplog.text and "automatic_error_recovery" not in fake.log.counts
        arm.recover()
        assert arm.read_state().mode is ArmMode.IDLE and fake.log.counts["automatic_error_recovery"] == 1
    finally:
        arm.disconnect()


def test_a_controller_that_is_not_there_is_told():
    arm = FrankaArm(settings_for(own_address()))
    with pytest.raises(DeviceError, match="the controller refuses the connection"):
        arm.connect()


def test_a_panda_is_refused_in_the_first_sentence_and_without_a_wait(fake):
    fake.inject("version_mismatch", version=5)
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="^FER/Panda is not supported by this build"):
        arm_for(fake, changes={"connect_timeout_s": 60.0}).connect()
    assert time.monotonic() - begin < 10.0


def test_a_kernel_without_real_time_is_refused_where_the_file_enforces_it(fake):
    if os.path.exists("/sys/kernel/realtime"):
        pytest.skip("this kernel is real-time")
    with pytest.raises(DeviceError, match="PREEMPT_RT"):
        arm_for(fake, changes={"realtime": "enforce"}).connect()


def test_real_time_priority_stays_out_of_this_process_where_the_file_ignores_it(fake, arm):
    before = real_time_threads()
    with Mover(arm):
        eventually(lambda: not (real_time_threads() - before), "an end of real-time priority", 2.0)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert all(os.sched_getscheduler(thread.native_id) == os.SCHED_OTHER for thread in threading.enumerate())


# ---- settings, tool and reading only


def test_what_the_file_says_is_what_the_controller_uses():
    with FakeFranka(own_address()) as fake:
        camera = np.array([0.07, 0.0, 0.05])
        centre = (0.73 * np.array([-0.01, 0.0, 0.03]) + 0.2 * camera) / 0.93
        tool = (0.0, 0.01, 0.15, 0.0, 0.0, -0.38268343, 0.92387953)
        changes = {"payload_mass": 0.93, "payload_center_of_mass": centre.tolist(), "flange_to_tool": list(tool)}
        changes |= {"joint_impedance": [2000.0] * 7, "collision_force_n": [30.0] * 6}
        arm = arm_for(fake, changes=changes)
        arm.connect()
        reading = arm.read_tool()
        np.testing.assert_allclose(reading.flange_to_tool, tool, atol=1e-6)
        assert reading.payload_mass == pytest.approx(0.93, abs=1e-5)
        np.testing.assert_allclose(reading.payload_center_of_mass, centre, atol=1e-5)
        assert fake.log.entries("set_joint_impedance")[-1]["stiffness"] == [2000.0] * 7
        assert 30.0 in np.ravel([value for value in fake.log.entries("set_collision_behavior")[-1].values() if isinstance(value, list)][-1])
        np.testing.assert_allclose(arm.read_state().ee_position, fake.end_effector[:3, 3], atol=1e-5)
        arm.disconnect()


def test_reading_only_sets_moves_stops_and_recovers_nothing(fake):
    arm = arm_for(fake, read_only=True)
    arm.connect()
    state = arm.read_state()
    arm.stop()
    for attempt in (lambda: send(arm, state.joint_positions), arm.recover):
        with pytest.raises(DeviceError, match="read only"):
            attempt()
    arm.read_tool()
    arm.disconnect()
    # franky itself sets its collision thresholds in the constructor of its Robot; nothing else may reach the controller.
    assert fake.log.counts.get("set_collision_behavior", 0) <= 1
    sent = set(fake.log.counts) & {*SETTINGS, "move", "stop_move", "automatic_error_recovery"}
    assert sent <= {"set_collision_behavior"}


def test_reading_only_reads_a_stopped_arm_too(fake):
    fake.inject("reflex")
    arm = arm_for(fake, read_only=True)
    arm.connect()
    assert arm.read_state().joint_positions.shape == (7,)
    arm.disconnect()


def test_the_wrench_is_the_controllers_in_the_base_frame(fake, arm):
    # The fake reports the force it applies; the x of the base must stay x, newtons newtons.
    fake.push(np.array([5.0, 0.0, 0.0, 0.0, 0.0, 0.3]))
    eventually(lambda: abs(arm.read_state().external_wrench[0]) > 4.0, "the push")
    wrench = np.abs(arm.read_state().external_wrench)
    np.testing.assert_allclose(wrench, [5.0, 0.0, 0.0, 0.0, 0.0, 0.3], atol=1e-3)


# ---- streaming and stopping


def test_targets_at_20_hz_are_one_motion_without_a_stop_between_them(fake, arm):
    start = arm.read_state().joint_positions.copy()
    begun = fake.robot.message_id
    for step in range(1, 41):
        target = start.copy()
        target[0] += 0.01 * step  # 0.2 rad/s
        send(arm, target)
        eventually(lambda end=begun + 50 * step: fake.robot.message_id >= end, "50 ms of the controller's clock")
    samples = fake.recording()
    steady = (samples["message_id"] > begun + 800) & (samples["message_id"] < begun + 1900)
    assert fake.log.counts["move"] == 1
    assert samples["velocity"][steady, 0].min() > 0.1
    assert fake.log.extremes["joint_acceleration"] <= 2.2  # a fifth of 10 rad/s2, and the rounding of float32


def test_speed_stays_at_a_fifth_until_full_speed_is_asked(fake, arm):
    target = arm.read_state().joint_positions.copy()
    target[0] += 0.6
    send(arm, target)
    eventually(lambda: abs(arm.read_state().joint_positions[0] - target[0]) < 1e-3, "the target")
    assert fake.log.extremes["joint_velocity"] < 0.2 * 2.62 + 1e-3


def test_a_stop_reaches_the_controller_in_time_and_the_next_command_moves_again(fake, arm):
    with Mover(arm):
        pass
    before = fake.log.counts.get("stop_move", 0)
    send(arm, arm.read_state().joint_positions + np.array([0.0, 0, 0, 0, 0, 0, 0.05]))
    asked = time.monotonic()
    arm.stop()
    eventually(lambda: fake.log.counts.get("stop_move", 0) > before, "the stop")
    assert fake.log.entries("stop_move")[-1]["time"] - asked < MAX_STOP_LATENCY_S
    eventually(lambda: np.abs(arm.read_state().joint_velocities).max() < 1e-4, "rest")
    there = arm.read_state().joint_positions.copy()
    there[6] += 0.02
    send(arm, there)
    eventually(lambda: abs(arm.read_state().joint_positions[6] - there[6]) < 1e-3, "motion after the stop")


def test_a_stop_is_quick_and_its_target_forgotten_while_the_controller_is_silent(fake, arm):
    with Mover(arm):
        fake.inject("silence", seconds=0)
        eventually(lambda: in_fault(arm), "the fault")
    begin = time.monotonic()
    arm.stop()
    arm.stop()
    assert time.monotonic() - begin < 0.3
    fake.clear()


# ---- faults in mid-motion


@pytest.mark.parametrize(
    ("fault", "options", "words"),
    [
        ("reflex", {"error": "cartesian_reflex"}, "the force at the tool passed collision_force_n"),
        ("joint_limit", {}, "a joint moved past its limit"),
    ],
)
def test_a_reflex_in_mid_motion_is_told_and_recovered_without_a_restart(fake, arm, fault, options, words):
    with Mover(arm) as mover:
        fake.inject(fault, **options)
        assert eventually(lambda: in_fault(arm), "the fault") < 0.5
        eventually(lambda: mover.refusal, "a refused command")
    assert words in arm.read_state().fault
    assert words in mover.refusal
    moves = fake.log.counts["move"]
    arm.recover()
    assert in_fault(arm) == ""
    time.sleep(0.1)  # nothing may begin by itself
    assert fake.log.counts["move"] == moves
    with Mover(arm):
        pass  # it moves again, on the same connection
    assert fake.log.counts["connected"] == 1


@pytest.mark.parametrize(("fault", "words"), [("user_stop", "the user stop is pressed"), ("joints_locked", "the joints are locked")])
def test_what_a_human_must_undo_stays_a_fault_until_it_is_undone_and_recovered(fake, arm, fault, words):
    with Mover(arm):
        fake.inject(fault)
        eventually(lambda: in_fault(arm), "the fault")
    with pytest.raises(DeviceError, match=words):
        arm.recover()
    fake.clear(fault)
    time.sleep(0.05)  # some states without the fault
    assert words in in_fault(arm)  # it does not go away by itself
    arm.recover()
    assert in_fault(arm) == ""


@pytest.mark.parametrize("what", ["cable", "udp", "tcp", "restart", "silence"])
def test_a_lost_link_is_told_and_a_new_connection_made_on_recovery(fake, arm, what):
    with Mover(arm):
        if what == "restart":
            fake.restart()
        elif what == "silence":
            fake.inject("silence", seconds=0)
        else:
            fake.inject("communication_loss", what=what)
        assert eventually(lambda: in_fault(arm), "the fault") < 2.0
    fake.clear()
    begin = time.monotonic()
    arm.recover()
    assert time.monotonic() - begin < 15.0
    moves = fake.log.counts.get("move", 0)
    time.sleep(0.1)
    assert fake.log.counts.get("move", 0) == moves
    assert fake.log.counts["set_joint_impedance"] == 2  # the new connection is configured like the first
    with Mover(arm):
        pass


def test_recovery_without_a_controller_ends_in_words(fake, arm):
    fake.inject("communication_loss", what="cable", seconds=0)
    eventually(lambda: in_fault(arm), "the fault")
    begin = time.monotonic()
    with pytest.raises(DeviceError, match="controller"):
        arm.recover()
    assert time.monotonic() - begin < 15.0
    assert in_fault(arm)


# ---- behind SafeArm


def test_safe_arm_holds_a_faulty_arm_until_an_operator_recovers_and_resumes(fake):
    config = load_workcell_config(settings_path())
    arm = arm_for(fake, control_rate_hz=config.control_rate_hz)
    safe_arm = SafeArm(arm, None, reduced(config.safety), control_period_s=0.05, auto_resume_s=0.0, clock=time.time)
    safe_arm.connect()
    safe_arm.start_loop()
    try:
        fake.inject("reflex")
        eventually(lambda: safe_arm.status().mode is ArmMode.FAULT, "SafeArm's fault")
        safe_arm.recover()
        assert safe_arm.status().mode is ArmMode.HOLD
        assert "move" not in fake.log.counts
    finally:
        safe_arm.disconnect()


def settings_path():
    from franka_rig import WORKCELL

    return WORKCELL
