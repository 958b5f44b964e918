"""`stage demo`: the whole system for a few episodes, live on the terminal, then a table and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stage_bringup.cli import names, output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError, StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Run a task in ManiSkill through the real ROS 2 nodes and a policy server; leave a table, episode logs and a report."""

    task: str = "PushCube"
    """A bundled task (PushCube, PullCube, PickCube, StackCube, LiftPegUpright) or a task file."""
    episodes: int = 3
    """How many episodes."""
    seed: int = 50_000
    """Seed of the first episode; episode i uses seed + i. From 50000 on, no demonstration was recorded."""
    policy: str = ""
    """A bundled policy, a checkpoint folder or host:port of a running server; empty takes the task's bundled policy."""
    report: Path | None = Path("reports/demo")
    """Directory of the report page."""
    episode_root: Path = Path("episodes")
    """Directory of the episode logs."""
    quiet: bool = False
    """Do not print the stages live."""


def run(options: Options) -> int:
    """Run the demo. Returns 0 when every episode ran to its end, successful or not."""
    if options.episodes < 1:
        raise ConfigurationError(f"--episodes is {options.episodes}; expected at least 1.")
    if not 0 <= options.seed < 2**31:
        raise ConfigurationError(f"--seed is {options.seed}; expected 0 to 2147483647.")
    task = names.resolve_task(options.task)
    policy = names.resolve_policy(options.policy or names.default_policy(task))
    output.check_writable(options.json, "--json")
    output.check_writable(options.report, "--report", directory=True)
    output.check_writable(options.episode_root, "--episode-root", directory=True)

    from stage_bringup.session import SessionRequest, run_session

    request = SessionRequest(
        workcell="maniskill",
        task=task,
        episodes=options.episodes,
        seed=options.seed,
        source="policy",
        policy=policy,
        lockstep=True,
        episode_root=options.episode_root,
        quiet=options.quiet,
        on_line=None if options.quiet else lambda line: print(line, flush=True),
    )
    print(
        f"Stage demo: {task}, {options.episodes} episodes from seed {options.seed}, policy {policy}. Software stops are no safety function."
    )
    result = run_session(request)

    from stage_bringup.report.summary import machine_facts, summarise

    figures = summarise(task, result.episodes) | {
        "trace_sha256": result.trace_sha256,
        "seeds": [options.seed, options.seed + options.episodes - 1],
        "policy": policy,
        "wall_seconds": result.wall_seconds,
        "processes": result.processes,
        "machine": machine_facts(),
    }
    print(demo_table(figures))
    if options.report is not None:
        from stage_bringup.report.write import write_report

        print(f"report {write_report(options.report, result, figures)}")
    output.write_json(options.json, figures)
    if figures["errors"]:
        raise StageError(f"{len(figures['errors'])} of {options.episodes} episodes did not run to their end: {figures['errors'][0]}")
    return 0


def demo_table(figures: dict) -> str:
    """Return the table printed after a demo."""
    head = (
        f"\n{figures['task']}: {figures['successes']} of {figures['episodes']} succeeded, "
        f"{output.percent(figures['success_rate'])}, 95 % interval {output.interval(figures['interval_95'])}\n"
    )
    rows = [(name, f"{stage['reached']}/{figures['episodes']}", seconds(stage["mean_s"])) for name, stage in figures["stages"].items()]
    tail = f"\ntrace {figures['trace_sha256']}" if figures.get("trace_sha256") else ""
    return head + output.table(("stage", "reached", "mean time in it"), rows) + tail


def seconds(value: float | None) -> str:
    """Return `1.25 s`, or a dash for None."""
    return "-" if value is None else f"{value:.2f} s"
