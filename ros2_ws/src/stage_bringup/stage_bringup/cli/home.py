"""`stage home`: brings the arm, or the gripper, home; asks first, moves slowly, on a way that was checked."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from stage_bringup.cli.options import CommonOptions
from stage_core.errors import StageError

TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Bring the arm of a running graph to settings.home_joints_rad at a tenth of its speed limits. Any stop ends it."""

    domain: int | None = None
    """ROS_DOMAIN_ID of the graph, as it printed it when it started; left out, this shell's."""
    gripper: bool = False
    """Home the gripper instead: it opens and closes."""
    namespace: str = ""
    """Namespace of the robot."""
    yes: bool = False
    """Do not ask: somebody stands beside the arm with the hardware stop in reach."""


def run(options: Options) -> int:
    """Ask, then move. Raises StageError with the arm's own words where it did not get there."""
    what = "The gripper opens and closes" if options.gripper else "The arm moves to its home joints, through the air between, slowly"
    if not options.yes:
        print(f"{what}. Stand clear, the hardware stop in reach.")
        if input("Type yes to go: ").strip().lower() != "yes":
            raise StageError("not confirmed; nothing moved. Answer yes, or give --yes.")
    from stage_bringup.graph import graph_environment
    from stage_bringup.process import child_environment

    command = [sys.executable, "-m", "stage_nodes.go_home", *(["gripper"] if options.gripper else []), "--ros-args", "--log-level", "warn"]
    if options.namespace:
        command += ["-r", f"__ns:=/{options.namespace.strip('/')}"]
    done = subprocess.run(
        command, env=child_environment(graph_environment(options.domain)), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    words = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode:
        raise StageError(words[-1] if words else "the arm node did not answer. Is the graph up? Compare --domain.")
    print("\n".join(words))
    return 0
