"""Child processes of a benchmark: started with the graph's variables, ended whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stage_core.errors import DeadlineError, DeviceError

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def running(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen]:
    """Run `python -m module arguments` while the block lasts; its output goes to the console of the benchmark only on failure."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **(environment or {})}
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        for number, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 5.0)):
            if process.poll() is None:
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
        process.stdout.close()


def wait_for_line(process: subprocess.Popen, words: str, timeout_s: float = 60.0) -> str:
    """Return the first line of output that holds the words.

    Raises:
        DeviceError: If the process ends before, with its last line.
        DeadlineError: If the line does not come in time.
    """
    last, until = "", time.monotonic() + timeout_s
    for line in process.stdout:
        last = line.strip() or last
        if words in line:
            return line.strip()
        if time.monotonic() > until:
            raise DeadlineError(f'"{words}" did not come within {timeout_s:g} s; last line: {last}')
    raise DeviceError(f'the process ended before it said "{words}"; last line: {last}')


def milliseconds(samples: list[float]) -> dict[str, float]:
    """Return median, p90, p99 and maximum of samples in s, as ms."""
    import numpy as np

    values = 1e3 * np.asarray(samples)
    figures = {"median": np.median(values), "p90": np.percentile(values, 90), "p99": np.percentile(values, 99), "maximum": values.max()}
    return {name: round(float(value), 3) for name, value in figures.items()}
