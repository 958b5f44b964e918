"""The one file that imports franky: opens robots and hands, and makes motions. Start at `open_robot`."""

from __future__ import annotations

from typing import Any

import numpy as np

from robot_drivers.franka.compatibility import describe_incompatible, interface_of
from robot_drivers.franka.deadline import call_with_deadline
from robot_drivers.franka.settings import FrankaSettings
from robot_drivers.franka.words import OTHER_CLIENT, describe_exception, describe_failed_connection
from stage_core.errors import DeadlineError, DeviceError, MissingDependencyError

OPEN_S = 4.0  # a controller that is free answers within some tens of milliseconds


class NotReadyError(DeviceError):
    """The controller cannot be used yet; somebody can change that while we wait."""


def load_franky() -> Any:
    """Return the module franky. Raises MissingDependencyError where it is not installed."""
    try:
        import franky
    except ImportError:
        raise MissingDependencyError(
            "franky is not installed; the Franka arm and hand need it. Run: pip install 'stage-robotics[franka]'"
        ) from None
    return franky


def open_robot(settings: FrankaSettings, relative_dynamics: tuple[float, float, float]) -> Any:
    """Return a new `franky.Robot`.

    franky sends collision thresholds whenever it connects; they are the strictest of the file's.

    Args:
        settings: Address, real-time kernel and thresholds.
        relative_dynamics: Shares of speed, acceleration and jerk.

    Raises:
        NotReadyError: In words, where waiting can help.
        DeviceError: Where it cannot: an incompatible version, no real-time kernel.
    """
    franky = load_franky()
    realtime = franky.RealtimeConfig.Enforce if settings.realtime == "enforce" else franky.RealtimeConfig.Ignore

    def build() -> Any:
        return franky.Robot(
            settings.address,
            relative_dynamics_factor=franky.RelativeDynamicsFactor(*relative_dynamics),
            default_torque_threshold=min(settings.collision_torque_nm),
            default_force_threshold=min(settings.collision_force_n),
            realtime_config=realtime,
        )

    return _open(franky, build, f"connecting to the Franka controller {settings.address}")


def open_gripper(address: str) -> Any:
    """Return a new `franky.Gripper`; raises as `open_robot`."""
    franky = load_franky()
    return _open(franky, lambda: franky.Gripper(address), f"connecting to the Franka Hand at {address}")


def _open(franky: Any, build: Any, name: str) -> Any:
    try:
        return call_with_deadline(build, seconds=OPEN_S, name=name, abandon=lambda late: None)
    except DeadlineError:
        raise NotReadyError(OTHER_CLIENT) from None
    except franky.IncompatibleVersionException as error:
        raise DeviceError(describe_incompatible(interface_of(str(error)))) from None
    except franky.RealtimeException as error:
        raise DeviceError(describe_exception(error)) from None
    except (franky.Exception, RuntimeError) as error:
        raise NotReadyError(describe_failed_connection(error)) from None


def make_motion(franky: Any, joints: np.ndarray, *, shortest_s: float) -> Any:
    """Return a motion that comes to rest at `joints` (7,) rad, `shortest_s` from now at the earliest, and stays there under control."""
    waypoint = franky.JointWaypoint(joints.tolist(), minimum_time=franky.Duration(round(1e3 * shortest_s)))
    return franky.JointWaypointMotion([waypoint], return_when_finished=False)
