"""kill -9 of each process of a graph in turn, while the arm moves: does it hold, is it said, is everything gone, is nothing lost?

The graph is `stage up fake` in real time with the scripted policy, recorder and runner; every process is one row.
Start at `run`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.observer import Observer, Seen
from stage_bringup.graph import GraphRequest, describe_graph
from stage_bringup.supervisor import Supervisor, with_free_port

PERIOD_S = 0.05  # of the fake workcell
LEASE_S = 1.0
DURABLE_S = 0.5  # everything older must be readable
SCHEDULING_S = 0.15  # what two busy processors may add to a time seen from outside


def run(quick: bool) -> dict[str, Any]:
    """Return one row per killed process."""
    with tempfile.TemporaryDirectory(prefix="stage_kill_") as folder:
        names = [process.name for process in describe(Path(folder)).processes]
        chosen = ["policy", "recorder"] if quick else names
        rows = [kill(name, Path(folder) / name) for name in chosen]
    good = [
        row for row in rows if row["held"] and row["gripper_kept"] and row["named"] and not row["left_behind"] and row["steps_lost"] == 0
    ]
    return {
        "value": {"processes_killed": len(rows), "as_promised": len(good)},
        "limit": {"as_promised": len(rows)},
        "passed": len(good) == len(rows),
        "details": {"rows": rows, "limits_s": {row["killed"]: row["limit_s"] for row in rows}},
    }


def describe(root: Path) -> Any:
    """Return the graph, not started."""
    request = GraphRequest(
        workcell="fake", task="PushCube", policy="scripted", episodes=1, horizon_steps=2000, episode_root=root, quiet=True
    )
    return describe_graph(with_free_port(request))


def limit_s(name: str, graph: Any) -> float | None:
    """Return the longest time from the kill to hold (DESIGN 9.5), s; None for the arm's own process and for the runner, which moves nothing."""
    if name in ("arm", "runner"):
        return None
    brake = 2 * PERIOD_S + SCHEDULING_S
    if name == "policy":
        return brake
    if name == "policy_server":
        return graph.workcell.max_chunk_age_s + brake
    if name.startswith("camera_"):
        return 3 * PERIOD_S + graph.workcell.max_chunk_age_s + brake
    return LEASE_S + brake  # monitor and recorder: the liveliness lease


def kill(name: str, root: Path) -> dict[str, Any]:
    """Kill one process of a fresh graph and return what was seen."""
    graph = describe(root)
    with Supervisor(graph, on_line=lambda process, line: None) as supervisor:
        with Observer(supervisor.domain_id) as observer:
            moving = observer.wait_until(lambda states: sum(state.mode == "moving" for state in states) > 60, 90.0)
            victim = next(process for process in supervisor.processes if process.name == name)
            opening = observer.states[-1].opening if observer.states else float("nan")
            killed_at = time.monotonic()
            victim.interrupt(9)
            time.sleep(2.5)  # the arm is on its own: the supervisor has not been asked yet
            states = observer.states
        ending = supervisor.wait(10.0)
        message = str(supervisor.failure(ending)) if ending is not None else ""
        pids = [process.pid for process in supervisor.processes]
    held_after = time_to_hold(states, killed_at)
    limit = limit_s(name, graph)
    moved_again = held_after is not None and any(state.mode == "moving" for state in states if state.time > killed_at + held_after)
    return {
        "killed": name,
        "was_moving": moving,
        "held": moving and (limit is None or (held_after is not None and held_after <= limit and not moved_again)),
        "moved_again": moved_again,
        "held_after_s": None if held_after is None else round(held_after, 3),
        "limit_s": limit,
        "gripper_kept": all(abs(state.opening - opening) < 0.02 for state in states if state.time > killed_at),
        "named": name in message,
        "message": message.replace(str(Path.home()), "~"),
        "left_behind": [pid for pid in pids if Path(f"/proc/{pid}").exists()],
        **recorded(root, states, killed_at),
    }


def time_to_hold(states: list[Seen], killed_at: float) -> float | None:
    """Return how long after the kill the arm said it no longer moves, s; None if it did not say so."""
    for state in states:
        if state.time > killed_at and state.mode in ("hold", "stopped", "fault"):
            return state.time - killed_at
    return None


def recorded(root: Path, states: list[Seen], killed_at: float) -> dict[str, Any]:
    """Return how many steps older than 0.5 s before the kill are missing from the log."""
    from stage_recorder.reader import read_episode
    from stage_recorder.repair import repair_interrupted

    repair_interrupted(root)
    directories = sorted(file.parent for file in root.rglob("episode.json"))
    due = [state.sequence for state in states if state.time <= killed_at - DURABLE_S and state.episode == states[-1].episode]
    if not directories or not due:
        return {"steps_recorded": 0, "steps_due": len(due), "steps_lost": len(due) or 1}
    episode = read_episode(directories[-1], images=False)
    kept = {int(sequence) for sequence in episode.sequences}
    # The runner begins to record before the reset, the observer sees states before that: only what the log could hold counts.
    first = min(kept, default=0)
    lost = [sequence for sequence in due if sequence >= first and sequence not in kept]
    return {"steps_recorded": len(kept), "steps_due": len(due), "steps_lost": len(lost)}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(run(quick=True))
