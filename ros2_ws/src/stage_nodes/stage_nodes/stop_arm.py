"""Stops the arm from outside and waits until it rests: what the supervisor runs when a process died.

Exit code 0 once the arm is at rest; one line says what came of it.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import rclpy
from stage_msgs.msg import ArmState
from std_srvs.srv import Trigger

from stage_nodes.topics import ARM_STATE, ARM_STOP, STATE_DEPTH, reliable

DEADLINE_S = 5.0
REST_RAD_S = 0.01


def main() -> int:
    """Call arm/stop, then wait for a state at rest."""
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("stop_arm")
    states: list[ArmState] = []
    node.create_subscription(ArmState, ARM_STATE, states.append, reliable(STATE_DEPTH))
    client = node.create_client(Trigger, ARM_STOP)
    try:
        if not client.wait_for_service(timeout_sec=DEADLINE_S):
            print("the arm node does not answer; a controller stops by itself when its client is gone. Look at the arm")
            return 1
        future = client.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(node, future, timeout_sec=DEADLINE_S)
        if not future.done() or not future.result().success:
            print("the arm did not take the stop; use the hardware stop if it moves")
            return 1
        states.clear()
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and not _at_rest(states):
            rclpy.spin_once(node, timeout_sec=0.05)
        # A simulation in lockstep stands still without a command and sends no further state.
        print("the arm is stopped and at rest" if _at_rest(states) or not states else "the arm is stopped, but still moving after 1 s")
        return 0
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _at_rest(states: list[ArmState]) -> bool:
    return bool(states) and float(np.max(np.abs(states[-1].joint_velocities), initial=0.0)) < REST_RAD_S


if __name__ == "__main__":
    raise SystemExit(main())
