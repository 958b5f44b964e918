"""The registry of figures this project claims; each entry is a module in `benchmarks/` with `run(quick) -> dict`.

Start at `ENTRIES`. A result has the keys `name claim value limit passed machine details`, so that anyone can compare.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stage_core.errors import ConfigurationError, StageError, nearest

LAST_LINES = 30  # of what a measurement printed that ended without a result


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One claim and where it is measured.

    Attributes:
        name: As in `stage bench NAME`.
        claim: One sentence with the limit.
        module: Module in `benchmarks/`; its `run(quick: bool)` returns value, limit, passed and details.
        duration: About how long the full measurement takes, in words.
    """

    name: str
    claim: str
    module: str
    duration: str

    def describe(self) -> dict[str, str]:
        """Return the entry as plain data."""
        return asdict(self)


def _entry(name: str, module: str, duration: str, claim: str) -> tuple[str, Entry]:
    return name, Entry(name=name, module=module, duration=duration, claim=claim)


ENTRIES: dict[str, Entry] = dict(
    [
        _entry("monitor", "monitor_update", "3 min", "a monitor update takes at most 50 µs, and 1,000,000 updates leave no memory behind"),
        _entry(
            "overhead",
            "overhead",
            "2 min",
            "observation to action through ROS takes at most 3 times the bare openpi client, p99 at most 10 ms",
        ),
        _entry(
            "sim-bridge",
            "sim_bridge_steps",
            "3 min",
            "lockstep through the nodes runs at 0.7 times bare env.step with one 128×128 camera, 0.5 times state-only",
        ),
        _entry(
            "reproducibility", "reproducibility", "4 min", "two lockstep runs with one seed give one trace_sha256, also beside two CPU hogs"
        ),
        _entry(
            "process-kill",
            "process_kill",
            "5 min",
            "after kill -9 of any process the arm holds, a message names it, no process and no record is lost",
        ),
        _entry("kill-recorder", "kill_recorder", "1 min", "after kill -9 of the recorder everything older than 0.5 s is readable"),
        _entry("isolation", "isolation", "1 min", "two graphs of two users on one machine never hear each other"),
        _entry(
            "label-agreement",
            "label_agreement",
            "15 min",
            "live labels agree with ManiSkill's success in at least 99 % of 100 episodes, 40 % induced failures",
        ),
        _entry(
            "stage-labels",
            "stage_labels",
            "1 h",
            "stage labels agree with ManiSkill's truth in at least 99 % of 100 episodes per task, entries within 2 frames in 95 %; each sensing tier beside",
        ),
        _entry("live-offline", "live_offline", "10 min", "live labels and stage label agree bit for bit on 20 episodes of each task"),
        _entry("monitor-node", "monitor_node", "70 s", "the stage monitor's node takes at most a tenth of a core at 50 Hz"),
        _entry(
            "hostile-commands",
            "hostile_commands",
            "20 min",
            "of 10,000 hostile commands in all none reaches a robot's controller outside the limits; of 10,000 lawful ones 99.9 % pass unaltered",
        ),
        _entry(
            "franka-streaming",
            "franka_streaming",
            "2 min",
            "a Franka keeps at least 0.7 of its speed between targets at 10 to 50 Hz, in one motion inside every published limit",
        ),
        _entry(
            "xarm-streaming",
            "xarm_streaming",
            "2 min",
            "targets at 20 Hz reach the xArm's controller as set-points at 100 Hz, without a stop",
        ),
        _entry(
            "stop-latency", "stop_latency", "3 min", "each driver begins to brake within its max_stop_latency, also while a call is stuck"
        ),
        _entry(
            "dry-run",
            "dry_run",
            "12 min",
            "with two CPU hogs the p99 command interval is at most 1.2 times a bare loop's, and the watchdog acts on every gap above its limit only",
        ),
        _entry(
            "policy-success",
            "policy_success",
            "2 h",
            "PushCube succeeds in at least 90 % of 50 held-out seeds; black images and other words make it fall",
        ),
    ]
)


def select(name: str) -> list[Entry]:
    """Return the entries called `name`, every entry for "all".

    Raises:
        ConfigurationError: If there is no such entry.
    """
    if name == "all":
        return list(ENTRIES.values())
    if name not in ENTRIES:
        raise ConfigurationError(f'there is no figure "{name}" to measure. {nearest(name, ["all", "list", *ENTRIES])}')
    return [ENTRIES[name]]


def measure(entry: Entry, *, quick: bool, run: Callable[[bool], dict[str, Any]] | None = None) -> dict[str, Any]:
    """Run an entry and return its result: name, claim, value, limit, passed, machine, details, quick, seconds.

    Args:
        entry: What to measure.
        quick: Fewer repetitions.
        run: Measures instead of the entry's module.

    An entry that cannot be measured counts as missed, with the reason in its details: a figure nobody could get is no figure.
    """
    from stage_bringup.report.summary import machine_facts

    start = time.monotonic()
    try:
        outcome = (run or load(entry).run)(quick)
    except StageError as error:
        outcome = {"value": None, "limit": None, "passed": False, "details": {"error": str(error)}}
    return {
        "name": entry.name,
        "claim": entry.claim,
        "value": outcome["value"],
        "limit": outcome["limit"],
        "passed": bool(outcome["passed"]),
        "quick": quick,
        "seconds": round(time.monotonic() - start, 1),
        "machine": machine_facts(),
        "details": outcome.get("details", {}),
    }


def measure_apart(entry: Entry, *, quick: bool) -> dict[str, Any]:
    """Measure an entry in a process of its own, so that none inherits another's imports, threads or crash."""
    with tempfile.TemporaryDirectory(prefix="stage_bench_") as folder:
        path = Path(folder) / "result.json"
        command = [
            sys.executable,
            "-m",
            "stage_bringup.cli.main",
            "bench",
            entry.name,
            "--json",
            str(path),
            *(["--quick"] if quick else []),
        ]
        environment = os.environ | {"PYTHONFAULTHANDLER": "1"}  # a crash in a vendor's library leaves no other trace
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LAST_LINES:]

    def run(quick: bool) -> dict[str, Any]:
        return {
            "value": None,
            "limit": None,
            "passed": False,
            "details": {"error": f"ended with code {done.returncode}", "last_lines": last},
        }

    return measure(entry, quick=quick, run=run)


def load(entry: Entry) -> Any:
    """Return the entry's module.

    Raises:
        ConfigurationError: Outside a source checkout, where `benchmarks/` is not installed.
    """
    root = checkout()
    if root is None or not (root / "benchmarks" / f"{entry.module}.py").is_file():
        raise ConfigurationError(
            f'figure "{entry.name}" needs benchmarks/{entry.module}.py of the source checkout. Clone it and run make setup.'
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(f"benchmarks.{entry.module}")


def checkout() -> Path | None:
    """Return the root of the source checkout this package runs from, None where it is installed without one."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "benchmarks").is_dir() and (parent / "pyproject.toml").is_file():
            return parent
    return None
