"""`check_task`: everything that is wrong with a task file, at its line, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stage_core.errors import ConfigurationError
from stage_core.task_check import check_task

TASKS = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/tasks"
GOOD = """\
schema_version: 1
name: StackRedOnGreen
family: stack
instructions:
  - stack the red cube on the green one
objects:
  name: red_cube
  half_size_m: [0.02, 0.02, 0.02]
goal:
  source: pose
timeout_s: 8.0
thresholds:
  place_distance_m: 0.033
"""


@pytest.fixture
def findings_of(tmp_path):
    def check(text: str) -> list[tuple[int, bool, str]]:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return [(finding.line, finding.is_error, finding.text) for finding in check_task(path).findings]

    return check


@pytest.fixture
def errors_after(findings_of):
    """Findings of GOOD with one line exchanged for another."""

    def check(old: str, new: str) -> list[tuple[int, bool, str]]:
        assert old in GOOD
        return findings_of(GOOD.replace(old, new))

    return check


@pytest.mark.parametrize("path", sorted(TASKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_bundled_tasks_have_neither_errors_nor_advice(path):
    checked = check_task(path)
    assert checked.findings == ()
    assert checked.task.name == yaml.safe_load(path.read_text())["name"]


def test_a_wrong_value_is_told_at_its_line_with_range_and_guess(errors_after):
    found = errors_after("place_distance_m: 0.033", "place_distance_m: 2.0")
    assert found == [
        (13, True, "thresholds.place_distance_m is 2.0 m; expected 0 < value <= 0.5. Metres, not centimetres? 2 cm is 0.02; 2 mm is 0.002.")
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("place_distance_m: 0.033", "place_distanse_m: 0.033", 13, 'Did you mean "place_distance_m"?'),
        ("place_distance_m: 0.033", "place_distance_cm: 3.3", 13, "3.3 cm: write place_distance_m: 0.033"),
        ("place_distance_m: 0.033", "grasp_hold_frames: 3", 13, "3 frames at 20 Hz: write grasp_hold_s: 0.15"),
        ("place_distance_m: 0.033", "place_distance_m: 33 mm", 13, "The unit is in the key: write 0.033."),
        ("place_distance_m: 0.033", "place_distance_m: 0,033", 13, "Write 0.033: a plain number with a decimal point."),
        ("place_distance_m: 0.033", "place_distance_m: 33e-3", 13, "Write 0.033: a plain number with a decimal point."),
        ("place_distance_m: 0.033", "goal_radius_m: 0.1", 13, "Family stack has no goal_radius_m; push and pull have."),
        ("place_distance_m: 0.033", "timeout_s: 3", 13, "It belongs at the top level"),
        ("place_distance_m: 0.033", "reach_distance_m: 0.1", 13, "It belongs under potentials:."),
        ("timeout_s: 8.0", "timeout_s: 8000", 11, "8000 ms is 8."),
        ("timeout_s: 8.0", "timeout_s: 8.0\nlift_height_m: 0.01", 12, "It belongs under thresholds:."),
        ("timeout_s: 8.0\n", "", 1, "timeout_s is missing; it is required."),
        ("  half_size_m: [0.02, 0.02, 0.02]\n", "", 6, "objects.half_size_m is missing"),
        (
            "[0.02, 0.02, 0.02]",
            "[0.02, 2, 0.02]",
            8,
            "half_size_m is 2.0 m; expected 0 < value <= 0.5. Metres, not centimetres? 2 cm is 0.02",
        ),
        ("[0.02, 0.02, 0.02]", "[0.02, 0.02]", 8, "objects.half_size_m has 2 entries; expected 3."),
        ("[0.02, 0.02, 0.02]", "0.02", 8, "expected a list"),
        ("family: stack", "family: stak", 3, 'Did you mean "stack"?'),
        ("name: StackRedOnGreen", "name: no", 2, "put the word in quotes"),
        ("source: pose", "source: taped", 10, "expected one of taught, tag, pose, none"),
        ("schema_version: 1", "schema_version: 2", 1, "schema_version is 2; expected 1"),
        ("thresholds:\n  place_distance_m: 0.033\n", "thresholds: {}\npotentials:\n", 13, "The block is empty"),
        ("name: red_cube", "name: red_cube\n  name: cube", 8, "objects.name is given twice, first in line 7"),
        ("  - stack the red cube on the green one\n", "  - [a, b]\n", 5, "instructions[0] is ['a', 'b']; expected text"),
    ],
)
def test_one_mistake_is_one_error_at_its_line(errors_after, old, new, line, words):
    found = errors_after(old, new)
    assert [(at, is_error) for at, is_error, _ in found] == [(line, True)], found
    assert words in found[0][2]
    assert "\n" not in found[0][2]


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(findings_of):
    found = findings_of(
        GOOD.replace("8.0", "8000").replace("name: red_cube", "name: 3").replace("place_distance_m: 0.033", "x: 1\n  lift_height_m: 10")
    )
    assert [line for line, _, _ in found] == [7, 11, 13, 14]
    assert all(is_error for _, is_error, _ in found)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("schema_version: 1\nname: [a\n", 3, "this is not YAML"),
        ("schema_version: 1\n\tname: a\n", 2, "Indent with spaces, not tabs"),
        ("a: b: c\n", 1, "this is not YAML"),
        ("", 1, "the file is empty"),
        ("- a\n- b\n", 1, "the file holds list"),
        ("x: !!python/object:os.system {}\n", 1, "this is not YAML"),
    ],
)
def test_what_is_no_mapping_of_keys_is_told_at_its_line(findings_of, text, line, words):
    found = findings_of(text)
    assert [(at, is_error) for at, is_error, _ in found] == [(line, True)]
    assert words in found[0][2]


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist; expected a task file. Make one: stage tasks new"):
        check_task(tmp_path / "none.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigurationError, match="Is it a text file"):
        check_task(tmp_path / "picture.yaml")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("[0.02, 0.02, 0.02]", "[0.05, 0.05, 0.05]", 8, "Half edges, not whole?"),
        ("source: pose", "source: tag", 9, "On a 4 cm cube: offset_m: [0, 0, 0.04]"),
        ("source: pose", "source: taught", 10, "Run: stage teach goal"),
        ("timeout_s: 8.0", "timeout_s: 8.0\npotentials:\n  push_distance_m: 0.1", 13, "has no effect in family stack"),
        ("timeout_s: 8.0", "timeout_s: 8.0\npotentials:\n  disabled_stages: [grasp]", 13, "no shaping inside that stage"),
        ("name: red_cube", "name: red_cube\n  grasp_offset_m: [0.0, 0.0, 0.2]", 8, "outside of the object"),
    ],
)
def test_a_valid_task_that_looks_odd_gets_advice_and_can_be_used(errors_after, old, new, line, words):
    found = errors_after(old, new)
    assert [(at, is_error) for at, is_error, _ in found] == [(line, False)], found
    assert words in found[0][2]


def test_a_peg_without_a_long_side_gets_advice(findings_of):
    text = GOOD.replace("family: stack", "family: lift_upright").replace("place_distance_m: 0.033", "minimum_height_m: 0.005")
    words = [text for _, is_error, text in findings_of(text) if not is_error]
    assert any("which way up is upright" in entry for entry in words)
    assert any("lift lasts no time" in entry for entry in words)


def test_any_damage_to_a_file_ends_in_findings_never_in_a_crash(findings_of):
    lines = GOOD.splitlines(keepends=True)
    for i in range(len(lines)):
        findings_of("".join(lines[:i] + lines[i + 1 :]))
        findings_of("".join([*lines[:i], lines[i].split(":")[0] + ":\n", *lines[i + 1 :]]))
        findings_of("".join([*lines[:i], "  " + lines[i], *lines[i + 1 :]]))
        findings_of("".join([*lines[:i], lines[i].rstrip("\n") + " {x: [1\n", *lines[i + 1 :]]))
        findings_of("".join([*lines[:i], "? [1, 2]\n: 3\n", *lines[i:]]))
        findings_of("".join([*lines[:i], "1: 2\non: 3\n? null\n: 4\n", *lines[i:]]))
