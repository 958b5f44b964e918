"""The labeller that judges the monitor, on episodes small enough to label by hand, and the figures made of both."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.stage_comparison import Judged, compare, entries, trivial
from benchmarks.stage_reference import STAGES, rotated, true_stages, true_success
from sim_bridge.sensed_recording import TruthLog
from stage_core.geometry import rotate


def truth(steps: int, **changes: object) -> TruthLog:
    """Nothing happens: the object lies at 0.6 m, its goal 0.3 m farther, the hand is high above."""
    values = {
        "ee_positions": np.tile([0.6, 0.0, 0.3], (steps, 1)),
        "object_positions": np.tile([0.6, 0.0, 0.02], (steps, 1)),
        "object_orientations": np.tile([0.0, 0.0, 0.0, 1.0], (steps, 1)),
        "goal_positions": np.tile([0.9, 0.0, 0.02], (steps, 1)),
        "touch_forces": np.zeros(steps),
        "grasped": np.zeros(steps, bool),
        "successes": np.zeros(steps, bool),
        "states": np.zeros((steps, 0), np.float32),
    }
    return TruthLog(seed=0, failure="", **(values | changes))


def between(steps: int, first: int, last: int) -> np.ndarray:
    return (np.arange(steps) >= first) & (np.arange(steps) <= last)


def test_a_touch_of_one_frame_is_no_contact_and_one_of_two_is() -> None:
    once, twice = (truth(8, touch_forces=1.0 * between(8, 3, last)) for last in (3, 4))
    assert true_stages("PushCube", once).tolist() == [0] * 8
    assert true_stages("PushCube", twice).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert true_stages("PushCube", once, bare=True).tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_a_push_goes_through_its_stages_as_the_specification_says() -> None:
    # 39 mm per step from step 3 on, so that 2 and 5 mm are passed at once; nearer than 0.1 m to the goal after 0.2 m, at step 8.
    way = np.clip(0.039 * (np.arange(14) - 2), 0.0, 0.24)
    moved = np.tile([0.6, 0.0, 0.02], (14, 1)) + way[:, None] * [1.0, 0.0, 0.0]
    episode = truth(14, object_positions=moved, successes=between(14, 9, 13))
    # Contact after its two frames at 4; push a step later, as no stage is skipped; goal after its two frames at 9.
    assert true_stages("PushCube", episode).tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 4, 4, 4, 4]
    assert true_success(episode)


def test_read_by_force_a_cube_that_slides_freely_is_not_being_pushed() -> None:
    way = np.clip(0.01 * (np.arange(12) - 2), 0.0, 0.1)
    moved = np.tile([0.6, 0.0, 0.02], (12, 1)) + way[:, None] * [1.0, 0.0, 0.0]
    episode = truth(12, object_positions=moved, touch_forces=1.0 * between(12, 2, 2))
    assert true_stages("PushCube", episode)[-1] == 2
    # The one force at 2 counts for 2 and 3; at 3 alone the cube has moved by more than 5 mm, and one frame is not enough.
    assert true_stages("PushCube", episode, by_force=True)[-1] == 1


def test_a_grasp_lost_for_three_frames_sends_back_to_reach_and_must_be_made_again() -> None:
    held = between(20, 4, 9)
    lifted = np.tile([0.6, 0.0, 0.02], (20, 1)) + np.where(between(20, 5, 9), 0.05, 0.0)[:, None] * [0.0, 0.0, 1.0]
    episode = truth(20, grasped=held, touch_forces=10.0 * held, object_positions=lifted)
    # Touched at 4 and 5: grasp at 5. Held for three frames at 6 and lifted: at 6 and 7, so transport at 7. Lost at 10, 11, 12: reach.
    assert true_stages("StackCube", episode).tolist() == [0] * 5 + [1, 1] + [2] * 5 + [0] * 8


def test_letting_go_where_the_object_belongs_is_no_loss() -> None:
    held = between(20, 4, 12)
    place = np.tile([0.6, 0.0, 0.07], (20, 1))
    place[0] = [0.6, 0.0, 0.02]
    place[9:] = [0.9, 0.0, 0.06]
    goal = np.tile([0.9, 0.0, 0.06], (20, 1))
    episode = truth(20, grasped=held, touch_forces=10.0 * held, object_positions=place, goal_positions=goal, successes=between(20, 14, 19))
    stages = true_stages("StackCube", episode)
    assert stages[10] == 3 and stages[14] == 3 and stages[15] == 4 and stages[-1] == 4


def test_success_is_final() -> None:
    episode = truth(12, successes=between(12, 2, 3))
    # Two frames of it at 3; the stages before it follow one a step, though it no longer holds.
    assert true_stages("PushCube", episode).tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4]


def test_the_peg_is_gripped_away_from_its_middle() -> None:
    hand = np.tile([0.6 - 0.095, 0.0, 0.02], (4, 1))
    assert true_stages("LiftPegUpright", truth(4, ee_positions=hand)).tolist() == [0, 1, 1, 1]
    assert true_stages("LiftPegUpright", truth(4, ee_positions=hand + [0.095, 0.0, 0.0])).tolist() == [0] * 4


def test_turning_vectors_agrees_with_the_formula_written_elsewhere() -> None:
    generator = np.random.default_rng(0)
    orientations = generator.normal(size=(20, 4))
    orientations /= np.linalg.norm(orientations, axis=1, keepdims=True)
    vector = generator.normal(size=3)
    np.testing.assert_allclose(rotated(orientations, vector), [rotate(orientation, vector) for orientation in orientations], atol=1e-12)


def judged(true: list[int], found: list[int], *, success: bool = False) -> Judged:
    stages = np.array(true)
    return Judged(
        seed=1,
        failure="",
        true_stages=stages,
        bare_stages=stages,
        force_stages=stages,
        stages=np.array(found),
        true_success=success,
        final_distance=0.05,
    )


def test_perfect_labels_have_no_errors() -> None:
    stages = [0, 0, 1, 1, 2, 3, 4, 4]
    table = compare([judged(stages, stages, success=True)], STAGES["PushCube"])
    assert table["step_agreement"] == 1.0 and np.trace(table["confusion"]) == 8
    entry = table["entries"]["after_its_frames"]
    assert entry["within_2_frames"] == 1.0 and entry["missed"] == {} and entry["false"] == {} and entry["median"] == 0.0


def test_late_missed_and_false_entries_are_told_apart() -> None:
    # Contact three frames late; push missed; a second contact after a fall is false.
    table = compare([judged([0, 1, 1, 2, 2, 2, 2, 2], [0, 0, 0, 0, 1, 1, 0, 1])], STAGES["PushCube"])
    entry = table["entries"]["after_its_frames"]
    assert entry["true"] == 2 and entry["histogram"] == {"3": 1} and entry["within_2_frames"] == 0.0
    assert entry["missed"] == {"push": 1} and entry["false"] == {"contact": 1}
    assert table["regressions"] == {"true": 0, "labelled": 1}


def test_false_and_missed_success_count_among_failures_and_successes_apart() -> None:
    rows = [judged([0, 4], [0, 4], success=True), judged([0, 4], [0, 0], success=True), judged([0, 0], [0, 4])]
    figures = compare(rows, STAGES["PushCube"])["success"]
    assert (figures["missed_success"]["count"], figures["missed_success"]["of"]) == (1, 2)
    assert (figures["false_success"]["count"], figures["false_success"]["of"]) == (1, 1)
    assert figures["agreement"]["rate"] == pytest.approx(1 / 3, abs=1e-4)


def test_the_trivial_labeller_is_as_good_as_the_share_of_successes() -> None:
    rows = [judged([0, 4], [0, 4], success=True)] * 3 + [judged([0, 0], [0, 0])]
    assert trivial(rows)["always_success"]["rate"] == 0.75
    assert trivial(rows)["final_distance"]["rate"] == 0.75  # all end 5 cm off: no threshold tells them apart


def test_an_entry_is_a_rise() -> None:
    assert entries(np.array([0, 1, 1, 3, 0, 2])) == [(1, 1), (3, 3), (2, 5)]
