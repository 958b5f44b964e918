"""SafeArm on a manual clock: sources, refusals, deltas, limits, watchdog, stop and fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driver_rig import PERIOD, ManualClock, RecordingArm, Rig, make_limits

from robot_drivers.arm import ActionSpace, ArmMode
from robot_drivers.safety import SafeArm
from stage_core.errors import CommandRefusedError, ConfigurationError, DeviceError

REAL_TIME = {"step_driven": False}


# ---- one source at a time


def test_nothing_moves_before_a_source_is_switched_on() -> None:
    rig = Rig(source="")
    verdict = rig.delta(x=0.01)
    assert not verdict.accepted and 'source "policy" does not command the arm' in verdict.reason


def test_a_wrong_token_is_refused_in_words() -> None:
    rig = Rig()
    verdict = rig.delta(x=0.01, token=rig.token + 1)
    assert not verdict.accepted and "a second commander?" in verdict.reason


def test_every_switch_gives_a_new_token_and_ends_the_old_one() -> None:
    rig = Rig()
    old = rig.token
    rig.token = rig.safe_arm.switch_source("policy", "another process")
    assert rig.token != old and 0 < rig.token < 2**64
    assert not rig.delta(x=0.01, token=old).accepted
    assert rig.delta(x=0.01).accepted


def test_a_second_source_takes_over_at_once() -> None:
    rig = Rig()
    rig.delta(x=0.01)
    token = rig.safe_arm.switch_source("teleop", "operator")
    assert not rig.delta(x=0.01).accepted
    assert rig.delta(x=0.01, source="teleop", token=token).accepted


def test_a_source_that_does_not_exist_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(CommandRefusedError, match='Did you mean "policy"'):
        Rig().safe_arm.switch_source("polici", "the test")


# ---- form, age and first targets


@pytest.mark.parametrize(
    ("space", "values", "changes", "name"),
    [
        (ActionSpace.EE_DELTA_POSE, [0.0] * 5, {}, "refused_length"),
        (ActionSpace.EE_DELTA_POSE, [np.nan] * 6, {}, "refused_not_finite"),
        (ActionSpace.EE_POSE, [0.37, 0, 0.22, 0, 0, 0, 0.5], {}, "refused_quaternion"),
        (ActionSpace.EE_DELTA_POSE, [0.0] * 6, {"gripper": float("nan")}, "refused_not_finite"),
        (ActionSpace.EE_DELTA_POSE, [0.0] * 6, {"valid_for": 5.0}, "refused_valid_for"),
        (ActionSpace.EE_DELTA_POSE, [0.0] * 6, {"stamp": 99.0}, "refused_stale"),
        (ActionSpace.EE_DELTA_POSE, [0.0] * 6, {"stamp": 101.0}, "refused_future"),
        (ActionSpace.EE_DELTA_POSE, [0.0] * 6, {"frame": "world"}, "refused_target"),
        (ActionSpace.EE_POSE, [0.42, 0, 0.22, 1, 0, 0, 0], {}, "refused_first_target"),
        (ActionSpace.JOINT_POSITION, [0.2, 0.2, 0, 2.0, 0, 0.94, 0], {}, "refused_first_target"),
    ],
)
def test_each_refusal_is_counted_by_its_name(space, values, changes, name) -> None:
    rig = Rig()
    verdict = rig.submit(space, values, **changes)
    rig.step()
    assert not verdict.accepted
    assert rig.safe_arm.status().interventions == {name: 1}
    assert verdict.reason in rig.safe_arm.status().last_limits
    assert rig.arm.reached == []


def test_a_first_target_too_far_away_is_refused_and_not_ramped() -> None:
    rig = Rig(first_target_distance_m=0.02)
    assert rig.delta(x=0.019).accepted
    rig = Rig(first_target_distance_m=0.02)
    verdict = rig.delta(x=0.021)
    assert not verdict.accepted and "begin where the arm is" in verdict.reason


def test_a_jump_is_refused_and_the_arm_keeps_its_target() -> None:
    rig = Rig()
    rig.delta(x=0.01)
    rig.step()
    verdict = rig.delta(x=0.2)
    assert not verdict.accepted and "jumps by 0.2 m" in verdict.reason
    assert len(rig.arm.reached) == 1


def test_a_command_older_than_one_already_taken_is_refused() -> None:
    rig = Rig()
    rig.pass_time(0.05)
    rig.delta(x=0.01)
    assert "came too late" in rig.delta(x=0.01, stamp=rig.clock.now() - 0.02).reason


# ---- deltas


def test_deltas_add_to_the_commanded_target_and_not_to_where_the_arm_lags() -> None:
    rig = Rig(time_constant_s=0.2)
    start = rig.position
    for _ in range(5):
        assert rig.delta(x=0.01).accepted
        rig.step()
    assert rig.safe_arm.commanded_pose()[0] == pytest.approx(start[0] + 0.05, abs=1e-6)
    assert rig.position[0] < start[0] + 0.04


def test_deltas_start_from_the_measured_pose_after_a_switch_of_sources() -> None:
    rig = Rig(time_constant_s=0.2)
    for _ in range(5):
        rig.delta(x=0.01)
        rig.step()
    rig.token = rig.safe_arm.switch_source("policy", "the test")
    measured = rig.position
    rig.delta(x=0.01)
    assert rig.safe_arm.commanded_pose()[0] == pytest.approx(measured[0] + 0.01, abs=1e-6)


def test_deltas_start_from_the_measured_pose_after_a_hold() -> None:
    rig = Rig(time_constant_s=0.2)
    for _ in range(5):
        rig.delta(x=0.01)
        rig.step()
    rig.safe_arm.hold("the test")
    rig.step(3)
    measured = rig.position
    assert rig.delta(x=0.01).accepted
    assert rig.safe_arm.commanded_pose()[0] == pytest.approx(measured[0] + 0.01, abs=1e-6)


def test_hold_actions_keep_the_commanded_target_and_are_no_fault() -> None:
    rig = Rig(time_constant_s=0.2)
    rig.delta(x=0.01)
    target = rig.safe_arm.commanded_pose()
    for _ in range(30):
        assert rig.submit(ActionSpace.HOLD, []).accepted
        rig.step()
    assert rig.safe_arm.status().mode is ArmMode.MOVING
    assert np.array_equal(rig.safe_arm.commanded_pose(), target)
    assert rig.delta(x=0.01).accepted
    assert rig.safe_arm.commanded_pose()[0] == pytest.approx(target[0] + 0.01, abs=1e-6)
    assert rig.safe_arm.status().interventions == {}


def test_hold_actions_before_the_first_target_move_nothing() -> None:
    rig = Rig()
    for _ in range(5):
        assert rig.submit(ActionSpace.HOLD, []).accepted
        rig.step()
    assert rig.arm.reached == [] and rig.arm.stops == 0
    assert rig.delta(x=0.01).accepted


# ---- limits


def test_the_workspace_stops_a_push_through_its_wall_and_says_so() -> None:
    rig = Rig()
    for _ in range(40):
        rig.delta(x=0.01)
        rig.step()
    assert rig.position[0] == pytest.approx(0.55, abs=1e-6)
    assert rig.safe_arm.status().interventions["workspace"] > 10
    assert any("workspace x: 0.56 m limited to 0.55 m" in words for words in rig.safe_arm.status().last_limits)


def test_a_push_against_a_wall_does_not_wind_up() -> None:
    rig = Rig()
    for _ in range(40):
        rig.delta(x=0.01)
        rig.step()
    rig.delta(x=-0.01)
    rig.step()
    assert rig.position[0] == pytest.approx(0.54, abs=1e-6)


def test_a_limited_step_keeps_its_direction() -> None:
    rig = Rig(ee_speed_m_s=0.1)
    start = rig.position
    rig.delta(x=0.012, y=0.006)
    rig.step()
    moved = rig.position - start
    assert np.linalg.norm(moved) == pytest.approx(0.1 * PERIOD, rel=1e-4)
    assert moved[0] == pytest.approx(2.0 * moved[1], rel=1e-3)
    assert rig.safe_arm.status().interventions == {"ee_speed": 1}


def test_joint_velocity_holds_for_poses_too() -> None:
    rig = Rig(joint_velocity_share=0.02)
    before = rig.arm.read_state().joint_positions
    rig.delta(x=0.015)
    rig.step()
    fastest = np.abs(rig.arm.read_state().joint_positions - before) / PERIOD
    assert (fastest <= 0.02 * rig.arm.description.joint_velocity_limits * 1.001).all()
    assert "joint_velocity" in rig.safe_arm.status().interventions


def test_joint_limits_hold_for_every_joint_space() -> None:
    for space, values in ((ActionSpace.JOINT_DELTA, [0, 0, 0, 0, 0, 0, 0.06]), (ActionSpace.JOINT_VELOCITY, [0, 0, 0, 0, 0, 0, 1.2])):
        rig = Rig()
        for _ in range(60):
            rig.submit(space, values)
            rig.step()
        assert rig.arm.read_state().joint_positions[6] == pytest.approx(2.9 - 0.02, abs=1e-6)
        assert rig.safe_arm.status().interventions["joint_position"] > 5


def test_a_body_part_does_not_enter_the_table_even_where_the_tool_centre_may() -> None:
    rig = Rig(workspace_lower_m=(0.2, -0.3, -0.3))
    for _ in range(40):
        rig.delta(z=-0.01)
        rig.step()
    assert rig.position[2] == pytest.approx(0.015, abs=1e-4)  # the sphere at the tool has a radius of 15 mm
    assert rig.safe_arm.status().interventions["keep_out"] > 0
    assert any("fake_tool to table" in words for words in rig.safe_arm.status().last_limits)


def test_speeding_up_is_limited_and_slowing_down_is_not() -> None:
    rig = Rig(joint_acceleration_rad_s2=8.0)
    steps = []
    for _ in range(6):
        before = rig.arm.read_state().joint_positions
        rig.submit(ActionSpace.JOINT_DELTA, [0.0, 0, 0, 0, 0, 0, 0.08])
        rig.step()
        steps.append(rig.arm.read_state().joint_positions[6] - before[6])
    assert steps[:4] == pytest.approx([0.02, 0.04, 0.06, 0.08], abs=1e-6)
    assert rig.safe_arm.status().interventions["joint_acceleration"] == 3
    assert rig.submit(ActionSpace.JOINT_DELTA, np.zeros(7)).accepted
    rig.step()
    assert rig.safe_arm.status().interventions["joint_acceleration"] == 3


def test_an_unreachable_pose_is_refused_in_words() -> None:
    rig = Rig(workspace_upper_m=(1.0, 0.3, 0.9))
    reasons = []
    for _ in range(60):
        reasons.append(rig.delta(x=0.015).reason)
        rig.step()
    assert any("no joints within the limits reach" in reason for reason in reasons)


def test_more_targets_than_control_periods_are_refused() -> None:
    rig = Rig(**REAL_TIME)
    accepted = [rig.delta(x=0.001).accepted for _ in range(8)]
    assert accepted == [True] * 3 + [False] * 5
    assert rig.safe_arm.status().interventions["refused_rate"] == 5


# ---- watchdog and holds


def test_silence_puts_the_arm_on_hold_within_two_control_periods() -> None:
    rig = Rig(**REAL_TIME)
    for _ in range(10):
        rig.delta(x=0.01, valid_for=0.19)  # it may claim more
        rig.run(PERIOD)
    last_valid_action = rig.clock.now() - PERIOD
    while rig.safe_arm.status().mode is not ArmMode.HOLD:
        rig.run(0.01)
    assert rig.clock.now() - last_valid_action <= 2.0 * PERIOD + 0.011
    assert "no valid action from policy (the test)" in rig.safe_arm.status().hold_reason


def test_the_arm_is_at_rest_within_stop_time_and_inside_its_limits() -> None:
    rig = Rig(**REAL_TIME)
    for _ in range(10):
        rig.submit(ActionSpace.JOINT_VELOCITY, [0.8, 0, 0, 0, 0, 0, 0])
        rig.run(PERIOD)
    rig.safe_arm.hold("the test")
    values = [rig.arm.reached[-1].values]
    for _ in range(30):  # stop_time_s = 0.3 at 100 Hz
        rig.run(0.01)
        values.append(rig.arm.reached[-1].values)
    speeds = np.diff(np.array(values)[:, 0]) / 0.01
    assert speeds[0] < 0.8 and speeds[-1] == 0.0
    assert (np.diff(speeds) <= 1e-9).all(), "it only slows down"
    assert (np.abs(np.diff(speeds)) / 0.01 <= 30.0 * 1.001).all()


def test_targets_are_joined_smoothly_between_commands() -> None:
    rig = Rig(**REAL_TIME)
    for _ in range(10):
        rig.delta(x=0.01)
        rig.run(PERIOD)
    positions = np.array([command.values for command in rig.arm.reached])
    assert len(positions) == 50, "one set-point per turn of the loop"
    accelerations = np.diff(positions, n=2, axis=0) / 0.01**2
    assert np.abs(accelerations).max() <= 2.0 * 30.0 * 1.01  # a corner of the trapezoid inside a period doubles the difference
    assert rig.position[0] == pytest.approx(0.3708 + 0.10, abs=0.015)


def test_a_target_is_reached_exactly_once_the_source_keeps_it() -> None:
    rig = Rig(**REAL_TIME)
    rig.delta(x=0.015)
    for _ in range(10):
        rig.submit(ActionSpace.HOLD, [])
        rig.run(PERIOD)
    assert rig.position[0] == pytest.approx(rig.safe_arm.commanded_pose()[0], abs=1e-6)


def test_a_hold_needs_a_resume_on_a_real_robot() -> None:
    rig = Rig(auto_resume_s=0.0, **REAL_TIME)
    rig.delta(x=0.01)
    rig.run(0.3)
    verdict = rig.delta(x=0.01)
    assert not verdict.accepted and "an operator must resume it" in verdict.reason
    rig.safe_arm.resume()
    assert rig.delta(x=0.01).accepted


def test_a_short_hold_ends_by_itself_and_a_long_one_does_not() -> None:
    for held, accepted in ((0.5, True), (1.5, False)):
        rig = Rig(auto_resume_s=1.0, **REAL_TIME)
        rig.safe_arm.hold("the test")
        rig.run(held)
        assert rig.delta(x=0.01).accepted is accepted


def test_a_hold_outlives_a_switch_of_sources() -> None:
    rig = Rig(auto_resume_s=0.0, **REAL_TIME)
    rig.safe_arm.hold("the monitor died")
    rig.token = rig.safe_arm.switch_source("policy", "the test")
    assert "the monitor died" in rig.delta(x=0.01).reason


def test_giving_the_arm_back_ends_the_hold_of_a_silent_source() -> None:
    rig = Rig(auto_resume_s=0.0, **REAL_TIME)
    rig.delta(x=0.01)
    rig.run(0.3)
    rig.safe_arm.switch_source("none", "the test")
    rig.token = rig.safe_arm.switch_source("policy", "the test")
    assert rig.delta(x=0.01).accepted


def test_a_jump_of_the_workcell_clock_puts_the_arm_on_hold() -> None:
    rig = Rig(**REAL_TIME)
    rig.delta(x=0.01)
    rig.run(0.02)
    rig.clock.advance(0.06)
    rig.run(0.01)
    assert rig.safe_arm.status().mode is ArmMode.HOLD
    assert "the workcell clock jumped by +0.060 s" in rig.safe_arm.status().hold_reason


def test_an_action_also_ends_on_the_steady_clock() -> None:
    rig = Rig(**REAL_TIME)
    rig.delta(x=0.01)
    for _ in range(12):  # the workcell clock is slow; too little at once to be a jump
        rig.safe_arm.tick()
        rig.clock.advance(0.004)
        rig.steady.advance(0.01)
    assert rig.safe_arm.status().mode is ArmMode.HOLD


def test_the_gripper_keeps_its_last_command_through_stop_hold_and_disconnect() -> None:
    rig = Rig()
    rig.delta(x=0.01, gripper=0.0)
    rig.step(5)
    rig.delta(x=0.01, gripper=1.0)  # not sent yet
    rig.safe_arm.stop("the test")
    rig.step(5)
    rig.safe_arm.clear_stop()
    rig.safe_arm.resume()
    rig.step(5)
    rig.safe_arm.disconnect()
    assert rig.gripper.reached == [0.0]


def test_gripper_commands_are_sent_at_their_edges_only() -> None:
    rig = Rig()
    for opening in (1.0, 0.98, 1.0, 0.5, 0.52, 0.48, 0.02, 0.0, 0.03):
        rig.delta(gripper=opening)
        rig.step()
    assert rig.gripper.reached == [1.0, 0.5, 0.02, 0.0]


def test_a_gripper_wish_outside_its_range_is_limited_and_told() -> None:
    rig = Rig()
    rig.delta(gripper=-0.2)
    rig.step()
    assert rig.gripper.reached == [0.0]
    assert rig.safe_arm.status().interventions == {"gripper_opening": 1}


# ---- stop and fault


@pytest.mark.parametrize("step_driven", [True, False])
def test_a_stop_latches_until_cleared_and_resumed(step_driven: bool) -> None:
    rig = Rig(step_driven=step_driven)
    rig.delta(x=0.01)
    rig.safe_arm.stop("the operator's key")
    rig.safe_arm.stop("again")
    assert rig.safe_arm.status().mode is ArmMode.STOPPED
    assert rig.safe_arm.status().hold_reason == "the operator's key"
    sent = len(rig.arm.reached)
    rig.step(3)
    assert "the arm is stopped (the operator's key)" in rig.delta(x=0.01).reason
    with pytest.raises(CommandRefusedError, match="Clear the stop, then resume"):
        rig.safe_arm.resume()
    rig.safe_arm.clear_stop()
    assert "an operator must resume it" in rig.delta(x=0.01).reason
    rig.safe_arm.resume()
    rig.step(3)
    assert len(rig.arm.reached) == sent, "nothing moves because of a cleared stop"
    assert rig.delta(x=0.01).accepted


def test_a_fault_is_told_in_words_and_recovery_moves_nothing() -> None:
    rig = Rig(**REAL_TIME)
    rig.delta(x=0.01)
    rig.run(PERIOD)
    rig.arm.inject_fault("collision at joint 3")
    rig.run(0.02)
    status = rig.safe_arm.status()
    assert status.mode is ArmMode.FAULT and status.hold_reason == "collision at joint 3"
    assert rig.safe_arm.read_state().fault == "collision at joint 3"
    assert "collision at joint 3" in rig.delta(x=0.01).reason
    rig.safe_arm.recover()
    sent = len(rig.arm.reached)
    rig.run(0.3)
    assert len(rig.arm.reached) == sent
    assert "recovered from: collision at joint 3" in rig.delta(x=0.01).reason
    rig.safe_arm.resume()
    assert rig.delta(x=0.01).accepted


def test_a_fault_in_a_step_driven_workcell_is_found_at_the_next_command() -> None:
    rig = Rig()
    rig.arm.inject_fault("joint 2 is hot")
    assert "joint 2 is hot" in rig.delta(x=0.01).reason
    assert rig.safe_arm.status().mode is ArmMode.FAULT


def test_disconnect_is_idempotent_and_connect_starts_afresh() -> None:
    rig = Rig()
    rig.safe_arm.disconnect()
    rig.safe_arm.disconnect()
    assert "not connected" in rig.delta(x=0.01).reason
    rig.safe_arm.connect()
    assert rig.safe_arm.source == "none"
    assert not rig.delta(x=0.01).accepted


def test_an_arm_that_cannot_brake_in_time_is_refused_at_connect() -> None:
    with pytest.raises(ConfigurationError, match=r"safety\.stop_time_s is 0\.3 s; braking from 2\.08 rad/s at 2 rad/s2 takes 1\.04 s"):
        Rig(joint_acceleration_rad_s2=2.0)


def test_a_tool_that_is_not_where_the_urdf_says_is_refused_at_connect() -> None:
    class OtherTool(RecordingArm):
        def read_state(self):
            state = super().read_state()
            return replace(state, ee_position=state.ee_position + np.array([0.0, 0.0, 0.03]))

    clock = ManualClock()
    safe_arm = SafeArm(OtherTool(clock), None, make_limits(), control_period_s=PERIOD, auto_resume_s=0.0, clock=clock.now, step_driven=True)
    with pytest.raises(DeviceError, match=r"0\.0300 m .* Compare flange_to_tool"):
        safe_arm.connect()


def test_after_a_switch_of_sources_the_gripper_is_told_again() -> None:
    # A scene may have been reset meanwhile: a hand that was closed is open again.
    rig = Rig()
    rig.delta(gripper=0.0)
    rig.step()
    rig.token = rig.safe_arm.switch_source("policy", "the test")
    rig.delta(gripper=0.0)
    rig.step()
    assert rig.gripper.reached == [0.0, 0.0]


@pytest.mark.parametrize("step_driven", [True, False])
def test_an_unexpected_error_of_a_driver_is_a_fault_and_not_the_end_of_the_loop(step_driven: bool, caplog) -> None:
    rig = Rig(step_driven=step_driven)
    rig.delta(x=0.01)
    rig.arm.command = lambda command: 1 / 0
    rig.safe_arm.tick()
    assert rig.safe_arm.status().mode is ArmMode.FAULT
    assert rig.safe_arm.status().hold_reason == "the driver raised ZeroDivisionError: division by zero"
    assert rig.arm.stops == 1


def test_an_arm_that_interpolates_by_itself_gets_each_target_once_and_a_stop_on_hold() -> None:
    rig = Rig(interpolates=True, step_driven=False, spaces=(ActionSpace.EE_POSE,))
    for _ in range(4):
        rig.delta(x=0.01)
        rig.run(PERIOD)
    assert len(rig.arm.reached) == 4 and rig.arm.stops == 0
    rig.run(0.1)
    assert rig.safe_arm.status().mode is ArmMode.HOLD
    assert rig.arm.stops == 1, "its SDK brakes, told once"


def test_a_switch_of_sources_brakes_a_moving_arm() -> None:
    rig = Rig(**REAL_TIME)
    for _ in range(5):
        rig.submit(ActionSpace.JOINT_VELOCITY, [0.8, 0, 0, 0, 0, 0, 0])
        rig.run(PERIOD)
    rig.safe_arm.switch_source("teleop", "operator")
    rig.run(0.3)
    sent = len(rig.arm.reached)
    rig.run(0.1)
    assert len(rig.arm.reached) == sent, "at rest"
    assert rig.safe_arm.status().mode is ArmMode.IDLE


def test_a_hold_action_does_not_move_the_gripper_of_an_arm_on_hold() -> None:
    rig = Rig(auto_resume_s=0.0)
    rig.delta(gripper=0.0)
    rig.step()
    rig.safe_arm.hold("the test")
    assert rig.submit(ActionSpace.HOLD, [], gripper=1.0).accepted
    rig.step(3)
    assert rig.gripper.reached == [0.0]
