"""The terminal's keys for an operator: space stops the arm. `stage up` brings it up; `stage operator` is it alone.

The keys y and n say whether the task is done: logged on `stage/operator_success` beside what the stage monitor finds, never read by it.
Software stops are not a safety function: keep the hardware stop in reach. Start at `KEYS`.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import threading
import time
import tty

from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from stage_msgs.msg import ArmState, EnvironmentOutcome, SafetyStatus
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from stage_nodes.node_process import run_node
from stage_nodes.topics import (
    ARM_CLEAR_STOP,
    ARM_HOME,
    ARM_RECOVER,
    ARM_RESUME,
    ARM_STATE,
    ARM_STOP,
    EMERGENCY_STOP,
    GRIPPER_HOME,
    OPERATOR_SUCCESS,
    SAFETY_STATUS,
    best_effort,
    latched,
    reliable,
)

STOP_KEYS = " s"
CONFIRMED = "hg"  # these move the arm or the fingers: the key must be pressed twice
KEYS = {
    "c": (ARM_CLEAR_STOP, "clear the stop"),
    "r": (ARM_RESUME, "resume after a hold"),
    "f": (ARM_RECOVER, "clear a fault"),
    "h": (ARM_HOME, "bring the arm home, slowly"),
    "g": (GRIPPER_HOME, "home the gripper: it opens and closes"),
}
JUDGEMENTS = {"y": (True, "the task is done"), "n": (False, "the task is not done")}
HELP = "space or s: STOP   " + "   ".join(
    f"{key}: {words}{' (twice)' if key in CONFIRMED else ''}" for key, (_, words) in (*KEYS.items(), *JUDGEMENTS.items())
)
CONFIRM_S = 3.0


class OperatorNode(Node):
    """Sends what the keys mean and prints what the arm says."""

    def __init__(self) -> None:
        super().__init__("operator")
        self.exit_code: int | None = None
        self._stop_topic = self.create_publisher(Empty, EMERGENCY_STOP, reliable(1))
        self._callers = {name: self.create_client(Trigger, name) for name in (ARM_STOP, *(service for service, _ in KEYS.values()))}
        self._judgements = self.create_publisher(EnvironmentOutcome, OPERATOR_SUCCESS, reliable(10))
        self.create_subscription(SafetyStatus, SAFETY_STATUS, self._tell, latched())
        self.create_subscription(ArmState, ARM_STATE, self._note_step, best_effort())
        self._step: ArmState | None = None
        self._told = ""
        self._asked: tuple[str, float] = ("", 0.0)
        self._end = threading.Event()
        self._terminal = _Terminal()
        self._thread = threading.Thread(target=self._read_keys, name="keys", daemon=True)
        self._thread.start()
        print(HELP, flush=True)

    def press(self, key: str) -> None:
        """Do what one key means."""
        if key in STOP_KEYS:
            self._stop_topic.publish(Empty())  # the shortest way first; the service answers
            self._call(ARM_STOP)
        elif key in KEYS:
            if key in CONFIRMED and not self._confirmed(key):
                print(f"{KEYS[key][1]}: press {key} again within {CONFIRM_S:g} s. Stand clear, the hardware stop in reach.", flush=True)
                return
            self._call(KEYS[key][0])
        elif key in JUDGEMENTS:
            self._judge(*JUDGEMENTS[key])
        elif key.strip():
            print(HELP, flush=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._end.set()
        self._thread.join(timeout=1.0)
        self._terminal.restore()

    def _confirmed(self, key: str) -> bool:
        asked, self._asked = self._asked, (key, time.monotonic())
        return asked[0] == key and time.monotonic() - asked[1] <= CONFIRM_S

    def _call(self, service: str) -> None:
        client = self._callers[service]
        if not client.service_is_ready():
            print(f"{service}: the arm node does not answer. Use the hardware stop if the arm moves.", flush=True)
            return
        client.call_async(Trigger.Request()).add_done_callback(lambda future: print(f"{service}: {future.result().message}", flush=True))

    def _note_step(self, state: ArmState) -> None:
        self._step = state

    def _judge(self, success: bool, words: str) -> None:
        """Publish the judgement with stamp, episode and sequence of the newest control step."""
        if self._step is None:
            print(f"{words}: not noted, no arm state came yet. Is the graph up?", flush=True)
            return
        step = self._step
        self._judgements.publish(EnvironmentOutcome(header=step.header, sequence=step.sequence, episode=step.episode, success=success))
        print(f"noted: {words} (episode {step.episode}, step {step.sequence})", flush=True)

    def _tell(self, status: SafetyStatus) -> None:
        words = f"arm: {status.mode}{f' ({status.reason})' if status.reason else ''}, source {status.source}"
        if words != self._told:
            self._told = words
            print(words, flush=True)

    def _read_keys(self) -> None:
        with contextlib.suppress(OSError, ExternalShutdownException):
            while not self._end.is_set():
                if not select.select([self._terminal.descriptor], [], [], 0.1)[0]:
                    continue
                keys = os.read(self._terminal.descriptor, 64).decode(errors="ignore")
                if not keys:  # the input was closed
                    self.exit_code = 0
                    return
                for key in keys:
                    self.press(key)


class _Terminal:
    """Standard input, key by key where it is a terminal."""

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(self.descriptor) if os.isatty(self.descriptor) else None
        if self._before is not None:
            tty.setcbreak(self.descriptor)  # Ctrl-C still interrupts

    def restore(self) -> None:
        if self._before is not None:
            termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self._before)


def main() -> int:
    """Run the keys as a process."""
    return run_node(OperatorNode)


if __name__ == "__main__":
    raise SystemExit(main())
