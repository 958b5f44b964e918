"""SafeArm and a real driver (with the vendor's own library) on a fake controller, for figures that the controller's log proves.

Start at `Rig`. The rig sees both ends: what SafeArm hands to the driver, and what the controller did because of it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import Arm, ArmCommand, ArmDescription, ArmState, ToolReading
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from robot_drivers.kinematics import Kinematics
from robot_drivers.robot_workcell import RobotWorkcell
from robot_drivers.safety import reduced
from robot_drivers.workcell import load_workcell_config, open_workcell
from stage_core.errors import DeviceError

WORKCELLS = Path(__file__).parents[1] / "ros2_ws/src/stage_bringup/config/workcells"
ARMS = ("franka", "xarm")
PAUSE_S = 0.25  # between two set-points that belong to different motions
XARM_PORT = 5020  # 502 is for administrators
_COUNTER = itertools.count(1)


class WatchedArm(Arm):
    """The real driver, with a note of the newest command that reached it."""

    def __init__(self, arm: Arm) -> None:
        """Watch `arm`."""
        self.arm = arm
        self.newest: ArmCommand | None = None
        self.commands = 0

    @property
    def description(self) -> ArmDescription:
        return self.arm.description

    def connect(self) -> None:
        self.arm.connect()

    def read_tool(self) -> ToolReading:
        return self.arm.read_tool()

    def read_state(self) -> ArmState:
        return self.arm.read_state()

    def command(self, command: ArmCommand) -> None:
        self.arm.command(command)
        self.newest = command
        self.commands += 1

    def stop(self) -> None:
        self.arm.stop()

    def recover(self) -> None:
        self.arm.recover()

    def disconnect(self) -> None:
        self.arm.disconnect()


class WatchedWorkcell(RobotWorkcell):
    """A robot workcell whose driver is watched."""

    _watched: WatchedArm | None = None

    @property
    def arm(self) -> WatchedArm:
        if self._watched is None:
            self._watched = WatchedArm(super().arm)
        return self._watched


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What the controller did: k samples, oldest first.

    Attributes:
        came: (k,) s, steady clock, when each command came.
        times: (k,) s, the controller's own clock where it has one, else `came`.
        joints: (k, n) rad, as commanded.
        speeds: (k, n) rad/s between one command and the next, by the controller's own period.
    """

    came: np.ndarray
    times: np.ndarray
    joints: np.ndarray
    speeds: np.ndarray


class Rig:
    """One arm, connected and ready for a source; ends with `close`."""

    def __init__(self, name: str, *, rate_hz: float, loop: bool = True) -> None:
        """Start the controller, connect, and begin to tick.

        Args:
            name: franka or xarm.
            rate_hz: Targets per second.
            loop: False leaves SafeArm's loop alone and connects the bare driver, for figures of the driver itself.
        """
        number = next(_COUNTER)
        self.name = name
        self.address = f"127.{200 + number // 250}.{os.getpid() % 250 + 1}.{number % 250 + 1}"
        config = load_workcell_config(WORKCELLS / f"{name}.yaml")
        arm = (
            config.settings["arm"]
            | {"address": self.address}
            | ({"realtime": "ignore"} if name == "franka" else {"control_port": XARM_PORT})
        )
        settings = config.settings | {"arm": arm, "gripper": {"driver": "none"}}
        self.config = replace(
            config,
            workcell=f"{__name__}:WatchedWorkcell",
            control_rate_hz=rate_hz,
            dry_run=True,
            cameras={},
            settings=settings,
            safety=replace(config.safety, longest_valid_for_s=max(config.safety.longest_valid_for_s, 2.0 / rate_hz)),
        )
        self.home = np.array(settings["home_joints_rad"], dtype=np.float64)
        self.fake = self._controller(arm)
        self.fake.start()
        self._seen = -1.0
        try:
            self.workcell = open_workcell(self.config)
            self.safe_arm = self.workcell.safe_arm
            self.driver: WatchedArm = self.workcell.arm
            self.limits = reduced(self.config.safety)  # nobody asked for full speed
            if loop:
                self.safe_arm.connect()
                self.safe_arm.start_loop()
            else:
                self.driver.connect()
        except BaseException:
            self.fake.stop()
            raise
        self.kinematics = Kinematics.from_description(self.driver.description)

    def close(self) -> None:
        """Disconnect and end the controller."""
        self.workcell.close()
        self.driver.disconnect()
        self.fake.stop()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def new_record(self) -> Record:
        """Return what the controller took since the last call."""
        if self.name == "franka":
            samples = self.fake.recording()
            samples = samples[samples["message_id"].astype(np.float64) > self._seen]
            if len(samples):
                self._seen = float(samples["message_id"][-1])
            # Its clock counts the cycles of 1 ms; when a packet came says little.
            return Record(came=samples["time"], times=samples["message_id"] * 1e-3, joints=samples["joints"], speeds=samples["velocity"])
        entries = [entry for entry in self.fake.log.entries("servo_joints") if entry["time"] > self._seen]
        if entries:
            self._seen = entries[-1]["time"]
        axes = len(self.home)
        joints = np.array([entry["joints"] for entry in entries], dtype=np.float64).reshape(-1, axes)
        times = np.array([entry["time"] for entry in entries])
        speeds = np.zeros_like(joints)
        if len(joints) > 1:
            # A packet that comes late is followed by one that comes early: no set-point is for less than its period. Where one was
            # left out, the next is for two. After a pause a new motion begins.
            gaps = np.diff(times)
            lasted = np.where(gaps < PAUSE_S, np.maximum(gaps, 1.0 / self.driver.description.control_rate_hz), np.inf)
            speeds[1:] = np.diff(joints, axis=0) / lasted[:, None]
        return Record(came=times, times=times, joints=joints, speeds=speeds)

    def reflexes(self) -> int:
        """Return how often the controller itself stopped the arm."""
        return sum(self.fake.log.counts.get(kind, 0) for kind in ("reflex", "error", "lost_command"))

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Return True as soon as `condition()` holds, False after `timeout` s."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.005)
        return False

    def at_rest(self) -> bool:
        """True while no joint moves."""
        try:
            return float(np.abs(self.driver.read_state().joint_velocities).max()) < 2e-3
        except DeviceError:  # nobody knows
            return False

    def _controller(self, arm: dict[str, Any]) -> FakeFranka | FakeXArm:
        """Return the controller with joints at home and the tool of the workcell file."""
        if self.name == "franka":
            return FakeFranka(self.address, start_joints=tuple(self.home))
        center = [1000.0 * value for value in arm["payload_center_of_mass"]]
        return FakeXArm(
            self.address,
            control_port=XARM_PORT,
            robot_type=arm["model"],
            joints=self.home.tolist(),
            tool_load=[arm["payload_mass"], *center],
            gripper=False,
        )
