"""Asks the arm node to go home and waits until it is there, or says why not. What `stage home` runs."""

from __future__ import annotations

import sys
import time

import rclpy
from stage_msgs.msg import SafetyStatus
from std_srvs.srv import Trigger

from stage_nodes.topics import ARM_HOME, GRIPPER_HOME, SAFETY_STATUS, latched

FIND_S = 10.0
HOME_S = 100.0


def main() -> int:
    """Return 0 once the arm is at rest with no source, 1 with the reason on the last line."""
    gripper = "gripper" in sys.argv[1:]
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("go_home")
    states: list[SafetyStatus] = []
    node.create_subscription(SafetyStatus, SAFETY_STATUS, states.append, latched())
    client = node.create_client(Trigger, GRIPPER_HOME if gripper else ARM_HOME)
    try:
        if not client.wait_for_service(timeout_sec=FIND_S):
            print(f"no arm node answers in this domain within {FIND_S:g} s. Is the graph up? Compare --domain and --namespace.")
            return 1
        future = client.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(node, future, timeout_sec=FIND_S)
        if not future.done():
            print(f"the arm node did not answer within {FIND_S:g} s.")
            return 1
        print(future.result().message)
        if gripper or not future.result().success:
            return 0 if future.result().success else 1
        states.clear()
        deadline = time.monotonic() + HOME_S
        while time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.1)
            if states and states[-1].source != "home":
                reached = states[-1].mode in ("idle", "moving")
                print("the arm is at home" if reached else f"the arm did not get home: {states[-1].reason}")
                return 0 if reached else 1
        print(f"the arm is not home after {HOME_S:g} s.")
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
