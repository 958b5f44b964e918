"""A whole dry run per arm, beside two processes that eat all the processor time they get: is the command stream steady, does the
watchdog act on every gap above its limit and on none below?

The graph is `stage up franka --dry-run` (and xarm) with cameras, policy server, stage monitor and recorder. Gaps are made by
stopping the policy node's process for a moment (SIGSTOP); others come by themselves. A bare loop at the same rate runs beside.
Start at `run`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.observer import Observer
from benchmarks.processes import ROOT, milliseconds
from robot_drivers.launch_choices import LaunchChoices
from stage_bringup.graph import GraphRequest, describe_graph
from stage_bringup.supervisor import Supervisor, with_free_port

RATE_HZ = 20.0
RATIO_LIMIT = 1.2  # p99 command interval against the bare loop's
LOOP_S = 0.01  # one turn of SafeArm, which sees the end of an action
TRANSPORT_S = 0.02  # what the onlooker's own view of a gap may be off by, on a machine that has no processor to spare
GAPS_S = (0.03, 0.2, 0.4)  # how long the policy's process is stopped: below the limit, above it, far above it


@dataclass(frozen=True)
class Command:
    """One command as the onlooker saw it: `time` of arrival on the steady clock, `stamp` on the same clock, s."""

    time: float
    stamp: float


class DryRunObserver(Observer):
    """Sees commands as well, as promptly as the arm does; resumes the arm as an operator would."""

    def __enter__(self) -> DryRunObserver:
        super().__enter__()
        from stage_msgs.msg import ArmCommand, SafetyStatus
        from std_srvs.srv import Trigger

        from stage_nodes.conversions import from_time
        from stage_nodes.node_process import CONTROL_PATH
        from stage_nodes.topics import ARM_RESUME, COMMAND_PREFIX, SAFETY_STATUS, latched, reliable

        self.commands: list[Command] = []
        self._asked = 0.0
        offset = time.time() - time.monotonic()

        def take(message: Any) -> None:
            self.commands.append(Command(time.monotonic(), from_time(message.header.stamp) - offset))

        def note(message: Any) -> None:
            self.longest_silence = message.longest_silence

        self.longest_silence = 0.0
        self._node.create_subscription(SafetyStatus, SAFETY_STATUS, note, latched())
        self._node.create_subscription(ArmCommand, COMMAND_PREFIX + "policy", take, reliable(200))
        self._resume = self._node.create_client(Trigger, ARM_RESUME)
        with contextlib.suppress(OSError):  # the main thread stays as it is: hogs and bare loop inherit from it
            for thread in set(os.listdir("/proc/self/task")) - {str(os.getpid())}:
                os.setpriority(os.PRIO_PROCESS, int(thread), CONTROL_PATH)
        return self

    def wait_for_motion(self, timeout_s: float) -> bool:
        """Wait until the arm moved for two seconds in all, resuming it after each hold."""

        def moving(states: list) -> bool:
            if states and states[-1].mode == "hold":
                self.resume()
            return sum(state.mode == "moving" for state in states) > 40

        return self.wait_until(moving, timeout_s)

    def resume(self) -> None:
        """Ask once a second at most; the answer is seen in the arm's mode."""
        from std_srvs.srv import Trigger

        if time.monotonic() - self._asked > 1.0:
            self._asked = time.monotonic()
            self._resume.call_async(Trigger.Request())


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of both arms."""
    seconds = 15.0 if quick else 300.0  # per arm
    rows = [dry_run(robot, seconds) for robot in ("franka", "xarm")]
    return {
        "value": {row["robot"]: {"ratio_p99": row["ratio_p99"], "watchdog": row["watchdog"]} for row in rows},
        "limit": {"ratio_p99": RATIO_LIMIT, "watchdog": {"missed": 0, "without_cause": 0}},
        "passed": all(row["passed"] for row in rows),
        "details": {"rows": rows, "seconds": seconds, "hogs": 2},
    }


def dry_run(robot: str, seconds: float) -> dict[str, Any]:
    """Return what one arm's dry run showed."""
    with tempfile.TemporaryDirectory(prefix="stage_dry_run_") as folder:
        os.environ["STAGE_STATE_DIR"] = folder
        request = GraphRequest(
            workcell=robot,
            task="PushCube",
            policy="scripted",
            episodes=0,
            horizon_steps=10_000_000,
            episode_root=Path(folder) / "episodes",
            quiet=True,
            choices=LaunchChoices(dry_run=True),
            controller_log=str(Path(folder) / "controller.jsonl"),
        )
        lines: list[str] = []
        graph = describe_graph(with_free_port(request))
        supervisor = Supervisor(graph, on_line=lambda name, line: lines.append(f"{name}: {line}"))
        with supervisor, DryRunObserver(supervisor.domain_id) as observer:
            if not observer.wait_for_motion(120.0):
                return {"robot": robot, "passed": False, "error": "the arm never moved", "lines": lines[-20:]}
            figures = measure(observer, supervisor, seconds)
        figures["robot"] = robot
        return figures


def measure(observer: DryRunObserver, supervisor: Supervisor, seconds: float) -> dict[str, Any]:
    """Run hogs and bare loop, make gaps, resume after each hold, and compare."""
    policy = next(process for process in supervisor.processes if process.name == "policy")
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    bare = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_loop", str(RATE_HZ), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    chance = random.Random(0)
    begun, made = time.monotonic(), []
    next_gap = begun + 2.0
    try:
        while time.monotonic() - begun < seconds:
            now = time.monotonic()
            state = observer.newest
            if state.mode == "hold":
                observer.resume()
            if now > next_gap and state.mode == "moving":
                gap = GAPS_S[len(made) % len(GAPS_S)]
                os.kill(policy.pid, signal.SIGSTOP)
                time.sleep(gap)
                os.kill(policy.pid, signal.SIGCONT)
                made.append((now, gap))
                next_gap = time.monotonic() + chance.uniform(1.5, 3.0) * (1.0 if seconds < 60 else 5.0)
            time.sleep(0.01)
        bare_times = json.loads(bare.communicate(timeout=30.0)[0])
    finally:
        os.kill(policy.pid, signal.SIGCONT)
        for process in (*hogs, bare):
            process.kill()
            process.wait()
    return compare(observer, begun, made, np.diff(bare_times))


def compare(observer: DryRunObserver, begun: float, made: list[tuple[float, float]], bare: np.ndarray) -> dict[str, Any]:
    """Return intervals, and what the watchdog did about each gap.

    Two views: the arm's own (it says how long it waited when it holds, and the longest silence that it let pass), which is exact; and
    the onlooker's, who must see a hold after every gap that was longer even by its own clock.
    """
    commands = [command for command in observer.commands if command.time >= begun]
    states = [state for state in observer.states if state.time >= begun]
    limit = 2.0 / RATE_HZ - LOOP_S
    stopped = [(at - 0.02, at + gap + 0.15) for at, gap in made]
    natural, missed, above = [], [], 0
    for before, after in zip(commands, commands[1:], strict=False):
        if any(state.mode == "hold" for state in near(states, before.time - 0.06, before.time)):
            continue  # nobody moves: what comes meanwhile is refused
        if not any(before.time <= end and after.time >= start for start, end in stopped):
            natural.append(after.time - before.time)
        silent = after.time - before.time
        if silent > limit + LOOP_S + TRANSPORT_S:
            above += 1
            if not any(state.mode == "hold" for state in near(states, before.time, after.time + 0.15)):
                missed.append(round(silent, 4))
    waited = holds(states)
    without_cause = [seconds for seconds in waited if seconds < limit - 0.0005]  # the words round to 1 ms
    ratio = float(np.percentile(natural, 99) / np.percentile(bare, 99))
    watchdog = {
        "limit_s": limit,
        "gaps_above_seen": above,
        "missed": len(missed) + int(observer.longest_silence > limit + LOOP_S),
        "holds": len(waited),
        "without_cause": len(without_cause),
        "longest_age_without_hold_s": round(observer.longest_silence, 4),
        "shortest_age_with_hold_s": min(waited, default=None),
    }
    return {
        "passed": ratio <= RATIO_LIMIT and watchdog["missed"] == 0 and not without_cause and above > 0,
        "ratio_p99": round(ratio, 3),
        "watchdog": watchdog,
        "missed_s": missed,
        "command_interval_ms": milliseconds(natural),
        "bare_loop_ms": milliseconds(list(bare)),
        "commands": len(commands),
        "gaps_made": len(made),
    }


def near(states: list[Any], start: float, end: float) -> list[Any]:
    """Return the states between two times."""
    return [state for state in states if start <= state.time <= end]


def holds(states: list[Any]) -> list[float]:
    """Return for each hold how long the arm had waited for an action, s, in its own words."""
    reasons = [state.hold_reason if state.mode == "hold" else "" for state in states]
    begun = [reason for before, reason in zip(["", *reasons], reasons, strict=False) if reason and reason != before]
    return [float(found.group(1)) for found in (re.search(r"no valid action from .* for ([0-9.]+) s", reason) for reason in begun) if found]
