"""`stage collect`: demonstrations recorded through the same nodes a policy uses, failures included where asked for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stage_bringup.cli import names, output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError, StageError, nearest

SETTLE_S = 0.15  # a demonstration that goes on after its success only teaches to stand still


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Record demonstrations in ManiSkill through the nodes: what was meant is the label, what was done holds the noise."""

    source: Literal["scripted"] = "scripted"
    """Who demonstrates."""
    tasks: tuple[str, ...] = ("PushCube",)
    """One or more tasks."""
    episodes: int = 100
    """Episodes per task."""
    output: Path = Path("episodes/demonstrations")
    """Directory of the episode logs."""
    seed: int = 0
    """Seed of the first episode; keep below 50000, where evaluation begins."""
    noise: float = 0.004
    """Standard deviation of the noise on what the demonstrator means, m per step, 0 to 0.02."""
    failures: tuple[str, ...] = ()
    """Failures to induce, by name, or: all."""
    failure_share: float = 0.4
    """Share of the episodes with an induced failure, where failures are named."""
    state_only: bool = False
    """Record no images: faster, for work on labels and rewards."""


def run(options: Options) -> int:
    """Collect. Returns 0 when every episode ran to its end."""
    if options.episodes < 1:
        raise ConfigurationError(f"--episodes is {options.episodes}; expected at least 1.")
    last = options.seed + options.episodes - 1
    if options.seed < 0 or last >= 50_000:
        raise ConfigurationError(
            f"--seed is {options.seed}, the last one {last}; expected 0 to 49999. From 50000 on, seeds judge policies."
        )
    if not 0.0 <= options.noise <= 0.02:
        raise ConfigurationError(f"--noise is {options.noise} m; expected 0 to 0.02 m per step. Metres, not centimetres?")
    tasks = [names.resolve_task(task, "--tasks") for task in options.tasks]
    cycles = {task: failure_cycle(failures_of(task, options.failures), options.failure_share) for task in tasks}
    output.check_writable(options.json, "--json")
    output.check_writable(options.output, "--output", directory=True)

    from stage_bringup.report.summary import machine_facts

    with tempfile.TemporaryDirectory(prefix="stage_collect_") as folder:
        rows = [collect_task(task, options, cycles[task], Path(folder)) for task in tasks]
    cells = [(row["task"], row["episodes"], row["successes"], row["steps"], round(row["wall_seconds"])) for row in rows]
    print(output.table(("task", "episodes", "successes", "steps", "wall s"), cells))
    print(f"episodes in {options.output}; next: stage train bc --help")
    output.write_json(options.json, {"seed": options.seed, "noise": options.noise, "results": rows, "machine": machine_facts()})
    errors = [error for row in rows for error in row["errors"]]
    if errors:
        raise StageError(f"{len(errors)} episodes did not run to their end: {errors[0]}")
    return 0


def collect_task(task: str, options: Options, cycle: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Record one task's episodes and return its figures."""
    from stage_bringup.cli.workcells import state_only
    from stage_bringup.report.summary import summarise
    from stage_bringup.session import SessionRequest, run_session

    counter = output.EpisodeCounter(options.episodes, task)
    result = run_session(
        SessionRequest(
            workcell=state_only("maniskill", folder) if options.state_only else "maniskill",
            task=task,
            episodes=options.episodes,
            seed=options.seed,
            source="script",
            lockstep=True,
            episode_root=options.output,
            demonstrator_noise=options.noise,
            demonstrator_failures=cycle,
            settle_s=SETTLE_S,
            quiet=True,
            on_line=counter.take,
        )
    )
    steps = sum(episode.steps for episode in result.episodes)
    return summarise(task, result.episodes) | {"steps": steps, "wall_seconds": result.wall_seconds, "failures": cycle}


def failures_of(task: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the failures to induce in a task.

    Raises:
        ConfigurationError: If the task has no such failure, with the nearest one.
    """
    if not wanted:
        return ()
    from sim_bridge.demonstrations import FAILURES

    known = FAILURES.get(task, ())
    if wanted == ("all",):
        return tuple(known)
    for name in wanted:
        if name not in known:
            raise ConfigurationError(f'--failures holds "{name}", which {task} does not have. {nearest(name, ["all", *known])}')
    return wanted


def failure_cycle(failures: tuple[str, ...], share: float) -> tuple[str, ...]:
    """Return which failure each of 20 consecutive episodes gets ("" for none), failures spread evenly.

    Raises:
        ConfigurationError: If the share is outside [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigurationError(f"--failure-share is {share}; expected 0 to 1.")
    if not failures:
        return ("",)
    count = round(20 * share)
    cycle, taken = [], 0
    for index in range(20):
        # As in drawing a line on pixels: a failure wherever the running total passes a whole number.
        due = (index + 1) * count // 20 > index * count // 20
        cycle.append(failures[taken % len(failures)] if due else "")
        taken += due
    return tuple(cycle)
