"""What `stage evaluate` plans and concludes, without running it."""

from __future__ import annotations

import pytest

from stage_bringup.cli import evaluate
from stage_bringup.configuration_files import known_tasks


def row(task: str, condition: str, interval: list[float], rate: float) -> dict:
    return {"task": task, "condition": condition, "interval_95": interval, "success_rate": rate}


def test_seeds_are_held_out_by_default():
    assert evaluate.Options().seed == 50_000


@pytest.mark.parametrize(
    ("condition", "ablation", "instructed"),
    [("policy", "none", False), ("black-images", "black", False), ("other-instruction", "none", True)],
)
def test_each_condition_changes_one_thing(condition, ablation, instructed):
    request = evaluate.plan(evaluate.Options(policy="scripted"), "PushCube", condition)["request"]
    assert request["image_ablation"] == ablation
    assert (request["instruction"] is not None) == instructed


def test_other_words_are_those_of_another_task():
    known = list(known_tasks())
    for task in known:
        assert evaluate.other_task(task, "") in set(known) - {task}
    assert evaluate.instruction_of("PullCube") != evaluate.instruction_of("PushCube")


def test_a_condition_is_apart_only_when_its_whole_interval_lies_below():
    rows = [
        row("PushCube", "policy", [0.8, 1.0], 0.9),
        row("PushCube", "black-images", [0.1, 0.5], 0.3),
        row("PushCube", "other-instruction", [0.6, 0.9], 0.8),
    ]
    assert {entry["condition"]: entry["intervals_apart"] for entry in evaluate.comparisons(rows)} == {
        "black-images": True,
        "other-instruction": False,
    }


def test_a_condition_without_its_policy_is_not_compared():
    assert evaluate.comparisons([row("PushCube", "black-images", [0.1, 0.5], 0.3)]) == []
