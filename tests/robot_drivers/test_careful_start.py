"""What a real robot is held to before anybody trusts it: read-only, reduced speed, the right tool, an address, a dry run."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driver_rig import make_limits

from robot_drivers.arm import ActionSpace, ArmCommand, ToolReading
from robot_drivers.device_context import DeviceContext
from robot_drivers.fake_devices import HOME, FakeArm, FakeGripper
from robot_drivers.kinematics import Kinematics
from robot_drivers.launch_choices import LaunchChoices, apply, fake_controller_arguments
from robot_drivers.safety import SafeArm, reduced
from robot_drivers.tool_link import TOOL_LINK, urdf_with_tool
from robot_drivers.workcell import load_workcell_config, open_workcell
from stage_core.errors import CommandRefusedError, ConfigurationError, DeviceError

CONFIG = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells"


class CountingArm(FakeArm):
    """Counts what would reach a controller."""

    def __init__(self) -> None:
        super().__init__(time_constant_s=0.0)
        self.asked: list[str] = []

    def command(self, command):
        self.asked.append("command")
        super().command(command)

    def stop(self):
        self.asked.append("stop")
        super().stop()

    def recover(self):
        self.asked.append("recover")
        super().recover()


class ToldArm(FakeArm):
    """Its controller was told about a tool."""

    def __init__(self, reading: ToolReading) -> None:
        super().__init__()
        self._reading = reading

    def read_tool(self):
        return self._reading


def safe(arm, **options):
    return SafeArm(arm, FakeGripper(), make_limits(), control_period_s=0.05, auto_resume_s=0.0, clock=time.time, **options)


def test_nothing_but_questions_reaches_a_read_only_arm():
    arm = CountingArm()
    safe_arm = safe(arm, read_only=True)
    safe_arm.connect()
    safe_arm.start_loop()
    with pytest.raises(CommandRefusedError, match="read-only"):
        safe_arm.switch_source("policy", "test")
    verdict = safe_arm.submit(
        ArmCommand(stamp=time.time(), action_space=ActionSpace.JOINT_POSITION, values=np.array(HOME), valid_for=0.1, gripper=0.0)
    )
    safe_arm.stop("test")
    before = safe_arm.read_state()
    safe_arm.disconnect()
    assert not verdict.accepted and np.allclose(before.joint_positions, HOME)
    assert arm.asked == []


def test_speeds_are_reduced_until_full_speed_is_asked_for_and_a_lower_file_stays():
    limits = make_limits(ee_speed_m_s=0.8, joint_velocity_share=0.9, ee_angular_speed_rad_s=0.5)
    careful = reduced(limits)
    assert (careful.ee_speed_m_s, careful.joint_velocity_share, careful.ee_angular_speed_rad_s) == (0.25, 0.2, 0.5)
    assert careful.workspace_lower_m == limits.workspace_lower_m


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (ToolReading(flange_to_tool=np.array([0.0, 0.0, 0.15, 0.0, 0.0, 1.0, 0.0])), "flange_to_tool"),
        (ToolReading(payload_mass=1.4), r"the payload is 1\.400 kg; expected 0\.700 kg"),
        (ToolReading(payload_center_of_mass=np.array([0.0, 0.0, 0.4])), "centre of mass"),
    ],
)
def test_a_controller_that_was_told_of_another_tool_is_refused(reading, words):
    with pytest.raises(DeviceError, match=words):
        safe(ToldArm(reading)).connect()


def test_a_controller_that_was_told_of_the_same_tool_is_taken():
    described = FakeArm().description
    safe_arm = safe(
        ToldArm(
            ToolReading(
                flange_to_tool=described.flange_to_tool,
                payload_mass=described.payload_mass + 0.01,
                payload_center_of_mass=described.payload_center_of_mass,
            )
        )
    )
    safe_arm.connect()
    safe_arm.disconnect()


@pytest.mark.parametrize("robot", ["franka", "xarm"])
def test_a_robot_without_an_address_is_refused_with_the_argument_to_give(robot):
    config = load_workcell_config(CONFIG / f"{robot}.yaml")
    with pytest.raises(ConfigurationError, match=r"robot_address:=ADDRESS"):
        open_workcell(config)


@pytest.mark.parametrize("robot", ["franka", "xarm"])
def test_a_dry_run_reaches_loopback_alone(robot):
    config = load_workcell_config(CONFIG / f"{robot}.yaml")
    with pytest.raises(ConfigurationError, match="loopback"):
        apply(config, LaunchChoices(robot_address="172.16.0.2", dry_run=True))
    with pytest.raises(ConfigurationError, match="loopback"):
        DeviceContext(name="a", source="b", control_rate_hz=20.0, dry_run=True).check_address("10.0.0.1", "address")
    dry = apply(config, LaunchChoices(robot_address="127.0.3.4", dry_run=True))
    assert dry.dry_run and fake_controller_arguments(dry)[:3] == (robot, "--address", "127.0.3.4")
    assert all(entry["driver"] == "fake" for entry in dry.cameras.values())


def test_a_simulation_has_no_address():
    config = load_workcell_config(CONFIG / "fake.yaml")
    with pytest.raises(ConfigurationError, match="no real robot"):
        apply(config, LaunchChoices(robot_address="127.0.0.1"))


@pytest.mark.parametrize("robot", ["franka", "xarm"])
def test_the_bundled_limits_of_a_robot_fit_its_arm_at_both_speeds(robot):
    config = apply(load_workcell_config(CONFIG / f"{robot}.yaml"), LaunchChoices(robot_address="127.0.0.1", dry_run=True))
    assert config.auto_resume_s == 0.0
    from robot_drivers.safety.fitting import check_stop_time
    from robot_drivers.safety.keep_out import KeepOut

    for full_speed in (False, True):
        workcell = open_workcell(replace(config, full_speed=full_speed))
        limits = config.safety if full_speed else reduced(config.safety)
        check_stop_time(workcell.arm.description, limits)
        kinematics = Kinematics.from_description(workcell.arm.description)
        assert KeepOut(limits, kinematics).active
        assert workcell.home_joints is not None and KeepOut(limits, kinematics).clearance(workcell.home_joints)[0] > 0.0


@pytest.mark.parametrize(
    "quaternion",
    [(0, 0, 0, 1), (0, 0, -0.38268343, 0.92387953), (0.5, 0.5, 0.5, 0.5), (0, 0.70710678, 0, 0.70710678), (0.1, 0.7, -0.1, 0.7)],
)
def test_the_tool_link_lies_where_flange_to_tool_says(tmp_path, quaternion):
    from robot_drivers.poses import pose_distance

    description = FakeArm().description
    tool = np.array([0.01, -0.02, 0.2, *(np.array(quaternion) / np.linalg.norm(quaternion))])
    path = urdf_with_tool(description.urdf, "fake_hand", tool, folder=tmp_path)
    flange = Kinematics(path, "fake_hand", description.joint_names, "fake_base").forward(np.array(HOME))
    there = Kinematics(path, TOOL_LINK, description.joint_names, "fake_base").forward(np.array(HOME))
    from stage_core.geometry import quaternion_multiply, rotate

    expected = np.concatenate([flange[:3] + rotate(flange[3:], tool[:3]), quaternion_multiply(flange[3:], tool[3:])])
    assert max(pose_distance(there, expected)) < 1e-6


def test_a_read_only_arm_is_taken_with_another_tool_and_says_so(caplog):
    safe_arm = safe(ToldArm(ToolReading(payload_mass=1.4)), read_only=True)
    safe_arm.connect()
    assert "read-only" in caplog.text and "the payload is 1.400 kg" in caplog.text
    assert np.allclose(safe_arm.read_state().joint_positions, HOME)
    safe_arm.disconnect()
