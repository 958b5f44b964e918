"""Two graphs of two users on one machine: each runs episodes at the same time, neither hears the other.

Both run the same task with different seeds at once; their traces must be those that each gives alone, and no name of
one graph may be seen in the other's domain. Start at `run`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stage_bringup.session import SessionRequest, SessionResult, run_session

# Runs in a process of its own, in one graph's domain: prints the names of the nodes it can see.
LOOK = """
import time, rclpy
rclpy.init()
node = rclpy.create_node("onlooker")
until, seen = time.monotonic() + 4.0, set()
while time.monotonic() < until:
    seen |= set(node.get_node_names()) - {"onlooker"}
    time.sleep(0.2)
names = [name for name in node.get_node_names() if name != "onlooker"]
print(len(names), len(set(names)))
"""


def run(quick: bool) -> dict[str, Any]:
    """Return how many foreign nodes were seen, and whether the traces are those of the runs alone."""
    steps = 20 if quick else 60
    with tempfile.TemporaryDirectory(prefix="stage_isolation_") as folder:
        root = Path(folder)
        alone = {seed: session(seed, steps, root, None).trace_sha256 for seed in (1, 2)}
        together, seen = run_together((1, 2), steps, root)
    domains = {result.domain_id for result in together.values()}
    unchanged = all(together[seed].trace_sha256 == alone[seed] for seed in alone)
    doubled = sum(names - distinct for names, distinct in seen)
    return {
        "value": {"domains": len(domains), "nodes_seen_twice": doubled, "traces_unchanged": unchanged},
        "limit": {"domains": 2, "nodes_seen_twice": 0, "traces_unchanged": True},
        "passed": len(domains) == 2 and doubled == 0 and unchanged and all(distinct > 0 for _, distinct in seen),
        "details": {"domain_ids": sorted(domains), "nodes_seen": seen, "steps": steps},
    }


def session(seed: int, steps: int, root: Path, on_start: Any) -> SessionResult:
    """Run one episode of the scripted demonstrator, state-only, on a graph of its own."""
    from stage_bringup.cli.workcells import state_only

    return run_session(
        SessionRequest(
            workcell=state_only("maniskill", root),
            task="PushCube",
            episodes=1,
            seed=seed,
            source="script",
            lockstep=True,
            episode_root=root / str(seed),
            horizon_steps=steps,
            quiet=True,
            on_start=on_start,
        )
    )


def run_together(seeds: tuple[int, int], steps: int, root: Path) -> tuple[dict[int, SessionResult], list[tuple[int, int]]]:
    """Run one graph per seed at once; return their results and what an onlooker saw in each domain: (nodes, distinct names)."""
    started = threading.Barrier(len(seeds), timeout=60.0)
    seen: list[tuple[int, int]] = []

    def look(supervisor: Any) -> None:
        started.wait()
        seen.append(onlooker(supervisor.domain_id))

    with ThreadPoolExecutor(max_workers=len(seeds)) as pool:
        runs = {seed: pool.submit(session, seed, steps, root, look) for seed in seeds}
        return {seed: run.result() for seed, run in runs.items()}, seen


def onlooker(domain_id: int) -> tuple[int, int]:
    """Return how many nodes are seen in a domain, and how many distinct names they have."""
    from stage_bringup.graph import graph_environment

    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**os.environ, **graph_environment(domain_id)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names, distinct = done.stdout.split()[-2:]
    return int(names), int(distinct)
