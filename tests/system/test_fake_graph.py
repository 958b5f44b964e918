"""The topology of a real robot, each device in a process of its own, without hardware and without torch."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from conftest import alive, wait_until

from stage_bringup.configuration_files import find_task
from stage_recorder.reader import read_episode
from stage_recorder.schema import TASK_FILE

FAKE = {"workcell": "fake", "policy": "scripted"}


def test_episodes_are_run_recorded_and_read_back(graph, lines, tmp_path):
    supervisor = graph(**FAKE, episodes=2, horizon_steps=30)
    names = {process.name for process in supervisor.processes}
    assert {"policy_server", "arm", "camera_base", "stage_monitor", "recorder", "policy", "runner"} == names
    ending = supervisor.wait(timeout=90.0)
    assert ending is not None and ending.process.name == "runner" and ending.code == 0, lines.all[-30:]
    results = json.loads((tmp_path / "results.json").read_text())["episodes"]
    assert [result["ended_by"] for result in results] == ["timeout", "timeout"]
    for result in results:
        episode = read_episode(result["directory"])
        assert episode.metadata["state"] == "saved"
        assert (Path(result["directory"]) / TASK_FILE).read_bytes() == find_task("PushCube").read_bytes()
        assert len(episode.stamps) >= 25 and episode.images["base"].shape[1:] == (128, 128, 3)
        assert episode.action_space == "ee_delta_pose" and episode.actions.shape[1] == 6


def test_ctrl_c_ends_every_process_with_exit_code_zero(graph, lines):
    supervisor = graph(**FAKE)
    lines.wait_for("arm", "workcell fake")
    lines.wait_for("policy", "policy scripted")
    supervisor.shut_down()
    codes = {process.name: process.poll() for process in supervisor.processes}
    assert set(codes.values()) == {0}, (codes, lines.all[-30:])


@pytest.mark.parametrize("victim", ["policy_server", "policy", "stage_monitor", "recorder", "camera_base", "arm", "runner"])
def test_a_killed_process_ends_the_graph_by_name_after_the_arm_came_to_hold(graph, lines, victim):
    supervisor = graph(**FAKE, episodes=1, horizon_steps=400)
    lines.wait_for("runner", "episode 1")
    process = next(process for process in supervisor.processes if process.name == victim)
    process.interrupt(signal.SIGKILL)
    ending = supervisor.wait(timeout=20.0)
    assert ending is not None and ending.process.name == victim
    words = str(supervisor.failure(ending))
    assert words.startswith(f"{victim} was killed by SIGKILL")
    assert ("at rest" in words) or victim == "arm", words
    supervisor.shut_down()
    assert not any(alive(process.pid) for process in supervisor.processes)


def test_what_was_recorded_before_a_kill_is_readable_after_the_next_start(graph, lines, tmp_path):
    supervisor = graph(**FAKE, episodes=1, horizon_steps=400)
    lines.wait_for("runner", "episode 1")
    root = tmp_path / "episodes"
    log = wait_until(
        lambda: next((path for path in root.glob("*/*.mcap") if path.stat().st_size > 200_000), None), "the log grows", 30.0, lines
    )
    next(process for process in supervisor.processes if process.name == "recorder").interrupt(signal.SIGKILL)
    supervisor.wait(timeout=20.0)
    supervisor.shut_down()
    graph(**FAKE)
    lines.wait_for("recorder", "an interrupted episode was repaired")
    episode = read_episode(log.parent)
    assert "interrupted" in episode.metadata["flags"] and len(episode.stamps) > 5


def test_killing_the_supervisor_leaves_no_orphan(tmp_path, monkeypatch):
    import subprocess
    import sys

    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.setenv("STAGE_LOG_DIR", str(tmp_path))
    command = [
        sys.executable,
        "-m",
        "stage_bringup.cli.main",
        "up",
        "fake",
        "--policy",
        "scripted",
        "--episode-root",
        str(tmp_path / "episodes"),
    ]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started = next(line for line in parent.stdout if line.startswith("started "))
    pids = [int(part.split(")")[0]) for part in started.split("(")[1:]]
    next(line for line in parent.stdout if line.startswith("[arm]"))
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids), "every child has ended", 20.0)
