"""What a graph is asked to be, and what it then consists of: plain data, read by `stage up` and `ros2 launch` alike.

Start at `GraphRequest`; `graph.describe_graph` makes a `Graph` of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot_drivers.launch_choices import LaunchChoices
from robot_drivers.workcell import WorkcellConfig
from stage_core.task import TaskConfig


@dataclass(frozen=True, kw_only=True)
class GraphRequest:
    """What to bring up.

    Attributes:
        workcell: A bundled name (`fake`, `maniskill`) or a workcell file.
        task: A task's name or file.
        source: Who may act: `policy`, `script` (a scripted demonstrator) or `none`.
        policy: For source `policy`: what to serve beside the graph; empty where `policy_host` names a server that runs already.
        policy_host: `host:port` of a server that runs already.
        policy_port: Port for the server that the graph starts.
        instruction: What the policy is told; empty: the task's first instruction.
        episodes: Episodes that the runner runs; None: no runner, 0: until Ctrl-C.
        seed: Seed of the first episode.
        record: Bring up a recorder.
        episode_root: Where episodes are saved.
        lockstep: None keeps the workcell file's.
        image_ablation: `none` or `black`.
        demonstrator_noise: Action noise of the scripted demonstrator.
        demonstrator_failures: Induced failures, cycled over the episodes; an empty text is none.
        horizon_steps: None: the task's time-out.
        settle_s: Seconds that an episode goes on after its first success.
        results_path: Where the runner writes its results.
        namespace: ROS namespace of the whole robot.
        log_level: Of every node.
        params_file: ROS parameter file that overrides what is set here.
        quiet: Print no stages.
        condition: A word for the experiment's condition, in episode.json.
        settings: What else belongs into episode.json.
        choices: What this launch changes of the workcell file.
        perception: A bundled perception file's name or a file: which objects are looked for in which camera; empty: none.
        controller_log: Where the fake controller of a dry run writes what reached it; empty: nowhere.
        operator_keys: Bring up the terminal's keys, which read the standard input.
    """

    workcell: str
    task: str
    source: str = "policy"
    policy: str = ""
    policy_host: str = ""
    policy_port: int = 8000
    instruction: str = ""
    episodes: int | None = None
    seed: int = 0
    record: bool = True
    episode_root: Path = Path("episodes")
    lockstep: bool | None = None
    image_ablation: str = "none"
    demonstrator_noise: float = 0.0
    demonstrator_failures: tuple[str, ...] = ()
    horizon_steps: int | None = None
    settle_s: float = 0.5
    results_path: str = ""
    namespace: str = ""
    log_level: str = "info"
    params_file: str = ""
    quiet: bool = False
    condition: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    choices: LaunchChoices = field(default_factory=LaunchChoices)
    perception: str = ""
    controller_log: str = ""
    operator_keys: bool = False


@dataclass(frozen=True, kw_only=True)
class ProcessDescription:
    """One process of the graph.

    Attributes:
        name: Its node's name.
        module: Python module with a `main`.
        executable: Name below lib/stage_nodes, empty for a process that is no ROS node.
        parameters: ROS parameters.
        arguments: Command line of a process that is no ROS node.
        ends_graph: The graph ends when it ends.
        reads_terminal: Its standard input is the supervisor's; the graph goes on without it.
        ends_last: It is ended after all others: they need it to end in order.
        respawns: It is started again when it dies, a few times: what it drives holds until an operator resumes it.
    """

    name: str
    module: str
    executable: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    ends_graph: bool = False
    reads_terminal: bool = False
    ends_last: bool = False
    respawns: bool = False


@dataclass(frozen=True)
class Graph:
    """All processes, in the order they are started, with what they were made from."""

    request: GraphRequest
    workcell: WorkcellConfig
    workcell_file: Path
    task: TaskConfig
    lockstep: bool
    processes: tuple[ProcessDescription, ...]
