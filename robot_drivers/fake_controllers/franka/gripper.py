"""The Franka Hand: its command port, its state datagrams, its fingers. Start at `FakeHand`.

Gripper interface version 3. Widths in metres between the fingers, speeds in m/s, forces in N.
"""

from __future__ import annotations

import contextlib
import enum
import math
import socket
import struct
import threading
import time
from dataclasses import dataclass

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.franka.command_server import CommandServer
from robot_drivers.fake_controllers.franka.facts import RobotFacts
from robot_drivers.fake_controllers.franka.messages import ProtocolError

GRIPPER_PORT = 1338
HEADER = struct.Struct("<HII")
STATE = struct.Struct("<Idd?H")  # message id, width, maximum width, is grasped, temperature in degrees Celsius
STATE_PERIOD_S = 0.02
MAXIMUM_WIDTH = 0.08
MAXIMUM_SPEED = 0.1
HOMING_SPEED = 0.1
TEMPERATURE = 30


class HandCommand(enum.IntEnum):
    """What the client asks for."""

    CONNECT = 0
    HOMING = 1
    GRASP = 2
    MOVE = 3
    STOP = 4


class HandStatus(enum.IntEnum):
    """Answer to every command (to CONNECT: 0 or 1, then the version)."""

    SUCCESS = 0
    FAIL = 1
    UNSUCCESSFUL = 2
    ABORTED = 3


REQUESTS = {
    HandCommand.CONNECT: struct.Struct("<HH"),  # version, UDP port
    HandCommand.HOMING: struct.Struct("<"),
    HandCommand.GRASP: struct.Struct("<ddddd"),  # width, inner and outer tolerance, speed, force
    HandCommand.MOVE: struct.Struct("<dd"),  # width, speed
    HandCommand.STOP: struct.Struct("<"),
}


@dataclass
class _Travel:
    """Fingers on their way."""

    command: HandCommand
    command_id: int
    targets: list[float]  # widths to visit, in order
    speed: float
    accepted_widths: tuple[float, float] | None = None  # of a grasp


class FakeHand:
    """The gripper of one robot; `start` makes it listen where there is one."""

    def __init__(self, address: str, facts: RobotFacts, log: CommandLog) -> None:
        self._facts, self._log = facts, log
        self._lock = threading.RLock()
        self.server = CommandServer(address, GRIPPER_PORT, HEADER, log, "gripper", self._on_message, self._on_close)
        self.version = facts.gripper_version
        self.object_width = facts.object_width
        self.homed = facts.gripper_homed
        self.width = facts.gripper_width
        self.grasped = False
        self.muted = threading.Event()
        self._travel: _Travel | None = None
        self._client: tuple[str, int] | None = None
        self._connected = threading.Event()
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, if the robot has a gripper."""
        if not self._facts.has_gripper:
            return
        self._running = True
        self._thread = threading.Thread(target=self._run, name="fake franka hand", daemon=True)
        self._thread.start()
        self.server.start()

    def stop(self) -> None:
        """Close everything; twice is harmless."""
        self._running = False
        self._connected.set()
        self.server.stop()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        self._thread = None

    def power_down(self) -> None:
        """Drop the client and refuse new ones, as a hand that is unplugged."""
        self.server.close_listener()
        self.server.drop()

    def power_up(self) -> None:
        """Listen again."""
        if self._facts.has_gripper and self._running:
            self.server.listen()

    def _on_close(self) -> None:
        with self._lock:
            self._client, self._travel = None, None
        self._connected.clear()
        self._log.append("disconnected", channel="gripper")

    def _on_message(self, command_number: int, command_id: int, payload: bytes) -> None:
        try:
            command = HandCommand(command_number)
        except ValueError:
            raise ProtocolError(f"gripper command {command_number} is unknown; expected 0 to {max(HandCommand):d}") from None
        if len(payload) != REQUESTS[command].size:
            raise ProtocolError(f"gripper {command.name} has a payload of {len(payload)} bytes; expected {REQUESTS[command].size}")
        if (self._client is not None) == (command is HandCommand.CONNECT):
            raise ProtocolError(f"gripper {command.name} came {'again' if self._client else 'before CONNECT'}")
        values = REQUESTS[command].unpack(payload)
        if command is HandCommand.CONNECT:
            self._connect(command_id, *values)
            return
        with self._lock:
            self._begin(command, command_id, values)

    def _connect(self, command_id: int, version: int, udp_port: int) -> None:
        accepted = version == self.version
        self._log.append("connected" if accepted else "version_refused", channel="gripper", version=version)
        address = self.server.client_address
        if accepted and address is not None:
            self._client = (address, udp_port)
            self._connected.set()
        self.server.send(HandCommand.CONNECT, command_id, struct.pack("<HH", 0 if accepted else 1, self.version))

    def _begin(self, command: HandCommand, command_id: int, values: tuple[float, ...]) -> None:
        self._log.append(f"gripper_{command.name.lower()}", values=list(values))
        self._end(HandStatus.ABORTED)  # a new command takes the place of the one that runs
        if command is HandCommand.STOP:
            self._reply(command, command_id, HandStatus.SUCCESS)
            return
        if command is HandCommand.HOMING:
            self._travel = _Travel(command, command_id, [0.0, MAXIMUM_WIDTH], HOMING_SPEED)
            return
        width, speed = values[0], values[-1] if command is HandCommand.MOVE else values[3]
        if not self.homed or not all(map(math.isfinite, values)) or not 0.0 <= width <= MAXIMUM_WIDTH or not speed > 0.0:
            self._reply(command, command_id, HandStatus.FAIL)
            return
        speed = min(speed, MAXIMUM_SPEED)
        self.grasped = False
        if command is HandCommand.MOVE:
            self._travel = _Travel(command, command_id, [width], speed)
            return
        _, inner, outer, _, force = values
        if force <= 0.0 or inner < 0.0 or outer < 0.0:
            self._reply(command, command_id, HandStatus.FAIL)
            return
        # A grasp closes until something holds the fingers; with nothing there they meet.
        self._travel = _Travel(command, command_id, [0.0], speed, (width - inner, width + outer))

    def _run(self) -> None:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind((self.server.address, 0))
        message_id, before = 0, time.monotonic()
        with sender:
            while self._running:
                self._connected.wait(timeout=0.5)
                now = time.monotonic()
                with self._lock:
                    self._advance(min(now - before, 0.1))
                    client = self._client
                    state = STATE.pack(message_id, self.width, MAXIMUM_WIDTH if self.homed else 0.0, self.grasped, TEMPERATURE)
                before = now
                message_id += round(STATE_PERIOD_S * 1000)
                if client is not None:
                    if not self.muted.is_set():
                        with contextlib.suppress(OSError):
                            sender.sendto(state, client)
                    time.sleep(STATE_PERIOD_S)

    def _advance(self, seconds: float) -> None:
        """Move the fingers; answer when they arrive."""
        travel = self._travel
        if travel is None or self.muted.is_set():
            return
        target = travel.targets[0]
        reach = travel.speed * seconds
        width = max(target, self.width - reach) if target < self.width else min(target, self.width + reach)
        held = self.object_width is not None and travel.command is not HandCommand.HOMING and width <= self.object_width <= self.width
        self.width = self.object_width if held else width
        if not held and self.width != target:
            return
        travel.targets.pop(0)
        if travel.targets and not held:
            return
        if travel.command is HandCommand.HOMING:
            self.homed = True
            self._end(HandStatus.SUCCESS)
        elif travel.accepted_widths is not None:
            low, high = travel.accepted_widths
            self.grasped = low < self.width < high
            self._end(HandStatus.SUCCESS if self.grasped else HandStatus.UNSUCCESSFUL)
        else:
            self._end(HandStatus.UNSUCCESSFUL if held and self.width != target else HandStatus.SUCCESS)

    def _end(self, status: HandStatus) -> None:
        travel, self._travel = self._travel, None
        if travel is not None:
            self._reply(travel.command, travel.command_id, status)

    def _reply(self, command: HandCommand, command_id: int, status: HandStatus) -> None:
        self._log.append("gripper_answer", command=command.name, status=status.name)
        self.server.send(command, command_id, struct.pack("<H", status))
