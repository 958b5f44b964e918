"""The report ports: 30001 (145 bytes) and 30002 (587 bytes) five times a second, 30003 (135 bytes) a hundred times.

Every report begins with its own size. Packing follows the order in which the client library reads the fields; big-endian integers,
little-endian floats, millimetres, radians, Newton metres. Start at `ReportServer.send_due`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import numpy as np

from .command_server import close_abruptly, listen
from .kinematics import angles_from_pose, vector_from_pose
from .machine import Machine
from .messages import pack_floats
from .models import JOINT_ACCELERATION, JOINT_SPEED, TOOL_ACCELERATION
from .read_commands import reduced_states, seven

PERIODS = {30001: 0.2, 30002: 0.2, 30003: 0.01}  # s, by port


def head(machine: Machine) -> bytes:
    """State and mode, queue, joints, pose, efforts: what all reports have (after their size)."""
    return b"".join(
        (
            struct.pack(">BH", machine.mode << 4 | machine.state, machine.motion.queued),
            pack_floats(seven(machine.motion.joints)),
            pack_floats(angles_from_pose(machine.tool_pose())),
            pack_floats(seven(machine.efforts())),
        )
    )


def settings(machine: Machine) -> bytes:
    """Motors, errors and what was set for the tool: what follows the head on 30001 and 30002."""
    kept = machine.settings
    return b"".join(
        (
            bytes([machine.brakes_open, machine.enabled, machine.error, machine.warning]),
            pack_floats(kept.tool_offset),
            pack_floats(kept.tool_load),
            bytes([kept.collision_sensitivity, kept.teach_sensitivity]),
            pack_floats(kept.gravity),
        )
    )


def plate(machine: Machine) -> bytes:
    """Type, axes, identities, firmware, limits of planned motions, and the joints' own codes."""
    facts, kept = machine.facts, machine.settings
    codes = [value for code in machine.servo_codes for value in (3 if code else 0, code)]
    return b"".join(
        (
            bytes([facts.model.type_number, facts.model.axes, 0xAA, 0x55, 0xAA, 0x55]),
            f"v{facts.firmware}".encode()[:29].ljust(30, b"\0"),
            pack_floats([kept.tool_jerk, 1.0, min(kept.tool_acceleration, TOOL_ACCELERATION), 0.1, facts.model.tool_speed]),
            pack_floats([kept.joint_jerk, 0.01, min(kept.joint_acceleration, JOINT_ACCELERATION), 0.0001, JOINT_SPEED]),
            pack_floats([2.3, 2.7]),
            bytes(codes),
            bytes([0, 0]),
        )
    )


def live(machine: Machine) -> bytes:
    """Temperatures, speeds, counter, base offset, self-collision model, voltages, currents."""
    kept, motion = machine.settings, machine.motion
    jacobian = machine.kinematics.jacobian(motion.joints, machine.kinematics.tool_offset[:3, 3])[:3]
    return b"".join(
        (
            bytes([30] * machine.facts.model.axes + [0] * (7 - machine.facts.model.axes)),
            pack_floats([np.linalg.norm(jacobian @ motion.velocity)]),
            pack_floats(seven(motion.velocity)),
            struct.pack(">I", machine.counter),
            pack_floats(kept.world_offset),
            bytes([0, 0, 0, kept.self_collision_check, kept.tool_model]),
            pack_floats(kept.tool_model_sizes),
            struct.pack(">7H", *[4800] * 7),
            pack_floats(seven(machine.efforts() / 10.0)),
        )
    )


def rest(machine: Machine) -> bytes:
    """The box's inputs and outputs (none), force sensor (none), orientation as a vector, switches, reduced mode, devices (none)."""
    kept = machine.settings
    switches = (
        kept.reduced.on | kept.reduced.fence << 1 | kept.report_current << 2 | kept.approximate_motion << 3 | kept.continuous_speed << 4
    )
    return b"".join(
        (
            bytes(2 + 16 + 32),
            pack_floats([0.0] * 12),
            bytes([0]),
            pack_floats(vector_from_pose(machine.tool_pose())[3:]),
            bytes([switches]),
            reduced_states(machine, b"", None),
            bytes(4 + 3 + 6),
        )
    )


def report(machine: Machine, port: int) -> bytes:
    """Return the report of `port` as it is now."""
    with machine.lock:
        body = head(machine)
        if port == 30003:
            body += pack_floats([0.0] * 12)
        else:
            body += settings(machine)
        if port == 30002:
            body += plate(machine) + live(machine) + rest(machine)
    return struct.pack(">I", len(body) + 4) + body


class ReportServer:
    """Accepts clients on the report ports and sends what is due; driven by the controller's own clock, without a thread."""

    def __init__(self, machine: Machine, address: str, ports: dict[int, int]) -> None:
        """Report on `machine`; `ports` maps a report's usual port to the one to listen on."""
        self._machine, self._address, self._ports = machine, address, ports
        self._listeners: dict[int, socket.socket] = {}
        self._clients: dict[int, list[socket.socket]] = {port: [] for port in ports}
        self._due = dict.fromkeys(ports, 0.0)
        self._lock = threading.Lock()
        self.stalled = False  # while set: clients stay connected and get nothing

    def start(self) -> None:
        """Listen; raises OSError if a port is taken."""
        try:
            for port, actual in self._ports.items():
                self._listeners[port] = listen(self._address, actual)
        except OSError:
            self.stop()
            raise

    def stop(self, *, abruptly: bool = False) -> None:
        """Close every socket; twice is harmless."""
        with self._lock:
            for listener in self._listeners.values():
                listener.close()
            self._listeners.clear()
            for clients in self._clients.values():
                for client in clients:
                    close_abruptly(client) if abruptly else client.close()
                clients.clear()

    def send_due(self, now: float) -> None:
        """Take new clients, and send every report whose time has come, to whoever can take it."""
        for port, due in self._due.items():
            if now < due:
                continue
            self._due[port] = due + PERIODS[port] if now - due < PERIODS[port] else now + PERIODS[port]
            with self._lock:
                if port not in self._listeners:
                    continue
                with contextlib.suppress(OSError):
                    client, _ = self._listeners[port].accept()
                    client.setblocking(False)
                    self._clients[port].append(client)
                if self._clients[port] and not self.stalled:
                    self._send(port)

    def _send(self, port: int) -> None:
        frame = report(self._machine, port)
        for client in list(self._clients[port]):
            try:
                if client.send(frame) == len(frame):
                    continue
            except BlockingIOError:
                continue  # it does not read: it gets the next one that fits
            except OSError:
                pass
            client.close()  # gone, or a torn report that nobody could read on from
            self._clients[port].remove(client)
