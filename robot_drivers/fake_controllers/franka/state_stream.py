"""The 1 kHz cycle: a state goes out, and while a motion runs the command for it comes in.

Without `realtime` the cycle waits for the command of each state (bounded), so a motion is the same under any load; the cycle is never
faster than 1 kHz. With `realtime` it goes by the clock and a late command is a lost one. One thread; asleep while nobody is connected.
Start at `StateStream`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from robot_drivers.fake_controllers.franka.messages import ProtocolError, decode_robot_command
from robot_drivers.fake_controllers.franka.robot import SimulatedRobot
from robot_drivers.fake_controllers.franka.state_record import StateRecord

CYCLE_S = 1e-3
# Before its first command a client reads two states and then thinks; sending on at 1 kHz would only make it skip states under load.
HANDOVER_S = 4e-3
REST_REFRESH_CYCLES = 50


class StateStream:
    """Sends states to one client and takes its robot commands."""

    def __init__(self, robot: SimulatedRobot, address: str, *, realtime: bool, command_timeout_s: float) -> None:
        """Prepare.

        Args:
            robot: What is simulated.
            address: Where the UDP socket is bound (any port).
            realtime: Go by the clock instead of waiting for each command.
            command_timeout_s: How long a motion waits for one command when not `realtime`; then it is a communication violation.
        """
        self._robot = robot
        self._realtime = realtime
        self._command_timeout_s = command_timeout_s
        self._record = StateRecord()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._client: tuple[str, int] | None = None
        self._connected = threading.Event()
        self._running = True
        self.muted = threading.Event()  # while set, no state leaves and no command arrives
        self.on_protocol_error = lambda reason: None
        self._thread = threading.Thread(target=self._run, name="fake franka state", daemon=True)
        self._thread.start()

    def connect(self, address: str, port: int) -> None:
        """Send the states there from now on."""
        with self._robot.lock:
            self._client = (address, port)
            self._robot.changed = True
        self._connected.set()

    def disconnect(self) -> None:
        """Send no more states."""
        self._connected.clear()
        self._client = None

    def stop(self) -> None:
        """End the thread and close the socket; twice is harmless."""
        self._running = False
        self._connected.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)
        self._socket.close()

    def _run(self) -> None:
        due = time.monotonic()
        while self._running:
            if not self._connected.is_set() and self._robot.arm.standing:
                self._connected.wait(timeout=0.5)
                due = time.monotonic()
                continue
            handover = self._cycle(due)
            # Never to catch up: a cycle that was late makes the next ones late, not short.
            due = max(due + (HANDOVER_S if handover else CYCLE_S), time.monotonic())
            pause = due - time.monotonic()
            if pause > 0 and not self._realtime_motion:
                time.sleep(pause)

    @property
    def _realtime_motion(self) -> bool:
        """Whether `_take_commands` itself waits until the end of the cycle."""
        motion = self._robot.motion
        return self._realtime and motion is not None and motion.last_message_id is not None and self._robot.awaits_commands

    def _cycle(self, due: float) -> bool:
        """Run one cycle; return whether a motion still waits for its first command."""
        robot = self._robot
        with robot.lock:
            robot.advance()
            if robot.changed or robot.message_id % REST_REFRESH_CYCLES == 0:
                robot.changed = False
                self._record.fill(robot.arm, robot.configuration, robot.modes, robot.errors, robot.reflex_reason, robot.success_rate)
                self._react_to_contact()
            self._record.set_message_id(robot.message_id)
            message_id = robot.message_id
            client, motion = self._client, robot.motion
            waiting = robot.awaits_commands
            first = motion is None or motion.last_message_id is None
        if client is not None and not self.muted.is_set():
            # Nobody there any more shows on the next read; a full buffer drops the datagram as a wire would.
            with contextlib.suppress(OSError):
                self._socket.sendto(self._record.buffer, client)
        if not waiting:
            self._drain()
            return False
        if first:
            self._take_commands(message_id, time.monotonic() + HANDOVER_S / 2)
            return motion.last_message_id is None
        if self._realtime:
            if not self._take_commands(message_id, due + CYCLE_S):
                with robot.lock:
                    robot.miss()
            return False
        if not self._take_commands(message_id, time.monotonic() + self._command_timeout_s):
            with robot.lock:
                if robot.awaits_commands and robot.motion is motion:
                    robot.log.append("command_timeout", waited_s=self._command_timeout_s)
                    robot.reflex("communication_constraints_violation")
        return False

    def _take_commands(self, message_id: int, deadline: float) -> bool:
        """Take commands until the one for this state came (True), the motion ended (True), or the deadline (False)."""
        robot = self._robot
        while robot.awaits_commands:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self._running:
                return False
            # In slices, so that a fault injected meanwhile ends the wait.
            self._socket.settimeout(min(remaining, 0.02))
            try:
                datagram, sender = self._socket.recvfrom(2048)
            except (TimeoutError, BlockingIOError):
                continue
            except OSError:
                return False
            answered = self._take(datagram, sender)
            if answered is not None and answered >= message_id:
                return True
        return True

    def _take(self, datagram: bytes, sender: tuple[str, int]) -> int | None:
        """Pass one datagram on; return the state it answers, or None where it is none of ours."""
        if self.muted.is_set() or self._client is None:
            return None
        if sender[1] != self._client[1]:
            self._robot.log.append(
                "protocol_error", channel="state", reason=f"datagram from {sender[0]}:{sender[1]}, which is not the client"
            )
            return None
        try:
            command = decode_robot_command(datagram)
            message_id = int(command["message_id"])
            if message_id > self._robot.message_id:
                raise ProtocolError(f"a command answers state {message_id}; the newest is {self._robot.message_id}")
        except ProtocolError as error:
            self._robot.log.append("protocol_error", channel="state", reason=str(error))
            self.on_protocol_error(str(error))
            return None
        with self._robot.lock:
            self._robot.take(command)
        return message_id

    def _drain(self) -> None:
        """Throw away what comes while nothing moves, but look at it: bytes that are no command end the connection."""
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            while True:
                self._take(*self._socket.recvfrom(2048))

    def _react_to_contact(self) -> None:
        error = self._record.colliding()
        if error is not None and self._robot.motion is not None:
            self._robot.reflex(error)
