"""A Franka Research 3 with its hand, in software: what franky connects to in a dry run and in tests.

`with FakeFranka("127.0.0.1") as franka:` listens on ports 1337 (arm) and 1338 (gripper) of that address and sends states at 1 kHz to the
client. `inject` makes something go wrong, `clear` ends what lasts, `log` holds what reached the controller. Start at `FakeFranka`.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.franka.command_server import CommandServer
from robot_drivers.fake_controllers.franka.facts import RobotFacts
from robot_drivers.fake_controllers.franka.faults import FAULTS, Faults
from robot_drivers.fake_controllers.franka.gripper import FakeHand
from robot_drivers.fake_controllers.franka.messages import COMMAND_PORT, HEADER, Command, ProtocolError, decode_request
from robot_drivers.fake_controllers.franka.robot import SimulatedRobot
from robot_drivers.fake_controllers.franka.state_stream import StateStream
from robot_drivers.fake_controllers.franka.statuses import ConnectStatus, MoveStatus, RobotMode, SetterStatus
from robot_drivers.fake_controllers.franka.urdf import robot_model

# A setting is refused in the other modes ("command not possible in the current mode").
SETTING_MODES = (RobotMode.IDLE, RobotMode.GUIDING, RobotMode.REFLEX)


class FakeFranka:
    """The controller: connect to it, then command it as the true one."""

    FAULTS = FAULTS

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        log_path: Path | None = None,
        realtime: bool = False,
        command_timeout_s: float = 2.0,
        **facts: Any,
    ) -> None:
        """Prepare; nothing listens yet.

        Args:
            address: A loopback address; its ports 1337 and 1338 are taken, so each controller needs one of its own.
            log_path: A file for the log (JSON lines); None keeps it in memory.
            realtime: Go by the clock and count late commands as lost, as the true controller does. False waits for each command.
            command_timeout_s: How long a motion waits for a command when not `realtime`, seconds.
            facts: Fields of `RobotFacts`: start joints, tool as set in Desk, versions, the state of the gripper.

        Raises:
            TypeError: An unknown fact.
            ValueError: An impossible fact.
        """
        known = {field.name for field in dataclasses.fields(RobotFacts)}
        if unknown := sorted(set(facts) - known):
            raise TypeError(f"{unknown[0]} is no fact of a FakeFranka; expected one of: {', '.join(sorted(known))}")
        self.address = address
        self.log = CommandLog(log_path)
        self.facts = RobotFacts(**facts)
        self.robot = SimulatedRobot(self.facts, self.log)
        self.interface_version = self.facts.interface_version
        self._realtime, self._command_timeout_s = realtime, command_timeout_s
        self.server = CommandServer(address, COMMAND_PORT, HEADER, self.log, "arm", self._on_message, self._on_close)
        self.hand = FakeHand(address, self.facts, self.log)
        self.stream: StateStream | None = None
        self._greeted = False
        self._faults = Faults(self)

    def start(self) -> None:
        """Listen; returns when clients can connect.

        Raises:
            OSError: The address or a port is taken.
        """
        self.stream = StateStream(self.robot, self.address, realtime=self._realtime, command_timeout_s=self._command_timeout_s)
        self.stream.on_protocol_error = lambda reason: self.server.drop()
        self.robot.respond = lambda command, command_id, status: self.server.send(command, command_id, bytes([status]))
        try:
            self.server.start()
            self.hand.start()
        except OSError:
            self.stop()
            raise
        self.log.append("started", address=self.address)

    def stop(self) -> None:
        """Close every socket; twice is harmless."""
        self._faults.cancel()
        self.server.stop()
        self.hand.stop()
        if self.stream is not None:
            self.stream.stop()
        self.log.close()

    def __enter__(self) -> FakeFranka:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def inject(self, fault: str, **options: Any) -> None:
        """Make something go wrong; `FAULTS` names everything that can, with its options.

        Raises:
            ValueError: An unknown fault or option value.
            TypeError: An unknown option.
        """
        self._faults.inject(fault, **options)

    def clear(self, fault: str | None = None) -> None:
        """End a condition that lasts: release the user stop, unlock the joints, plug the cable in; None ends all.

        Raises:
            ValueError: An unknown fault.
        """
        self._faults.clear(fault)

    def restart(self, *, off_s: float = 0.0) -> None:
        """Cut the power for `off_s` seconds and begin anew: connections, settings and errors are gone."""
        self.server.close_listener()
        self.hand.power_down()
        self.server.drop()
        with self.robot.lock:
            self.robot.power_up()
        self.log.append("restarted", off_s=off_s)
        if off_s > 0:
            time.sleep(off_s)
        self.server.listen()
        self.hand.power_up()

    @property
    def joints(self) -> np.ndarray:
        """Where the joints are, (7,) rad."""
        with self.robot.lock:
            return self.robot.arm.joints.copy()

    @property
    def end_effector(self) -> np.ndarray:
        """Where the end effector is, (4, 4) in base."""
        with self.robot.lock:
            return self.robot.arm.end_effector.copy()

    @property
    def mode(self) -> RobotMode:
        """The mode as the state shows it."""
        with self.robot.lock:
            return self.robot.mode

    def recording(self) -> np.ndarray:
        """Return the motion as carried out, one sample per accepted command (fields in `recording.SAMPLE`), oldest first."""
        with self.robot.lock:
            return self.robot.recording.samples()

    def push(self, wrench: np.ndarray) -> None:
        """Push on the end effector with a force and torque (6,), N and Nm, base frame, until pushed with another."""
        with self.robot.lock:
            self.robot.arm.external_wrench = np.array(wrench, dtype=float)
            self.robot.changed = True

    def _on_close(self) -> None:
        if self.stream is not None:
            self.stream.disconnect()
        self._greeted = False
        self.log.append("disconnected", channel="arm")
        with self.robot.lock:
            self.robot.client_gone()

    def _on_message(self, command_number: int, command_id: int, payload: bytes) -> None:
        command, request = decode_request(command_number, payload)
        if self._greeted == (command is Command.CONNECT):
            raise ProtocolError(f"{command.name} came {'again' if self._greeted else 'before CONNECT'}")
        if command is Command.CONNECT:
            self._connect(command_id, request)
            return
        with self.robot.lock:
            self._answer(command, command_id, request)

    def _answer(self, command: Command, command_id: int, request: np.void | None) -> None:
        if command is Command.GET_ROBOT_MODEL:
            self.log.append("get_robot_model")
            self.server.send(command, command_id, b"\0" + robot_model(self.facts.name).encode())
            return
        if command is Command.MOVE:
            status = self.robot.start_motion(command_id, request)
            if status is not MoveStatus.MOTION_STARTED:
                self.log.append("move_refused", status=status.name, mode=self.robot.mode.name)
        elif command is Command.STOP_MOVE:
            self.log.append("stop_move")
            status = self.robot.stop_motion(command_id)
        elif command is Command.AUTOMATIC_ERROR_RECOVERY:
            self.log.append("automatic_error_recovery")
            status = self.robot.recover(command_id)
        else:
            status = self._set(command, request)
        if status is not None:
            self.server.send(command, command_id, bytes([status]))

    def _set(self, command: Command, request: np.void) -> SetterStatus:
        if self.robot.mode not in SETTING_MODES:
            self.log.append("setting_refused", command=command.name, reason=f"the mode is {self.robot.mode.name}")
            return SetterStatus.NOT_POSSIBLE
        if reason := self.robot.configuration.apply(command, request):
            self.log.append("setting_refused", command=command.name, reason=reason)
            return SetterStatus.INVALID_ARGUMENT
        self.robot.arm.set_tool(self.robot.configuration.flange_to_end_effector)
        self.robot.changed = True
        self.log.append(command.name.lower(), **{name: request[name].tolist() for name in request.dtype.names})
        return SetterStatus.SUCCESS

    def _connect(self, command_id: int, request: np.void) -> None:
        version = int(request["version"])
        accepted = version == self.interface_version
        status = ConnectStatus.SUCCESS if accepted else ConnectStatus.INCOMPATIBLE_LIBRARY_VERSION
        self.log.append("connected" if accepted else "version_refused", channel="arm", version=version)
        self.server.send(Command.CONNECT, command_id, bytes([status]) + self.interface_version.to_bytes(2, "little"))
        address = self.server.client_address
        if accepted and address is not None:
            self._greeted = True
            self.stream.connect(address, int(request["udp_port"]))
