"""The contracts of Arm, Gripper and Camera: the fake devices pass, drivers with a mistake fail by the claim that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wrong_drivers as wrong

from robot_drivers.checks import check_arm, check_camera, check_gripper
from robot_drivers.fake_camera import FakeCamera
from robot_drivers.fake_devices import FakeArm, FakeGripper
from stage_core.errors import ConfigurationError

FAKE = Path(__file__).parents[2] / "ros2_ws" / "src" / "stage_bringup" / "config" / "workcells" / "fake.yaml"


@pytest.fixture
def clock() -> wrong.ManualClock:
    return wrong.ManualClock()


def test_the_fake_arm_keeps_the_contract(clock) -> None:
    report = check_arm(FakeArm(clock=clock.now, steady=clock.now), wait=clock.wait)
    assert report.passed, str(report)
    assert len(report) >= 16


def test_the_fake_gripper_keeps_the_contract(clock) -> None:
    report = check_gripper(FakeGripper(clock=clock.now, steady=clock.now), wait=clock.wait)
    assert report.passed, str(report)
    assert len(report) >= 14


def test_the_fake_camera_keeps_the_contract() -> None:
    report = check_camera(FakeCamera("base", width=64, height=48, rate_hz=50.0, tool_position=lambda: np.zeros(3)))
    assert report.passed, str(report)


def test_the_fake_workcell_keeps_the_contract_in_real_time() -> None:
    report = check_arm(FAKE, allow_motion=False)
    assert report.passed, str(report)
    assert "gripper_connects" in [result.name for result in report]
    assert check_camera(FAKE).passed


def test_a_check_without_motion_sends_no_target(clock) -> None:
    class Motionless(FakeArm):
        def command(self, command) -> None:
            assert command.action_space.value != "joint_position"
            super().command(command)

    assert check_arm(Motionless(clock=clock.now, steady=clock.now), allow_motion=False, wait=clock.wait).passed


@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        (wrong.Degrees, "state_is_in_radians_and_metres"),
        (wrong.Millimetres, "state_is_in_radians_and_metres"),
        (wrong.Wxyz, "quaternion_is_xyzw_of_length_1"),
        (wrong.Unnormalised, "quaternion_is_xyzw_of_length_1"),
        (wrong.FlangeInsteadOfTool, "tool_centre_agrees_with_kinematics"),
        (wrong.WorldFrame, "tool_centre_agrees_with_kinematics"),
        (wrong.VelocitySign, "velocities_have_the_sign_of_the_motion"),
        (wrong.Stale, "state_is_fresh"),
        (wrong.Milliseconds, "state_is_fresh"),
        (wrong.OneSharedArray, "state_is_well_formed"),
        (wrong.SlowRead, "read_state_is_quick"),
        (wrong.LateStop, "stop_brakes_in_time"),
        (wrong.NoStop, "stop_brakes_in_time"),
        (wrong.BlockingCommand, "command_returns_at_once"),
        (wrong.StopBehindALock, "stop_works_beside_a_busy_command"),
        (wrong.TakesDeltas, "refuses_spaces_it_does_not_take"),
        (wrong.DegreesCommanded, "absolute_targets_are_reached"),
        (wrong.MovesAtConnect, "connects"),
        (wrong.MovesAtRecover, "recover_moves_nothing"),
        (wrong.SilentAfterDisconnect, "read_after_disconnect_is_told"),
        (wrong.SecondStopFails, "stop_twice_is_harmless"),
        (wrong.WrongLimits, "description_is_complete"),
        (wrong.LimitsInDegrees, "description_is_complete"),
    ],
)
def test_an_arm_driver_with_a_mistake_fails_by_the_claim_that_names_it(kind, claim, clock) -> None:
    report = check_arm(kind(clock), wait=clock.wait)
    assert claim in report.failed, str(report)


@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        (wrong.OpeningInverted, "gripper_opening_fits_its_width"),
        (wrong.CommandInverted, "gripper_1_is_open"),
        (wrong.OpensOnStop, "gripper_never_opens_on_stop"),
        (wrong.BlockingGripper, "gripper_command_returns_at_once"),
        (wrong.BlocksUntilItIsThere, "gripper_command_returns_at_once"),
        (wrong.GripperInMillimetres, "gripper_opening_fits_its_width"),
        (wrong.OpeningInPercent, "gripper_opening_fits_its_width"),
        (wrong.PercentCommanded, "gripper_1_is_open"),
        (wrong.OpensOnDisconnect, "gripper_never_opens_on_disconnect"),
        (wrong.GoesOnOpening, "gripper_stops_opening"),
        (wrong.StaleGripper, "gripper_state_is_fresh"),
        (wrong.GripperStampsInMilliseconds, "gripper_state_is_fresh"),
        (wrong.MovesTheFingersAtConnect, "gripper_connects"),
        (wrong.QueuesItsWishes, "gripper_newest_wish_wins"),
        (wrong.DeafWhileItMoves, "gripper_newest_wish_wins"),
        (wrong.TakesNotANumber, "gripper_refuses_what_is_no_opening"),
        (wrong.NeverHomed, "gripper_obeys_or_says_what_it_needs"),
        (wrong.GripperSilentAfterDisconnect, "gripper_read_after_disconnect_is_told"),
        (wrong.SecondGripperStopFails, "gripper_stop_twice_is_harmless"),
    ],
)
def test_a_gripper_driver_with_a_mistake_fails_by_the_claim_that_names_it(kind, claim, clock) -> None:
    report = check_gripper(kind(clock), wait=clock.wait)
    assert claim in report.failed, str(report)


@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        (wrong.FloatImage, "image_is_rgb_uint8_of_the_described_size"),
        (wrong.WidthFirst, "image_is_rgb_uint8_of_the_described_size"),
        (wrong.Black, "image_is_not_blank"),
        (wrong.SharedBuffer, "every_frame_owns_its_image"),
        (wrong.SameStamp, "stamps_and_sequence_increase"),
        (wrong.StampsInMilliseconds, "frames_come_at_the_described_rate"),
        (wrong.SameFrameAgain, "stamps_and_sequence_increase"),
        (wrong.NormalisedIntrinsics, "intrinsics_are_plausible"),
        (wrong.WaitsForEver, "no_new_frame_is_a_deadline_error"),
        (wrong.DepthInMillimetres, "depth_is_in_metres"),
    ],
)
def test_a_camera_driver_with_a_mistake_fails_by_the_claim_that_names_it(kind, claim) -> None:
    report = check_camera(kind())
    assert claim in report.failed, str(report)


def test_a_driver_is_found_by_module_and_class() -> None:
    report = check_arm("robot_drivers.fake_devices:FakeArm", allow_motion=False)
    assert report.passed, str(report)


def test_a_class_that_is_no_arm_is_an_error_in_words() -> None:
    with pytest.raises(ConfigurationError, match="expected a subclass of robot_drivers Arm"):
        check_arm("robot_drivers.fake_devices:FakeGripper")
