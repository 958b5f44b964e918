"""`stage doctor`: what this machine has and lacks, each line ok or with a remedy; with `--robot`, what the robot needs, too."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stage_bringup.cli import names, output
from stage_bringup.cli.env import running_domains
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError

if TYPE_CHECKING:
    from stage_bringup.doctor import RobotRequest


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Check this machine, and what a real robot needs of it. Moves nothing. Exits with 1 where something required is missing."""

    episode_root: Path = Path("episodes")
    """Directory where episodes will be written."""
    port: int = 8000
    """Port of the policy server on this machine."""
    robot: Literal["franka", "xarm"] | None = None
    """Look at what this robot needs, too: real-time kernel, limits, network card, latency, versions."""
    address: str = ""
    """IP address of the robot's controller; it is asked for its version, never taken over."""
    workcell: str = ""
    """A workcell file (or franka, xarm): robot, address and cameras are taken from it."""
    cameras: bool = False
    """Look at the USB cameras, too."""
    policy_host: str = ""
    """host:port of the policy server on the GPU machine."""
    peer: str = ""
    """The other PC, where ROS runs on two: how far apart the clocks are."""


def run(options: Options) -> int:
    """Run the checks and print them."""
    if not 1 <= options.port <= 65535:
        raise ConfigurationError(f"--port is {options.port}; expected 1 to 65535.")
    output.check_writable(options.json, "--json")
    request = robot_request(options)
    from stage_bringup.doctor import run_checks

    findings = run_checks(options.episode_root.absolute(), options.port, request)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
        remedy = f"  -> {finding.remedy}" if finding.remedy else ""
        print(f"{mark}  {finding.name:<{width}}  {finding.found}{remedy}")
    missing = [finding.name for finding in findings if finding.required and not finding.ok]
    runs = f"Stage with this {request.robot}" if request and request.robot else "Stage"
    print(f"{', '.join(missing)}: needed before this machine can run {runs}" if missing else f"this machine can run {runs}")
    output.write_json(options.json, {"ok": not missing, "findings": [dataclasses.asdict(finding) for finding in findings]})
    return 1 if missing else 0


def robot_request(options: Options) -> RobotRequest | None:
    """Return the robot part of the options as a `RobotRequest`, None where none is asked for.

    Raises:
        ConfigurationError: For an address without a robot, a workcell file that is not there, or a host without a port.
    """
    if options.address and not (options.robot or options.workcell):
        raise ConfigurationError("--address is given, but no robot; expected --robot franka, --robot xarm or --workcell FILE with it.")
    if not any((options.robot, options.workcell, options.cameras, options.policy_host, options.peer)):
        return None
    if options.policy_host and not names.is_address(options.policy_host):
        raise ConfigurationError(f"--policy-host is {options.policy_host}; expected host:port, such as 192.168.1.20:8000.")
    from stage_bringup.doctor.robot import LOOPBACK, RobotRequest, request_from_workcell

    host, _, port = names.resolve_policy(options.policy_host, "--policy-host").rpartition(":") if options.policy_host else ("", "", "")
    others = {"cameras": options.cameras, "policy_host": (host, int(port)) if host else None, "peer": options.peer}
    robot = options.robot or ""
    if options.workcell:
        path = names.resolve_workcell(options.workcell, "--workcell")
        request = request_from_workcell(path, robot=robot, address=options.address, **others)
    else:
        request = RobotRequest(robot=robot, address=options.address, **others)
    # A graph on this machine may be moving the arm behind the address; a fake controller does not mind a question.
    return dataclasses.replace(request, in_use=bool(running_domains()) and not request.address.startswith(LOOPBACK))
