"""An onlooker in a graph's domain: notes when each arm state arrives and what it says. It takes no part in the lockstep."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Seen:
    """One arm state: `time` on the steady clock, s; episode, sequence, mode; `speed` of the quickest joint, rad/s; `opening` in [0, 1]."""

    time: float
    episode: int
    sequence: int
    mode: str
    hold_reason: str
    speed: float
    opening: float


class Observer:
    """Use as a context manager, in a process that has no other rclpy context."""

    def __init__(self, domain_id: int) -> None:
        self._domain_id = domain_id
        self._lock = threading.Lock()
        self._states: list[Seen] = []

    def __enter__(self) -> Observer:
        import rclpy
        from stage_msgs.msg import ArmState

        from stage_bringup.graph import graph_environment
        from stage_nodes.node_process import make_executor
        from stage_nodes.topics import ARM_STATE, STATE_DEPTH, reliable

        os.environ.update(graph_environment(self._domain_id))
        rclpy.init(args=[], domain_id=self._domain_id)
        self._node = rclpy.create_node("observer")
        self._node.create_subscription(ArmState, ARM_STATE, self._take, reliable(STATE_DEPTH))
        self._executor = make_executor()
        self._executor.add_node(self._node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        import rclpy

        self._stop.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown()
        os.environ.pop("ROS_DOMAIN_ID", None)  # the next graph chooses its own

    @property
    def states(self) -> list[Seen]:
        """What was seen so far."""
        with self._lock:
            return list(self._states)

    @property
    def newest(self) -> Seen:
        """The last of them; there must be one."""
        return self._states[-1]

    def wait_until(self, holds: Any, timeout_s: float) -> bool:
        """Wait until `holds(states)`; False after `timeout_s`."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if holds(self.states):
                return True
            time.sleep(0.01)
        return False

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _take(self, message: Any) -> None:
        speed = float(np.max(np.abs(message.joint_velocities), initial=0.0))
        seen = Seen(
            time.monotonic(), message.episode, message.sequence, message.mode, message.hold_reason, speed, float(message.gripper_opening)
        )
        with self._lock:
            self._states.append(seen)
