"""How long one monitor update takes, and that its memory stays constant.

Run: python benchmarks/monitor_update.py [--quick]
"""

from __future__ import annotations

import sys
import time
import tracemalloc

import numpy as np

from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.task import FAMILIES, GoalConfig, ObjectsConfig, TaskConfig

LIMIT_MICROSECONDS = 50.0
RATE_HZ = 20.0


def _task(family: str) -> TaskConfig:
    return TaskConfig(
        schema_version=1,
        name=family,
        family=family,
        instructions=("benchmark",),
        objects=ObjectsConfig(name="object", half_size_m=(0.12, 0.025, 0.025)),
        goal=GoalConfig(source="pose"),
        timeout_s=5.0,
    )


def _observations(count: int) -> list[StageObservation]:
    """A hand that circles over a table with an object in it, every field known."""
    steps = []
    for k in range(count):
        phase = 2.0 * np.pi * k / 200.0
        place = np.array([0.5 + 0.1 * np.cos(phase), 0.1 * np.sin(phase), 0.02 + 0.1 * abs(np.sin(0.5 * phase))])
        grasped = np.sin(phase) > 0.0
        steps.append(
            StageObservation(
                stamp=k / RATE_HZ,
                sequence=k,
                tier=9,
                ee_position=place + (0.0 if grasped else 0.05),
                ee_orientation=np.array([1.0, 0.0, 0.0, 0.0]),
                object_position=place,
                object_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
                goal_position=np.array([0.55, 0.1, 0.02]),
                goal_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
                grasped=bool(grasped),
                contact=bool(grasped),
                released=not grasped,
                object_static=False,
                contact_force=1.0 if grasped else 0.0,
                gripper_width=0.05,
                gripper_effort=5.0,
                confidence={"object_position": 0.9},
            )
        )
    return steps


def _measure(family: str, observations: list[StageObservation], repetitions: int) -> tuple[float, float, int]:
    """Return median and p99 of one update in microseconds, and the memory that many updates leave behind in bytes."""
    monitor = StageMonitor(_task(family), RATE_HZ)
    durations = []
    for _ in range(repetitions):
        for observation in observations:
            begin = time.perf_counter_ns()
            monitor.update(observation)
            durations.append(time.perf_counter_ns() - begin)
    median, high = np.percentile(durations, [50, 99]) / 1000.0
    tracemalloc.start()
    for observation in observations:
        monitor.update(observation)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(3):
        for observation in observations:
            monitor.update(observation)
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return float(median), float(high), int(growth)


def run(quick: bool) -> dict:
    """Return the figure: the slowest family's median update, µs; the monitor may leave no memory behind.

    Args:
        quick: 6,000 updates per family instead of 40,000.
    """
    observations = _observations(2000)
    details = {}
    for family in FAMILIES:
        median, high, growth = _measure(family, observations, 3 if quick else 20)
        details[family] = {"median_us": round(median, 2), "p99_us": round(high, 2), "memory_growth_bytes": growth}
    value = max(entry["median_us"] for entry in details.values())
    constant = all(entry["memory_growth_bytes"] < 4096 for entry in details.values())
    return {
        "name": "monitor",
        "claim": "a monitor update takes at most 50 microseconds",
        "value": value,
        "limit": LIMIT_MICROSECONDS,
        "passed": value <= LIMIT_MICROSECONDS and constant,
        "details": details | {"unit": "us", "memory_constant": constant},
    }


if __name__ == "__main__":
    result = run("--quick" in sys.argv[1:])
    for name, entry in result["details"].items():
        print(f"{name}: {entry}")
    print(f"{result['claim']}: {result['value']} us, limit {result['limit']} us, {'passed' if result['passed'] else 'FAILED'}")
    sys.exit(0 if result["passed"] else 1)
