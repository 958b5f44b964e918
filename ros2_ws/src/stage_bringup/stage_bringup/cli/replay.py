"""`stage replay`: a recorded episode played into a live stage monitor, which shows the same labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from stage_bringup.cli import names
from stage_bringup.cli.label import find_episodes
from stage_bringup.cli.options import CommonOptions
from stage_core.errors import ConfigurationError, StageError


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Play an episode into a stage monitor of its own, in a namespace (and, unless ROS_DOMAIN_ID is set, a domain) of its own.

    Exits with 1 where a label is not the recorded one. RViz and `ros2 topic echo` can look on: stage/status, stage/events, stage/markers.
    """

    episode: tyro.conf.Positional[Path]
    """Directory of the episode."""
    rate: float = 1.0
    """1 plays as recorded, 2 twice as fast, 0 as fast as the monitor answers."""
    raw: bool = False
    """Play the raw inputs and join them anew, instead of the stage observations that were used."""
    tier: int | None = None
    """With --raw: the highest tier of inputs that may be used (0 always there, 1 sensing, 2 perception); labels may then differ."""
    task: str = ""
    """Watch with this task file instead of the recorded task; the labels may then differ."""
    namespace: str = "replay"
    """ROS namespace of the replay."""


def run(options: Options) -> int:
    """Replay. Returns 0 when every label was the recorded one, or was free to differ."""
    directories = find_episodes((options.episode,))
    if len(directories) != 1:
        raise ConfigurationError(f"{options.episode} holds {len(directories)} episodes; expected one. Name one of them.")
    if not 0.0 <= options.rate <= 1000.0:
        raise ConfigurationError(f"--rate is {options.rate}; expected 0 to 1000. 1 plays as recorded.")
    if options.tier is not None and not options.raw:
        raise ConfigurationError(f"--tier is {options.tier}, but the observations that were used are played as they are. Add --raw.")
    if not options.namespace.strip("/"):
        raise ConfigurationError("--namespace is empty; expected a name. A replay must not look like a live arm.")

    from stage_bringup.replaying import replay_graph
    from stage_bringup.supervisor import Supervisor

    task = names.resolve_task(options.task) if options.task else ""
    graph = replay_graph(
        directories[0], rate=options.rate, raw=options.raw, highest_tier=options.tier, task_name=task, namespace=options.namespace
    )

    def print_line(name: str, line: str) -> None:
        if name == "stage_replay" or "error" in line.lower():
            print(line, flush=True)

    try:
        with Supervisor(graph, on_line=print_line) as supervisor:
            print(f"replaying {directories[0].name} in ROS_DOMAIN_ID={supervisor.domain_id}, namespace /{options.namespace.strip('/')}")
            ending = supervisor.wait()
    except KeyboardInterrupt:
        print("ended", flush=True)
        return 0
    assert ending is not None
    if ending.code:
        raise StageError(f"{ending.process.name} {ending.process.how_it_ended()}: {ending.process.last_error()}")
    return 0
