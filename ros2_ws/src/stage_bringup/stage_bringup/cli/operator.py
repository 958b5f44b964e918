"""`stage operator`: the keys of an operator in a terminal of its own; space stops the arm."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from stage_bringup.cli.options import CommonOptions
from stage_core.errors import StageError


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Stop, resume, recover and home the arm of a running graph by keys. `stage up` in a terminal has the same keys.

    Software stops are not a safety function: keep the hardware stop in reach.
    """

    domain: int | None = None
    """ROS_DOMAIN_ID of the graph, as it printed it when it started; left out, this shell's."""
    namespace: str = ""
    """Namespace of the robot."""


def run(options: Options) -> int:
    """Run the keys until Ctrl-C. Raises StageError where they cannot start."""
    from stage_bringup.graph import graph_environment
    from stage_bringup.process import child_environment

    command = [sys.executable, "-m", "stage_nodes.operator_node", "--ros-args", "--log-level", "warn"]
    if options.namespace:
        command += ["-r", f"__ns:=/{options.namespace.strip('/')}"]
    environment = child_environment(graph_environment(options.domain))
    process = subprocess.Popen(command, env=environment)
    try:
        code = process.wait()
    except KeyboardInterrupt:  # the terminal sent it to the child as well, which gives the terminal back
        code = process.wait(timeout=10.0)
    if code:
        raise StageError(f"the operator's keys ended with exit code {code}. Is rclpy here? Run: stage doctor")
    return 0
