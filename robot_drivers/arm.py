"""What every arm can do: connect, tell its state, take an absolute target, stop, recover.

A driver implements `Arm` for one SDK and converts units, frames and quaternion orders at that one border. Drivers
never see delta or velocity commands: `SafeArm` turns every action into an absolute target first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class ActionSpace(StrEnum):
    """The spaces an action can be given in (DESIGN 9.1)."""

    JOINT_POSITION = "joint_position"  # (n,) rad
    JOINT_VELOCITY = "joint_velocity"  # (n,) rad/s
    JOINT_DELTA = "joint_delta"  # (n,) rad per control period
    EE_POSE = "ee_pose"  # (7,) m and xyzw, base frame
    EE_DELTA_POSE = "ee_delta_pose"  # (6,) m and rotation vector per control period
    HOLD = "hold"  # (0,) no motion asked; answers a lockstep step without an action

    def dimension(self, joints: int) -> int:
        """Return how many values an action of this space has for an arm of `joints` joints."""
        return {"ee_pose": 7, "ee_delta_pose": 6, "hold": 0}.get(self.value, joints)


class ArmMode(StrEnum):
    """What the arm is doing."""

    IDLE = "idle"  # enabled, no command yet
    MOVING = "moving"
    HOLD = "hold"  # at rest or braking, because no valid action is due
    STOPPED = "stopped"  # emergency stop latched
    FAULT = "fault"


@dataclass(frozen=True, kw_only=True)
class ArmDescription:
    """Facts of one arm that never change while it is connected.

    Attributes:
        name: Name in topics and messages.
        joint_names: n names, base to wrist.
        joint_lower: (n,) rad.
        joint_upper: (n,) rad.
        joint_velocity_limits: (n,) rad/s.
        urdf: Path of the URDF that kinematics and limits come from; its tool link is `ee_link`.
        base_frame: REP-105 name of the frame all poses are in.
        ee_link: Link of the tool centre: between the finger tips, z out of the gripper, y along the fingers' travel.
        control_rate_hz: Rate of the SafeArm loop.
        native_spaces: The absolute spaces `Arm.command` takes: JOINT_POSITION, EE_POSE or both.
        flange_to_tool: (7,) m and xyzw, tool centre in the flange frame.
        payload_mass: kg of everything beyond the flange.
        payload_center_of_mass: (3,) m in the flange frame.
        max_stop_latency: Longest time from `stop()` to the start of braking, s.
        interpolates: True where the SDK re-targets smoothly by itself, so that no second generator may run.
    """

    name: str
    joint_names: tuple[str, ...]
    joint_lower: np.ndarray
    joint_upper: np.ndarray
    joint_velocity_limits: np.ndarray
    urdf: str
    base_frame: str
    ee_link: str
    control_rate_hz: float
    native_spaces: tuple[ActionSpace, ...]
    flange_to_tool: np.ndarray
    payload_mass: float
    payload_center_of_mass: np.ndarray
    max_stop_latency: float
    interpolates: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolReading:
    """What a controller itself takes for the tool; None where it does not tell.

    Attributes:
        flange_to_tool: (7,) m and xyzw.
        payload_mass: kg of everything beyond the flange.
        payload_center_of_mass: (3,) m in the flange frame.
    """

    flange_to_tool: np.ndarray | None = None
    payload_mass: float | None = None
    payload_center_of_mass: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmState:
    """What an arm measured at one instant, in its base frame.

    Attributes:
        stamp: Measurement time on the workcell clock, s.
        joint_positions: (n,) float64 rad.
        joint_velocities: (n,) float64 rad/s.
        joint_efforts: (n,) float64 N m, or None.
        ee_position: (3,) float64 m, tool centre.
        ee_orientation: (4,) float64 xyzw.
        external_wrench: (6,) float64 N and N m in the base frame, or None.
        mode: What the arm is doing.
        fault: The fault in words, empty without one.
    """

    stamp: float
    joint_positions: np.ndarray
    joint_velocities: np.ndarray
    ee_position: np.ndarray
    ee_orientation: np.ndarray
    joint_efforts: np.ndarray | None = None
    external_wrench: np.ndarray | None = None
    mode: ArmMode = ArmMode.IDLE
    fault: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmCommand:
    """One action for the arm.

    Attributes:
        stamp: From when it holds, workcell clock, s.
        action_space: What `values` mean.
        values: (d,) float64; d = action_space.dimension(n).
        valid_for: How long it holds, s, > 0.
        gripper: Opening in [0, 1], 1 = open; None leaves the gripper as it is.
        frame: "base" or "tool", for EE_DELTA_POSE.
        reference: "commanded" or "measured", for the delta spaces.
        source: Who asks: policy, teleop, replay or script.
        sequence: The control step it answers.
        token: Given at the switch of sources; 0 where no switch guards the arm (tests, drivers).
    """

    stamp: float
    action_space: ActionSpace
    values: np.ndarray
    valid_for: float
    gripper: float | None = None
    frame: str = "base"
    reference: str = "commanded"
    source: str = "policy"
    sequence: int = 0
    token: int = 0


class Arm(ABC):
    """One arm. All poses base -> tool centre; m, rad, s, N, xyzw."""

    @property
    @abstractmethod
    def description(self) -> ArmDescription:
        """Facts of this arm; available before `connect`."""

    @abstractmethod
    def connect(self) -> None:
        """Reach the controller and wait, in words, until it can be used (`bring_up.wait_until_ready`); nothing moves.

        Raises:
            DeviceError: If it cannot be reached or used in time, in words, with the next step.
        """

    def read_tool(self) -> ToolReading:
        """Return what the controller takes for the tool; SafeArm compares it with the description and refuses a mismatch.

        Raises:
            DeviceError: If the link is lost.
        """
        return ToolReading()

    @abstractmethod
    def read_state(self) -> ArmState:
        """Return the newest state; never blocks longer than one control period.

        Raises:
            DeviceError: If the link is lost.
        """

    @abstractmethod
    def command(self, command: ArmCommand) -> None:
        """Take an absolute target (JOINT_POSITION or EE_POSE, one of `description.native_spaces`); returns at once.

        Raises:
            ValueError: If the space is not native.
            DeviceError: If the link is lost or the arm is in fault.
        """

    @abstractmethod
    def stop(self) -> None:
        """Brake at once. Idempotent, from any thread, and shares no lock with `command` or `read_state`."""

    @abstractmethod
    def recover(self) -> None:
        """Clear a fault after a human or a bounded rule asked; nothing moves because of it.

        Raises:
            DeviceError: If the fault cannot be cleared, in words.
        """

    @abstractmethod
    def disconnect(self) -> None:
        """Stop and let go of the controller. Idempotent."""
