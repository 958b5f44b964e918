"""`stage replay`: real processes; a recorded episode played into a live monitor gives the recorded labels."""

from __future__ import annotations

import pytest
from labelled_logs import EPISODE, labelled_log

from stage_bringup.cli import replay
from stage_bringup.isolation import lease_domain
from stage_bringup.replaying import replay_graph
from stage_bringup.supervisor import Supervisor
from stage_core.errors import ConfigurationError, StageError
from stage_nodes.stage_replay import ReplayLog, plain


@pytest.fixture(autouse=True)
def own_domain(tmp_path, monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.setenv("STAGE_LOG_DIR", str(tmp_path / "log"))


def play(log, **options) -> int:
    return replay.run(replay.Options(episode=log, rate=0.0, **options))


def test_a_replay_shows_the_recorded_stages_and_no_label_differs(tmp_path, capfd):
    assert play(labelled_log(tmp_path / "episodes")) == 0
    printed = capfd.readouterr().out
    assert "no label differs" in printed
    assert [word for word in ("contact", "push", "goal", "success") if f"  {word} " not in printed] == []


def test_raw_inputs_of_sensors_are_joined_anew_by_the_live_node_and_give_the_same_labels(tmp_path, capfd):
    assert play(labelled_log(tmp_path / "episodes", source="sensors"), raw=True) == 0
    printed = capfd.readouterr().out
    assert "no label differs" in printed and "push" in printed


def test_a_lower_tier_takes_the_object_away_from_the_monitor(tmp_path, capfd):
    assert play(labelled_log(tmp_path / "episodes", source="sensors"), raw=True, tier=1) == 0
    printed = capfd.readouterr().out
    assert "labels differ" in printed and "unobservable" in printed and "  push " not in printed


def test_a_replay_refuses_to_play_where_somebody_publishes_an_arm_state(tmp_path, monkeypatch):
    log, lines = labelled_log(tmp_path / "episodes"), []
    lease = lease_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(lease.domain_id))
    with Supervisor(replay_graph(log, rate=0.01), on_line=lambda name, line: lines.append(line)) as first:
        while not any("the episode began" in line for line in lines):
            assert first.wait(0.1) is None
        with pytest.raises(StageError, match="somebody else publishes arm/state"):
            play(log)
    lease.close()


def test_labels_that_are_not_the_recorded_ones_end_with_an_error_naming_the_step(tmp_path):
    log = labelled_log(tmp_path / "episodes", source="sensors", late_looks=2)  # in the log every look stands before the state after it
    reference = ReplayLog(log)
    assert reference.episode == EPISODE and reference.steps == len(reference.statuses)
    changed = dict(reference.statuses[7]) | {"progress": reference.statuses[7]["progress"] + 1e-16}
    assert reference.differing(reference.statuses[7]) == [] and reference.differing(changed) == ["progress"]
    assert reference.differing({"sequence": 10**6}) == ["recorded status is missing"]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"rate": -1.0}, "--rate is -1.0"), ({"tier": 1}, "--tier is 1"), ({"namespace": "/"}, "--namespace is empty")],
)
def test_options_that_do_not_fit_are_refused_before_a_process_exists(tmp_path, options, words):
    with pytest.raises(ConfigurationError, match=words):
        replay.run(replay.Options(**{"episode": labelled_log(tmp_path / "episodes"), **options}))


def test_one_replay_plays_one_episode(tmp_path):
    labelled_log(tmp_path / "episodes"), labelled_log(tmp_path / "episodes")
    with pytest.raises(ConfigurationError, match="holds 2 episodes"):
        play(tmp_path / "episodes")


def test_a_log_without_the_topic_that_is_to_be_played_is_refused(tmp_path):
    with pytest.raises(StageError, match="holds no truth/stage_observation"):
        ReplayLog(labelled_log(tmp_path, source="arm"), raw=True, source="truth")


def test_a_topic_loses_its_robots_namespace_and_nothing_else():
    assert [plain(name) for name in ("/left/arm/state", "arm/state", "/left/cameras/base/image_raw", "/left/joint_states")] == [
        "arm/state",
        "arm/state",
        "cameras/base/image_raw",
        "joint_states",
    ]
