"""Rate and staleness of a node's inputs and outputs on /diagnostics, once a second."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from stage_nodes.topics import DIAGNOSTICS, reliable

WINDOW = 100


@dataclass
class _Stream:
    """One watched stream: arrival times on the steady clock, and how old the newest may get, s."""

    max_age_s: float
    times: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))


class NodeDiagnostics:
    """Publishes one DiagnosticStatus per watched stream, and one for the node itself."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._streams: dict[str, _Stream] = {}
        self._level, self._message = DiagnosticStatus.OK, "ok"
        self._values: dict[str, str] = {}
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS, reliable(10))
        self._timer = node.create_timer(1.0, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def watch(self, name: str, *, max_age_s: float) -> None:
        """Watch a stream; older than `max_age_s` it is reported stale."""
        self._streams[name] = _Stream(max_age_s)

    def tick(self, name: str) -> None:
        """Note that one message of the stream came or went."""
        self._streams[name].times.append(time.monotonic())

    def age(self, name: str) -> float:
        """Return the seconds since the stream's newest message, infinite before the first."""
        times = self._streams[name].times
        return time.monotonic() - times[-1] if times else float("inf")

    def set_status(self, level: bytes, message: str, **values: object) -> None:
        """Set the node's own level and words."""
        self._level, self._message = level, message
        self._values = {key: str(value) for key, value in values.items()}

    def publish(self) -> None:
        """Publish now."""
        prefix = self._node.get_fully_qualified_name()
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        own = DiagnosticStatus(level=self._level, name=prefix, message=self._message, hardware_id=prefix)
        own.values = [KeyValue(key=key, value=value) for key, value in self._values.items()]
        array.status.append(own)
        for name, stream in self._streams.items():
            array.status.append(self._stream_status(f"{prefix}: {name}", name, stream))
        self._publisher.publish(array)

    def _stream_status(self, title: str, name: str, stream: _Stream) -> DiagnosticStatus:
        times = list(stream.times)
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        rate = (len(times) - 1) / span if span > 0 else 0.0
        age = self.age(name)
        stale = age > stream.max_age_s
        words = f"STALE: nothing for {age:.1f} s (limit {stream.max_age_s:.1f} s)" if stale else "ok"
        status = DiagnosticStatus(level=DiagnosticStatus.STALE if stale else DiagnosticStatus.OK, name=title, message=words)
        status.values = [KeyValue(key="rate_hz", value=f"{rate:.2f}"), KeyValue(key="age_s", value=f"{age:.3f}")]
        return status
