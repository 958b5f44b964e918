"""Driver of UFACTORY arms: servo targets at 100 Hz, joint and Cartesian. Start at `XArm`.

SafeArm interpolates and calls `command` a hundred times a second; nothing here waits for the link. What is wrong with the arm is found
by the reports it sends and by the answers to the targets, and told in words by `read_state`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmDescription, ArmMode, ArmState, ToolReading
from robot_drivers.bring_up import wait_until_ready
from robot_drivers.device_context import DeviceContext
from robot_drivers.kinematics import Kinematics
from robot_drivers.tool_link import TOOL_LINK, urdf_with_tool
from robot_drivers.xarm import words
from robot_drivers.xarm.models import BASE_LINK, JOINT_SPEED, find_model
from robot_drivers.xarm.readiness import check_model, find_obstacle
from robot_drivers.xarm.session import Session
from robot_drivers.xarm.settings import XArmSettings
from stage_core.configuration import from_mapping
from stage_core.errors import DeviceError

logger = logging.getLogger(__name__)

CONTROL_RATE_HZ = 100.0
MAX_STOP_LATENCY_S = 0.05  # measured on the fake controller by benchmarks/xarm_streaming.py
RECONNECT_S = 8.0
TRY_AGAIN_S = 0.25  # between two looks while something keeps the arm from being used
MOVING_SPEED = 0.01  # rad/s
TESTED_FIRMWARE = (1, 9, 0)


class XArm(Arm):
    """One xArm 6, xArm 7 or Lite 6."""

    def __init__(
        self,
        settings: XArmSettings,
        *,
        name: str = "xarm",
        read_only: bool = False,
        full_speed: bool = False,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            settings: From the workcell file.
            name: Name in topics and messages.
            read_only: Only look: nothing that moves, enables, configures or stops is ever sent.
            full_speed: False keeps the controller itself to reduced speeds, as a second line behind SafeArm.
            clock: The workcell clock, for stamps, s.
            steady: A clock that never jumps, s.
            reconnect_s: How long a recovery tries to reach the controller again, s.

        Raises:
            MissingDependencyError: If kinematics cannot be computed here.
        """
        self.settings = settings
        self._model = find_model(settings.model)
        self._read_only, self._full_speed = read_only, full_speed
        self._clock, self._steady, self._reconnect_s = clock, steady, reconnect_s
        self._session: Session | None = None
        self._waiting: Session | None = None  # connected, but not ready yet
        tool = np.array(settings.flange_to_tool, dtype=np.float64)
        urdf = str(urdf_with_tool(self._model.urdf, self._model.flange_link, tool))
        self._kinematics = kinematics = Kinematics(urdf, TOOL_LINK, self._model.joint_names, BASE_LINK)
        self._description = ArmDescription(
            name=name,
            joint_names=self._model.joint_names,
            joint_lower=kinematics.lower,
            joint_upper=kinematics.upper,
            joint_velocity_limits=np.full(self._model.axes, JOINT_SPEED),
            urdf=urdf,
            base_frame=BASE_LINK,
            ee_link=TOOL_LINK,
            control_rate_hz=CONTROL_RATE_HZ,
            native_spaces=(ActionSpace.JOINT_POSITION, ActionSpace.EE_POSE),
            flange_to_tool=tool,
            payload_mass=settings.payload_mass,
            payload_center_of_mass=np.array(settings.payload_center_of_mass, dtype=np.float64),
            max_stop_latency=MAX_STOP_LATENCY_S,
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> XArm:
        """Return the arm of a workcell file. Raises ConfigurationError in one line."""
        values = from_mapping(XArmSettings, settings, source=context.source)
        context.check_address(values.address, "address")
        return cls(values, name=context.name, read_only=context.read_only, full_speed=context.full_speed, clock=context.clock)

    @property
    def description(self) -> ArmDescription:
        return self._description

    # ---- life

    def connect(self) -> None:
        if self._session is not None:
            return
        try:
            wait_until_ready(self._find_obstacle, name=self._title, timeout_s=self.settings.connect_timeout_s, poll_s=TRY_AGAIN_S)
            self._session, self._waiting = self._waiting, None
            self._tell_versions(self._session)
        finally:
            self._abandon()

    def disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            if not self._read_only:
                session.stop()
            session.close()

    def recover(self) -> None:
        self._refuse_read_only("recover")
        session = self._require_session()
        if session.link_trouble() or session.stuck:
            self._session = session = self._connect_anew(session)
        if obstacle := find_obstacle(session, clear=True):
            raise DeviceError(f"{self._title}: {obstacle}")
        logger.warning("%s: recovered", self._title)

    # ---- reading

    def read_state(self) -> ArmState:
        session = self._require_session()
        if trouble := session.link_trouble():
            raise DeviceError(f"{self._title}: {trouble}")
        report, fault = session.reports.quick, session.fault
        if self._read_only and session.reports.rich.error:
            fault = words.error_in_words(session.reports.rich.error)
        moving = float(np.abs(report.velocities).max()) > MOVING_SPEED
        return ArmState(
            stamp=report.stamp,
            joint_positions=report.joints.copy(),
            joint_velocities=report.velocities.copy(),
            joint_efforts=report.efforts.copy(),
            ee_position=report.pose[:3].copy(),
            ee_orientation=report.pose[3:].copy(),
            mode=ArmMode.FAULT if fault else ArmMode.MOVING if moving else ArmMode.IDLE,
            fault=fault,
        )

    def read_tool(self) -> ToolReading:
        session = self._require_session()
        if trouble := session.link_trouble():
            raise DeviceError(f"{self._title}: {trouble}")
        rich = session.reports.rich
        return ToolReading(
            flange_to_tool=rich.flange_to_tool.copy(),
            payload_mass=rich.payload_mass,
            payload_center_of_mass=rich.payload_center_of_mass.copy(),
        )

    # ---- moving

    def command(self, command: ArmCommand) -> None:
        if command.action_space not in self._description.native_spaces:
            raise ValueError(f"action_space is {command.action_space}; expected joint_position or ee_pose. SafeArm turns others into them.")
        values = np.asarray(command.values, dtype=np.float64)
        expected = command.action_space.dimension(self._model.axes)
        if values.shape != (expected,) or not np.isfinite(values).all():
            raise ValueError(f"values are {values}; expected {expected} finite numbers, rad, or m and xyzw.")
        self._refuse_read_only("move")
        session = self._require_session()
        if trouble := session.link_trouble() or session.fault:
            raise DeviceError(f"{self._title}: {trouble}")
        session.take(values, pose=command.action_space is ActionSpace.EE_POSE)

    def stop(self) -> None:
        session = self._session
        if session is not None and not self._read_only:
            session.stop()

    # ---- helpers

    @property
    def _title(self) -> str:
        return f"{self._model.title} at {self.settings.address}"

    def _find_obstacle(self) -> str:
        """Connect where that is still to do, and return in words what keeps the arm from being used, or ""."""
        try:
            if self._waiting is None:
                session = self._new_session()
                session.open()
                self._waiting = session
                check_model(session)
            return "" if self._read_only else find_obstacle(self._waiting, clear=False)
        except DeviceError as error:
            self._abandon()
            return str(error)

    def _abandon(self) -> None:
        """Close a connection that did not become ready."""
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None

    def _new_session(self) -> Session:
        return Session(self.settings, self._model, self._kinematics, full_speed=self._full_speed, clock=self._clock, steady=self._steady)

    def _connect_anew(self, old: Session) -> Session:
        """Return an open session in place of a dead one. Raises DeviceError after `reconnect_s`."""
        old.close()
        deadline = self._steady() + self._reconnect_s
        while True:
            session = self._new_session()
            try:
                session.open()
                check_model(session)
                return session
            except DeviceError as error:
                if self._steady() >= deadline:
                    raise DeviceError(f"{self._title}: {error} Tried for {self._reconnect_s:g} s.") from None
                time.sleep(TRY_AGAIN_S)

    def _tell_versions(self, session: Session) -> None:
        firmware = session.main.firmware
        told = ".".join(str(part) for part in firmware)
        logger.info("%s: firmware %s, xarm-python-sdk %s", self._title, told, session.main.sdk_version)
        if firmware < TESTED_FIRMWARE:
            logger.warning(
                "%s: firmware %s is older than %s, the oldest this driver was written for. Update it in UFACTORY Studio.",
                self._title,
                told,
                ".".join(str(part) for part in TESTED_FIRMWARE),
            )

    def _require_session(self) -> Session:
        if self._session is None:
            raise DeviceError(f"{self._title} is not connected; expected connect() before its use.")
        return self._session

    def _refuse_read_only(self, what: str) -> None:
        if self._read_only:
            raise DeviceError(
                f"{self._title} was opened to be read only; expected read_only: false to {what}. Start again without read_only."
            )
