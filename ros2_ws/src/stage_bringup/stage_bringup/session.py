"""Runs episodes through a whole graph and returns what happened: `stage demo`, `evaluate`, `collect` and `bench` call this.

Start at `run_session`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stage_bringup.graph import GraphRequest, describe_graph
from stage_bringup.supervisor import Supervisor, with_free_port
from stage_core.errors import StageError


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """A number of episodes of one task on one workcell.

    Attributes:
        workcell: A bundled name or a workcell file.
        task: A task's name or file.
        episodes: How many, >= 1.
        seed: Of the first episode; episode i uses seed + i.
        source: `policy` or `script`.
        policy: A bundled name, a checkpoint folder, module:Class, or host:port of a running server.
        instruction: None: the task's own.
        image_ablation: `none` or `black`.
        lockstep: None keeps the workcell file's.
        episode_root: Where episodes are saved.
        record: Bring up a recorder.
        demonstrator_noise: Action noise of the scripted demonstrator.
        demonstrator_failures: Cycled over the episodes; an empty text is none.
        horizon_steps: None: the task's time-out.
        settle_s: Seconds that an episode goes on after its first success.
        quiet: Print no stages.
        on_line: Called with every line that the runner prints.
        on_start: Called with the supervisor once all processes run; for tests and benchmarks.
        condition: A word for the experiment's condition, in each episode.json.
        settings: What else belongs into each episode.json.
    """

    workcell: str | Path
    task: str
    episodes: int
    seed: int
    source: str = "policy"
    policy: str = ""
    instruction: str | None = None
    image_ablation: str = "none"
    lockstep: bool | None = None
    episode_root: Path = Path("episodes")
    record: bool = True
    demonstrator_noise: float = 0.0
    demonstrator_failures: tuple[str, ...] = ()
    horizon_steps: int | None = None
    settle_s: float = 0.5
    quiet: bool = False
    on_line: Callable[[str], None] | None = None
    on_start: Callable[[Supervisor], None] | None = None
    condition: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EpisodeResult:
    """One episode; fields as the runner writes them (`stage_nodes.episode_loop`)."""

    index: int
    seed: int
    episode_id: str
    directory: str
    environment_success: bool | None
    environment_success_once: bool | None
    monitor_success: bool | None
    steps: int
    ended_by: str
    stages: list[dict[str, Any]]
    trace_sha256: str
    round_trip_ms: dict[str, float | None]
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionResult:
    """All episodes of a session, the processes that ran them, and the trace over everything."""

    episodes: list[EpisodeResult]
    processes: dict[str, int]
    trace_sha256: str
    wall_seconds: float
    domain_id: int


def run_session(request: SessionRequest) -> SessionResult:
    """Bring up the graph, run the episodes, end the graph.

    Raises:
        ConfigurationError: For anything in the request that cannot work, before a process exists.
        StageError: If a process died, naming it; what was recorded stays.
    """
    begun = time.monotonic()
    host = request.policy if _is_address(request.policy) else ""
    graph_request = with_free_port(
        GraphRequest(
            workcell=str(request.workcell),
            task=request.task,
            source=request.source,
            policy="" if host else request.policy,
            policy_host=host,
            instruction=request.instruction or "",
            episodes=request.episodes,
            seed=request.seed,
            record=request.record,
            episode_root=request.episode_root,
            lockstep=request.lockstep,
            image_ablation=request.image_ablation,
            demonstrator_noise=request.demonstrator_noise,
            demonstrator_failures=request.demonstrator_failures,
            horizon_steps=request.horizon_steps,
            settle_s=request.settle_s,
            quiet=request.quiet,
            condition=request.condition,
            settings=request.settings,
        )
    )

    def pass_on(name: str, line: str) -> None:
        if name == "runner" and request.on_line is not None:
            request.on_line(line)

    results = _ResultsFile()
    graph = describe_graph(results.into(graph_request))
    with results, Supervisor(graph, on_line=pass_on) as supervisor:
        processes = {process.name: process.pid for process in supervisor.processes}
        if request.on_start is not None:
            request.on_start(supervisor)
        ending = supervisor.wait()
        assert ending is not None
        if not ending.regular:
            raise supervisor.failure(ending)
        content = results.read()
        domain_id = supervisor.domain_id
    return SessionResult(
        episodes=[EpisodeResult(**entry) for entry in content["episodes"]],
        processes=processes,
        trace_sha256=content["trace_sha256"],
        wall_seconds=time.monotonic() - begun,
        domain_id=domain_id,
    )


class _ResultsFile:
    """The file through which the runner hands over its results."""

    def __init__(self) -> None:
        import tempfile

        self._directory = tempfile.TemporaryDirectory(prefix="stage_session_")
        self.path = Path(self._directory.name) / "results.json"

    def into(self, request: GraphRequest) -> GraphRequest:
        from dataclasses import replace

        return replace(request, results_path=str(self.path))

    def read(self) -> dict[str, Any]:
        if not self.path.is_file():
            raise StageError("the runner left no results. Look at its output with --debug.")
        return json.loads(self.path.read_text(encoding="utf-8"))

    def __enter__(self) -> _ResultsFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._directory.cleanup()


def _is_address(policy: str) -> bool:
    host, colon, port = policy.rpartition(":")
    return bool(colon) and bool(host) and port.isdigit()
