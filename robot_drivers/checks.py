"""The contracts of `Arm`, `Gripper` and `Camera` on any driver, users' own included: `stage check-arm`, and our tests.

Start at `check_arm` and `check_camera`. Each takes a device, or its name: a workcell file, or `module:Class`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from robot_drivers.arm import Arm
from robot_drivers.arm_checks import ArmChecks
from robot_drivers.camera import Camera
from robot_drivers.camera_checks import CameraChecks
from robot_drivers.check_report import CheckFailure, CheckReport, CheckResult
from robot_drivers.gripper import Gripper
from robot_drivers.gripper_checks import run_gripper_checks
from robot_drivers.workcell import Workcell, WorkcellConfig, load_workcell_config, open_workcell
from stage_core.configuration import load_class
from stage_core.errors import ConfigurationError

__all__ = ["CheckFailure", "CheckReport", "CheckResult", "check_arm", "check_camera", "check_gripper"]


def check_arm(
    arm: Arm | WorkcellConfig | str | Path, *, allow_motion: bool = True, wait: Callable[[float], None] = time.sleep, task: str = "PushCube"
) -> CheckReport:
    """Run the Arm contract on a driver; a workcell's gripper is checked after its arm.

    Args:
        arm: The bare driver, a workcell's configuration or file, or `module:Class` of an Arm that is built without arguments.
        allow_motion: False only reads. True moves one joint by 0.04 rad, and the fingers.
        wait: Lets that many seconds pass; a simulation passes a function that steps it.
        task: For a workcell that builds a scene.

    Raises:
        ConfigurationError: If the file or class cannot be used.
    """
    if isinstance(arm, Arm):
        return ArmChecks(arm, allow_motion=allow_motion, wait=wait).run()
    if isinstance(arm, str) and ":" in arm:
        return check_arm(_build(str(arm), Arm), allow_motion=allow_motion, wait=wait)
    workcell, wait = _open(arm, task)
    report = ArmChecks(workcell.arm, allow_motion=allow_motion, wait=wait).run()
    if workcell.gripper is None:
        return report
    if workcell.config.simulated_clock:
        workcell.arm.connect()  # the scene must live for its fingers to move
    return report + check_gripper(workcell.gripper, allow_motion=allow_motion, wait=wait)


def check_gripper(gripper: Gripper, *, allow_motion: bool = True, wait: Callable[[float], None] = time.sleep) -> CheckReport:
    """Run the Gripper contract on a driver; see `check_arm` for the arguments."""
    return run_gripper_checks(gripper, allow_motion=allow_motion, wait=wait)


def check_camera(
    camera: Camera | WorkcellConfig | str | Path, *, advance: Callable[[], None] | None = None, task: str = "PushCube"
) -> CheckReport:
    """Run the Camera contract on a driver, or on every camera of a workcell.

    Args:
        camera: The bare driver, a workcell's configuration or file, or `module:Class` of a Camera that is built without arguments.
        advance: Makes a simulation take its next frame; None for a camera that runs by itself.
        task: For a workcell that builds a scene.

    Raises:
        ConfigurationError: If the file or class cannot be used, or the workcell has no camera.
    """
    if isinstance(camera, Camera):
        return CameraChecks(camera, advance=advance).run()
    if isinstance(camera, str) and ":" in camera:
        return check_camera(_build(str(camera), Camera), advance=advance)
    workcell, _ = _open(camera, task)
    if not workcell.cameras:
        raise ConfigurationError(
            f"{workcell.config.name}: cameras is empty; expected at least one to check. Add one, or name another workcell."
        )
    report = CheckReport(results=())
    for name, device in workcell.cameras.items():
        found = check_camera(device, advance=workcell.step if workcell.config.simulated_clock else None)
        report += CheckReport(results=tuple(CheckResult(name=f"{name}: {r.name}", passed=r.passed, detail=r.detail) for r in found))
    return report


def _open(given: WorkcellConfig | str | Path, task: str) -> tuple[Workcell, Callable[[float], None]]:
    """Return a workcell and how time passes in it."""
    config = given if isinstance(given, WorkcellConfig) else load_workcell_config(given)
    workcell = open_workcell(config, task=task)
    if not config.simulated_clock:
        return workcell, time.sleep

    def step_for(seconds: float) -> None:
        for _ in range(max(1, math.ceil(seconds * config.control_rate_hz - 1e-9))):
            workcell.step()

    return workcell, step_for


def _build(name: str, kind: type) -> Arm | Camera:
    """Return a device of the user's own from `module:Class`."""
    device = load_class(name, {}, what=kind.__name__.lower())()
    if not isinstance(device, kind):
        raise ConfigurationError(f"{name} is a {type(device).__name__}; expected a subclass of robot_drivers {kind.__name__}.")
    return device
