"""Real graphs: real processes, real DDS, real files. One at a time, each in a ROS domain of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stage_bringup.graph import GraphRequest, describe_graph
from stage_bringup.supervisor import Supervisor, with_free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all graphs in one worker, one after the other: side by side they would only wait for each other's processor time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("graphs"))


class Lines:
    """Everything the graph's processes print, with waiting for a line."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.all.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for process, line in self.all if process == name]

    def wait_for(self, name: str, text: str, *, timeout: float = 60.0) -> str:
        """Return the first line of a process that holds `text`."""
        return wait_until(lambda: next((line for line in self.of(name) if text in line), None), f"{name} prints {text!r}", timeout, self)


def wait_until(condition: Callable[[], object], what: str, timeout: float, lines: Lines | None = None):
    """Return the first true value of `condition`; fails with what the graph printed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    printed = "\n".join(f"[{name}] {line}" for name, line in lines.all[-40:]) if lines else ""
    raise AssertionError(f"waited {timeout:g} s in vain until {what}\n{printed}")


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def graph(tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Supervisor]]:
    """Return a function that brings up a graph; every graph is ended after the test."""
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.setenv("STAGE_LOG_DIR", str(tmp_path / "log"))
    opened: list[Supervisor] = []

    def bring_up(**fields) -> Supervisor:
        request = GraphRequest(**{"task": "PushCube", "episode_root": tmp_path / "episodes", **fields})
        request = replace(request, results_path=str(tmp_path / "results.json"))
        supervisor = Supervisor(describe_graph(with_free_port(request)), on_line=lines)
        opened.append(supervisor)
        return supervisor.__enter__()

    yield bring_up
    for supervisor in opened:
        supervisor.shut_down()


def alive(pid: int) -> bool:
    """Return True while a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
