"""`stage teach goal`: drive the arm, or put the object, to the goal once; its place goes into the task file."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from stage_bringup.cli.options import CommonOptions
from stage_core.errors import ConfigurationError, StageError, nearest
from stage_core.task import load_task

TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class GoalOptions(CommonOptions):
    """Write where the tool centre (or the object) of a running graph is now into a task file, as its goal.

    Nothing moves. Drive the arm so that the tool centre is where the object's centre belongs, by hand guiding or teleoperation;
    where it cannot be, `goal.offset_m` in the file goes from the tool centre to there.
    """

    file: tyro.conf.Positional[Path]
    """Task file of your own; the old one stays beside it as .bak."""
    from_: Annotated[Literal["tool", "object"], tyro.conf.arg(name="from")] = "tool"
    """tool: the arm was driven there. object: the object lies there and perception sees it."""
    orientation: bool = False
    """With --from object: write the object's orientation, too; left out, any orientation will do."""
    domain: int | None = None
    """ROS_DOMAIN_ID of the graph, as it printed it when it started; left out, this shell's."""
    namespace: str = ""
    """Namespace of the robot."""
    yes: bool = False
    """Do not ask before writing."""


def main(arguments: list[str]) -> int:
    """Parse `stage teach ...` and run it."""
    if arguments[:1] in ([], ["--help"], ["-h"]):
        print(f"usage: stage teach goal FILE [options]\n\n{__doc__}\n\nstage teach goal --help for the options")
        return 0 if arguments else 2
    if arguments[0] != "goal":
        raise ConfigurationError(f"stage teach has no {arguments[0]!r}. {nearest(arguments[0], ['goal'])}")
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    return teach_goal(tyro.cli(GoalOptions, prog="stage teach goal", args=arguments[1:], config=config))


def teach_goal(options: GoalOptions) -> int:
    """Read the pose, ask, write. Raises StageError in words where the pose cannot be had or the file not be written."""
    from stage_bringup.taught_goal import check_own_task_file, write_goal

    path = check_own_task_file(options.file)
    task = load_task(path)
    if options.orientation and options.from_ == "tool":
        raise StageError("--orientation is given with --from tool; the tool's orientation is not the object's. Use --from object.")
    if options.from_ == "tool" and any(task.objects.grasp_offset_m) and not any(task.goal.offset_m):
        raise StageError(
            f"{options.file}: objects.grasp_offset_m is {list(task.objects.grasp_offset_m)}: the tool does not hold the object at its centre. Use --from object, or set goal.offset_m."
        )
    pose = read_pose(options.from_, task.objects.name, domain=options.domain, namespace=options.namespace)
    x, y, z = pose["position"]
    print(f"{options.from_} at x {x:.4f}, y {y:.4f}, z {z:.4f} m in the arm base frame ({pose['samples']} readings)")
    if options.orientation and pose["orientation"] is None:
        raise StageError("the object's orientation is not seen; expected one for --orientation. Tags have it, colour has not.")
    if any(task.goal.offset_m):
        kept = "is added to it" if options.from_ == "tool" else "goes: this is where the object's centre belongs"
        print(f"goal.offset_m {list(task.goal.offset_m)} {kept}")
    if not options.yes and input(f"Make this the goal of {task.name}? Type yes: ").strip().lower() != "yes":
        raise StageError("not confirmed; nothing was written. Answer yes, or give --yes.")
    orientation = pose["orientation"] if options.orientation else None
    write_goal(path, pose["position"], orientation, keep_offset=options.from_ == "tool")
    print(f"wrote goal.position_m to {options.file}; the old file is {path.name}.bak. Bring the graph up again to use it.")
    return 0


def read_pose(what: str, name: str, *, domain: int | None, namespace: str) -> dict:
    """Return position, orientation and samples from a process in the graph's domain. Raises StageError with its words."""
    from stage_bringup.graph import graph_environment
    from stage_bringup.process import child_environment

    command = [
        sys.executable,
        "-m",
        "stage_nodes.read_pose",
        what,
        *([name] if what == "object" else []),
        "--ros-args",
        "--log-level",
        "warn",
    ]
    if namespace:
        command += ["-r", f"__ns:=/{namespace.strip('/')}"]
    environment = child_environment(graph_environment(domain))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    words = (done.stdout + done.stderr).strip().splitlines()
    answer = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("{")), None)
    if done.returncode or answer is None:
        raise StageError(words[-1] if words else "no pose came. Is the graph up? Compare --domain.")
    return json.loads(answer)
