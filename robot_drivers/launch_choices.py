"""What a launch may change of a workcell file without editing it: address, dry run, read-only, full speed. Start at `apply`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from robot_drivers.device_context import LOOPBACK
from robot_drivers.workcell import WorkcellConfig
from stage_core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class LaunchChoices:
    """The choices of one launch.

    Attributes:
        robot_address: IP address of the arm's controller; empty keeps the file's.
        dry_run: Talk to fake controllers on loopback; real cameras are replaced by pictures made here.
        read_only: Connect and publish; never command.
        full_speed: Use the file's speeds instead of the reduced ones.
    """

    robot_address: str = ""
    dry_run: bool = False
    read_only: bool = False
    full_speed: bool = False


@dataclass(frozen=True, kw_only=True)
class FakeController:
    """How a dry run replaces the controller of one driver.

    Attributes:
        name: As `python -m robot_drivers.fake_controllers` knows it.
        settings: What changes in the driver's own settings.
        ports: What changes beside, where the graph starts the controller itself: no privileged ports.
        options: Keywords of the fake controller, from the workcell's settings: keyword -> dotted name.
    """

    name: str
    settings: dict[str, Any]
    ports: dict[str, int]
    options: dict[str, str]


XARM_CONTROL_PORT = 50502  # the true one, 502, is a privileged port
FAKE_CONTROLLERS = {
    "franka": FakeController(name="franka", settings={"realtime": "ignore"}, ports={}, options={"start_joints": "home_joints_rad"}),
    "xarm": FakeController(
        name="xarm",
        settings={},
        ports={"control_port": XARM_CONTROL_PORT},
        options={"control_port": "arm.control_port", "robot_type": "arm.model", "joints": "home_joints_rad"},
    ),
}
FAKE_CAMERA_KEYS = ("width_px", "height_px", "rate_hz", "extrinsics")


def apply(config: WorkcellConfig, choices: LaunchChoices, *, controller_runs: bool = False) -> WorkcellConfig:
    """Return the workcell as this launch wants it.

    Args:
        config: From the file.
        choices: Of the launch.
        controller_runs: For a dry run: somebody else started the fake controller, on its true ports.

    Raises:
        ConfigurationError: For a choice that this workcell cannot follow.
    """
    changed = replace(config, read_only=choices.read_only or config.read_only, full_speed=choices.full_speed or config.full_speed)
    if not choices.robot_address and not choices.dry_run:
        return changed
    if config.workcell != "robot":
        option = "robot_address" if choices.robot_address else "dry_run"
        raise ConfigurationError(f"{option} is given, but workcell {config.name} is no real robot. Leave it out, or choose franka or xarm.")
    arm = dict(config.settings.get("arm", {}))
    if choices.robot_address:
        arm["address"] = choices.robot_address
    settings = {**config.settings, "arm": arm}
    if not choices.dry_run:
        return replace(changed, settings=settings)
    fake = fake_controller(config)
    if not str(arm.get("address", "")).startswith(LOOPBACK):
        raise ConfigurationError(f"robot_address is {arm.get('address')!r}; a dry run reaches loopback addresses (127.x.y.z) only.")
    arm.update(fake.settings if controller_runs else {**fake.settings, **fake.ports})
    gripper = dict(config.settings.get("gripper", {}))
    if gripper.get("driver") not in ("none", "franka_hand", "xarm_gripper"):
        settings["gripper"] = {"driver": "fake"}  # its bus is not part of the fake controller
    return replace(
        changed, settings=settings, dry_run=True, cameras={name: _fake_camera(entry or {}) for name, entry in config.cameras.items()}
    )


def fake_controller(config: WorkcellConfig) -> FakeController:
    """Return what stands for the arm's controller in a dry run. Raises ConfigurationError for a driver without one."""
    driver = str(config.settings.get("arm", {}).get("driver", ""))
    if driver not in FAKE_CONTROLLERS:
        raise ConfigurationError(f'driver "{driver}" has no fake controller; a dry run knows {", ".join(FAKE_CONTROLLERS)}.')
    return FAKE_CONTROLLERS[driver]


def fake_controller_arguments(config: WorkcellConfig) -> tuple[str, ...]:
    """Return the command line of `python -m robot_drivers.fake_controllers` for a workcell that `apply` made a dry run of."""
    fake = fake_controller(config)
    arguments = [fake.name, "--address", str(config.settings["arm"]["address"])]
    for keyword, name in fake.options.items():
        group, _, leaf = name.rpartition(".")
        value = (config.settings[group] if group else config.settings).get(leaf)
        if value is not None:
            arguments += ["--option", f"{keyword}={','.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"]
    return tuple(arguments)


def _fake_camera(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a made-up camera whose pictures have the same size and rate."""
    fake = {"driver": "fake", **{key: entry[key] for key in FAKE_CAMERA_KEYS if key in entry}}
    if entry.get("turn_deg") in (90, 270) and {"width_px", "height_px"} <= set(fake):
        fake["width_px"], fake["height_px"] = fake["height_px"], fake["width_px"]
    return fake
