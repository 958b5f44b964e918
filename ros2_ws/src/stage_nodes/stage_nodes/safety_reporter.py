"""Tells what stands between commands and arm: on a latched topic, in the diagnostics, and each limit in the log once a second at most."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from stage_msgs.msg import SafetyStatus

from robot_drivers.arm import ArmMode
from robot_drivers.safety import SafeArmStatus
from robot_drivers.workcell import Workcell
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.topics import SAFETY_STATUS, latched

REPEAT_S = 1.0
LEVELS = {ArmMode.FAULT: DiagnosticStatus.ERROR, ArmMode.STOPPED: DiagnosticStatus.ERROR, ArmMode.HOLD: DiagnosticStatus.WARN}


class SafetyReporter:
    """Publishes SafeArm's status when it changes, and once a second."""

    def __init__(self, node: Node, workcell: Workcell, diagnostics: NodeDiagnostics) -> None:
        self._node, self._workcell, self._diagnostics = node, workcell, diagnostics
        self._publisher = node.create_publisher(SafetyStatus, SAFETY_STATUS, latched())
        self._counts: dict[str, int] = {}
        self._warned_at: dict[str, float] = {}
        self._told: tuple = ()
        self._told_at = -REPEAT_S

    def report(self) -> SafeArmStatus:
        """Look at SafeArm once and tell what is new."""
        status = self._workcell.safe_arm.status()
        self._warn(status)
        words = status.hold_reason or status.mode.value
        counts = {f"limited {name}": count for name, count in status.interventions.items()}
        self._diagnostics.set_status(
            LEVELS.get(status.mode, DiagnosticStatus.OK),
            words,
            source=status.source,
            longest_silence_s=f"{status.longest_silence:.3f}",
            **counts,
        )
        told = (status.mode, status.hold_reason, status.source, tuple(status.interventions.items()))
        if told != self._told or time.monotonic() - self._told_at >= REPEAT_S:
            self._told, self._told_at = told, time.monotonic()
            self._publisher.publish(self._message(status))
        return status

    def _warn(self, status: SafeArmStatus) -> None:
        """Log the newest of each limit that was applied since it was last told; one name at most once a second."""
        now = time.monotonic()
        for name, count in status.interventions.items():
            if name.startswith("refused_"):
                continue  # the gateway told it with the command's number
            if count != self._counts.get(name, 0) and now - self._warned_at.get(name, -REPEAT_S) >= REPEAT_S:
                self._counts[name], self._warned_at[name] = count, now
                newest = next((words for words in reversed(status.last_limits) if words.startswith(name)), "")
                self._node.get_logger().warning(f"{newest or status.last_limits[-1]} ({name} {count} times)")

    def _message(self, status: SafeArmStatus) -> SafetyStatus:
        config = self._workcell.config
        message = SafetyStatus(mode=status.mode.value, reason=status.hold_reason, source=status.source)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.header.frame_id = self._workcell.safe_arm.description.base_frame
        message.read_only, message.dry_run = config.read_only, config.dry_run
        message.full_speed = config.full_speed or not self._workcell.moves_metal
        message.limits = list(status.interventions)
        message.counts = [int(count) for count in status.interventions.values()]
        message.longest_silence = status.longest_silence
        message.newest = list(status.last_limits)
        return message
