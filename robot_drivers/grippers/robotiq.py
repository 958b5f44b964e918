"""Robotiq 2F-85 and 2F-140 over Modbus, by a serial line or TCP. Start at `RobotiqGripper`.

The fingers move for two reasons only: `command`, and `home`, which an operator asks for. Connecting reads, stopping
keeps width and grip, disconnecting closes the link; the automatic release, which opens, is never used.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from robot_drivers.device_context import DeviceContext
from robot_drivers.gripper import Gripper, GripperDescription, GripperState
from robot_drivers.grippers.robotiq_registers import SERIOUS, Request, Status
from robot_drivers.grippers.robotiq_settings import RobotiqSettings
from robot_drivers.grippers.robotiq_transport import RobotiqTransport
from robot_drivers.grippers.robotiq_worker import NOT_ACTIVATED, Kind, RobotiqWorker, Wish
from robot_drivers.safety.read_only import WORDS as READ_ONLY
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, DeviceError

logger = logging.getLogger(__name__)

RESET_S = 2.0  # longest time a reset may take
ACTIVATION_S = 15.0  # longest time an activation may take, s
PSEUDO_TERMINALS = "/dev/pts/"  # what a fake controller offers instead of a serial line


class RobotiqGripper(Gripper):
    """One gripper; the object force and speed are those of the settings."""

    def __init__(
        self,
        settings: RobotiqSettings,
        *,
        read_only: bool = False,
        full_speed: bool = False,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: From the workcell file.
            read_only: Read alone; never write a register.
            full_speed: False holds the fingers to a fifth of their speed range.
            clock: The workcell clock, s.
            steady: A clock that never jumps, s.
        """
        self._settings, self._read_only, self._steady = settings, read_only, steady
        self._speed = settings.speed_byte(full_speed=full_speed)
        self._description = GripperDescription(name=f"robotiq_{settings.model}", max_width=settings.max_width_m)
        self._worker = RobotiqWorker(
            RobotiqTransport(settings), poll_s=settings.poll_s, answer_timeout_s=settings.answer_timeout_s, clock=clock, steady=steady
        )
        self._connected = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> RobotiqGripper:
        """Build from the entry `settings.gripper`.

        Raises:
            ConfigurationError: For a wrong value, or a device that is not this machine's own in a dry run.
        """
        values = from_mapping(RobotiqSettings, settings, source=context.source)
        if values.transport == "tcp":
            context.check_address(values.address, "address")
        elif context.dry_run and not os.path.realpath(values.port).startswith(PSEUDO_TERMINALS):
            raise ConfigurationError(
                f"{context.source}: port is {values.port}; a dry run reaches pseudo-terminals ({PSEUDO_TERMINALS}N) and loopback addresses only."
            )
        return cls(values, read_only=context.read_only, full_speed=context.full_speed, clock=context.clock)

    @property
    def description(self) -> GripperDescription:
        return self._description

    def connect(self) -> None:
        """Reach the gripper and read; a fault, or a missing activation, is told in words, for only `home` mends it."""
        if self._connected:
            return
        status = self._worker.start()
        self._connected = True
        if status.fault in SERIOUS:
            logger.warning("%s: %s", self._description.name, status.fault_in_words)
        elif not status.activated:
            logger.warning("%s: %s", self._description.name, NOT_ACTIVATED)

    def read(self) -> GripperState:
        """Return the newest state: width and opening from the fingers' motor, effort the set force while an object is held, N.

        Raises:
            DeviceError: If the link is lost, or the gripper fell into a fault or lost its activation since it was connected.
        """
        self._require_connected()
        reading = self._worker.present()
        opening = self._settings.opening(reading.status.position)
        return GripperState(
            stamp=reading.stamp,
            width=opening * self._description.max_width,
            opening=opening,
            effort=self._settings.force_n if reading.status.holds_object else 0.0,
        )

    def command(self, opening: float) -> None:
        if not (math.isfinite(opening) and 0.0 <= opening <= 1.0):
            raise ValueError(f"opening is {opening}; expected 0 (closed) to 1 (open).")
        self._require_connected()
        if self._read_only:
            raise DeviceError(READ_ONLY)
        if self._worker.homing:
            raise DeviceError("the gripper is being homed; expected no command meanwhile. Wait until it is done.")
        status = self._worker.present().status
        if status.fault in SERIOUS:
            raise DeviceError(f"{self._description.name}: {status.fault_in_words}.")
        if not status.activated:
            raise DeviceError(f"{self._description.name}: {NOT_ACTIVATED}.")
        request = Request(
            active=True, follows=True, position=self._settings.count(opening), speed=self._speed, force=self._settings.force_byte
        )
        self._worker.want(Wish(kind=Kind.MOVE, request=request))

    def home(self) -> None:
        """Activate: the fingers close and open at the gripper's own speed, to find the ends of their travel. Clears a fault.

        Raises:
            DeviceError: If it is stopped, fails or takes over 15 s, in words.
        """
        self._require_connected()
        if self._read_only:
            raise DeviceError(READ_ONLY)
        if self._worker.homing:
            raise DeviceError("the gripper is being homed already. Wait until it is done.")
        permit, self._worker.homing = self._worker.permit, True
        counts: list[int] = []
        try:
            self._do(Kind.RESET, permit, lambda status: not status.active, RESET_S, counts)
            self._do(Kind.ACTIVATE, permit, lambda status: status.activated, ACTIVATION_S, counts)
        finally:
            self._worker.homing = False
        logger.warning(
            "%s is activated: its fingers went from %d (open) to %d (closed) of 255; these are open_count and closed_count.",
            self._description.name,
            min(counts),
            max(counts),
        )

    def stop(self) -> None:
        if self._connected and not self._read_only:
            self._worker.halt()

    def disconnect(self) -> None:
        self._connected = False
        self._worker.end()

    def _do(self, kind: Kind, permit: object, done: Callable[[Status], bool], timeout: float, counts: list[int]) -> None:
        """Ask for one half of an activation and wait for it; `counts` gathers where the fingers were."""
        began = self._worker.reading.number
        self._worker.want(Wish(kind=kind, permit=permit))
        deadline = self._steady() + timeout
        while self._connected:
            if self._worker.permit is not permit:
                raise DeviceError("the gripper was stopped while it was homed. Home it again.")
            reading = self._worker.present(although_it_complains=True)
            counts.append(reading.status.position)
            if done(reading.status):
                return
            # Three readings later the wish was written for sure, so this fault is no old one.
            if kind is Kind.ACTIVATE and reading.status.fault in SERIOUS and reading.number >= began + 3:
                raise DeviceError(f"{self._description.name}: {reading.status.fault_in_words}.")
            if self._steady() >= deadline:
                what = "activated" if kind is Kind.ACTIVATE else "reset"
                raise DeviceError(
                    f"the gripper was not {what} within {timeout:g} s. Free the fingers, check its power, then home it again."
                )
            time.sleep(self._settings.poll_s)
        raise DeviceError("the gripper was disconnected while it was homed.")

    def _require_connected(self) -> None:
        if not self._connected:
            raise DeviceError("the Robotiq gripper is not connected; expected connect() before its use.")
