"""Which nodes run with which parameters: the one source that `ros2 launch` and `stage up` both read (DESIGN 2, 8).

Start at `describe_graph`. Nothing is started here and no ROS is imported.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from robot_drivers.camera_extrinsics import extrinsics_of
from robot_drivers.launch_choices import apply, fake_controller_arguments
from robot_drivers.perception.settings import load_perception
from robot_drivers.workcell import WorkcellConfig, load_workcell_config, open_workcell
from stage_bringup.configuration_files import configuration_root, find_configuration, find_task
from stage_bringup.graph_description import Graph, GraphRequest, ProcessDescription
from stage_bringup.isolation import loopback_address
from stage_bringup.policies import contract_of, served_policy
from stage_core.errors import ConfigurationError
from stage_core.task import TaskConfig, load_task

__all__ = ["Graph", "GraphRequest", "ProcessDescription", "describe_graph", "graph_environment"]

DEMONSTRATOR = "sim_bridge.demonstrations:ScriptedDemonstrator"


def describe_graph(request: GraphRequest) -> Graph:
    """Return the processes for a request; nothing is started.

    Raises:
        ConfigurationError: For anything in the request that cannot work, before a process exists.
    """
    workcell_file = find_configuration("workcells", request.workcell)
    request = _with_address(request)
    workcell = apply(load_workcell_config(workcell_file), request.choices)
    task = load_task(find_task(request.task))
    open_width = check_devices(workcell) if workcell.workcell == "robot" else 0.0
    lockstep = workcell.lockstep if request.lockstep is None else request.lockstep
    if lockstep and not workcell.simulated_clock:
        raise ConfigurationError(f"lockstep is true, but workcell {workcell.name} runs on real time. Use lockstep with a simulation only.")
    if request.source not in ("policy", "script", "none"):
        raise ConfigurationError(f"source is {request.source!r}; expected policy, script or none.")
    if request.source == "script" and not workcell.simulated_clock:
        raise ConfigurationError(f"source is script, but workcell {workcell.name} has no truth to show a demonstrator. Use a simulation.")
    builder = _Builder(request, workcell, workcell_file, task, lockstep)
    builder.open_width = open_width
    return Graph(request, workcell, workcell_file, task, lockstep, tuple(builder.build()))


def check_devices(workcell: WorkcellConfig) -> float:
    """Build every device of a robot, unconnected, so that a wrong setting ends here and not in one of many processes.

    Returns:
        Width of the open gripper, m; 0 without one.

    Raises:
        ConfigurationError: Naming the setting.
    """
    opened = open_workcell(workcell)
    assert opened.cameras is not None
    return 0.0 if opened.gripper is None else opened.gripper.description.max_width


def _with_address(request: GraphRequest) -> GraphRequest:
    """Return the request with a loopback address of its own for a dry run that names none."""
    if not request.choices.dry_run or request.choices.robot_address:
        return request
    return replace(request, choices=replace(request.choices, robot_address=loopback_address()))


class _Builder:
    """Builds the list of processes."""

    def __init__(self, request: GraphRequest, workcell: WorkcellConfig, workcell_file: Path, task: TaskConfig, lockstep: bool) -> None:
        self.request, self.workcell, self.task, self.lockstep = request, workcell, task, lockstep
        self.workcell_file = str(workcell_file)
        self.instruction = request.instruction or task.instructions[0]
        self.truth = workcell.simulated_clock
        self.cameras = list(workcell.cameras)
        self.open_width = 0.0
        self.perception = str(find_configuration("perception", request.perception)) if request.perception else ""
        self.objects = list(load_perception(self.perception)) if self.perception else []

    def build(self) -> list[ProcessDescription]:
        request = self.request
        processes = []
        if request.source == "policy" and not request.policy_host:
            processes.append(self.policy_server())
        if self.workcell.dry_run:
            processes.append(self.fake_controller())
        processes.append(self.arm())
        if not self.workcell.shared_process:
            processes += [self.camera(name) for name in self.cameras]
        if self.perception:
            processes.append(self._node("object_pose", "object_pose_node", {"workcell": self.workcell_file, "perception": self.perception}))
        processes.append(self.monitor())
        if request.record:
            processes.append(self.recorder())
        if request.source == "policy":
            processes.append(self.policy())
        if request.source == "script":
            processes.append(self.demonstrator())
        if request.episodes is not None:
            processes.append(self.runner())
        if request.operator_keys:
            processes.append(
                ProcessDescription(name="operator", module="stage_nodes.operator_node", executable="operator_node", reads_terminal=True)
            )
        return processes

    def fake_controller(self) -> ProcessDescription:
        arguments = fake_controller_arguments(self.workcell)
        if self.request.controller_log:
            arguments += ("--log", self.request.controller_log)
        return ProcessDescription(name="fake_controller", module="robot_drivers.fake_controllers", arguments=arguments, ends_last=True)

    def opened_workcell(self) -> dict[str, Any]:
        """Return the parameters of `WorkcellParameters`."""
        return {"workcell": self.workcell_file, "task": self.task.name, **asdict(self.request.choices)}

    def policy_server(self) -> ProcessDescription:
        arguments = ("--policy", served_policy(self.request.policy), "--port", str(self.request.policy_port))
        return ProcessDescription(name="policy_server", module="policy_server", arguments=arguments)

    def arm(self) -> ProcessDescription:
        partners = (
            ["stage_monitor"] + (["recorder"] if self.request.record else []) + (["runner"] if self.request.episodes is not None else [])
        )
        required = ["stage_monitor"] + (["recorder"] if self.request.record else [])
        parameters = {
            **self.opened_workcell(),
            "lockstep": "true" if self.lockstep else "false",
            "lockstep_with": partners if self.lockstep else [],
            "required": required,
        }
        # On a real robot the arm node comes back by itself and holds; a runner's results would be worth nothing then.
        respawns = self.workcell.workcell == "robot" and self.request.episodes is None
        return replace(self._node("arm", "arm_node", parameters), respawns=respawns)

    def camera(self, name: str) -> ProcessDescription:
        return self._node(f"camera_{name}", "camera_node", {**self.opened_workcell(), "camera": name})

    @property
    def observation_source(self) -> str:
        """Where the stage monitor takes its facts from: a simulation's truth, sensors, or the arm's state alone."""
        if self.truth:
            return "truth"
        return "sensors" if self.perception or self.workcell.workcell == "robot" else "arm"

    def monitor(self) -> ProcessDescription:
        parameters = {
            "task_file": str(find_task(self.request.task)),
            "control_rate_hz": self.workcell.control_rate_hz,
            "observation_source": self.observation_source,
            "gripper_open_width_m": self.open_width,
            "lockstep": self.lockstep,
        }
        return self._node("stage_monitor", "stage_monitor_node", parameters)

    def recorder(self) -> ProcessDescription:
        facts = {
            "workcell": self.workcell.name,
            "policy": self.request.policy or self.request.policy_host,
            "condition": self.request.condition,
            "control_rate_hz": self.workcell.control_rate_hz,
            "lockstep": self.lockstep,
            "dry_run": self.workcell.dry_run,
            "cameras": self.camera_facts(),
            "contract": contract_of(self.request.policy) if self.request.policy else None,
            "settings": {
                "source": self.request.source,
                "stage_monitor": {"source": self.observation_source, "highest_tier": 9, "gripper_open_width_m": self.open_width},
                **self.request.settings,
            },
        }
        parameters = {
            "episode_root": str(Path(self.request.episode_root).expanduser().resolve()),
            "cameras": self.cameras,
            "objects": self.objects,
            "expected": self.expected_topics(),
            "flowing": [] if self.lockstep else [name for name in self.expected_topics() if not name.startswith("command/")],
            "truth": self.truth,
            "task_file": str(find_task(self.request.task)),
            "lockstep": self.lockstep,
            "settings_json": json.dumps(facts),
        }
        return self._node("recorder", "recorder_node", parameters)

    def expected_topics(self) -> list[str]:
        """Return what an episode must not begin without: whoever records first must have found whoever speaks."""
        topics = ["arm/state", "stage/observation", "stage/status", *(f"cameras/{name}/image_raw" for name in self.cameras)]
        return topics + ([f"command/{self.request.source}"] if self.request.source != "none" else [])

    def camera_facts(self) -> list[dict[str, Any]]:
        """Return for episode.json where each calibrated camera is and how it is set; the rest the camera tells itself."""
        facts = []
        for name, entry in self.workcell.cameras.items():
            found = extrinsics_of(self.workcell, name)
            if found is not None and entry.get("width_px") and entry.get("height_px"):
                settings = {key: value for key, value in entry.items() if key != "extrinsics"}
                size = {"width": entry["width_px"], "height": entry["height_px"]}
                facts.append({"name": name, **size, "extrinsics": asdict(found), "settings": settings})
        return facts

    def policy(self) -> ProcessDescription:
        host, _, port = self.request.policy_host.partition(":")
        parameters = {
            "host": host or "127.0.0.1",
            "port": int(port) if port else self.request.policy_port,
            "instruction": self.instruction,
            "control_rate_hz": self.workcell.control_rate_hz,
            "robot_model": self.workcell.robot_model or self.workcell.name,
            "max_chunk_age_s": self.workcell.max_chunk_age_s,
            "seed": self.request.seed,
            "image_ablation": self.request.image_ablation,
            "lockstep": self.lockstep,
            "deadline_s": 20.0 if self.lockstep else 1.0,
        }
        return self._node("policy", "policy_node", parameters)

    def demonstrator(self) -> ProcessDescription:
        parameters = {
            "demonstrator": DEMONSTRATOR,
            "task": self.task.name,
            "control_rate_hz": self.workcell.control_rate_hz,
            "seed": self.request.seed,
            "noise": float(self.request.demonstrator_noise),
            "failures": [failure or "none" for failure in self.request.demonstrator_failures],
        }
        return self._node("demonstrator", "demonstrator_node", parameters)

    def runner(self) -> ProcessDescription:
        request = self.request
        parameters = {
            "task": self.task.name,
            "source": request.source,
            "control_rate_hz": self.workcell.control_rate_hz,
            "horizon_steps": request.horizon_steps or round(self.task.timeout_s * self.workcell.control_rate_hz),
            "episodes": request.episodes,
            "seed": request.seed,
            "instruction": self.instruction,
            "settle_s": request.settle_s,
            "lockstep": self.lockstep,
            "record": request.record,
            "truth": self.truth,
            "results_path": request.results_path,
            "quiet": request.quiet,
        }
        return self._node("runner", "episode_runner_node", parameters, ends_graph=request.episodes != 0)

    def _node(self, name: str, executable: str, parameters: dict[str, Any], *, ends_graph: bool = False) -> ProcessDescription:
        return ProcessDescription(
            name=name, module=f"stage_nodes.{executable}", executable=executable, parameters=parameters, ends_graph=ends_graph
        )


def graph_environment(domain_id: int | None = None, *, discovery: str = "localhost") -> dict[str, str]:
    """Return the variables that every process of a graph needs, and other shells too (`stage env`).

    Args:
        domain_id: The graph's ROS domain; None leaves ROS_DOMAIN_ID as it is.
        discovery: `localhost` or `subnet`.

    Raises:
        ConfigurationError: For any other discovery.
    """
    if discovery not in ("localhost", "subnet"):
        raise ConfigurationError(f"discovery is {discovery!r}; expected localhost or subnet.")
    variables = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": discovery.upper(),
        "FASTRTPS_DEFAULT_PROFILES_FILE": os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE") or str(configuration_root() / "fastdds.xml"),
    }
    if domain_id is not None:
        variables["ROS_DOMAIN_ID"] = str(domain_id)
    return variables
