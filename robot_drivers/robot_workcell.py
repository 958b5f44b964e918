"""A real robot: an arm, a gripper and cameras, each by the driver its file names. Start at `RobotWorkcell`.

Arm and cameras run in processes of their own, so a device is built only where somebody asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_drivers.arm import Arm
from robot_drivers.camera import Camera
from robot_drivers.device_context import DeviceContext, settings_without_driver
from robot_drivers.gripper import Gripper
from robot_drivers.workcell import Workcell, WorkcellConfig
from stage_core.configuration import from_mapping, load_class
from stage_core.errors import ConfigurationError

ARMS = {
    "franka": "robot_drivers.franka.franka_arm:FrankaArm",
    "xarm": "robot_drivers.xarm.xarm_arm:XArm",
    "fake": "robot_drivers.fake_devices:FakeArm",
}
GRIPPERS = {
    "none": "robot_drivers.grippers.no_gripper:no_gripper",
    "franka_hand": "robot_drivers.grippers.franka_hand:FrankaHand",
    "xarm_gripper": "robot_drivers.grippers.xarm_gripper:XArmGripper",
    "robotiq": "robot_drivers.grippers.robotiq:RobotiqGripper",
    "fake": "robot_drivers.fake_devices:FakeGripper",
}
CAMERAS = {
    "realsense": "robot_drivers.realsense_camera:RealSenseCamera",
    "opencv": "robot_drivers.opencv_camera:OpenCVCamera",
    "fake": "robot_drivers.fake_camera:FakeCamera",
}


@dataclass(frozen=True, kw_only=True)
class RobotSettings:
    """The `settings` of a robot workcell.

    Attributes:
        arm: `driver` (a registered name or `module:Class`) and that driver's own settings.
        gripper: The same; `driver: none` where there is no gripper.
        home_joints_rad: (n,) where `home` brings the arm; None where nobody homes it.
    """

    arm: dict[str, Any]
    gripper: dict[str, Any]
    home_joints_rad: tuple[float, ...] | None = field(default=None)


class RobotWorkcell(Workcell):
    """Builds every device from its own entry of the workcell file.

    Args:
        config: `settings` as in `RobotSettings`; every camera with a `driver`.
        task: Taken so that every workcell can be opened alike; a real scene is arranged by hand.

    Raises:
        ConfigurationError: For an unknown driver, an unknown key or a wrong value.
    """

    def __init__(self, config: WorkcellConfig, *, task: str = "") -> None:
        self.config = config
        self._settings = from_mapping(RobotSettings, config.settings, source=config.name, field="settings")
        self._arm: Arm | None = None
        self._gripper: Gripper | None = None
        self._gripper_built = False
        self._cameras: dict[str, Camera] | None = None

    @property
    def arm(self) -> Arm:
        if self._arm is None:
            self._arm = self._build(self._settings.arm, ARMS, "settings.arm", self.config.robot_model or self.config.name)
        return self._arm

    @property
    def gripper(self) -> Gripper | None:
        if not self._gripper_built:
            self._gripper = self._build(self._settings.gripper, GRIPPERS, "settings.gripper", "gripper", arm=self.arm)
            self._gripper_built = True
        return self._gripper

    @property
    def cameras(self) -> dict[str, Camera]:
        if self._cameras is None:
            self._cameras = {
                name: self._build(entry or {}, CAMERAS, f"cameras.{name}", name) for name, entry in self.config.cameras.items()
            }
        return self._cameras

    @property
    def home_joints(self) -> np.ndarray | None:
        home = self._settings.home_joints_rad
        return None if home is None else np.array(home)

    def now(self) -> float:
        return time.time()

    def close(self) -> None:
        """Disconnect what was built; a device nobody used is left alone."""
        self.safe_arm.disconnect()
        for camera in (self._cameras or {}).values():
            camera.disconnect()

    def _build(self, entry: Mapping[str, Any], registered: Mapping[str, str], field_name: str, name: str, **more: Any) -> Any:
        if not entry.get("driver"):
            raise ConfigurationError(
                f"{self.config.name}: {field_name}.driver is missing; expected one of {', '.join(registered)} or module:Class."
            )
        kind = load_class(str(entry["driver"]), registered, what=f"{field_name}.driver")
        make = getattr(kind, "from_settings", None)
        if make is None:
            raise ConfigurationError(
                f"{self.config.name}: {field_name}.driver {entry['driver']} has no from_settings(settings, context); expected one. Add that class method."
            )
        context = DeviceContext(
            name=name,
            source=f"{self.config.name}: {field_name}",
            control_rate_hz=self.config.control_rate_hz,
            clock=self.now,
            read_only=self.config.read_only,
            dry_run=self.config.dry_run,
            full_speed=self.config.full_speed,
            **more,
        )
        return make(settings_without_driver(entry), context)
