"""Starts a graph's processes, watches them, and ends them in order: the ros2 command is not needed (DESIGN 8).

A process that dies ends the graph with an error naming it, after the arm came to hold. Start at `run_graph`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from stage_bringup.graph import Graph, GraphRequest, ProcessDescription, describe_graph, graph_environment
from stage_bringup.isolation import DomainLease, free_port, lease_domain
from stage_bringup.process import ChildProcess, child_environment, command_of, new_log_directory
from stage_core.errors import StageError

INTERRUPT_DEADLINE_S = 10.0
TERMINATE_DEADLINE_S = 3.0
RESPAWNS = 3  # within a minute; then the graph ends
RESPAWN_WINDOW_S = 60.0
HOLD_DEADLINE_S = 15.0  # a fresh process must find the arm node first


@dataclass(frozen=True)
class Ending:
    """Which process ended first, and how."""

    process: ChildProcess
    code: int

    @property
    def regular(self) -> bool:
        """True for a process that may end the graph and did so without an error."""
        return self.process.description.ends_graph and self.code == 0


class Supervisor:
    """A running graph. Use as a context manager: leaving it ends every process."""

    def __init__(self, graph: Graph, *, on_line: Callable[[str, str], None], discovery: str = "localhost") -> None:
        """Prepare a graph; `__enter__` starts it.

        Args:
            graph: From `describe_graph`.
            on_line: Called with (process name, line) for each line a process prints.
            discovery: `localhost` or `subnet`.
        """
        self.graph = graph
        self.processes: list[ChildProcess] = []
        self._on_line = on_line
        self._discovery = discovery
        self._lease: DomainLease | None = None
        self._respawned: list[float] = []

    @property
    def domain_id(self) -> int:
        """The graph's ROS domain."""
        assert self._lease is not None
        return self._lease.domain_id

    def __enter__(self) -> Supervisor:
        self._lease = lease_domain()
        self.log_directory = new_log_directory()
        self._log = (self.log_directory / "output.log").open("w", encoding="utf-8")
        self._environment = child_environment(graph_environment(self.domain_id, discovery=self._discovery))
        try:
            for description in self.graph.processes:
                self.processes.append(self._start(description))
        except BaseException:
            self.shut_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.shut_down()

    def wait(self, timeout: float | None = None) -> Ending | None:
        """Wait until a process ends; return None after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while deadline is None or time.monotonic() < deadline:
            for process in self.processes:
                code = process.poll()
                if code is not None and not process.description.reads_terminal and not self._respawn(process):
                    process.wait(1.0)
                    return Ending(process, code)
            time.sleep(0.05)
        return None

    def _start(self, description: ProcessDescription) -> ChildProcess:
        command = command_of(description, self.graph, self.log_directory)
        return ChildProcess(description, command, self._environment, self._log, self._on_line)

    def _respawn(self, process: ChildProcess) -> bool:
        """Start a process that died again, where it may be; return False where the graph must end.

        A process that said itself why it cannot go on (exit code 1) is not started again: it would say the same.
        """
        now = time.monotonic()
        self._respawned = [earlier for earlier in self._respawned if now - earlier < RESPAWN_WINDOW_S]
        killed = (process.poll() or 0) < 0
        if not (process.description.respawns and killed) or len(self._respawned) >= RESPAWNS:
            return False
        self._respawned.append(now)
        process.wait(1.0)
        self._on_line(process.name, f"{process.name} {process.how_it_ended()}; it is started again and holds until an operator resumes")
        self.processes[self.processes.index(process)] = self._start(process.description)
        return True

    def bring_arm_to_hold(self) -> str:
        """Stop the arm from outside and wait until it rests; return in words what came of it."""
        arm = next((process for process in self.processes if process.name == "arm"), None)
        if arm is None or arm.poll() is not None:
            return "the arm node is gone: a controller stops by itself when its client is gone"
        command = [sys.executable, "-m", "stage_nodes.stop_arm"]
        if self.graph.request.namespace:
            command += ["--ros-args", "-r", f"__ns:=/{self.graph.request.namespace.strip('/')}"]
        try:
            done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=HOLD_DEADLINE_S, check=False)
        except subprocess.TimeoutExpired:
            return f"the arm node did not answer within {HOLD_DEADLINE_S:g} s; use the hardware stop if the arm moves"
        return (done.stdout + done.stderr).strip().splitlines()[-1] if (done.stdout + done.stderr).strip() else "the arm was stopped"

    def shut_down(self) -> None:
        """End every process, those that command the arm first; nothing is left behind. Idempotent."""
        for last in (False, True):
            for number, deadline in ((signal.SIGINT, INTERRUPT_DEADLINE_S), (signal.SIGTERM, TERMINATE_DEADLINE_S), (signal.SIGKILL, 5.0)):
                running = [
                    process for process in reversed(self.processes) if process.poll() is None and process.description.ends_last == last
                ]
                for process in running:
                    process.interrupt(number)
                until = time.monotonic() + deadline
                for process in running:
                    process.wait(max(until - time.monotonic(), 0.01))
        if self._lease is not None:
            self._lease.close()

    def failure(self, ending: Ending) -> StageError:
        """Return the error for a process that died, naming it, after the arm came to hold."""
        held = self.bring_arm_to_hold()
        words = ending.process.last_error()
        detail = f" Its last words: {words}." if words else ""
        return StageError(
            f"{ending.process.name} {ending.process.how_it_ended()}; the graph ends: {held}.{detail} Log: {self.log_directory}"
        )


def run_graph(request: GraphRequest, *, discovery: str = "localhost") -> int:
    """Bring up a graph and keep it until Ctrl-C or SIGTERM.

    Returns:
        0 after a clean end.

    Raises:
        StageError: If a process died, naming it.
    """
    request = with_free_port(request)
    graph = describe_graph(request)

    def print_line(name: str, line: str) -> None:
        print(f"[{name}] {line}", flush=True)

    previous = signal.signal(signal.SIGTERM, _interrupt)
    terminal = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None  # the operator's keys change it, and may be killed
    try:
        with Supervisor(graph, on_line=print_line, discovery=discovery) as supervisor:
            names = ", ".join(f"{process.name} ({process.pid})" for process in supervisor.processes)
            print(f"started {names}", flush=True)
            print(
                f'ROS_DOMAIN_ID={supervisor.domain_id}; in another shell: eval "$(stage env --domain {supervisor.domain_id})"', flush=True
            )
            print("Software stops are not a safety function: keep the hardware stop in reach. Ctrl-C ends the graph.", flush=True)
            ending = supervisor.wait()
            assert ending is not None
            if not ending.regular:
                raise supervisor.failure(ending)
    except KeyboardInterrupt:
        print("ended", flush=True)
    finally:
        signal.signal(signal.SIGTERM, previous)
        if terminal is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, terminal)
    return 0


def with_free_port(request: GraphRequest) -> GraphRequest:
    """Return the request with a port for its policy server that nobody uses."""
    from dataclasses import replace

    return replace(request, policy_port=free_port()) if request.source == "policy" and not request.policy_host else request


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
