"""`--dry-run`: the whole graph of a real robot on a fake controller, and `--read-only`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from robot_drivers.launch_choices import LaunchChoices
from stage_bringup.graph import graph_environment
from stage_recorder.reader import read_episode

pytestmark = pytest.mark.slow

ASK = """
import sys, rclpy
from stage_msgs.srv import SetCommandSource
rclpy.init()
node = rclpy.create_node("asker")
client = node.create_client(SetCommandSource, "arm/set_command_source")
assert client.wait_for_service(timeout_sec=20.0)
future = client.call_async(SetCommandSource.Request(source="teleop", requester="test"))
rclpy.spin_until_future_complete(node, future, timeout_sec=10.0)
print(future.result().accepted, future.result().message)
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.parametrize("robot", ["franka", "xarm"])
def test_an_episode_of_a_dry_run_is_recorded_and_says_what_it_is(robot, graph, lines, tmp_path):
    supervisor = graph(workcell=robot, policy="scripted", episodes=1, horizon_steps=40, choices=LaunchChoices(dry_run=True))
    names = {process.name for process in supervisor.processes}
    assert {
        "fake_controller",
        "arm",
        "camera_wrist",
        "camera_base",
        "policy_server",
        "policy",
        "recorder",
        "stage_monitor",
        "runner",
    } == names
    ending = supervisor.wait(timeout=120.0)
    assert ending is not None and ending.process.name == "runner" and ending.code == 0, lines.all[-30:]
    result = json.loads((tmp_path / "results.json").read_text())["episodes"][0]
    episode = read_episode(result["directory"])
    assert episode.metadata["dry_run"] is True and episode.metadata["state"] == "saved"
    assert {"wrist", "base"} <= set(episode.images) and len(episode.stamps) >= 30
    assert "reduced speed" in " ".join(lines.of("arm"))


def test_a_read_only_graph_publishes_and_refuses_every_source(graph, lines):
    supervisor = graph(workcell="xarm", source="none", record=False, choices=LaunchChoices(dry_run=True, read_only=True))
    lines.wait_for("arm", "read-only", timeout=60.0)
    environment = {**graph_environment(supervisor.domain_id)}
    asked = subprocess.run([sys.executable, "-c", ASK], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
    assert asked.stdout.startswith("False") and "read-only" in asked.stdout, asked.stdout + asked.stderr
