"""A Franka Research 3 through franky (libfranka). Start at `FrankaArm`.

Targets are streamed: every one becomes a joint motion that takes over from the running one without a stop and would
come to rest at the target (`retargeting`). SafeArm sends joints alone, for franky cannot change between joint and
Cartesian motions without a stop. After `stop` the controller brakes by itself and holds the arm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmDescription, ArmMode, ArmState, ToolReading
from robot_drivers.bring_up import wait_until_ready
from robot_drivers.device_context import DeviceContext
from robot_drivers.franka.deadline import call_with_deadline
from robot_drivers.franka.link import FrankaLink, Reading
from robot_drivers.franka.readiness import RECOVERY_S, Readiness, read_tool_frame, relative_dynamics
from robot_drivers.franka.retargeting import Retargeting
from robot_drivers.franka.sdk import load_franky, make_motion
from robot_drivers.franka.settings import JOINTS, FrankaSettings
from robot_drivers.franka.words import LINK_LOST, describe_exception
from robot_drivers.kinematics import Kinematics
from robot_drivers.tool_link import TOOL_LINK, urdf_with_tool
from stage_core.configuration import from_mapping
from stage_core.errors import DeviceError, StageError

logger = logging.getLogger(__name__)

URDF = Path(__file__).parents[1] / "models" / "fr3.urdf"
SDK_VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])  # rad/s: the fastest that this franky lets a FR3 go
FLANGE_LINK, BASE_LINK = "fr3_link8", "fr3_link0"
LOOP_RATE_HZ = 100.0  # of SafeArm: how often it reads the state
MAX_STOP_LATENCY_S = 0.05
LINK_TIMEOUT_S = 0.5  # a state older than this means that the link is lost
RECONNECT_S = 5.0  # longest wait of `recover` for a controller that comes back
MOVING_SPEED = 1e-3  # rad/s


class FrankaArm(Arm):
    """One FR3."""

    def __init__(
        self,
        settings: FrankaSettings,
        *,
        name: str = "fr3",
        control_rate_hz: float = 20.0,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        read_only: bool = False,
        full_speed: bool = False,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            settings: From the workcell file.
            name: In topics and messages.
            control_rate_hz: How many targets come in a second, 10 to 50.
            clock: The workcell clock, s.
            steady: A clock that never jumps, s.
            read_only: Only read; franky alone sets its collision thresholds when it connects.
            full_speed: False keeps to a fifth of the arm's dynamics.
        """
        self.settings = settings
        self._name, self._clock, self._steady = name, clock, steady
        self._read_only, self._full_speed = read_only, full_speed
        self._dynamics = relative_dynamics(settings, full_speed=full_speed)
        self._period = 1.0 / control_rate_hz
        self._retargeting: Retargeting | None = None
        self._link: FrankaLink | None = None
        self._franky: Any = None
        urdf = urdf_with_tool(URDF, FLANGE_LINK, np.array(settings.flange_to_tool))
        joint_names = tuple(f"fr3_joint{i + 1}" for i in range(JOINTS))
        model = Kinematics(urdf, TOOL_LINK, joint_names, BASE_LINK)
        self._forward = model.forward
        self._description = ArmDescription(
            name=name,
            joint_names=joint_names,
            joint_lower=model.lower,
            joint_upper=model.upper,
            joint_velocity_limits=np.minimum(model.velocity_limits, SDK_VELOCITY),
            urdf=str(urdf),
            base_frame=BASE_LINK,
            ee_link=TOOL_LINK,
            control_rate_hz=LOOP_RATE_HZ,
            native_spaces=(ActionSpace.JOINT_POSITION,),
            flange_to_tool=np.array(settings.flange_to_tool),
            payload_mass=settings.payload_mass,
            payload_center_of_mass=np.array(settings.payload_center_of_mass),
            max_stop_latency=MAX_STOP_LATENCY_S,
            interpolates=True,
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> FrankaArm:
        """Return the arm of a workcell file. Raises ConfigurationError for a wrong, missing or unknown setting."""
        checked = from_mapping(FrankaSettings, settings, source=context.source, field="")
        context.check_address(checked.address, "address")
        if context.dry_run:  # a fake controller waits for every command; it needs no real-time kernel
            checked = replace(checked, realtime="ignore")
        return cls(
            checked,
            name=context.name,
            control_rate_hz=context.control_rate_hz,
            clock=context.clock,
            read_only=context.read_only,
            full_speed=context.full_speed,
        )

    @property
    def description(self) -> ArmDescription:
        return self._description

    @property
    def address(self) -> str:
        """Address of the controller; the hand is at the same one."""
        return self.settings.address

    # ---- life

    def connect(self) -> None:
        if self._link is None:
            self._begin(timeout_s=self.settings.connect_timeout_s, ignore_reflex=False)

    def disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None and not link.close():
            logger.warning("%s: the connection does not end; it is left alone", self._name)

    def _begin(self, *, timeout_s: float, ignore_reflex: bool) -> None:
        """Open, wait until ready, and start the threads. Raises DeviceError."""
        self._franky = load_franky()
        readiness = Readiness(self.settings, full_speed=self._full_speed, read_only=self._read_only, ignore_reflex=ignore_reflex)
        try:
            wait_until_ready(readiness.find_obstacle, name=self._name, timeout_s=timeout_s)
            robot = readiness.take()
            self._retargeting = Retargeting.for_robot(robot, self._dynamics, self._period, forward=self._forward, steady=self._steady)
            link = FrankaLink(
                robot,
                clock=self._clock,
                steady=self._steady,
                ordinary_scheduling=self.settings.realtime == "ignore",
                stop_motion=None if self._read_only else self._franky.JointStopMotion,
            )
            link.watching = not self._read_only
            link.start()
        except StageError:
            raise
        except Exception as error:  # the SDK's, between readiness and the first reading
            raise DeviceError(f"{self._name}: {describe_exception(error)}") from None
        finally:
            readiness.drop()
        self._link = link

    # ---- reading

    def read_state(self) -> ArmState:
        link, reading = self._reading()
        moving = reading.mode == "Move" and bool(np.abs(reading.joint_velocities).max() > MOVING_SPEED)
        fault = link.fault
        return ArmState(
            stamp=reading.stamp,
            joint_positions=reading.joint_positions.copy(),
            joint_velocities=reading.joint_velocities.copy(),
            joint_efforts=reading.joint_efforts.copy(),
            ee_position=reading.ee_position.copy(),
            ee_orientation=reading.ee_orientation.copy(),
            external_wrench=reading.external_wrench.copy(),
            mode=ArmMode.FAULT if fault else ArmMode.MOVING if moving else ArmMode.IDLE,
            fault=fault,
        )

    def read_tool(self) -> ToolReading:
        link, _ = self._reading()
        try:
            state = call_with_deadline(link.read_raw, seconds=2.0, name="reading the tool of the Franka controller")
        except StageError:
            raise
        except Exception as error:
            raise DeviceError(f"{self._name}: {describe_exception(error)}") from None
        pose, mass, center = read_tool_frame(state)
        return ToolReading(flange_to_tool=pose, payload_mass=mass, payload_center_of_mass=center)

    def _reading(self) -> tuple[FrankaLink, Reading]:
        link = self._link
        if link is None:
            raise DeviceError(f"{self._name} is not connected; expected connect() before its use.")
        if link.lost:
            raise DeviceError(f"{self._name}: {link.lost}")
        age = self._steady() - link.newest.taken
        if age > LINK_TIMEOUT_S:
            raise DeviceError(f"{self._name} sent no state for {age:.1f} s (limit {LINK_TIMEOUT_S:g} s): {LINK_LOST}")
        return link, link.newest

    # ---- moving

    def command(self, command: ArmCommand) -> None:
        if command.action_space is not ActionSpace.JOINT_POSITION:
            raise ValueError(f"action_space is {command.action_space}; expected joint_position. SafeArm turns other spaces into it.")
        values = np.array(command.values, dtype=np.float64)
        if values.shape != (JOINTS,) or not np.isfinite(values).all():
            raise ValueError(f"values are {values}; expected {JOINTS} finite numbers, rad.")
        if self._read_only:
            raise DeviceError(f"{self._name} is read only; nothing was sent. Start without read_only to move it.")
        link, reading = self._reading()
        if link.fault:
            raise DeviceError(f"{self._name}: {link.fault}")
        now = reading.joint_positions + (self._steady() - reading.taken) * reading.joint_velocities
        shortest = self._retargeting.shortest_time(values, now)
        link.send(lambda: make_motion(self._franky, values, shortest_s=shortest))

    def stop(self) -> None:
        link = self._link
        if link is not None and not self._read_only:
            link.stop()

    def recover(self) -> None:
        if self._read_only:
            raise DeviceError(f"{self._name} is read only; nothing was sent. Start without read_only to recover it.")
        link = self._link
        if link is None:
            raise DeviceError(f"{self._name} is not connected; expected connect() before recover().")
        stale = self._steady() - link.newest.taken > LINK_TIMEOUT_S
        if link.lost or stale:
            link.close()
            self._begin(timeout_s=RECONNECT_S, ignore_reflex=True)
        elif link.fault:
            self._clear_fault(link)

    def _clear_fault(self, link: FrankaLink) -> None:
        """Run the controller's own recovery; raise in words what is still in the way."""
        link.watching = False
        try:
            words = link.clear_fault(self._name, RECOVERY_S)
        finally:
            link.watching = True
        if words:
            raise DeviceError(f"{self._name}: {words}")
