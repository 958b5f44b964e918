"""The fake xArm controller as one object: `FakeXArm`.

with FakeXArm("127.0.0.2", control_port=5020, robot_type="xarm6", gripper=True) as controller:
    ...  # the vendor's library connects to 127.0.0.2 once its TCP_CONTROL_PORT says 5020
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..command_log import CommandLog
from . import faults
from .command_server import CommandServer
from .facts import facts_for
from .gripper import XArmGripper
from .machine import Machine
from .reports import PERIODS, ReportServer

CYCLE_S = 0.004  # the controller's own period
TYPE_OF_AXES = {5: "xarm5", 6: "xarm6", 7: "xarm7"}


class FakeXArm:
    """A control box with an arm that exists in numbers only, reached over TCP by the vendor's client library."""

    FAULTS = faults.FAULTS

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        log_path: Path | None = None,
        control_port: int = 502,
        robot_type: str | None = None,
        axes: int | None = None,
        firmware: str = "2.5.0",
        serial: str = "",
        joints: Sequence[float] | None = None,
        tool_offset: Sequence[float] | None = None,
        tool_load: Sequence[float] | None = None,
        gripper: bool = True,
        gripper_position: float = 850.0,
        object_width: float | None = None,
    ) -> None:
        """Build it; nothing listens yet.

        Args:
            address: Loopback address of the control port and the report ports 30001 to 30003.
            log_path: File for the log, JSON lines; None keeps it in memory only.
            control_port: 502 on a true box, which needs rights on this machine; the port above it is served too.
            robot_type: xarm5, xarm6, xarm7, lite6 or 850; by default what `axes` says, else xarm6.
            axes: 5, 6 or 7.
            firmware: Such as 2.5.0; from 2.0.102 clients wait for motions by feedback packets.
            serial: Serial number of the arm; its characters 3 to 6 are the hardware generation.
            joints: Start joints (n,), rad.
            tool_offset: x, y, z in mm, roll, pitch, yaw in rad, as the box has it when it starts.
            tool_load: kg, then centre of mass x, y, z in mm, as the box has it when it starts.
            gripper: Whether an xArm gripper is fitted.
            gripper_position: Pulses at which it starts; 850 open, 0 closed.
            object_width: Pulses at which closing fingers meet an object; None for nothing between them.

        Raises:
            ValueError: For facts that do not fit together.
        """
        robot_type = robot_type or TYPE_OF_AXES.get(6 if axes is None else axes, f"{axes} axes")
        facts = facts_for(
            robot_type,
            axes=axes,
            firmware=firmware,
            serial=serial,
            joints=joints,
            tool_offset=tool_offset,
            tool_load=tool_load,
        )
        self.address, self.control_port = address, control_port
        self.log = CommandLog(log_path)
        fitted = XArmGripper(position=gripper_position, object_width=object_width) if gripper else None
        self.machine = Machine(facts, fitted, self.log)
        self.commands = CommandServer(self.machine, address, (control_port, control_port + 1))
        self.reports = ReportServer(self.machine, address, {port: port for port in PERIODS})
        self._lock = threading.RLock()  # starting, stopping and cutting exclude each other
        self._ending = threading.Event()
        self._clock: threading.Thread | None = None
        self._mending: threading.Timer | None = None

    def start(self) -> None:
        """Listen and let the controller's clock run; raises OSError if a port is taken or needs more rights."""
        with self._lock:
            if self._clock is not None:
                return
            self._ending.clear()
            self._open()
            self._clock = threading.Thread(target=self._run, name="xarm-clock", daemon=True)
            self._clock.start()

    def stop(self) -> None:
        """Close every socket and end the threads; twice is harmless."""
        with self._lock:
            self._ending.set()
            clock, self._clock = self._clock, None
            if clock is not None:
                clock.join(2.0)
            self._forget_mending()
            self.commands.stop()
            self.reports.stop()
            self.log.close()

    def __enter__(self) -> FakeXArm:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def inject(self, fault: str, **options: Any) -> None:
        """Make one of `FAULTS` happen; ValueError names the known ones."""
        faults.inject(self, fault, dict(options))

    def clear(self, fault: str | None = None) -> None:
        """End an injected condition that lasts; None ends all of them. Errors stay until the client cleans them."""
        faults.clear(self, fault)

    def restart(self) -> None:
        """Drop every connection and begin anew, as a power cycle does: stopped, motors off, nothing kept that was not saved."""
        with self._lock:
            self._close_abruptly()
            with self.machine.lock:
                self.machine.switch_on()
            self.log.append("restarted")
            if self._clock is not None:
                self._open()

    def cut(self, seconds: float) -> None:
        """Reset every connection and refuse new ones for `seconds` (0: until `mend`)."""
        with self._lock:
            self._close_abruptly()
            if seconds > 0.0:
                self._mending = threading.Timer(seconds, self.mend)
                self._mending.daemon = True
                self._mending.start()

    def mend(self) -> None:
        """Accept connections again after `cut`."""
        with self._lock:
            self._forget_mending()
            if self._clock is not None and not self.commands.listening:
                self._open()

    def _forget_mending(self) -> None:
        timer, self._mending = self._mending, None
        if timer is not None:
            timer.cancel()

    def _open(self) -> None:
        self.reports.start()  # first: whoever can reach the control port may ask for reports
        try:
            self.commands.start()
        except OSError:
            self.reports.stop()
            raise

    def _close_abruptly(self) -> None:
        self._forget_mending()
        self.commands.stop(abruptly=True)
        self.reports.stop(abruptly=True)

    def _run(self) -> None:
        """Move the arm and send reports, 250 times a second."""
        next_cycle = time.monotonic()
        while not self._ending.wait(max(0.0, next_cycle - time.monotonic())):
            now = time.monotonic()
            with self.machine.lock:
                self.machine.cycle(now)
            self.reports.send_due(now)
            next_cycle = max(next_cycle + CYCLE_S, now)
