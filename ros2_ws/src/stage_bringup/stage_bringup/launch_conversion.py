"""Turns `graph.py`'s processes into a launch description, so that `ros2 launch` and `stage up` start the same nodes.

Imported by the launch files only: the launch packages exist where the ros2 command does. Start at `launch_description`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from launch.actions import DeclareLaunchArgument, EmitEvent, ExecuteProcess, LogInfo, OpaqueFunction
from launch.events import Shutdown as ShutdownEvent
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from robot_drivers.launch_choices import LaunchChoices
from stage_bringup.graph import GraphRequest, ProcessDescription, describe_graph, graph_environment
from stage_bringup.isolation import free_port, lease_domain
from stage_bringup.process import ros_parameters
from stage_bringup.supervisor import RESPAWN_WINDOW_S, RESPAWNS
from stage_core.errors import StageError

TRUTHS = ("true", "false", "True", "False")  # anything else is refused: dry_run:=yes must never become a real robot
BANNER = "Software stops are not a safety function: keep the hardware stop in reach."
ROBOT_ARGUMENTS = [
    ("robot_address", "", "IP address of the arm's controller; empty takes the workcell file's"),
    ("dry_run", "false", "true: talk to a fake controller on this machine; nothing real moves"),
    ("read_only", "false", "true: connect and publish, never command"),
    ("full_speed", "false", "true: the workcell file's speeds; false: at most 0.25 m/s and a fifth of the joint speeds"),
]
RESPAWN_DELAY_S = 1.0
_LEASES = []  # the graph's domain stays ours as long as this process lives


def launch_description(
    workcell: str, *, task: str = "PushCube", policy: str = "pushcube", episodes: str = "", robot: bool = False
) -> LaunchDescription:
    """Return the launch description of a workcell.

    Args:
        workcell: Default of the launch argument `workcell`.
        task: Default of `task`.
        policy: Default of `policy`.
        episodes: Default of `episodes`: empty for no runner.
        robot: True for a real robot, which has an address and can be run dry, read-only and at full speed.
    """
    arguments = [
        ("namespace", "", "ROS namespace of the whole robot"),
        ("params_file", "", "ROS parameter file that overrides the graph's own parameters"),
        ("use_sim_time", "false", "use /clock as ROS time; Stage's own stamps are the workcell's either way"),
        ("log_level", "info", "log level of every node"),
        ("task", task, "task name or task file"),
        ("workcell", workcell, "bundled workcell name or workcell file"),
        ("policy", policy, "bundled policy, checkpoint folder or module:Class to serve; empty starts no server"),
        ("policy_host", "", "host:port of a policy server that runs already"),
        ("perception", "", "perception file: which objects are looked for in which camera; empty: none"),
        ("record", "true", "bring up the recorder"),
        ("episode_root", "episodes", "folder of the episode logs"),
        ("episodes", episodes, "episodes that the runner runs; 0: until Ctrl-C; empty: no runner"),
        ("seed", "50000", "seed of the first episode"),
        ("discovery", "localhost", "localhost or subnet: who may hear this graph"),
    ]
    if robot:
        arguments += ROBOT_ARGUMENTS
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text, choices=TRUTHS if default in TRUTHS else None)
        for name, default, text in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list:
    def value(name: str) -> str:
        return context.launch_configurations.get(name, "")  # empty where this launch file does not declare it

    lease = lease_domain()
    _LEASES.append(lease)
    environment = graph_environment(lease.domain_id, discovery=value("discovery"))
    environment.setdefault("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    environment["STAGE_SUPERVISOR_PID"] = str(os.getpid())
    os.environ.update({key: text for key, text in environment.items() if key != "STAGE_SUPERVISOR_PID"})
    try:
        graph = describe_graph(_request(value))
    except StageError as error:
        raise RuntimeError(str(error)) from None
    ending = _Ending(value("namespace"), environment)
    actions: list = [LogInfo(msg=f"{BANNER} ROS_DOMAIN_ID={lease.domain_id}")]
    return actions + [_action(description, value, environment, ending) for description in graph.processes]


def _request(value) -> GraphRequest:
    has_policy = bool(value("policy") or value("policy_host"))
    return GraphRequest(
        workcell=value("workcell"),
        task=value("task"),
        source="policy" if has_policy else "none",
        policy=value("policy"),
        policy_host=value("policy_host"),
        policy_port=free_port(),
        episodes=int(value("episodes")) if value("episodes") else None,
        seed=int(value("seed")),
        record=value("record").lower() == "true",
        episode_root=Path(value("episode_root")),
        namespace=value("namespace"),
        log_level=value("log_level"),
        params_file=value("params_file"),
        perception=value("perception"),
        choices=LaunchChoices(
            robot_address=value("robot_address"),
            dry_run=value("dry_run").lower() == "true",
            read_only=value("read_only").lower() == "true",
            full_speed=value("full_speed").lower() == "true",
        ),
    )


def _action(description: ProcessDescription, value, environment: dict[str, str], ending: _Ending):
    if not description.executable:
        command = [sys.executable, "-u", "-m", description.module, *description.arguments]
        ended = ending.of(description)
        return ExecuteProcess(cmd=command, name=description.name, output="screen", additional_env=environment, on_exit=ended)
    extra = [value("params_file")] if value("params_file") else []
    again = {"respawn": True, "respawn_delay": RESPAWN_DELAY_S} if description.respawns else {}
    return Node(
        package="stage_nodes",
        executable=description.executable,
        exec_name=description.name,
        namespace=value("namespace"),
        parameters=[{**ros_parameters(description), "use_sim_time": value("use_sim_time").lower() == "true"}, *extra],
        ros_arguments=["--log-level", value("log_level"), *_renamed(description)],
        additional_env=environment,
        output="screen",
        on_exit=ending.of(description),
        **again,
    )


def _renamed(description: ProcessDescription) -> list[str]:
    return ["-r", f"camera:__node:={description.name}"] if description.name.startswith("camera_") else []


class _Ending:
    """What happens when a process ends: the arm is brought to hold, then the launch ends with an error that names the process."""

    def __init__(self, namespace: str, environment: dict[str, str]) -> None:
        self._namespace, self._environment = namespace, environment
        self._begun = False
        self._killed: list[float] = []

    def of(self, description: ProcessDescription):
        """Return launch's `on_exit` for one process."""

        def react(event, context: LaunchContext):
            if context.is_shutdown or self._begun:
                return []
            if description.respawns and self._comes_back(event.returncode):
                return [LogInfo(msg=f"{description.name} was killed; it is started again and holds until an operator resumes")]
            if description.ends_graph and event.returncode == 0:
                return [EmitEvent(event=ShutdownEvent(reason=f"{description.name} has finished"))]
            self._begun = True
            reason = f"{description.name} ended with exit code {event.returncode}"
            if description.name == "arm":  # nobody is left to stop; waiting would only let launch start it again
                return [OpaqueFunction(function=_fail, args=[reason])]
            stop = [sys.executable, "-m", "stage_nodes.stop_arm"]
            if self._namespace:
                stop += ["--ros-args", "-r", f"__ns:=/{self._namespace.strip('/')}"]
            fail = [OpaqueFunction(function=_fail, args=[reason])]
            return [
                LogInfo(msg=f"error: {reason}; stopping the arm and ending the graph"),
                ExecuteProcess(cmd=stop, name="stop_arm", output="screen", additional_env=self._environment, on_exit=fail),
            ]

        return react

    def _comes_back(self, code: int) -> bool:
        """Return True for a process that was killed, a few times a minute: what says itself why it ends would say the same again."""
        now = time.monotonic()
        self._killed = [earlier for earlier in self._killed if now - earlier < RESPAWN_WINDOW_S] + [now]
        return code < 0 and len(self._killed) <= RESPAWNS


def _fail(context: LaunchContext, reason: str) -> None:
    """End the launch with exit code 1: an exception is launch's only way to end with one."""
    raise RuntimeError(f"{reason}; the graph ends")
