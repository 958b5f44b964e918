"""The xArm gripper behind the control box: contract, newest wish, faults, and that it never holds up the arm."""

from __future__ import annotations

import time

import numpy as np
import pytest
from xarm_rig import Stream, make_fake, make_settings, wait_until

from robot_drivers.checks import check_gripper
from robot_drivers.device_context import DeviceContext
from robot_drivers.grippers.xarm_gripper import XArmGripper, XArmGripperSettings
from robot_drivers.xarm.xarm_arm import XArm
from stage_core.errors import ConfigurationError, DeviceError

SETTINGS = {"max_width_m": 0.084, "speed_r_min": 3000}


@pytest.fixture
def fake():
    with make_fake() as controller:
        yield controller


@pytest.fixture
def gripper(fake):
    device = XArmGripper(XArmGripperSettings(**SETTINGS, address=fake.address, control_port=fake.control_port))
    device.connect()
    yield device
    device.disconnect()


def test_the_gripper_keeps_the_contract_over_the_wire(fake) -> None:
    report = check_gripper(
        XArmGripper(XArmGripperSettings(max_width_m=0.084, speed_r_min=5000, address=fake.address, control_port=fake.control_port))
    )
    assert report.passed, str(report)


def test_it_takes_the_address_of_the_arm_beside_it(fake) -> None:
    arm = XArm(make_settings(fake.address))
    context = DeviceContext(name="gripper", source="xarm.yaml: settings.gripper", control_rate_hz=20.0, arm=arm)
    assert XArmGripper.from_settings(SETTINGS, context).settings.address == fake.address


def test_without_an_address_it_says_so() -> None:
    context = DeviceContext(name="gripper", source="xarm.yaml: settings.gripper", control_rate_hz=20.0)
    with pytest.raises(ConfigurationError, match="address is empty"):
        XArmGripper.from_settings(SETTINGS, context)


def test_pulses_become_metres(fake, gripper) -> None:
    gripper.command(0.5)
    wait_until(lambda: abs(gripper.read().opening - 0.5) < 0.003)  # of 850 pulses
    assert fake.machine.gripper.position == pytest.approx(425.0, abs=3.0)
    assert gripper.read().width == pytest.approx(0.042, abs=5e-4)


def test_a_stop_keeps_the_grip_on_an_object() -> None:
    with make_fake(object_width=400.0) as fake:
        gripper = XArmGripper(XArmGripperSettings(**SETTINGS, address=fake.address, control_port=fake.control_port))
        gripper.connect()
        gripper.command(0.0)
        wait_until(lambda: fake.machine.gripper.status == 2)
        time.sleep(0.4)
        gripper.stop()
        time.sleep(0.3)
        assert fake.machine.gripper.target == 0, "the fingers must go on pressing"
        gripper.disconnect()
        time.sleep(0.2)
        assert fake.machine.gripper.target == 0
        assert fake.machine.gripper.enabled


@pytest.mark.parametrize(
    ("fault", "expected"), [("gripper_error", "error 11: its motor drew too much current"), ("gripper_lost", "refuses")]
)
def test_a_fault_is_told_in_words_and_the_next_command_moves_again(fake, gripper, fault, expected) -> None:
    fake.inject(fault)

    def told() -> str:
        try:
            gripper.read()
        except DeviceError as error:
            return str(error)
        return ""

    wait_until(lambda: expected in told())
    fake.clear(fault)
    if fake.machine.error:
        fake.machine.clean_error()
    gripper.command(0.2)
    wait_until(lambda: not told() and abs(gripper.read().opening - 0.2) < 0.02, timeout=4.0)


def test_after_the_link_was_lost_it_connects_again_and_moves_only_when_asked(fake, gripper) -> None:
    gripper.command(0.3)
    wait_until(lambda: abs(gripper.read().opening - 0.3) < 0.02)
    fake.inject("communication_loss", seconds=0.3)
    with pytest.raises(DeviceError):
        wait_until(lambda: gripper.read() is None, timeout=3.0)
    before = fake.machine.gripper.target

    def readable() -> bool:
        try:
            return gripper.read() is not None
        except DeviceError:
            return False

    wait_until(readable, timeout=6.0)
    assert fake.machine.gripper.target == before
    gripper.command(0.6)
    wait_until(lambda: readable() and abs(gripper.read().opening - 0.6) < 0.02)


def test_read_only_moves_and_enables_nothing(fake) -> None:
    gripper = XArmGripper(XArmGripperSettings(**SETTINGS, address=fake.address, control_port=fake.control_port), read_only=True)
    gripper.connect()
    assert gripper.read().opening == pytest.approx(1.0)
    with pytest.raises(DeviceError, match="read only"):
        gripper.command(0.0)
    gripper.stop()
    gripper.disconnect()
    assert not fake.machine.gripper.enabled


def test_the_gripper_never_holds_up_the_arms_stream(fake, gripper) -> None:
    arm = XArm(make_settings(fake.address))
    arm.connect()
    gripper.command(0.0)
    Stream(arm).run(1.0)
    arm.disconnect()
    times = np.array([entry["time"] for entry in fake.log.entries("servo_joints")])
    assert len(times) > 80
    assert np.percentile(np.diff(times), 95) < 0.025
