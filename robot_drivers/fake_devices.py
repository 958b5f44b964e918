"""A seven-joint arm, a gripper and a camera that need no hardware. Each works alone, in a process of its own.

The arm follows its targets with a first-order lag, worked out when somebody looks: no thread, no lock, hardly any CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmDescription, ArmMode, ArmState
from robot_drivers.device_context import DeviceContext
from robot_drivers.gripper import Gripper, GripperDescription, GripperState
from robot_drivers.kinematics import Kinematics
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, DeviceError

JOINTS = 7
URDF = Path(__file__).parent / "models" / "fake_arm.urdf"
HOME = (0.0, 0.2, 0.0, 2.0, 0.0, math.pi - 2.2, 0.0)  # rad; the tool points straight down, 0.37 m ahead and 0.2 m up
_JOINT_LOWER = (-2.9, -1.8, -2.9, 0.05, -2.9, -1.9, -2.9)
_JOINT_UPPER = (2.9, 1.8, 2.9, 3.05, 2.9, 1.9, 2.9)
_JOINT_SPEED = (2.2, 2.2, 2.2, 2.2, 2.6, 2.6, 2.6)
MOVING_SPEED = 1e-3  # rad/s


@dataclass(frozen=True, kw_only=True)
class FakeArmSettings:
    """How a fake arm behaves.

    Attributes:
        loop_rate_hz: Rate of the SafeArm loop.
        time_constant_s: Lag behind a target, s.
    """

    loop_rate_hz: float = 100.0
    time_constant_s: float = 0.03

    def __post_init__(self) -> None:
        if not 10.0 <= self.loop_rate_hz <= 1000.0:
            raise ConfigurationError(f"loop_rate_hz is {self.loop_rate_hz} Hz; expected 10 to 1000 Hz. Hertz, not a period?")
        if not 0.0 <= self.time_constant_s <= 0.5:
            raise ConfigurationError(f"time_constant_s is {self.time_constant_s} s; expected 0 to 0.5 s. Seconds, not milliseconds?")


@dataclass(frozen=True, kw_only=True)
class _NoSettings:
    """Nothing can be set."""


@dataclass(frozen=True)
class _Motion:
    """Where the joints were at `since` and where they are drawn to; replaced as a whole, so readers need no lock."""

    since: float
    start: np.ndarray
    target: np.ndarray


class FakeArm(Arm):
    """A made-up arm with joint position control (`models/fake_arm.urdf`)."""

    def __init__(
        self,
        *,
        loop_rate_hz: float = 100.0,
        time_constant_s: float = 0.03,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        name: str = "fake_arm",
    ) -> None:
        """Build an arm at `HOME`.

        Args:
            loop_rate_hz: Rate of the SafeArm loop.
            time_constant_s: Lag behind a target, s; 0 follows at once.
            clock: The workcell clock, for stamps, s.
            steady: The clock of the motion, s.
            name: Name in topics and messages.
        """
        self._clock, self._steady = clock, steady
        self._time_constant = time_constant_s
        self._kinematics: Kinematics | None = None
        self._connected = False
        self._fault = ""
        self._motion = _Motion(steady(), np.array(HOME), np.array(HOME))
        self._description = ArmDescription(
            name=name,
            joint_names=tuple(f"fake_joint{i + 1}" for i in range(JOINTS)),
            joint_lower=np.array(_JOINT_LOWER),
            joint_upper=np.array(_JOINT_UPPER),
            joint_velocity_limits=np.array(_JOINT_SPEED),
            urdf=str(URDF),
            base_frame="fake_base",
            ee_link="fake_tool",
            control_rate_hz=loop_rate_hz,
            native_spaces=(ActionSpace.JOINT_POSITION,),
            flange_to_tool=np.array([0.0, 0.0, 0.10, 0.0, 0.0, 1.0, 0.0]),
            payload_mass=0.7,
            payload_center_of_mass=np.array([0.0, 0.0, 0.04]),
            max_stop_latency=0.02,
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> FakeArm:
        """Return the arm of a workcell's entry `driver: fake`; keys as in `FakeArmSettings`."""
        checked = from_mapping(FakeArmSettings, settings, source=context.source)
        return cls(loop_rate_hz=checked.loop_rate_hz, time_constant_s=checked.time_constant_s, clock=context.clock, name=context.name)

    @property
    def description(self) -> ArmDescription:
        return self._description

    def connect(self) -> None:
        if self._kinematics is None:
            self._kinematics = Kinematics.from_description(self._description)
        if not self._connected:
            self._hold_still()
            self._connected = True

    def read_state(self) -> ArmState:
        self._require_connected()
        joints, speeds = self._evaluate()
        pose = self._kinematics.forward(joints)
        moving = bool(np.abs(speeds).max() > MOVING_SPEED)
        return ArmState(
            stamp=self._clock(),
            joint_positions=joints,
            joint_velocities=speeds,
            ee_position=pose[:3],
            ee_orientation=pose[3:],
            mode=ArmMode.FAULT if self._fault else ArmMode.MOVING if moving else ArmMode.IDLE,
            fault=self._fault,
        )

    def command(self, command: ArmCommand) -> None:
        self._require_connected()
        if command.action_space is not ActionSpace.JOINT_POSITION:
            raise ValueError(f"action_space is {command.action_space}; expected joint_position. SafeArm turns other spaces into it.")
        values = np.array(command.values, dtype=np.float64)
        if values.shape != (JOINTS,) or not np.isfinite(values).all():
            raise ValueError(f"values are {values}; expected {JOINTS} finite numbers, rad.")
        if self._fault:
            raise DeviceError(f"the fake arm is in fault: {self._fault}. Recover it first.")
        joints, _ = self._evaluate()
        self._motion = _Motion(self._steady(), joints, np.clip(values, _JOINT_LOWER, _JOINT_UPPER))

    def stop(self) -> None:
        self._hold_still()

    def recover(self) -> None:
        self._hold_still()
        self._fault = ""

    def disconnect(self) -> None:
        self._hold_still()
        self._connected = False

    def inject_fault(self, words: str) -> None:
        """Fall into a fault, as a collision would: the arm stays where it is until `recover`."""
        self._hold_still()
        self._fault = words

    def _hold_still(self) -> None:
        joints, _ = self._evaluate()
        self._motion = _Motion(self._steady(), joints, joints)

    def _evaluate(self) -> tuple[np.ndarray, np.ndarray]:
        """Return joint positions and velocities now."""
        motion = self._motion
        elapsed = max(0.0, self._steady() - motion.since)
        if self._time_constant <= 0.0:
            return motion.target.copy(), np.zeros(JOINTS)
        remaining = (motion.start - motion.target) * math.exp(-elapsed / self._time_constant)
        return motion.target + remaining, -remaining / self._time_constant

    def _require_connected(self) -> None:
        if not self._connected:
            raise DeviceError("the fake arm is not connected; expected connect() before its use.")


class FakeGripper(Gripper):
    """Two fingers at a constant speed; it starts open and keeps its last command on stop and disconnect."""

    def __init__(
        self,
        *,
        max_width_m: float = 0.08,
        speed_m_s: float = 0.2,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build an open gripper; `clock` gives stamps, `steady` moves the fingers."""
        self._description = GripperDescription(name="fake_gripper", max_width=max_width_m)
        self._speed = speed_m_s
        self._clock, self._steady = clock, steady
        self._motion = (steady(), max_width_m, max_width_m)  # since, start, target
        self._connected = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> FakeGripper:
        """Return the gripper of a workcell's entry `driver: fake`, which has no further keys."""
        from_mapping(_NoSettings, settings, source=context.source)
        return cls(clock=context.clock)

    @property
    def description(self) -> GripperDescription:
        return self._description

    def connect(self) -> None:
        self._connected = True

    def read(self) -> GripperState:
        self._require_connected()
        width = self._width()
        return GripperState(stamp=self._clock(), width=width, opening=width / self._description.max_width)

    def command(self, opening: float) -> None:
        self._require_connected()
        if not 0.0 <= opening <= 1.0:
            raise ValueError(f"opening is {opening}; expected 0 (closed) to 1 (open).")
        self._motion = (self._steady(), self._width(), opening * self._description.max_width)

    def stop(self) -> None:
        width = self._width()
        self._motion = (self._steady(), width, width)

    def disconnect(self) -> None:
        self._connected = False

    def _width(self) -> float:
        since, start, target = self._motion
        reach = self._speed * max(0.0, self._steady() - since)
        return target if abs(target - start) <= reach else start + math.copysign(reach, target - start)

    def _require_connected(self) -> None:
        if not self._connected:
            raise DeviceError("the fake gripper is not connected; expected connect() before its use.")
