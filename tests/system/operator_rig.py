"""Somebody beside the arm: sees its state and asks for stop, resume and recover, in the domain of a graph."""

from __future__ import annotations

import os
import threading
import time

import rclpy
from stage_msgs.msg import ArmState, SafetyStatus
from std_srvs.srv import SetBool, Trigger

from stage_bringup.graph import graph_environment
from stage_nodes.node_process import make_executor
from stage_nodes.topics import ARM_RECOVER, ARM_RESUME, ARM_STATE, POLICY_RUN, SAFETY_STATUS, STATE_DEPTH, latched, reliable


class OperatorRig:
    """Use as a context manager."""

    def __init__(self, domain_id: int) -> None:
        self._domain_id = domain_id
        self.safety: SafetyStatus | None = None
        self.states: list[tuple[float, ArmState]] = []

    def __enter__(self) -> OperatorRig:
        os.environ.update(graph_environment(self._domain_id))
        rclpy.init(args=[], domain_id=self._domain_id)
        self._node = rclpy.create_node("operator_rig")
        self._node.create_subscription(SafetyStatus, SAFETY_STATUS, lambda message: setattr(self, "safety", message), latched())
        self._node.create_subscription(
            ArmState, ARM_STATE, lambda message: self.states.append((time.monotonic(), message)), reliable(STATE_DEPTH)
        )
        self._callers = {name: self._node.create_client(Trigger, name) for name in (ARM_RECOVER, ARM_RESUME)}
        self._run_policy = self._node.create_client(SetBool, POLICY_RUN)
        self._executor = make_executor()
        self._executor.add_node(self._node)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown()
        os.environ.pop("ROS_DOMAIN_ID", None)

    def call(self, name: str, timeout: float = 20.0) -> Trigger.Response:
        """Call a service and return its answer."""
        return self._answer(self._callers[name], Trigger.Request(), timeout)

    def run_policy(self, timeout: float = 20.0) -> SetBool.Response:
        """Let the policy ask for the arm."""
        return self._answer(self._run_policy, SetBool.Request(data=True), timeout)

    def _answer(self, client, request, timeout: float):
        assert client.wait_for_service(timeout_sec=timeout), f"{client.srv_name} is not served"
        future = client.call_async(request)
        deadline = time.monotonic() + timeout
        while not future.done():
            assert time.monotonic() < deadline, f"{client.srv_name} was not answered"
            time.sleep(0.01)
        return future.result()

    def wait(self, condition, what: str, timeout: float = 30.0) -> None:
        """Wait until `condition()` holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"waited {timeout:g} s in vain until {what}; last: {self.safety}"
            time.sleep(0.01)

    def keep_moving(self, seconds: float, timeout: float = 60.0) -> None:
        """Resume after every hold until the arm has moved for so long without one."""
        moving_since, deadline = None, time.monotonic() + timeout
        asked = 0.0
        while moving_since is None or time.monotonic() - moving_since < seconds:
            assert time.monotonic() < deadline, f"the arm did not move for {seconds:g} s; last: {self.safety}"
            mode = self.states[-1][1].mode if self.states else ""
            if mode != "moving":
                moving_since = None
            elif moving_since is None:
                moving_since = time.monotonic()
            if mode == "hold" and time.monotonic() - asked > 0.5:
                asked = time.monotonic()
                self.call(ARM_RESUME)
            time.sleep(0.02)

    def travelled(self, seconds: float) -> float:
        """Return how far any joint moves within the next `seconds`, rad."""
        begun = time.monotonic()
        time.sleep(seconds)  # what is measured is that nothing happens meanwhile
        joints = [message.joint_positions for at, message in self.states if at >= begun]
        return max((abs(a - b) for first in joints[:1] for other in joints for a, b in zip(first, other, strict=True)), default=0.0)

    def _spin(self) -> None:
        while not self._end.is_set():
            self._executor.spin_once(timeout_sec=0.1)
