"""Ends a send that lasts beyond its deadline, by shutting the socket.

A peer that stops reading blocks a sender for ever once the buffers are full, and the websockets library has no
deadline for it. One sleeping thread per connection looks every 20 ms, so that a send costs no thread of its own
(starting one takes 50 microseconds, and milliseconds on a busy machine). Start at `SendWatchdog.until`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

LOOK_EVERY = 0.02  # s; a send may last this much longer than its deadline


class SendWatchdog:
    """Watches the sends on one socket until `close`."""

    def __init__(self, watched: socket.socket) -> None:
        self._socket = watched
        self._end: float | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="policy-send-watchdog", daemon=True).start()

    @contextlib.contextmanager
    def until(self, end: float) -> Iterator[None]:
        """Shut the socket if the block lasts beyond `end`, steady clock, s; what waits on it then raises."""
        with self._lock:
            self._end = end
        try:
            yield
        finally:
            with self._lock:
                self._end = None

    def close(self) -> None:
        """End the thread. Idempotent, from any thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(LOOK_EVERY):
            with self._lock:
                if self._end is not None and time.monotonic() >= self._end:
                    shut(self._socket)
                    return


def shut(raw: socket.socket | None) -> None:
    """Wake every thread that waits on a socket."""
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
