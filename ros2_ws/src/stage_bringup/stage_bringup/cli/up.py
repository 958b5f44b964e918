"""`stage up`: the graph of a workcell without the ros2 command, supervised, until Ctrl-C."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from stage_bringup.cli import names, output
from stage_bringup.cli.options import CommonOptions
from stage_core.configuration import load_yaml
from stage_core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Start arm, cameras, policy, stage monitor and recorder for a workcell; Ctrl-C ends them all cleanly with exit code 0."""

    workcell: tyro.conf.Positional[str]
    """fake, maniskill, franka, xarm, or a workcell file."""
    task: str = "PushCube"
    """A bundled task or a task file."""
    source: Literal["policy", "script", "none"] = "policy"
    """Who may act: the policy, the scripted demonstrator (simulation only), or nobody yet."""
    policy: str = ""
    """A bundled policy, a checkpoint folder or host:port of a running server; empty takes the workcell's default, on a robot: nobody acts."""
    robot_address: str = ""
    """IP address of the arm's controller; empty takes the workcell file's."""
    dry_run: bool = False
    """Talk to a fake controller on this machine instead of the robot; cameras are made up."""
    read_only: bool = False
    """Connect and publish; never command anything."""
    full_speed: bool = False
    """Use the workcell file's speeds on a real robot, instead of 0.25 m/s and a fifth of the joint speeds."""
    perception: str = ""
    """A bundled perception file (tabletop) or a file of your own: which objects are looked for in which camera; empty: none."""
    instruction: str = ""
    """What the policy is told; empty takes the task's own words."""
    episodes: int | None = None
    """Run this many episodes, 0 until Ctrl-C; left out, nothing acts until the policy/run service is called."""
    seed: int = 0
    """Seed of the first episode."""
    lockstep: bool | None = None
    """True: every node answers every step. Left out: as the workcell file says."""
    namespace: str = ""
    """ROS namespace of the whole robot."""
    episode_root: Path = Path("episodes")
    """Directory of the episode logs."""
    no_record: bool = False
    """Start no recorder."""
    params_file: str = ""
    """ROS parameter file that overrides what the graph sets."""
    discovery: str = "localhost"
    """localhost, or subnet to be seen by other machines."""
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    """Of every node."""


def run(options: Options) -> int:
    """Start the graph and wait. Returns 0 after Ctrl-C; raises StageError naming the process that died."""
    workcell = names.resolve_workcell(options.workcell)
    task = names.resolve_task(options.task)
    policy, source = "", options.source
    if source == "policy" and not options.policy and acts_only_when_asked(workcell):
        source = "none"
    if source == "policy":
        policy = names.resolve_policy(options.policy or names.default_policy(task, workcell.stem))
    if options.params_file and not Path(options.params_file).is_file():
        raise ConfigurationError(
            f"--params-file is {options.params_file}, which does not exist; expected a ROS parameter file. Check the path."
        )
    output.check_writable(options.episode_root, "--episode-root", directory=True)
    from robot_drivers.launch_choices import LaunchChoices
    from stage_bringup.graph import GraphRequest
    from stage_bringup.supervisor import run_graph

    served = names.is_address(policy)
    request = GraphRequest(
        workcell=str(workcell),
        task=task,
        source=source,
        policy="" if served else policy,
        policy_host=policy if served else "",
        instruction=options.instruction,
        episodes=options.episodes,
        seed=options.seed,
        record=not options.no_record,
        episode_root=options.episode_root,
        lockstep=options.lockstep,
        namespace=options.namespace,
        log_level=options.log_level,
        params_file=options.params_file,
        perception=options.perception,
        operator_keys=sys.stdin.isatty(),
        choices=LaunchChoices(
            robot_address=options.robot_address, dry_run=options.dry_run, read_only=options.read_only, full_speed=options.full_speed
        ),
    )
    return run_graph(request, discovery=options.discovery)


def acts_only_when_asked(workcell: Path) -> bool:
    """Return True for a real robot: no policy runs on it that nobody named."""
    return load_yaml(workcell).get("workcell") == "robot"
