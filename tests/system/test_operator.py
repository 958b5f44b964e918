"""The operator's ways to stop an arm: the terminal's keys, the topic, the service; and two arms side by side."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from conftest import wait_until

from stage_bringup.isolation import DOMAIN_VARIABLE
from stage_recorder.reader import read_episode

PROBE = """
import json, sys, time, rclpy
from stage_msgs.msg import SafetyStatus
from std_msgs.msg import Empty
from stage_nodes.topics import latched, reliable
names, stop, seconds = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3])
rclpy.init()
node = rclpy.create_node("probe")
seen = {}
for name in names:
    node.create_subscription(SafetyStatus, f"/{name}/arm/safety", lambda m, name=name: seen.__setitem__(name, m.mode), latched())
publisher = node.create_publisher(Empty, f"/{stop}/arm/emergency_stop", reliable(1))
end = time.monotonic() + seconds
sent = False
while time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.05)
    if not sent and len(seen) == len(names) and publisher.get_subscription_count():
        print(json.dumps(seen), flush=True)
        publisher.publish(Empty())
        sent = True
    if sent and seen.get(stop) == "stopped":
        break
print(json.dumps(seen), flush=True)
"""


class Terminal:
    """`stage up` in a terminal of its own."""

    def __init__(self, arguments: list[str]) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "stage_bringup.cli.main", "up", *arguments])
        self.text = ""

    def wait_for(self, words: str, *, timeout: float = 60.0) -> None:
        """Read until `words` were printed after the last call."""
        deadline = time.monotonic() + timeout
        while words not in self.text:
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{self.text[-3000:]}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.descriptor, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"ended before {words!r} came:\n{self.text[-3000:]}") from None
        self.text = self.text.split(words, 1)[1]

    def press(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def end(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.press("\x03")
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.descriptor, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    break
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE_LOG_DIR", str(tmp_path / "log"))
    opened = []

    def open_terminal(*arguments: str) -> Terminal:
        opened.append(Terminal([*arguments, "--episode-root", str(tmp_path / "episodes")]))
        return opened[-1]

    yield open_terminal
    for entry in opened:
        entry.kill()


def test_keys_in_the_terminal_stop_clear_resume_and_ask_before_they_move_the_arm(terminal):
    up = terminal("fake", "--source", "none")
    up.wait_for("space or s: STOP")
    up.wait_for("arm: idle")
    up.press(" ")
    up.wait_for("arm: stopped")
    up.press("c")
    up.wait_for("arm: hold")
    up.press("r")
    up.wait_for("arm: idle")
    up.press("h")
    up.wait_for("press h again")
    up.press("h")
    up.wait_for("home_joints_rad")  # the fake workcell has no home, and says so
    assert up.end() == 0


def test_an_episode_in_which_the_arm_was_stopped_says_so_with_its_interventions(graph, lines, tmp_path):
    supervisor = graph(workcell="fake", policy="scripted", episodes=1, horizon_steps=200)
    lines.wait_for("runner", "episode 1")
    log = wait_until(lambda: next((tmp_path / "episodes").glob("*/*.mcap"), None), "a log is open", 30.0, lines)
    wait_until(lambda: log.stat().st_size > 300_000, "the arm moves", 30.0, lines)
    environment = {**os.environ, "ROS_DOMAIN_ID": str(supervisor.domain_id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    stopped = subprocess.run([sys.executable, "-m", "stage_nodes.stop_arm"], env=environment, capture_output=True, text=True, timeout=60)
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    supervisor.wait(timeout=60.0)
    metadata = read_episode(log.parent).metadata
    assert "arm_stopped" in metadata["flags"]
    assert metadata["interventions"].get("refused_stopped", 0) > 0


def test_of_two_arms_with_namespaces_the_topic_stops_the_one_it_names(graph, lines, monkeypatch):
    monkeypatch.setenv(DOMAIN_VARIABLE, str(100 + os.getpid() % 100))
    for name in ("left", "right"):
        graph(workcell="fake", source="none", record=False, namespace=name)
    wait_until(lambda: sum("workcell fake" in line for line in lines.of("arm")) == 2, "both arms are up", 60.0, lines)
    environment = {**os.environ, "ROS_DOMAIN_ID": os.environ[DOMAIN_VARIABLE], "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    command = [sys.executable, "-c", PROBE, json.dumps(["left", "right"]), "left", "30"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    before, after = (json.loads(line) for line in done.stdout.splitlines())
    assert before == {"left": "idle", "right": "idle"}, done.stderr
    assert after == {"left": "stopped", "right": "idle"}
