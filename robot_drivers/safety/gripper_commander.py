"""Sends gripper commands at their edges alone, in a thread of its own, so that a slow gripper never blocks the arm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from robot_drivers.gripper import Gripper, GripperState
from stage_core.errors import StageError

logger = logging.getLogger(__name__)


class GripperCommander:
    """Owns the gripper: the newest wish wins, repeats within the hysteresis are not sent, nothing opens by itself."""

    def __init__(self, gripper: Gripper, *, hysteresis: float, threaded: bool, poll_s: float, on_fault: Callable[[str], None]) -> None:
        """Wrap `gripper`.

        Args:
            gripper: The device.
            hysteresis: Wishes closer than this to the last command are not sent; fully open and closed always are.
            threaded: False calls the device from `request` and `read`, for a simulation that must stay in step.
            poll_s: How often the thread reads the state, s.
            on_fault: Called with words when the device fails.
        """
        self._gripper = gripper
        self._hysteresis = hysteresis
        self._threaded = threaded
        self._poll_s = poll_s
        self._on_fault = on_fault
        self._wish: float | None = None
        self._sent: float | None = None
        self._state: GripperState | None = None
        self._failed = False
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Reach the device; nothing moves. Raises DeviceError."""
        self._gripper.connect()
        self._state = self._gripper.read()
        self._end.clear()
        if self._threaded:
            self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
            self._thread.start()

    def request(self, opening: float) -> None:
        """Wish for an opening in [0, 1]; returns at once in the threaded mode."""
        if self._threaded:
            self._wish = opening
            self._wake.set()
        else:
            self._send(opening)

    def drop_wish(self) -> None:
        """Forget a wish that was not sent yet: the gripper keeps its last command. Takes no lock."""
        self._wish = None

    def forget(self) -> None:
        """Forget what was sent: the next wish goes out even when it repeats it, as the gripper may have been moved since."""
        self._sent = None

    def read(self) -> GripperState:
        """Return the newest state; in the threaded mode as the thread last read it."""
        return self._state if self._threaded else self._gripper.read()

    def disconnect(self) -> None:
        """End the thread and let go of the device; it keeps its last command. Idempotent."""
        self.drop_wish()
        self._end.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
            self._thread = None
        self._gripper.disconnect()

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait(self._poll_s)
            self._wake.clear()
            if self._end.is_set():
                return
            wish, self._wish = self._wish, None
            try:
                if wish is not None:
                    self._send(wish)
                self._state = self._gripper.read()
                self._failed = False
            except (StageError, OSError, RuntimeError) as error:
                self._fail(str(error))

    def _send(self, opening: float) -> None:
        if not self._is_edge(opening):
            return
        self._gripper.command(opening)
        self._sent = opening

    def _is_edge(self, opening: float) -> bool:
        if self._sent is None:
            return True
        if opening in (0.0, 1.0):
            return opening != self._sent
        return abs(opening - self._sent) > self._hysteresis

    def _fail(self, words: str) -> None:
        if not self._failed:  # told once, not at every poll
            logger.warning("gripper: %s", words)
            self._on_fault(f"gripper: {words}")
        self._failed = True
