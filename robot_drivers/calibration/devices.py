"""Arm and camera of a workcell, connected to be looked at: nothing is commanded, and the tool centre is proved first. Start at `look_only`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from robot_drivers.arm import Arm
from robot_drivers.camera import Camera
from robot_drivers.kinematics import Kinematics
from robot_drivers.safety.fitting import check_tool, check_tool_centre
from robot_drivers.safety.read_only import ReadOnlyArm
from robot_drivers.workcell import WorkcellConfig, open_workcell
from stage_core.errors import ConfigurationError, nearest


@dataclass(frozen=True, kw_only=True, eq=False)
class LookOnlyDevices:
    """What calibration needs of a workcell; both are connected."""

    arm: Arm
    camera: Camera


@contextmanager
def look_only(config: WorkcellConfig, camera: str, *, lens_known: bool = True) -> Iterator[LookOnlyDevices]:
    """Connect the arm and one camera of a workcell read-only, and let go of both at the end.

    Args:
        config: From `load_workcell_config`.
        camera: Its name.
        lens_known: False where the lens is about to be measured, so that an assumed one is no obstacle.

    Raises:
        ConfigurationError: If there is no such camera, its lens is only assumed, or the workcell is a simulation.
        DeviceError: If a device cannot be reached, or the arm's tool centre is not what the workcell file and the URDF say: the
            camera's pose would come out wrong by as much, and no residual would show it.
    """
    if config.simulated_clock:
        raise ConfigurationError(f"{config.name}: a simulation knows where its cameras are; expected the workcell file of a robot.")
    if camera not in config.cameras:
        raise ConfigurationError(f"{config.name}: there is no camera {camera!r}. {nearest(camera, config.cameras)}")
    if lens_known and (config.cameras[camera] or {}).get("uncalibrated"):
        raise ConfigurationError(
            f"{config.name}: cameras.{camera}.uncalibrated is true, so its lens is not known. Give --lens to measure it too."
        )
    # Only this camera is opened: another process may be using the others.
    workcell = open_workcell(replace(config, read_only=True, cameras={camera: config.cameras[camera]}))
    arm, device = ReadOnlyArm(workcell.arm), workcell.cameras[camera]
    try:
        arm.connect()
        check_tool(arm.description, arm.read_tool())
        if arm.description.urdf:
            check_tool_centre(arm.description, Kinematics.from_description(arm.description), arm.read_state())
        device.connect()
        yield LookOnlyDevices(arm=arm, camera=device)
    finally:
        device.disconnect()
        arm.disconnect()
