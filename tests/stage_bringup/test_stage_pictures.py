"""Stage pictures and tables: drawn from labels, right numbers, nothing half-written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from labelled_logs import labelled_log

from stage_bringup.cli import stages
from stage_bringup.report.stage_pictures import draw_conditional_success, draw_timeline, punished_steps, stage_colour
from stage_bringup.report.stage_tables import duration_rows, markdown_table
from stage_core.errors import StageError
from stage_core.labels import EpisodeLabels
from stage_core.monitor import REGRESSION, StageEvent
from stage_core.statistics import conditional_stage_success

pytest.importorskip("matplotlib", reason="pictures need the extra `report`")
NAMES = ("reach", "grasp", "transport", "place", "success")
PNG = b"\x89PNG"


def labels_of(stages, progress=None, events=(), costs=(None,) * 4) -> EpisodeLabels:
    steps = len(stages)
    values = np.linspace(0.0, 0.9, steps) if progress is None else np.array(progress, dtype=float)
    return EpisodeLabels(
        stage_names=NAMES, stages=np.array(stages, dtype=np.uint8), progress=values, potentials=values, costs=np.full(steps, np.nan),
        shaped_rewards=np.zeros(steps), confidences=np.ones(steps), tiers=np.zeros(steps, dtype=np.uint8), events=tuple(events),
        segment_costs=tuple(costs), success=4 in stages,
    )  # fmt: skip


def regression(sequence: int) -> StageEvent:
    return StageEvent(REGRESSION, 0, "reach", 2, "transport", sequence, sequence / 20.0, "the gripper no longer holds the object")


def test_a_stages_duration_counts_its_steps_over_the_episodes_that_were_in_it():
    rows = duration_rows([labels_of([0, 0, 1, 2, 0]), labels_of([0, 0, 0, 0, 0])], 20.0)
    assert [(row["stage"], row["episodes"], row["median_s"]) for row in rows] == [
        ("reach", 2, pytest.approx(0.2)),  # 3 and 5 steps of 50 ms
        ("grasp", 1, pytest.approx(0.05)),
        ("transport", 1, pytest.approx(0.05)),
        ("place", 0, None),
    ]


def test_a_regression_counts_for_the_stage_that_was_lost_and_costs_leave_empty_segments_out():
    rows = duration_rows(
        [labels_of([0, 1, 2, 0], events=[regression(3)], costs=(0.2, 0.4, None, None)), labels_of([0], costs=(0.4,) + (None,) * 3)], 20.0
    )
    assert [row["regressions"] for row in rows] == [0, 0, 1, 0]
    assert [row["median_cost"] for row in rows] == [pytest.approx(0.3), 0.4, None, None]


def test_progress_is_punished_where_the_stage_rises_and_the_potential_falls():
    labels = labels_of([0, 0, 1, 1, 2, 2])
    assert punished_steps(labels, np.array([0.3, 0.7, 0.0, 0.5, 0.6, 0.1])).tolist() == [2]
    assert punished_steps(labels, np.array([0.3, 0.7, np.nan, 0.5, 0.4, 0.1])).tolist() == [4]  # what is absent did not fall


def test_success_is_green_in_every_family():
    assert stage_colour(4, 5) == stage_colour(1, 2) != stage_colour(3, 5)


def test_a_timeline_is_drawn_with_regressions_absent_potentials_and_many_events(tmp_path):
    labels = labels_of([0, 1, 2, 0] * 10, progress=[0.1, np.nan, 0.5, 0.2] * 10, events=[regression(k) for k in range(40)])
    path = draw_timeline(tmp_path / "timeline.png", labels, np.arange(40) / 20.0, title="StackCube", outcomes=np.arange(40) > 30)
    assert path.read_bytes().startswith(PNG) and [entry.name for entry in tmp_path.iterdir()] == ["timeline.png"]


def test_a_timeline_of_one_step_is_drawn(tmp_path):
    assert draw_timeline(tmp_path / "one.png", labels_of([0]), np.zeros(1), title="one").stat().st_size > 1000


def test_conditional_success_is_drawn_also_for_stages_that_nobody_tried(tmp_path):
    groups = {"day": conditional_stage_success([0, 0], NAMES), "night": conditional_stage_success([4, 2], NAMES)}
    assert draw_conditional_success(tmp_path / "bars.png", groups, title="StackCube").read_bytes().startswith(PNG)


def test_a_markdown_tables_columns_line_up():
    lines = markdown_table(("stage", "n"), [("reach", "10"), ("success", "7")]).splitlines()
    assert len({len(line) for line in lines}) == 1 and lines[1] == "|---------|----|"


def test_the_command_draws_one_timeline_per_episode_and_the_tables_of_all(tmp_path, capsys):
    for pushed in (15, 4, 15):
        labelled_log(tmp_path / "episodes", steps_pushed=pushed)
    assert stages.run(stages.Options(episodes=(tmp_path / "episodes",), output=tmp_path / "out", most_timelines=2)) == 0
    figures = json.loads((tmp_path / "out" / "stages.json").read_text())["tasks"]["PushCube"]
    assert (figures["episodes"], figures["successes"]) == (3, 2)
    assert [(row["reached"], row["trials"]) for row in figures["conditional_success"]["all"]] == [(3, 3), (3, 3), (2, 3), (2, 2)]
    assert figures["literal"]["rises"] == 10 and figures["literal"]["cumulative_falls"] == 0 < figures["literal"]["literal_falls"]
    written = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert sum(name.startswith("timeline_") for name in written) == 2
    assert {"conditional_success_PushCube.png", "literal_against_cumulative_PushCube.png"} < set(written)
    assert "PushCube: 2 of 3 episodes succeeded" in capsys.readouterr().out


def test_episodes_without_stages_are_named_and_alone_they_are_an_error(tmp_path):
    log = labelled_log(tmp_path / "episodes")
    broken = tmp_path / "episodes" / "broken"
    broken.mkdir()
    (broken / "episode.json").write_text("{")
    assert stages.run(stages.Options(episodes=(tmp_path / "episodes",), output=tmp_path / "out", most_timelines=0)) == 0
    assert "broken" in json.loads((tmp_path / "out" / "stages.json").read_text())["left_out"][0]
    with pytest.raises(StageError, match="is not JSON"):
        stages.run(stages.Options(episodes=(broken,), output=tmp_path / "out"))
    assert log.is_dir()
