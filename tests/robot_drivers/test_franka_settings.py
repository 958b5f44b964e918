"""What a workcell file may say about a Franka arm, and what the driver makes of it: nothing here needs a controller."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import franky
import numpy as np
import pytest

from robot_drivers.device_context import DeviceContext
from robot_drivers.franka.compatibility import describe_incompatible, interface_of
from robot_drivers.franka.deadline import call_with_deadline, real_time_threads
from robot_drivers.franka.franka_arm import FrankaArm
from robot_drivers.franka.readiness import relative_dynamics
from robot_drivers.franka.settings import FrankaSettings
from robot_drivers.franka.tool import DeskTool, columns, matrix_from_pose, plan_tool, pose_from_matrix
from robot_drivers.franka.words import ERRORS, describe_exception, describe_mode
from robot_drivers.kinematics import Kinematics
from robot_drivers.safety import reduced
from robot_drivers.safety.fitting import check_stop_time
from robot_drivers.workcell import load_workcell_config
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, DeadlineError

WORKCELL = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/franka.yaml"
HAND = DeskTool(  # the Franka Hand as Desk has it
    mass=0.73,
    center_of_mass=np.array([-0.01, 0.0, 0.03]),
    flange_to_nominal=matrix_from_pose(np.array([0.0, 0.0, 0.1034, 0.0, 0.0, -0.38268343, 0.92387953])),
)
HAND_POSE = np.array([0.0, 0.0, 0.1034, 0.0, 0.0, -0.38268343, 0.92387953])


def arm_entry(**changes: object) -> dict:
    entry = dict(load_workcell_config(WORKCELL).settings["arm"])
    del entry["driver"]
    return entry | {"address": "127.0.0.1"} | changes


def checked(**changes: object) -> FrankaSettings:
    return from_mapping(FrankaSettings, arm_entry(**changes), source="franka.yaml", field="")


# ---- settings


@pytest.mark.parametrize(
    "name",
    [
        "address",
        "realtime",
        "flange_to_tool",
        "payload_mass",
        "payload_center_of_mass",
        "desk_end_effector_mass_kg",
        "relative_velocity",
        "relative_acceleration",
        "relative_jerk",
        "joint_impedance",
        "contact_torque_nm",
        "collision_torque_nm",
        "contact_force_n",
        "collision_force_n",
    ],
)
def test_nothing_that_moves_metal_has_a_default(name):
    entry = arm_entry()
    del entry[name]
    with pytest.raises(ConfigurationError, match=f"{name} is missing"):
        from_mapping(FrankaSettings, entry, source="franka.yaml", field="")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"payload_mass": 730.0}, "payload_mass is 730; expected 0 to 3"),
        ({"payload_center_of_mass": [-10.0, 0.0, 30.0]}, "payload_center_of_mass is -10"),
        ({"flange_to_tool": [0.0, 0.0, 103.4, 0.0, 0.0, 0.0, 1.0]}, "flange_to_tool"),
        ({"flange_to_tool": [0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 2.0]}, "quaternion"),
        ({"relative_velocity": 20.0}, "relative_velocity is 20"),
        ({"relative_acceleration": 0.0}, "relative_acceleration is 0"),
        ({"joint_impedance": [3.0] * 7}, "joint_impedance is 3"),
        ({"collision_torque_nm": [10.0] * 7}, "contact_torque_nm exceeds collision_torque_nm"),
        ({"desk_end_effector_mass_kg": 1.5}, "desk_end_effector_mass_kg is 1.5; expected at most payload_mass"),
        ({"realtime": "maybe"}, "realtime is 'maybe'; expected one of enforce, ignore"),
        ({"pose_targets": "controller"}, "pose_targets is 'controller'; expected one of joints"),
        ({"colision_force_n": [1.0] * 6}, 'Did you mean "collision_force_n"'),
    ],
)
def test_a_wrong_setting_is_refused_by_name(change, words):
    with pytest.raises(ConfigurationError, match=words.replace("(", r"\(")):
        checked(**change)


def test_an_address_is_required_and_a_dry_run_reaches_loopback_alone():
    with pytest.raises(ConfigurationError, match="address is empty"):
        FrankaArm.from_settings(arm_entry(address=""), DeviceContext(name="fr3", source="f", control_rate_hz=20.0))
    with pytest.raises(ConfigurationError, match="a dry run reaches loopback"):
        FrankaArm.from_settings(arm_entry(address="172.16.0.2"), DeviceContext(name="fr3", source="f", control_rate_hz=20.0, dry_run=True))


def test_dynamics_stay_at_a_fifth_until_full_speed_is_asked():
    settings = checked(relative_velocity=0.6, relative_acceleration=0.5, relative_jerk=0.1)
    assert relative_dynamics(settings, full_speed=False) == (0.2, 0.2, 0.1)
    assert relative_dynamics(settings, full_speed=True) == (0.6, 0.5, 0.1)


def test_the_bundled_workcell_can_stop_in_time_at_both_speeds():
    config = load_workcell_config(WORKCELL)
    arm = FrankaArm(checked())
    check_stop_time(arm.description, config.safety)
    check_stop_time(arm.description, reduced(config.safety))


def test_the_tool_centre_at_the_ready_pose_is_the_published_one():
    # The forward kinematics of the published DH table at (0, -45, 0, -135, 0, 90, 45) degrees: flange 0.3069, 0, 0.5903 m; the hand's tips
    # lie 0.1034 m below it, for the flange looks straight down.
    arm = FrankaArm(checked())
    pose = Kinematics.from_description(arm.description).forward(np.array([0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4]))
    np.testing.assert_allclose(pose[:3], [0.30689, 0.0, 0.59028 - 0.1034], atol=1e-4)
    assert abs(pose[3]) == pytest.approx(1.0, abs=1e-6)  # turned by 180 degrees about x: fingers along the base's y


# ---- words


def test_every_error_bit_of_the_sdk_has_words_and_a_remedy():
    bits = [name for name in dir(franky.Errors) if not name.startswith("_")]
    assert sorted(bits) == sorted(ERRORS)
    assert all(meaning and remedy.endswith(".") for meaning, remedy in ERRORS.values())


def test_every_mode_of_the_sdk_that_cannot_move_has_words():
    names = list(franky.RobotMode.__members__)
    assert {name for name in names if not describe_mode(name, "")} == {"Idle", "Move"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('libfranka: Move command aborted: motion aborted by reflex! ["joint_reflex"]', "a joint torque passed collision_torque_nm"),
        ("libfranka: Move command aborted: User Stop pressed!", "the user stop is pressed"),
        ('libfranka: Set Collision Behavior command rejected: command not possible in the current mode ("Other")!', "joints are locked"),
        ('libfranka: Move command rejected: command not possible in the current mode ("User stopped")!', "the user stop is pressed"),
        ("libfranka: Connection to FCI refused. Please install FCI feature or enable FCI mode in Desk.", "FCI is inactive"),
        ("libfranka: Connection timeout. Please check your network connection or settings.", "cannot be reached"),
        ("libfranka: UDP receive: Timeout", "the link to the controller is lost"),
        ("libfranka: server closed connection", "the link to the controller is lost"),
        ("libfranka: Running kernel does not have realtime capabilities.", "PREEMPT_RT"),
    ],
)
def test_what_the_sdk_raises_is_told_in_words(text, words):
    assert words in describe_exception(RuntimeError(text))


def test_a_panda_is_told_in_the_first_sentence_that_it_is_not_supported():
    interface = interface_of("libfranka: Incompatible library version (server version: 5, library version: 10).")
    assert interface == 5
    assert describe_incompatible(interface).startswith("FER/Panda is not supported by this build")
    assert "4.2.1" in describe_incompatible(interface)


def test_an_older_fr3_is_told_which_wheel_to_install():
    assert "install the wheel built for libfranka 0.17.0" in describe_incompatible(9)
    assert "newer franky-control" in describe_incompatible(11)


# ---- tool


def test_poses_become_columns_and_come_back():
    pose = np.array([0.1, -0.2, 0.3, 0.18257419, 0.36514837, 0.54772256, 0.73029674])
    matrix = matrix_from_pose(pose)
    assert columns(matrix)[12:15] == pytest.approx([0.1, -0.2, 0.3])  # the translation is the last column
    assert columns(matrix)[:3] == pytest.approx(matrix[:3, 0])
    np.testing.assert_allclose(pose_from_matrix(matrix), pose, atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_turns_come_back_too(axis):
    pose = np.zeros(7)
    pose[3 + axis] = 1.0
    np.testing.assert_allclose(np.abs(pose_from_matrix(matrix_from_pose(pose))), pose, atol=1e-12)


def test_a_hand_that_desk_knows_needs_no_load_and_no_frame():
    plan = plan_tool(HAND, flange_to_tool=HAND_POSE, mass=0.73, center_of_mass=np.array([-0.01, 0.0, 0.03]), desk_mass=0.73)
    np.testing.assert_allclose(plan.nominal_to_tool, np.eye(4), atol=1e-7)
    assert plan.load_mass == 0.0


def test_load_and_hand_together_are_the_payload_of_the_file():
    # A camera of 0.2 kg at (0.07, 0, 0.05) m beside the hand: 0.93 kg at (0.73 * hand + 0.2 * camera) / 0.93.
    camera = np.array([0.07, 0.0, 0.05])
    centre = (0.73 * HAND.center_of_mass + 0.2 * camera) / 0.93
    plan = plan_tool(HAND, flange_to_tool=HAND_POSE, mass=0.93, center_of_mass=centre, desk_mass=0.73)
    assert plan.load_mass == pytest.approx(0.2)
    np.testing.assert_allclose(plan.load_center_of_mass, camera, atol=1e-12)


@pytest.mark.parametrize(
    ("mass", "centre", "desk_mass"),
    [
        (0.73, (-0.01, 0.0, 0.03), 0.0),  # the file expects no end-effector, Desk has a hand
        (0.5, (-0.01, 0.0, 0.03), 0.73),  # a payload lighter than the hand
        (0.73, (0.0, 0.0, 0.10), 0.73),  # the same mass elsewhere
        (0.74, (0.2, 0.0, 0.03), 0.73),  # ten grams that would have to be metres away
    ],
)
def test_an_end_effector_that_does_not_fit_is_told(mass, centre, desk_mass):
    words = plan_tool(HAND, flange_to_tool=HAND_POSE, mass=mass, center_of_mass=np.array(centre), desk_mass=desk_mass)
    assert isinstance(words, str)
    assert words.startswith("wrong end-effector")


# ---- deadlines and scheduling


def test_a_call_that_hangs_ends_at_its_deadline_and_its_late_result_is_let_go():
    release, abandoned = threading.Event(), threading.Event()
    begin = time.monotonic()
    with pytest.raises(DeadlineError, match="asking did not end within 0.05 s"):
        call_with_deadline(lambda: release.wait(5.0), seconds=0.05, name="asking", abandon=lambda late: abandoned.set())
    assert time.monotonic() - begin < 1.0
    release.set()
    assert abandoned.wait(2.0)


def test_real_time_priority_of_a_call_stays_in_its_thread():
    def become_real_time() -> int:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pytest.skip("real-time scheduling is not allowed here")
        return os.sched_getscheduler(0)

    assert call_with_deadline(become_real_time, seconds=2.0, name="becoming real-time") == os.SCHED_FIFO
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert threading.get_native_id() not in real_time_threads()
