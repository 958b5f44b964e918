"""`stage label`: what is written beside a log, what is passed over, what counts as a different label, and `--rebuild`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from labelled_logs import RATE, labelled_log

from stage_bringup.cli import label
from stage_bringup.cli.label import find_episodes
from stage_bringup.configuration_files import find_task
from stage_bringup.labelling import LabelSettings, differing_steps, label_episode, literal_potentials
from stage_bringup.labelling_rebuild import rebuild_episode
from stage_core.errors import ConfigurationError, StageError
from stage_core.labels import label_observations
from stage_core.task import load_task
from stage_recorder.label_files import ARRAY_FILE, LABEL_FILE, read_label_file, read_labels
from stage_recorder.reader import read_episode
from stage_recorder.schema import EpisodeError, keep_task_file, read_metadata, write_metadata

SCHEMA = Path(__file__).resolve().parents[2] / "docs/schemas/stage_labels.schema.json"


@pytest.fixture
def log(tmp_path) -> Path:
    return labelled_log(tmp_path / "episodes")


def changed_task(folder: Path) -> Path:
    content = yaml.safe_load(find_task("PushCube").read_text())
    content["potentials"] = {"reach_distance_m": 0.2}
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_episodes_are_found_below_a_directory_in_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "episode.json").write_text("{}")
    assert [directory.name for directory in find_episodes((tmp_path,))] == ["a", "b"]


def test_naming_no_episode_is_refused():
    with pytest.raises(ConfigurationError, match="no episode is named"):
        find_episodes(())


def test_one_changed_bit_is_a_difference():
    live = np.array([0.1, 0.2, 0.3])
    again = live.copy()
    again[1] = np.nextafter(again[1], 1.0)
    assert differing_steps(live, again).tolist() == [False, True, False]


def test_absent_equals_absent_and_differs_from_a_number():
    live, again = np.array([np.nan, np.nan]), np.array([np.nan, 0.0])
    assert differing_steps(live, again).tolist() == [False, True]


def test_the_labels_beside_a_log_are_the_live_ones_and_the_log_is_not_touched(log):
    before = {path.name: path.read_bytes() for path in log.iterdir()}
    row = label_episode(log, LabelSettings())
    assert row["written"] and row["different_steps"] == 0 and row["highest_stage"] == "success"
    labels, arrays, content = read_labels(log)
    live = read_episode(log, images=False)
    for name in ("stages", "progress", "potentials", "costs", "shaped_rewards"):
        assert not differing_steps(getattr(live, name), getattr(labels, name)).any(), name
    assert list(labels.events) == live.stage_events
    assert arrays["sequences"].tolist() == live.sequences.tolist()
    assert labels.success and content.provenance.task_file == "push_cube.yaml"
    assert {path.name: path.read_bytes() for path in log.iterdir() if path.name in before} == before


def test_the_published_schema_names_every_field_of_the_label_file_and_every_array(log):
    label_episode(log, LabelSettings())
    schema, written = json.loads(SCHEMA.read_text()), json.loads((log / LABEL_FILE).read_text())
    assert set(schema["properties"]) == set(written)
    assert set(schema["$defs"]["provenance"]["properties"]) == set(written["provenance"])
    assert set(schema["$defs"]["event"]["properties"]) == set(written["events"][0])
    assert all(name in schema["description"] for name in read_labels(log)[1])
    for part, definition in ((written, schema), (written["provenance"], schema["$defs"]["provenance"])):
        assert set(definition["required"]) <= set(part) and definition["additionalProperties"] is False


def test_an_unknown_key_in_a_label_file_is_refused(log):
    label_episode(log, LabelSettings())
    content = json.loads((log / LABEL_FILE).read_text()) | {"surplus": 1}
    (log / LABEL_FILE).write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="surplus is not a known key"):
        read_labels(log)


def test_what_is_up_to_date_is_passed_over_and_a_changed_task_log_or_mode_is_labelled_again(log, tmp_path):
    assert label_episode(log, LabelSettings())["written"]
    stamp = (log / LABEL_FILE).stat().st_mtime_ns
    row = label_episode(log, LabelSettings())
    assert not row["written"] and row["different_steps"] == 0 and (log / LABEL_FILE).stat().st_mtime_ns == stamp
    assert label_episode(log, LabelSettings(again=True))["written"]
    changed = label_episode(log, LabelSettings(task=str(changed_task(tmp_path))))
    assert changed["written"] and changed["different_steps"] > 0
    assert label_episode(log, LabelSettings(potential_mode="literal"))["written"]


def test_an_episode_is_labelled_with_the_task_file_that_was_recorded_beside_it(tmp_path):
    own = changed_task(tmp_path)
    directory = labelled_log(tmp_path / "episodes", task=str(own))
    assert label_episode(directory, LabelSettings(write=False))["different_steps"] > 0  # the bundled task of that name is another one
    keep_task_file(directory, own.read_text())
    own.unlink()
    assert label_episode(directory, LabelSettings(write=False))["different_steps"] == 0
    assert label_episode(directory, LabelSettings(write=False, task="PushCube"))["different_steps"] > 0


def test_a_label_file_without_its_own_arrays_is_no_label(log):
    label_episode(log, LabelSettings())
    (log / ARRAY_FILE).write_bytes((log / ARRAY_FILE).read_bytes()[:-1])  # as after a power cut between the two files
    assert read_label_file(log) is None
    with pytest.raises(EpisodeError, match="no whole labels"):
        read_labels(log)
    assert label_episode(log, LabelSettings())["written"]


def test_a_damaged_label_file_is_made_again(log):
    (log / LABEL_FILE).write_text("{")
    (log / ARRAY_FILE).write_bytes(b"")
    assert label_episode(log, LabelSettings())["written"]


def test_a_dry_run_writes_nothing(log, capsys):
    assert label.run(label.Options(episodes=(log,), dry_run=True)) == 0
    assert not (log / LABEL_FILE).exists()
    assert "PushCube" in capsys.readouterr().out


def test_one_episode_that_cannot_be_labelled_does_not_keep_the_others_back(tmp_path):
    good = labelled_log(tmp_path / "episodes")
    bad = tmp_path / "episodes" / "0_broken"
    bad.mkdir()
    (bad / "episode.json").write_text("{")
    with pytest.raises(StageError, match="1 of 2 episodes could not be labelled"):
        label.run(label.Options(episodes=(tmp_path / "episodes",), json=tmp_path / "figures.json"))
    assert read_label_file(good) is not None
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [entry["episode"] for entry in figures["problems"]] == ["0_broken"] and len(figures["episodes"]) == 1


def test_a_label_that_differs_ends_with_an_error_also_when_it_was_found_in_an_earlier_run(log, tmp_path):
    source = tmp_path / "push_cube.yaml"
    content = yaml.safe_load(find_task("PushCube").read_text())
    source.write_text(yaml.safe_dump(content | {"potentials": {"reach_distance_m": 0.2}}))
    metadata = read_metadata(log)
    write_metadata(log, metadata | {"task": str(source)})  # recorded with a task file that was changed since
    for _ in range(2):
        with pytest.raises(StageError, match="1 of 1 episodes differ"):
            label.run(label.Options(episodes=(log,)))


def test_the_terminal_rule_zero_takes_the_potential_back_at_success_and_only_there(log):
    label_episode(log, LabelSettings())
    labels, arrays, _ = read_labels(log)
    done = int(np.argmax(labels.stages == len(labels.stage_names) - 1))
    zero = arrays["shaped_rewards_terminal_zero"]
    assert np.array_equal(zero[:done], labels.shaped_rewards[:done])
    assert zero[done] == pytest.approx(-labels.progress[done - 1]) and not zero[done + 1 :].any()
    discounts = 0.99 ** np.arange(done)
    assert np.dot(discounts, zero[1 : done + 1]) == pytest.approx(-labels.progress[0], abs=1e-9)  # Ng et al.: policy invariance


def test_an_episode_that_ran_out_of_time_is_shaped_alike_with_both_rules(tmp_path):
    log = labelled_log(tmp_path, steps_pushed=4)
    label_episode(log, LabelSettings())
    labels, arrays, _ = read_labels(log)
    assert not labels.success
    assert np.array_equal(arrays["shaped_rewards_terminal_zero"], labels.shaped_rewards)


def test_literal_potentials_give_the_shaping_terms_of_mode_literal(log):
    task, episode = load_task(find_task("PushCube")), read_episode(log, images=False)
    potentials = literal_potentials(task, RATE, episode.stage_observations)
    rewards = label_observations(task, RATE, episode.stage_observations, "literal").shaped_rewards
    assert np.isfinite(potentials).all()
    assert rewards[1:] == pytest.approx(0.99 * potentials[1:] - potentials[:-1], abs=1e-12)


@pytest.mark.parametrize("source", ["truth", "arm", "sensors"])
def test_joining_the_raw_topics_again_gives_the_observations_that_were_used(tmp_path, source):
    found = rebuild_episode(labelled_log(tmp_path, source=source))
    assert found["source"] == source and found["steps"] > 20
    assert found["different_steps"] == found["different_labels"] == found["different_as_recorded"] == 0, found


def test_looks_that_came_late_are_told_by_rebuild_with_field_and_size(tmp_path):
    found = rebuild_episode(labelled_log(tmp_path, source="sensors", late_looks=2))
    assert found["different_steps"] > 0 == found["different_as_recorded"]
    assert found["largest_differences"]["object_position"] == pytest.approx(0.024, abs=1e-6)  # two steps of 12 mm


def test_rebuild_needs_the_topics_that_the_observations_were_made_of(tmp_path):
    log = labelled_log(tmp_path, source="arm")
    metadata = read_metadata(log)
    write_metadata(log, metadata | {"settings": {"stage_monitor": {"source": "truth"}}})
    with pytest.raises(ConfigurationError, match="holds no truth/stage_observation"):
        rebuild_episode(log)


def test_the_command_prints_both_tables(log, capsys):
    assert label.run(replace(label.Options(episodes=(log,)), rebuild=True)) == 0
    printed = capsys.readouterr().out
    assert "different" in printed and "joined again" in printed and "written" in printed
