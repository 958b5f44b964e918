"""The stage monitor's node at 50 Hz: its share of a processor core, and that its memory stays as it is.

The node runs as it does in a graph, in a process of its own; what it is fed with comes from this one. What counts is the
processor time that the kernel gave to the node's process, all threads together. Start at `run`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from stage_bringup.configuration_files import find_task
from stage_bringup.graph_description import Graph, GraphRequest, ProcessDescription
from stage_bringup.supervisor import Supervisor
from stage_core.errors import DeadlineError
from stage_core.observation import StageObservation
from stage_core.task import load_task

TASK, RATE_HZ = "StackCube", 50.0
SHARE_LIMIT, MEMORY_LIMIT_MB = 0.10, 4.0
WARM_UP_STEPS = 250
DEADLINE_S = 30.0


def run(quick: bool) -> dict[str, Any]:
    """Return the node's share of a core, the age of its answers and the growth of its memory.

    Args:
        quick: 10 s of steps instead of 60 s.
    """
    task_file = find_task(TASK)
    parameters = {"task_file": str(task_file), "control_rate_hz": RATE_HZ, "observation_source": "truth", "max_input_age_s": 0.06}
    monitor = ProcessDescription(
        name="stage_monitor", module="stage_nodes.stage_monitor_node", executable="stage_monitor_node", parameters=parameters
    )
    request = GraphRequest(workcell="", task=TASK, source="none", record=False, namespace="benchmark", log_level="warn")
    no_workcell: Any = None  # nothing is driven
    graph = Graph(request, no_workcell, Path(), load_task(task_file), False, (monitor,))
    with Supervisor(graph, on_line=lambda name, line: None) as supervisor:
        figures = measure(supervisor.domain_id, supervisor.processes[0].pid, round((10.0 if quick else 60.0) * RATE_HZ))
    return {
        "value": {"core_share": figures["core_share"], "memory_growth_mb": figures["memory_growth_mb"]},
        "limit": {"core_share": SHARE_LIMIT, "memory_growth_mb": MEMORY_LIMIT_MB},
        "passed": figures["core_share"] <= SHARE_LIMIT and figures["memory_growth_mb"] <= MEMORY_LIMIT_MB and not figures["lost"],
        "details": {"rate_hz": RATE_HZ, **figures},
    }


def measure(domain_id: int, pid: int, steps: int) -> dict[str, Any]:
    """Feed the node `steps` observations at its rate, after a warm-up, and return the figures."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from stage_msgs.msg import StageObservation as Message
    from stage_msgs.msg import StageStatus

    from stage_nodes.conversions import stage_observation_to_message
    from stage_nodes.topics import STAGE_STATUS, STATE_DEPTH, TRUTH_OBSERVATION, reliable

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = rclpy.create_node("feeder", namespace="benchmark", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    sent: dict[int, float] = {}
    ages: list[float] = []

    def on_status(message: StageStatus) -> None:
        ages.append(time.perf_counter() - sent.pop(message.sequence))

    try:
        publisher = node.create_publisher(Message, TRUTH_OBSERVATION, reliable(STATE_DEPTH))
        node.create_subscription(StageStatus, STAGE_STATUS, on_status, reliable(STATE_DEPTH))
        deadline = time.monotonic() + DEADLINE_S
        while not (publisher.get_subscription_count() and node.count_publishers(STAGE_STATUS)):
            if time.monotonic() > deadline:
                raise DeadlineError(f"the stage monitor did not come up within {DEADLINE_S:g} s. Run it with --debug.")
            executor.spin_once(timeout_sec=0.05)
        begun_wall = begun_cpu = begun_memory = 0.0
        start = time.perf_counter()
        for k in range(WARM_UP_STEPS + steps):
            if k == WARM_UP_STEPS:
                ages.clear()
                begun_wall, begun_cpu, begun_memory = time.perf_counter(), cpu_seconds(pid), resident_mb(pid)
            message = stage_observation_to_message(observation(k), frame="base")
            sent[k] = time.perf_counter()
            publisher.publish(message)
            while (remaining := start + (k + 1) / RATE_HZ - time.perf_counter()) > 0.0:
                executor.spin_once(timeout_sec=remaining)
        wall, cpu, memory = time.perf_counter() - begun_wall, cpu_seconds(pid) - begun_cpu, resident_mb(pid) - begun_memory
        until = time.monotonic() + 1.0
        while sent and time.monotonic() < until:
            executor.spin_once(timeout_sec=0.05)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    return {
        "core_share": round(cpu / wall, 4),
        "memory_growth_mb": round(memory, 2),
        "steps": steps,
        "lost": len(sent),
        "answer_ms": {"median": round(1e3 * float(np.median(ages)), 2), "p99": round(1e3 * float(np.percentile(ages, 99)), 2)},
    }


def observation(k: int) -> StageObservation:
    """Return a hand that circles over a table with the object in it, every field known."""
    phase = 2.0 * np.pi * k / 500.0
    place = np.array([0.5 + 0.1 * np.cos(phase), 0.1 * np.sin(phase), 0.02 + 0.1 * abs(np.sin(0.5 * phase))])
    held = bool(np.sin(phase) > 0.0)
    return StageObservation(
        stamp=1.0 + k / RATE_HZ,
        sequence=k,
        episode=1,
        tier=9,
        ee_position=place + (0.0 if held else 0.05),
        ee_orientation=np.array([1.0, 0.0, 0.0, 0.0]),
        object_position=place,
        object_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
        goal_position=np.array([0.55, 0.1, 0.02]),
        goal_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
        grasped=held,
        contact=held,
        released=not held,
        object_static=False,
        contact_force=1.0 if held else 0.0,
        gripper_width=0.05,
        gripper_effort=5.0,
        confidence={"object_position": 0.9},
    )


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far, user and system, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
