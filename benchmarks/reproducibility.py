"""Two lockstep runs with one seed give one trace_sha256: alone, and with two processes beside that eat the processors.

The trace is made by the runner, in a process of its own, from what it hears on the wire. A run with another seed must
give another trace, else the figure would prove nothing. Start at `run`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage_bringup.session import SessionRequest, run_session

TASK, SEED = "PushCube", 50_000
HOG = "while True: pass"


def run(quick: bool) -> dict[str, Any]:
    """Return the traces of the runs and whether they are one."""
    from stage_bringup.cli.names import default_policy

    episodes, horizon = (1, 30) if quick else (3, None)
    traces: dict[str, str] = {}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="stage_reproducibility_") as folder:

        def trace(name: str, seed: int = SEED) -> None:
            result = run_session(
                SessionRequest(
                    workcell="maniskill",
                    task=TASK,
                    episodes=episodes,
                    seed=seed,
                    policy=default_policy(TASK),
                    lockstep=True,
                    episode_root=Path(folder),
                    horizon_steps=horizon,
                    quiet=True,
                )
            )
            traces[name], seconds[name] = result.trace_sha256, round(result.wall_seconds, 1)

        trace("first run")
        trace("second run")
        with hogs(2):
            trace("beside two CPU hogs")
        trace("another seed", SEED + 1_000)
    same = {traces[name] for name in ("first run", "second run", "beside two CPU hogs")}
    differs = traces["another seed"] not in same
    return {
        "value": {"different_traces_of_one_seed": len(same), "another_seed_differs": differs},
        "limit": {"different_traces_of_one_seed": 1, "another_seed_differs": True},
        "passed": len(same) == 1 and differs,
        "details": {"task": TASK, "episodes": episodes, "seed": SEED, "trace_sha256": traces, "wall_seconds": seconds},
    }


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep `count` processes busy while the block lasts."""
    processes = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
