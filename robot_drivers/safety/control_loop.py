"""A thread that turns at a fixed rate on the steady clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

CLOSEST = 0.8  # of a period between the beginnings of two turns; lateness is made up for over several of them
STUCK_S = 0.5  # a loop that is silent for longer is stuck


class ControlLoop:
    """Calls one function periodically; a late turn moves those after it. The function must not raise."""

    def __init__(self, turn: Callable[[], None], *, period_s: float) -> None:
        """Call `turn` every `period_s` seconds once started."""
        self._turn = turn
        self._period = period_s
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._turned_at = 0.0

    @property
    def running(self) -> bool:
        """True while the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def trouble(self) -> str:
        """Return in words that the loop was started and does not turn: a driver call is stuck; or ""."""
        silent = time.monotonic() - self._turned_at
        if self._thread is None or silent <= STUCK_S:
            return ""
        return f"the control loop has not turned for {silent:.1f} s: a driver call is stuck. Stop the arm."

    def start(self) -> None:
        """Start the thread; does nothing when it runs."""
        if self.running:
            return
        self._end.clear()
        self._turned_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="safe_arm", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it, at most 2 s: a turn may be stuck in a driver. Idempotent."""
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)
            if not self._thread.is_alive():
                self._thread = None

    def _run(self) -> None:
        due = time.monotonic()
        while not self._end.is_set():
            begun = time.monotonic()
            self._turn()
            self._turned_at = time.monotonic()
            # A turn right after a late one would send two set-points at once: the arm would see a jump in speed.
            due = max(due + self._period, begun + CLOSEST * self._period)
            self._end.wait(max(0.0, due - self._turned_at))
