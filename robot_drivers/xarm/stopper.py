"""The thread that stops, on a connection of its own: no call that hangs elsewhere can keep it waiting. Start at `Stopper.stop`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

STOP_WAIT_S = 0.04  # a stop on a healthy link takes a millisecond or two; nobody waits longer for a lost one


class Stopper:
    """Sends one stop after the other; `stop` waits for the answer, but never for long."""

    def __init__(self, send: Callable[[], None]) -> None:
        """Start the thread. `send` stops the controller and may hang."""
        self._send = send
        self._counting = threading.Lock()  # of the two numbers alone, never held while anything waits
        self._asked = self._done = 0
        self._wake = threading.Event()
        self._answered = threading.Event()
        self._ended = False
        threading.Thread(target=self._run, name="xarm_stopper", daemon=True).start()

    def announce(self) -> int:
        """Note that a stop is coming, so that nobody makes the controller ready before it arrived. Returns its number."""
        with self._counting:
            self._asked += 1
            return self._asked

    @property
    def idle(self) -> bool:
        """True while no stop is on its way."""
        return self._done >= self._asked

    def stop(self, number: int) -> None:
        """Send the stop that was announced and wait for its answer, at most `STOP_WAIT_S`. From any thread."""
        self._answered.clear()
        self._wake.set()
        if self._done < number:
            self._answered.wait(STOP_WAIT_S)

    def end(self) -> None:
        """Let the thread end, once it has sent what was asked."""
        self._ended = True
        self._wake.set()

    def _run(self) -> None:
        while not (self._ended and self.idle):
            self._wake.wait()
            self._wake.clear()
            with self._counting:
                asked = self._asked
            if asked > self._done:
                with contextlib.suppress(Exception):  # the next stop must find this thread alive, whatever the SDK raises
                    self._send()
                with self._counting:
                    self._done = asked
                self._answered.set()
