"""One supervised child process: started in a session of its own, its output read line by line, always reaped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import yaml

from stage_bringup.graph import Graph, ProcessDescription

KEPT_LINES = 200


class ChildProcess:
    """A running process of the graph."""

    def __init__(
        self,
        description: ProcessDescription,
        command: list[str],
        environment: dict[str, str],
        log: IO[str],
        on_line: Callable[[str, str], None],
    ) -> None:
        """Start the process. `on_line(name, line)` is called for each line it prints, from a reader thread."""
        self.description = description
        self.name = description.name
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._log = log
        self._on_line = on_line
        # A session of its own: a terminal's Ctrl-C reaches the supervisor alone, which then ends us in order.
        keyboard = None if description.reads_terminal else subprocess.DEVNULL
        self._popen = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=keyboard, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {self.name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs; reaps the process."""
        return self._popen.poll()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def wait(self, timeout: float) -> bool:
        """Wait for the end; return False after `timeout` seconds."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._reader.join(timeout=2.0)
        return True

    def how_it_ended(self) -> str:
        """Return in words how the process ended."""
        code = self.poll()
        if code is None:
            return "runs"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def last_error(self) -> str:
        """Return the last line that looks like an error, or the last line."""
        for line in reversed(self.lines):
            if "error" in line.lower():
                return line
        return self.lines[-1] if self.lines else ""

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for raw in self._popen.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            self._log.write(f"[{self.name}] {line}\n")
            self._log.flush()
            self._on_line(self.name, line)


def command_of(description: ProcessDescription, graph: Graph, parameter_directory: Path) -> list[str]:
    """Return the command line of a process; its ROS parameters go into a file below `parameter_directory`."""
    command = [sys.executable, "-u", "-m", description.module, *description.arguments]
    if not description.executable:
        return command
    file = parameter_directory / f"{description.name}.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": ros_parameters(description)}}), encoding="utf-8")
    command += ["--ros-args", "--params-file", str(file), "--log-level", graph.request.log_level]
    if graph.request.params_file:
        command += ["--params-file", graph.request.params_file]
    if graph.request.namespace:
        command += ["-r", f"__ns:=/{graph.request.namespace.strip('/')}"]
    if description.name.startswith("camera_"):
        command += ["-r", f"camera:__node:={description.name}"]
    return command


def ros_parameters(description: ProcessDescription) -> dict[str, Any]:
    """Return the parameters as ROS takes them: it has no type for an empty list, so an empty text stands in it."""
    return {key: [""] if value == [] else value for key, value in description.parameters.items()}


def child_environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the environment of a child: ours, the graph's variables, one thread for numerics, and who supervises."""
    environment = {**os.environ, **variables}
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment["STAGE_SUPERVISOR_PID"] = str(os.getpid())
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def new_log_directory() -> Path:
    """Return a new folder for the processes' output and parameters."""
    root = Path(os.environ.get("STAGE_LOG_DIR", Path.home() / ".stage" / "log")).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="graph_", dir=root))
