"""Who may command the arm, and who may see the simulation's truth."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import wait_until

SECOND_COMMANDER = """
import sys, time, rclpy
from stage_msgs.msg import ArmCommand
rclpy.init()
node = rclpy.create_node("intruder")
publisher = node.create_publisher(ArmCommand, "command/policy", 10)
print("publishing", flush=True)
sys.stdin.readline()
"""

TRUTH_READERS = """
import sys, time, rclpy
rclpy.init()
node = rclpy.create_node("onlooker")
deadline = time.monotonic() + 20
while time.monotonic() < deadline and node.count_subscribers("truth/stage_observation") < 2:
    rclpy.spin_once(node, timeout_sec=0.1)
readers = {"_NODE_NAME_UNKNOWN_"}
while time.monotonic() < deadline and "_NODE_NAME_UNKNOWN_" in readers:  # names come a moment after the endpoints
    rclpy.spin_once(node, timeout_sec=0.1)
    readers = set()
    for topic in ("truth/stage_observation", "truth/outcome"):
        readers |= {info.node_name for info in node.get_subscriptions_info_by_topic(topic)}
print(",".join(sorted(readers)))
"""


def environment_of(supervisor) -> dict[str, str]:
    return {**os.environ, "ROS_DOMAIN_ID": str(supervisor.domain_id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def test_a_second_publisher_on_a_command_topic_holds_the_arm_in_words(graph, lines):
    supervisor = graph(workcell="fake", policy="scripted", episodes=0)
    lines.wait_for("arm", "command source: policy")
    intruder = subprocess.Popen(
        [sys.executable, "-c", SECOND_COMMANDER], env=environment_of(supervisor), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        said = lines.wait_for("arm", "2 publishers on /command/policy; expected one")
        assert "Stop the second commander" in said
        wait_until(lambda: any("refused" in line or "holds" in line for line in lines.of("arm")), "the arm refuses commands", 10.0, lines)
    finally:
        intruder.kill()
        intruder.wait()


def test_no_policy_subscribes_to_the_simulations_truth(graph, lines):
    supervisor = graph(workcell="maniskill", policy="scripted", episodes=1, horizon_steps=400)
    lines.wait_for("runner", "episode 1", timeout=120.0)
    found = subprocess.run(
        [sys.executable, "-c", TRUTH_READERS], env=environment_of(supervisor), capture_output=True, text=True, timeout=60, check=True
    )
    readers = set(found.stdout.strip().splitlines()[-1].split(","))
    assert "stage_monitor" in readers and "recorder" in readers
    assert "policy" not in readers
