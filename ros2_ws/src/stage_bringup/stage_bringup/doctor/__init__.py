"""What a machine must have to run Stage, and a robot PC to run a robot: each check returns a finding with a remedy.

Start at `run_checks`. Every check is a function of the files or values it looks at; what does not apply is left out.
"""

from __future__ import annotations

from pathlib import Path

from stage_bringup.doctor.clock import check_clock
from stage_bringup.doctor.finding import Finding, run_side_by_side
from stage_bringup.doctor.graphics import check_vulkan
from stage_bringup.doctor.machine import (
    check_disk,
    check_middleware,
    check_port,
    check_processors,
    check_shared_memory,
)
from stage_bringup.doctor.robot import RobotRequest, request_from_workcell, robot_checks
from stage_bringup.doctor.software import (
    check_import,
    check_messages,
    check_numpy,
    check_python,
    check_rclpy,
    check_simulator,
    check_torch,
    check_video,
)

__all__ = [
    "Finding",
    "RobotRequest",
    "check_clock",
    "check_disk",
    "check_import",
    "check_messages",
    "check_middleware",
    "check_numpy",
    "check_port",
    "check_processors",
    "check_python",
    "check_rclpy",
    "check_shared_memory",
    "check_simulator",
    "check_torch",
    "check_video",
    "check_vulkan",
    "request_from_workcell",
    "run_checks",
]


def run_checks(directory: Path, port: int, robot: RobotRequest | None = None) -> list[Finding]:
    """Return the findings in the order they are printed.

    Args:
        directory: Where episodes will be written.
        port: TCP port the policy server will use.
        robot: The robot part; None looks at this machine alone.
    """
    findings = run_side_by_side(
        [
            check_python,
            check_numpy,
            check_torch,
            check_rclpy,
            check_messages,
            check_simulator,
            check_vulkan,
            check_middleware,
            check_video,
            lambda: check_disk(directory, real_cameras=robot is not None),
            check_shared_memory,
            lambda: check_port(port),
            check_processors,
            check_clock,
        ]
    )
    # The imports above keep every processor busy; what measures time comes after them.
    return findings + (robot_checks(robot) if robot is not None else [])
