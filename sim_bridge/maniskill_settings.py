"""What a ManiSkill workcell file may say, as frozen dataclasses; units are in the keys.

Nothing heavy is imported here, so a command line can check a workcell file at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, nearest

TASKS = {
    "PushCube": "PushCube-v1",
    "PullCube": "PullCube-v1",
    "PickCube": "PickCube-v1",
    "StackCube": "StackCube-v1",
    "LiftPegUpright": "LiftPegUpright-v1",
}
TASK_CAMERA = "base"  # the name under which ManiSkill's own camera of a task is known to Stage


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """The `settings` of a ManiSkill workcell.

    Attributes:
        robot: ManiSkill's name of the arm; only the Panda is mapped to Stage's frames.
        simulation_rate_hz: Physics steps per second, a multiple of the workcell's control rate.
        render_backend: "cpu" (Mesa's lavapipe) or "gpu"; unused while no camera is configured.
        rebuild_scene: Build the scene anew at every reset (0.2 to 0.4 s), so that an episode depends on its seed alone, bit
            for bit. Without it PhysX remembers something of the episode before, and contacts come out a little different.
        show_goal_marker: Let cameras see the goal marker that ManiSkill hides (PickCube's green sphere).
    """

    robot: str = "panda"
    simulation_rate_hz: int = 100
    render_backend: str = "cpu"
    rebuild_scene: bool = True
    show_goal_marker: bool = True

    def __post_init__(self) -> None:
        if self.robot != "panda":
            raise ConfigurationError(f'settings.robot is "{self.robot}"; expected "panda", the one arm whose frames are mapped.')
        if self.render_backend not in ("cpu", "gpu"):
            raise ConfigurationError(f'settings.render_backend is "{self.render_backend}"; expected "cpu" or "gpu".')
        if not 20 <= self.simulation_rate_hz <= 1000:
            raise ConfigurationError(f"settings.simulation_rate_hz is {self.simulation_rate_hz} Hz; expected 20 to 1000 Hz.")


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """One entry of `cameras` in a ManiSkill workcell.

    A camera called `base` without a position is the task's own. Any other needs `position_m` and either `look_at_m`
    (a fixed camera) or `orientation_xyzw`.

    Attributes:
        width_px: Pixels.
        height_px: Pixels.
        field_of_view_rad: Vertical opening angle, rad.
        mount_link: Link that carries the camera, for example "panda_hand"; empty for a fixed camera.
        position_m: (3,) of the optical centre in the arm base frame, or in the frame of `mount_link`.
        look_at_m: (3,) point in the middle of the image, arm base frame; x of the image is level.
        orientation_xyzw: (4,) of the optical frame (z forward, x right) in the same frame as `position_m`.
    """

    width_px: int = 128
    height_px: int = 128
    field_of_view_rad: float = math.pi / 2
    mount_link: str = ""
    position_m: tuple[float, float, float] | None = None
    look_at_m: tuple[float, float, float] | None = None
    orientation_xyzw: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        for key in ("width_px", "height_px"):
            if not 8 <= getattr(self, key) <= 2048:
                raise ConfigurationError(f"{key} is {getattr(self, key)}; expected 8 to 2048 pixels.")
        if not 0.05 <= self.field_of_view_rad <= 3.0:
            raise ConfigurationError(f"field_of_view_rad is {self.field_of_view_rad}; expected 0.05 to 3.0 rad. Radians, not degrees?")
        if self.position_m is not None and (self.look_at_m is None) == (self.orientation_xyzw is None):
            raise ConfigurationError("position_m is given without exactly one of look_at_m and orientation_xyzw. Add one of them.")
        if self.mount_link and self.look_at_m is not None:
            raise ConfigurationError("look_at_m does not go with mount_link. Give orientation_xyzw instead.")
        if self.orientation_xyzw is not None and not abs(math.hypot(*self.orientation_xyzw) - 1.0) < 1e-3:
            raise ConfigurationError(f"orientation_xyzw is {self.orientation_xyzw}; expected a quaternion of length 1.")


def check_task(task: str) -> str:
    """Return ManiSkill's identifier of a task of ours. Raises ConfigurationError with the nearest known name."""
    if task not in TASKS:
        raise ConfigurationError(f'ManiSkill task "{task}" is not supported. {nearest(task, TASKS)}')
    return TASKS[task]


def check_cameras(cameras: dict[str, dict[str, Any]], *, source: str) -> dict[str, CameraSettings]:
    """Return the checked settings of every camera of a workcell file.

    Args:
        cameras: Camera name -> mapping, as YAML gives it.
        source: Name of the workcell, for messages.

    Raises:
        ConfigurationError: For an unknown key, a wrong value, or a camera without a place.
    """
    checked = {}
    for name, mapping in cameras.items():
        checked[name] = from_mapping(CameraSettings, mapping or {}, source=source, field=f"cameras.{name}")
        if checked[name].position_m is None and name != TASK_CAMERA:
            raise ConfigurationError(
                f'{source}: cameras.{name} has no position_m; only the task\'s own camera "{TASK_CAMERA}" knows its place. Add position_m.'
            )
    return checked
