"""Which checks belong to which robot, and what a workcell file says about it. Start at `robot_checks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stage_bringup.doctor import controller_version, latency, realtime, robot_network, versions
from stage_bringup.doctor.cameras import check_cameras, find_usb_cameras, list_realsense
from stage_bringup.doctor.clock import NTP_PORT, check_peer_clock
from stage_bringup.doctor.finding import Finding, failed, noted
from stage_bringup.doctor.policy_host import check_policy_host
from stage_bringup.doctor.serial_port import check_serial_port
from stage_core.configuration import load_yaml
from stage_core.errors import ConfigurationError, DeviceError

ROBOTS = ("franka", "xarm")
LOOPBACK = "127."


@dataclass(frozen=True, kw_only=True)
class RobotRequest:
    """What to look at beside this machine's software.

    Attributes:
        robot: `franka`, `xarm`, or "" for none.
        address: Of the controller; "" leaves out what needs it.
        control_port: TCP port of an xArm's control box.
        enforce_realtime: False where the driver may run without a real-time kernel.
        cameras: Look at the cameras, too.
        wanted_cameras: Those of a workcell file: name -> settings.
        serial_port: Device of a gripper on a serial line, or "".
        policy_host: (host, port) of the policy server, or None.
        peer: The other PC of a ROS graph on two PCs, or "".
        peer_port: UDP port of its time server.
        tries: Round trips to the controller that are measured.
        in_use: True while a graph of Stage runs on this machine; its controller is then not asked anything.
    """

    robot: str = ""
    address: str = ""
    control_port: int = controller_version.XARM_PORT
    enforce_realtime: bool = True
    cameras: bool = False
    wanted_cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    serial_port: str = ""
    policy_host: tuple[str, int] | None = None
    peer: str = ""
    peer_port: int = NTP_PORT
    tries: int = 200
    in_use: bool = False


def request_from_workcell(path: Path, *, robot: str = "", address: str = "", **others: Any) -> RobotRequest:
    """Return what a workcell file asks for; `robot` and `address` stand above the file's.

    Raises:
        ConfigurationError: If the file is not there, cannot be read, or is about another robot than `robot`.
    """
    content = load_yaml(path)
    settings = _mapping(content, "settings", path)
    arm, gripper = _mapping(settings, "arm", path), _mapping(settings, "gripper", path)
    driver = str(arm.get("driver", ""))
    if robot and driver in ROBOTS and driver != robot:
        raise ConfigurationError(f"--robot is {robot}, but {path} has settings.arm.driver {driver}. Leave one of them out.")
    return RobotRequest(
        robot=robot or (driver if driver in ROBOTS else ""),
        address=address or str(arm.get("address") or ""),
        control_port=arm.get("control_port") or controller_version.XARM_PORT,
        enforce_realtime=arm.get("realtime") != "ignore",
        wanted_cameras=_mapping(content, "cameras", path),
        serial_port=str(gripper.get("port") or "") if gripper.get("transport") == "rtu" else "",
        **others,
    )


def _mapping(content: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    """Return an entry that holds entries; {} where it is left out. What else is wrong with the file, `stage up` says."""
    entry = content.get(key) or {}
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{path}: {key} is {entry!r}; expected entries below it. Compare with a bundled workcell file.")
    return entry


def robot_checks(request: RobotRequest) -> list[Finding]:
    """Return the findings about a robot, its cameras and the other PCs; what does not apply is left out."""
    findings: list[Finding] = []
    if request.robot == "franka":
        # A fake controller on this PC waits for its client, so nothing has to be quick.
        enforced = request.enforce_realtime and not request.address.startswith(LOOPBACK)
        findings += realtime_checks(enforced=enforced)
        findings += [versions.check_franky(versions.installed_libfranka())]
    elif request.robot == "xarm":
        findings += [versions.check_xarm_sdk(versions.installed_xarm_sdk())]
    if request.robot:
        findings += controller_checks(request)
    if request.cameras or request.wanted_cameras:
        findings += check_cameras(list_realsense(), find_usb_cameras(), request.wanted_cameras)
    if request.serial_port:
        findings += [check_serial_port(Path(request.serial_port))]
    if request.policy_host:
        findings += [check_policy_host(*request.policy_host)]
    if request.peer:
        findings += [check_peer_clock(request.peer, port=request.peer_port)]
    return findings


def realtime_checks(*, enforced: bool) -> list[Finding]:
    """Return what this PC lacks for a 1 kHz loop."""
    is_realtime, has_card = realtime.is_realtime(), realtime.has_nvidia_card()
    findings = [
        realtime.check_kernel(realtime=is_realtime, has_nvidia=has_card, enforced=enforced),
        realtime.check_nvidia(realtime=is_realtime, has_card=has_card),
        realtime.check_rtprio() if enforced else None,
        realtime.check_memlock() if enforced else None,
        realtime.check_governor(),
        realtime.check_isolation(),
    ]
    return [finding for finding in findings if finding is not None]


def controller_checks(request: RobotRequest) -> list[Finding]:
    """Return the findings about the controller: the card, who is at the other end, and how long the way takes."""
    if not request.address:
        remedy = "give it: --address 172.16.0.2, or write settings.arm.address into the workcell file"
        return [noted("controller", "no address, so neither network nor versions were looked at", remedy)]
    address = robot_network.resolve(request.address)
    if address is None:
        remedy = "give the controller's IP address, as its own web page shows it"
        return [failed("controller", f"{request.address} is no IPv4 address, and no name that can be resolved", remedy)]
    findings = [robot_network.check_card(address, robot_network.read_routes())]
    budget = latency.BUDGETS[request.robot]
    # By ICMP or the web page's port, so an arm that is being controlled does not notice.
    trips = latency.measure_round_trips(address, budget.port, tries=request.tries)
    return [*findings, latency.check_latency(trips, budget, address), check_controller(request, address)]


def check_controller(request: RobotRequest, address: str) -> Finding:
    """Ask the controller for its version and compare it with the software of this PC."""
    if request.in_use:
        remedy = "end the graph (Ctrl-C), then look again: a controller that moves an arm is asked nothing"
        return noted("controller", "a graph of Stage runs on this machine, so it was not asked for its version", remedy)
    try:
        if request.robot == "franka":
            return versions.check_franka_versions(controller_version.ask_franka(address), versions.installed_libfranka())
        return versions.check_xarm_firmware(controller_version.ask_xarm(address, port=request.control_port))
    except (OSError, DeviceError) as error:
        return controller_version.explain_silence(request.robot, address, error)
