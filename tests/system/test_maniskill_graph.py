"""ManiSkill3 as the robot, through the very same nodes."""

from __future__ import annotations

import json

from stage_recorder.reader import read_episode

SCRIPT = {"workcell": "maniskill", "source": "script"}


def run(graph, lines, tmp_path, **fields):
    supervisor = graph(**SCRIPT, **fields)
    ending = supervisor.wait(timeout=180.0)
    assert ending is not None and ending.process.name == "runner" and ending.code == 0, lines.all[-30:]
    supervisor.shut_down()
    return json.loads((tmp_path / "results.json").read_text())


def test_two_lockstep_runs_with_one_seed_are_equal_and_their_stages_are_right(graph, lines, tmp_path):
    first = run(graph, lines, tmp_path, episodes=2, seed=11)
    second = run(graph, lines, tmp_path, episodes=2, seed=11)
    assert first["trace_sha256"] == second["trace_sha256"]
    for result in first["episodes"]:
        assert result["environment_success"] and result["monitor_success"]
        assert all(stage["entered_step"] is not None for stage in result["stages"])
    episode = read_episode(first["episodes"][0]["directory"])
    assert list(episode.sequences) == list(range(first["episodes"][0]["steps"]))
    assert len(episode.actions) == len(episode.stamps) == len(episode.images["base"]) == len(episode.stages)


def test_a_failure_is_a_failure_for_the_simulation_and_for_the_monitor(graph, lines, tmp_path):
    results = run(graph, lines, tmp_path, episodes=1, seed=5, demonstrator_failures=("miss",), horizon_steps=60)
    assert results["episodes"][0]["environment_success"] is False
    assert results["episodes"][0]["monitor_success"] is False
