"""For how long a controller has been silent, in time that this process itself was awake. Start at `SilenceWatch`.

A busy computer may put the whole process to sleep for a quarter of a second; that is no lost link. So time is counted in short steps by a
thread, and a step that took longer than it should counts as a short one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

STEP_S = 0.02
LONGEST_STEP_S = 0.04


class SilenceWatch:
    """Looks at marks that change with every sign of life; `seconds[k]` is how long the k-th stayed the same."""

    def __init__(self, marks: Callable[[], tuple[object, ...]], *, steady: Callable[[], float]) -> None:
        """Start the thread. `marks` returns the present ones, None for one that is not waited for; `steady` is a clock that never jumps, s."""
        self._marks, self._steady = marks, steady
        self._last = marks()
        self.seconds = [0.0] * len(self._last)
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="xarm_silence", daemon=True).start()

    def end(self) -> None:
        """Let the thread end."""
        self._ended.set()

    def _run(self) -> None:
        before = self._steady()
        while not self._ended.wait(STEP_S):
            now = self._steady()
            step = min(now - before, LONGEST_STEP_S)
            before, marks = now, self._marks()
            for index, (mark, last) in enumerate(zip(marks, self._last, strict=True)):
                self.seconds[index] = 0.0 if mark is None or mark != last else self.seconds[index] + step
            self._last = marks
