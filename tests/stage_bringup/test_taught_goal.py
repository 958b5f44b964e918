"""A taught goal in a task file: the goal changes, every other line stays, and what cannot work is refused before it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from stage_bringup.taught_goal import write_goal
from stage_core.errors import StageError
from stage_core.task import load_task

TASKS = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/tasks"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((TASKS / "stack_cube.yaml").read_text())
    return path


def test_only_the_goal_changes_and_the_old_file_stays_beside_it(file):
    before = file.read_text()
    write_goal(file, (0.451234567, -0.1, 0.06), None, keep_offset=False)
    after = file.read_text()
    goal = load_task(file).goal
    assert (goal.source, goal.position_m, goal.offset_m) == ("taught", (0.45123, -0.1, 0.06), (0.0, 0.0, 0.0))
    assert file.with_name("mine.yaml.bak").read_text() == before
    outside = lambda text: text[: text.index("goal:")] + text[text.index("timeout_s:") :]  # noqa: E731
    assert outside(after) == outside(before)
    assert "the simulation gives the place on top" in after  # the user's own comment on a line of the goal


def test_teaching_again_replaces_the_old_place(file):
    write_goal(file, (0.4, 0.0, 0.06), (0.0, 0.0, 0.0, 1.0), keep_offset=False)
    write_goal(file, (0.5, 0.0, 0.06), None, keep_offset=False)
    goal = load_task(file).goal
    assert (goal.position_m, goal.orientation_xyzw) == ((0.5, 0.0, 0.06), None)


def test_an_offset_from_the_tool_is_kept_and_one_from_another_goal_goes(file):
    file.write_text(file.read_text().replace("offset_m: [0.0, 0.0, 0.0]", "offset_m: [0.0, 0.0, 0.04]"))
    write_goal(file, (0.4, 0.0, 0.06), None, keep_offset=True)
    assert load_task(file).goal.offset_m == (0.0, 0.0, 0.04)
    write_goal(file, (0.4, 0.0, 0.06), None, keep_offset=False)
    assert load_task(file).goal.offset_m == (0.0, 0.0, 0.0)


def test_a_place_beyond_reason_leaves_the_file_as_it_was(file):
    before = file.read_text()
    with pytest.raises(StageError, match=f"{file}: goal.position_m.*Metres, not millimetres"):
        write_goal(file, (450.0, 0.0, 60.0), None, keep_offset=False)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    "goal", ["goal: {source: tag, name: plate}\n", "goal:\n  source: pose\n  name: plate   # a plate\n\n# about time\n"]
)
def test_goals_on_one_line_and_on_several_are_written_alike(file, goal):
    text = file.read_text()
    file.write_text(text[: text.index("goal:")] + goal + text[text.index("timeout_s:") :])
    write_goal(file, (0.4, 0.0, 0.06), None, keep_offset=False)
    loaded = load_task(file)
    assert (loaded.goal.position_m, loaded.goal.name, loaded.timeout_s) == ((0.4, 0.0, 0.06), "plate", 8.0)
    assert ("# about time" in file.read_text()) == ("# about time" in goal)


def test_bundled_tasks_are_not_changed(capsys):
    from stage_bringup.cli.teach import main

    with pytest.raises(StageError, match="comes with Stage and is not changed"):
        main(["goal", str(TASKS / "stack_cube.yaml"), "--yes"])
    with pytest.raises(StageError, match="no 'gaol'. Did you mean \"goal\""):
        main(["gaol"])
    assert main(["--help"]) == 0
    assert "stage teach goal FILE" in capsys.readouterr().out


def test_the_tool_cannot_teach_for_an_object_that_it_holds_off_its_centre(tmp_path):
    from stage_bringup.cli.teach import main

    path = tmp_path / "peg.yaml"
    path.write_text((TASKS / "lift_peg_upright.yaml").read_text())
    with pytest.raises(StageError, match="grasp_offset_m .* Use --from object"):
        main(["goal", str(path), "--yes"])
    with pytest.raises(StageError, match="the tool's orientation is not the object's"):
        main(["goal", str(path), "--orientation", "--yes"])
