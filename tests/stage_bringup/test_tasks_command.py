"""`stage tasks`: list, check and new; a new task is one file and no code, from its questions to live stages."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stage_core"))
from trajectories import random_batch

from stage_bringup.cli import tasks
from stage_bringup.configuration_files import find_task
from stage_bringup.task_template import file_name
from stage_core.errors import ConfigurationError
from stage_core.monitor import StageMonitor
from stage_core.task import FAMILIES, load_task
from stage_core.task_check import check_task

ROOT = Path(__file__).resolve().parents[2]
PEG_MM = (240.0, 50.0, 50.0)  # as the trajectories have it


@pytest.fixture(autouse=True)
def inside_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def never(question: str) -> str:
    raise AssertionError(f"asked: {question}")


class Person:
    """Answers in turn and keeps the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.questions = list(answers), []

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)


# ------------------------------------------------------------------ a new task is one file, no code


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_new_task_is_one_file_that_the_monitor_runs_through_every_stage(family):
    options = tasks.NewOptions(
        file=Path("mine.yaml"), name="NobodyKnowsThis", family=family, object="thing", size_mm=PEG_MM, yes=True,
        goal_source="none" if family == "lift_upright" else "pose",
    )  # fmt: skip
    assert tasks.new(options, ask=never) == 0
    assert [path.name for path in Path().iterdir()] == ["mine.yaml"]
    monitor = StageMonitor(load_task("mine.yaml"), 20.0)
    assert monitor.stage_names == (*FAMILIES[family].stages, "success")
    reached = set()
    for episode in random_batch(family, 11, episodes=30, steps=60, rate=20.0, clean=True):
        monitor.reset()
        reached |= {monitor.update(observation).stage_name for observation in episode}
    assert reached == set(monitor.stage_names)


def test_the_name_of_a_task_is_nowhere_in_the_code_that_watches_it():
    import stage_core

    names = [load_task(find_task(name)).name for name in ("PushCube", "PullCube", "PickCube", "StackCube", "LiftPegUpright")]
    for file in Path(stage_core.__file__).parent.rglob("*.py"):
        code = [line.split("#")[0] for line in file.read_text().splitlines()]
        assert not [line for line in code if any(f'"{name}"' in line for name in names)], file


def test_what_a_person_answers_is_what_the_file_says():
    person = Person("stack", "red_cube", "", "put the red cube on the green one", "40 40 30", "tag", "green_cube", "50", "12")
    assert tasks.new(tasks.NewOptions(), ask=person) == 0
    task = load_task("my_stack_red_cube.yaml")
    assert (task.name, task.family, task.instruction) == ("MyStackRedCube", "stack", "put the red cube on the green one")
    assert task.objects.half_size_m == (0.02, 0.02, 0.015)
    assert (task.goal.source, task.goal.name) == ("tag", "green_cube")
    assert task.goal.offset_m == (0.0, 0.0, 0.04)  # half of 50 mm and half of 30 mm
    assert task.timeout_s == 12.0
    assert len(person.questions) == 9 and all("[" in question for question in person.questions)  # every one shows its default


def test_options_answer_the_questions_and_only_the_rest_is_asked():
    person = Person("", "80")
    options = tasks.NewOptions(
        file=Path("p.yaml"), name="P", family="push", instruction="push it", object="box", goal_source="taught", timeout_s=9.0
    )
    assert tasks.new(options, ask=person) == 0
    assert [question.split(",")[0] for question in person.questions] == ["Edge lengths along its own x", "Radius of the goal region"]
    assert load_task("p.yaml").thresholds.goal_radius_m == 0.08


def test_a_wrong_answer_is_told_and_asked_again(capsys):
    person = Person("stak", "stack", "red cube", "red_cube", "", "", "4", "40 40 x", "-1 2 3", "40, 40, 40", "pose", "", "5")
    assert tasks.new(tasks.NewOptions(), ask=person) == 0
    told = capsys.readouterr().out
    assert 'Did you mean "stack"?' in told
    assert "name is 'red cube'; expected letters, digits and underscores" in told
    assert "'40 40 x' is not 3 numbers with spaces between" in told
    assert "'-1 2 3' is out of range" in told


def test_nobody_to_answer_names_the_option_and_writes_nothing():
    with pytest.raises(ConfigurationError, match="nobody answers: .* Give --size-mm, or --yes"):
        tasks.new(tasks.NewOptions(family="push", object="box", name="A", instruction="push"), ask=Person())
    with pytest.raises(ConfigurationError, match="5 answers could not be used: .* Give --family"):
        tasks.new(tasks.NewOptions(), ask=Person(*["fly"] * 5))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "two words"}, "--name: name is 'two words'"),
        ({"name": "PushCube"}, "PushCube comes with Stage"),
        ({"object": "a/b"}, "--object: name is 'a/b'"),
        ({"size_mm": (2000.0, 40.0, 40.0)}, "--size-mm: .* out of range"),
        ({"size_mm": (0.0, 40.0, 40.0)}, "--size-mm: .* out of range"),
        ({"timeout_s": 0.0}, "--timeout-s: .* out of range"),
        ({"family": "lift_upright", "grasp_offset_mm": 500.0}, "--grasp-offset-mm: .* out of range"),
        ({"goal_source": "none"}, "goal.source is none; family pick_place needs a goal"),
        ({"goal_source": "tag", "goal_name": "a b"}, "--goal-name: name is 'a b'"),
        ({"instruction": "  "}, "--instruction: expected a sentence"),
        ({"file": Path("task.txt")}, "expected a name ending in .yaml"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line_and_nothing_is_written(changes, words):
    with pytest.raises(ConfigurationError, match=words) as error:
        tasks.new(tasks.NewOptions(**({"yes": True} | changes)), ask=never)
    assert "\n" not in str(error.value)
    assert list(Path().iterdir()) == []


def test_a_file_that_exists_is_not_written_over_unless_asked():
    Path("mine.yaml").write_text("precious")
    with pytest.raises(ConfigurationError, match="mine.yaml exists; expected a new file"):
        tasks.new(tasks.NewOptions(file=Path("mine.yaml"), yes=True), ask=never)
    assert Path("mine.yaml").read_text() == "precious"
    assert tasks.new(tasks.NewOptions(file=Path("mine.yaml"), yes=True, replace=True), ask=never) == 0
    assert load_task("mine.yaml").family == "pick_place"


def test_words_that_yaml_would_turn_into_something_else_stay_words():
    options = tasks.NewOptions(file=Path("odd.yaml"), instruction='take "no": 3 # cubes, ölig', name="yes1", object="on_it", yes=True)
    assert tasks.new(options, ask=never) == 0
    assert load_task("odd.yaml").instruction == 'take "no": 3 # cubes, ölig'


def test_a_held_object_and_its_tolerance_reach_the_thresholds():
    options = tasks.NewOptions(file=Path("h.yaml"), family="pick_place", hold=True, goal_tolerance_mm=60.0, yes=True)
    tasks.new(options, ask=never)
    thresholds = load_task("h.yaml").thresholds
    assert (thresholds.success_requires_release, thresholds.goal_distance_m) == (False, 0.06)
    assert thresholds.place_distance_m > 0.06
    assert not [finding for finding in check_task("h.yaml").findings if "place begins" in finding.text]


@pytest.mark.parametrize(("name", "file"), [("StackCube", "stack_cube.yaml"), ("push", "push.yaml"), ("A1b", "a1b.yaml")])
def test_a_file_is_named_after_its_task(name, file):
    assert file_name(name) == file


# ------------------------------------------------------------------ check and list


def test_check_prints_file_and_line_and_exits_with_1(capsys):
    Path("bad.yaml").write_text(find_task("StackCube").read_text().replace("place_distance_m: 0.033", "place_distance_m: 3.3"))
    line = next(i for i, text in enumerate(Path("bad.yaml").read_text().splitlines(), 1) if "place_distance_m" in text)
    assert tasks.main(["check", "bad.yaml"]) == 1
    told = capsys.readouterr().out
    assert f"bad.yaml:{line}: error: thresholds.place_distance_m is 3.3 m; expected 0 < value <= 0.5." in told
    assert "3.3 cm is 0.033" in told


def test_check_tells_what_each_stage_waits_for_with_the_numbers_of_the_file(capsys):
    tasks.new(tasks.NewOptions(file=Path("mine.yaml"), family="push", goal_tolerance_mm=70.0, goal_source="tag", yes=True), ask=never)
    capsys.readouterr()
    assert tasks.main(["check", "mine.yaml", "--control-rate-hz", "10"]) == 0
    told = capsys.readouterr().out
    assert [name for name in (*FAMILIES["push"].stages, "success") if f"\n{name} " not in told] == []
    assert "radius 70 mm" in told and "up 0.1 s (1 steps)" in told and "a tag marks it" in told


def test_check_takes_names_many_files_and_writes_its_findings(capsys):
    Path("bad.yaml").write_text("name: x\n")
    assert tasks.main(["check", "push_cube", "bad.yaml", "--json", "found.json"]) == 1
    good, bad = json.loads(Path("found.json").read_text())["files"]
    assert (good["errors"], good["findings"]) == (0, [])
    assert bad["errors"] == len(bad["findings"]) >= 5
    with pytest.raises(ConfigurationError, match='Did you mean "PushCube"'):
        tasks.main(["check", "PushCub"])
    with pytest.raises(ConfigurationError, match="no task file is named"):
        tasks.main(["check"])


def test_strict_counts_advice_as_an_error():
    tasks.new(tasks.NewOptions(file=Path("mine.yaml"), yes=True), ask=never)  # its goal is not taught yet
    assert tasks.main(["check", "mine.yaml"]) == 0
    assert tasks.main(["check", "mine.yaml", "--strict"]) == 1


def test_list_has_the_bundled_tasks_and_those_of_a_folder(capsys):
    Path("own").mkdir()
    tasks.new(tasks.NewOptions(file=Path("own/mine.yaml"), name="Mine", yes=True), ask=never)
    Path("own/broken.yaml").write_text("name: x\n")
    capsys.readouterr()
    assert tasks.main(["list", "own", "--json", "tasks.json"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("PushCube", "PullCube", "PickCube", "StackCube", "LiftPegUpright", "Mine", "own/mine.yaml"))
    assert "see: stage tasks check own/broken.yaml" in told
    listed = {entry["name"]: entry for entry in json.loads(Path("tasks.json").read_text())["tasks"]}
    assert listed["StackCube"]["stages"] == ["reach", "grasp", "transport", "place"]
    with pytest.raises(ConfigurationError, match="nowhere does not exist"):
        tasks.main(["list", "nowhere"])


def test_the_guide_shows_a_file_that_is_valid_and_errors_that_are_real(capsys):
    page = (ROOT / "docs" / "tasks.md").read_text()
    text = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    Path("red_on_green.yaml").write_text(text)
    assert check_task("red_on_green.yaml").findings == ()
    wrong = text.replace("place_distance_m: 0.033", "place_distance_cm: 3.3").replace("height_tolerance_m: 0.005", "height_tolerance_m: 5")
    Path("red_on_green.yaml").write_text(wrong)
    assert tasks.main(["check", "red_on_green.yaml"]) == 1
    told = capsys.readouterr().out.strip()
    assert told and told in page
    command = re.search(r"^stage tasks (new \S+\.yaml .*)$", page, re.MULTILINE)[1]
    assert tasks.main([*shlex.split(command), "--replace"]) == 0
    assert load_task("red_on_green.yaml").goal.offset_m == (0.0, 0.0, 0.04)


def test_asking_works_with_a_real_standard_input(tmp_path):
    answers = "push\nbox\nPushBox\n\n60 60 60\npose\n\n90\n15\n"
    command = [sys.executable, "-c", "import sys; from stage_bringup.cli.tasks import main; sys.exit(main(['new']))"]
    done = subprocess.run(command, cwd=tmp_path, input=answers, capture_output=True, text=True, timeout=120, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    task = load_task(tmp_path / "push_box.yaml")
    assert (task.name, task.thresholds.goal_radius_m) == ("PushBox", 0.09)
    assert np.allclose(task.objects.half_size_m, 0.03)
