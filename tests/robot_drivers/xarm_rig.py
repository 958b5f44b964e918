"""A fake xArm controller on a loopback address of its own, and the real driver on it."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand, ArmState
from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from robot_drivers.xarm.settings import XArmSettings
from robot_drivers.xarm.xarm_arm import XArm
from stage_core.errors import DeviceError

_numbers = itertools.count()
CONTROL_PORT = 50502  # the true one, 502, is for administrators
TOOL = (0.0, 0.0, 0.172, 0.0, 0.0, 0.0, 1.0)
JOINTS = {
    "xarm7": (0.1, -0.4, 0.05, 1.2, 0.0, 1.6, 0.1),
    "xarm6": (0.1, -0.4, -0.8, 0.2, 1.2, 0.1),
    "lite6": (0.1, 0.2, 1.2, 0.1, 0.9, 0.1),
}


def loopback_address() -> str:
    """Return an address that no other test worker uses."""
    number = (os.getpid() * 61 + next(_numbers)) % (200 * 250)
    return f"127.66.{1 + number // 250}.{1 + number % 250}"


def make_settings(address: str, model: str = "xarm7", **changes) -> XArmSettings:
    values = {
        "address": address,
        "model": model,
        "flange_to_tool": TOOL,
        "payload_mass": 0.82,
        "payload_center_of_mass": (0.0, 0.0, 0.048),
        "collision_sensitivity": 3,
        "connect_timeout_s": 0.0,
        "control_port": CONTROL_PORT,
    }
    return XArmSettings(**{**values, **changes})


def make_fake(model: str = "xarm7", **facts) -> FakeXArm:
    """Return a controller that has the settings' tool and load already, which saves the driver the time to set them."""
    facts = {"tool_offset": (0.0, 0.0, 172.0, 0.0, 0.0, 0.0), "tool_load": (0.82, 0.0, 0.0, 48.0), **facts}
    return FakeXArm(loopback_address(), robot_type=model, joints=JOINTS[model], control_port=CONTROL_PORT, **facts)


def wait_until(done: Callable[[], bool], timeout: float = 3.0) -> float:
    """Return after how many seconds `done` came true; fails after `timeout`."""
    begin = time.monotonic()
    while not done():
        assert time.monotonic() - begin < timeout, "it did not come true in time"
        time.sleep(0.002)
    return time.monotonic() - begin


def fault_of(arm: XArm) -> str:
    """Return what is wrong with an arm, in its words; "" where nothing is."""
    try:
        return arm.read_state().fault
    except DeviceError as error:
        return str(error)


def joint_command(arm: XArm, joints: np.ndarray, state: ArmState | None = None) -> ArmCommand:
    stamp = time.time() if state is None else state.stamp
    return ArmCommand(stamp=stamp, action_space=ActionSpace.JOINT_POSITION, values=np.asarray(joints), valid_for=0.1)


class Stream:
    """What SafeArm does: a set-point every 10 ms, here of the last joint at a steady speed."""

    def __init__(self, arm: XArm, *, speed: float = 0.2) -> None:
        self.arm, self.speed = arm, speed
        self.target = arm.read_state().joint_positions

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Stream until `until` is true or time is over; a DeviceError of the driver ends it."""
        due = time.monotonic()
        end = due + seconds
        while time.monotonic() < end and not until():
            self.target = self.target.copy()
            self.target[-1] += 0.01 * self.speed
            self.arm.command(joint_command(self.arm, self.target))
            due += 0.01
            time.sleep(max(0.0, due - time.monotonic()))
