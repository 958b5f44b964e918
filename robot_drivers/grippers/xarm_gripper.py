"""The xArm gripper (G1) at the wrist of an xArm. Start at `XArmGripper`.

It opens a command connection of its own to the arm's control box, for each of its answers takes 10 to 30 ms on the RS-485 behind the
box: on the arm's connection, every one would hold up two or three of the arm's targets; on the one that stops the arm, a stop.

Its force cannot be set, only its speed. The Lite 6's own grippers (parallel and vacuum) are not supported: they are switched by two
digital outputs and tell no width.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robot_drivers.device_context import DeviceContext
from robot_drivers.gripper import Gripper, GripperDescription, GripperState
from robot_drivers.xarm.gripper_connection import GripperConnection
from robot_drivers.xarm.gripper_worker import GripperWorker
from robot_drivers.xarm.settings import CONTROL_PORT
from robot_drivers.xarm.xarm_arm import XArm
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, DeviceError

OPEN_PULSES = 850


@dataclass(frozen=True, kw_only=True)
class XArmGripperSettings:
    """The `settings.gripper` of a workcell with an xArm gripper.

    Attributes:
        max_width_m: Between the finger tips when fully open; 0.084 with the standard fingers.
        speed_r_min: Of its motor, 350 to 5000; 5000 closes within half a second.
        address: Of the control box; empty takes the arm's.
        control_port: As the arm's, where `address` is given.
    """

    max_width_m: float
    speed_r_min: int
    address: str = ""
    control_port: int = CONTROL_PORT

    def __post_init__(self) -> None:
        if not 0.005 <= self.max_width_m <= 0.2:
            raise ConfigurationError(
                f"max_width_m is {self.max_width_m} m; expected 0.005 to 0.2. Metres? 0.084 with the standard fingers."
            )
        if not 350 <= self.speed_r_min <= 5000:
            raise ConfigurationError(f"speed_r_min is {self.speed_r_min}; expected 350 to 5000 revolutions per minute.")


class XArmGripper(Gripper):
    """Two fingers; position in pulses at the device, 0 closed to 850 open."""

    def __init__(
        self,
        settings: XArmGripperSettings,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is connected yet. `clock` gives stamps, `steady` ages, s."""
        if not settings.address:
            raise ConfigurationError("address is empty and there is no xArm to take it from; expected the control box's IP address.")
        self.settings = settings
        self._read_only = read_only
        self._clock, self._steady = clock, steady
        self._worker: GripperWorker | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> XArmGripper:
        """Return the gripper of a workcell file. Raises ConfigurationError in one line."""
        values = from_mapping(XArmGripperSettings, settings, source=context.source)
        if not values.address and isinstance(context.arm, XArm):
            arm = context.arm.settings
            values = from_mapping(
                XArmGripperSettings, {**settings, "address": arm.address, "control_port": arm.control_port}, source=context.source
            )
        context.check_address(values.address, "address")
        return cls(values, read_only=context.read_only, clock=context.clock)

    @property
    def description(self) -> GripperDescription:
        return GripperDescription(name="xarm_gripper", max_width=self.settings.max_width_m)

    def connect(self) -> None:
        if self._worker is not None:
            return
        worker = GripperWorker(
            lambda: GripperConnection(self.settings.address, control_port=self.settings.control_port),
            speed=self.settings.speed_r_min,
            read_only=self._read_only,
            clock=self._clock,
            steady=self._steady,
        )
        worker.start()
        self._worker = worker

    def read(self) -> GripperState:
        reading = self._require_worker().present()
        opening = min(1.0, max(0.0, reading.pulses / OPEN_PULSES))
        return GripperState(stamp=reading.stamp, width=opening * self.settings.max_width_m, opening=opening)

    def command(self, opening: float) -> None:
        worker = self._require_worker()
        if self._read_only:
            raise DeviceError("the xArm gripper was opened to be read only; expected read_only: false to move it. Start again without it.")
        if not 0.0 <= opening <= 1.0:
            raise ValueError(f"opening is {opening}; expected 0 (closed) to 1 (open).")
        worker.want(round(opening * OPEN_PULSES))

    def stop(self) -> None:
        worker = self._worker
        if worker is not None and not self._read_only:
            worker.halt()

    def disconnect(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _require_worker(self) -> GripperWorker:
        if self._worker is None:
            raise DeviceError("the xArm gripper is not connected; expected connect() before its use.")
        return self._worker
