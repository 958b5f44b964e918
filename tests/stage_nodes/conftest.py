"""One test's own ROS domain: nodes of ours as processes in it, and a node of the test beside them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from stage_bringup.graph import graph_environment
from stage_bringup.isolation import lease_domain
from stage_bringup.process import child_environment


class Domain:
    """`node` is the test's own; `run` starts processes, which end with the test."""

    def __init__(self, domain_id: int, context: rclpy.Context) -> None:
        self.id = domain_id
        self.node = rclpy.create_node("test", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self.processes: list[subprocess.Popen] = []

    def run(self, *arguments: str, **options) -> subprocess.Popen:
        """Start `python -m ARGUMENTS` in this domain; its output can be read, its input written."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        command = [sys.executable, "-m", *arguments]
        self.processes.append(subprocess.Popen(command, env=child_environment(graph_environment(self.id)), **streams, **options))
        return self.processes[-1]

    def spin_until(self, condition: Callable[[], object], *, again: Callable[[], None] = lambda: None, timeout: float = 30.0) -> bool:
        """Spin until `condition` holds, calling `again` ten times a second; return whether it did."""
        deadline, next_time = time.monotonic() + timeout, 0.0
        while time.monotonic() < deadline and not condition():
            if time.monotonic() >= next_time:
                again()
                next_time = time.monotonic() + 0.1
            self._executor.spin_once(timeout_sec=0.05)
        return bool(condition())


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Domain]:
    """A domain that no other test uses."""
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    lease = lease_domain()
    for name, value in graph_environment(lease.domain_id).items():
        monkeypatch.setenv(name, value)
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=lease.domain_id)
    made = Domain(lease.domain_id, context)
    yield made
    for process in made.processes:
        process.terminate()
        process.communicate(timeout=10)
    made.node.destroy_node()
    rclpy.try_shutdown(context=context)
    lease.close()
