"""A whole workcell without hardware: for trying Stage out, for tests, and to read before a driver of one's own is written.

By default it behaves as a robot does: real time, every device separately usable, so arm and cameras can live in
processes of their own. With `simulated_clock: true` in its file it advances in `step()` alone, like a simulation.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np

from robot_drivers.arm import Arm
from robot_drivers.camera import Camera
from robot_drivers.fake_camera import ELSEWHERE, FakeCamera, FakeCameraSettings
from robot_drivers.fake_devices import FakeArm, FakeArmSettings, FakeGripper
from robot_drivers.gripper import Gripper
from robot_drivers.workcell import Workcell, WorkcellConfig
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, DeviceError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FakeSettings(FakeArmSettings):
    """The `settings` of a fake workcell.

    Attributes:
        gripper: False for an arm without one.
    """

    gripper: bool = True


class FakeWorkcell(Workcell):
    """A fake arm, gripper and cameras.

    Args:
        config: `settings` as in `FakeSettings`, every camera as in `FakeCameraSettings`.
        task: Taken so that every workcell can be opened alike, and not used: there is no scene to arrange.

    Raises:
        ConfigurationError: For an unknown key or a wrong value.
    """

    moves_metal = False

    def __init__(self, config: WorkcellConfig, *, task: str = "") -> None:
        if task:
            logger.debug("task %s is not used: the fake workcell has no scene to arrange", task)
        if config.simulated_clock and config.cameras and not config.shared_process:
            raise ConfigurationError(
                "simulated_clock is true but shared_process is false; a camera must see the steps. Set shared_process: true."
            )
        self.config = config
        self._frame = 0
        settings = from_mapping(FakeSettings, config.settings, source=config.name, field="settings")
        steady = self.now if config.simulated_clock else time.monotonic
        self._arm = FakeArm(loop_rate_hz=settings.loop_rate_hz, time_constant_s=settings.time_constant_s, clock=self.now, steady=steady)
        self._gripper = FakeGripper(clock=self.now, steady=steady) if settings.gripper else None
        self._cameras: dict[str, Camera] = {name: self._make_camera(name, mapping or {}) for name, mapping in config.cameras.items()}

    @property
    def arm(self) -> Arm:
        return self._arm

    @property
    def gripper(self) -> Gripper | None:
        return self._gripper

    @property
    def cameras(self) -> dict[str, Camera]:
        return self._cameras

    def now(self) -> float:
        return self._frame / self.config.control_rate_hz if self.config.simulated_clock else time.time()

    def step(self) -> None:
        if self.config.simulated_clock:
            self.safe_arm.tick()
            self._frame += 1

    def reset(self, seed: int) -> None:
        if self.config.simulated_clock and self._frame > 0:
            self._frame += 1  # two states must never share a stamp

    def _make_camera(self, name: str, mapping: dict) -> FakeCamera:
        settings = from_mapping(FakeCameraSettings, mapping, source=self.config.name, field=f"cameras.{name}")
        return FakeCamera(
            name,
            width=settings.width_px,
            height=settings.height_px,
            rate_hz=settings.rate_hz or self.config.control_rate_hz,
            tool_position=self._tool_position,
            clock=self.now,
            frame_count=(lambda: self._frame) if self.config.simulated_clock else None,
        )

    def _tool_position(self) -> np.ndarray:
        try:
            return self._arm.read_state().ee_position
        except DeviceError:  # not connected here: the arm lives in another process
            return ELSEWHERE
