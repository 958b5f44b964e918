"""The properties that spec/stare asks for in sections 3 to 5, stage by stage and family by family, and its numbers."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from trajectories import random_batch, task_of

from stage_core import potentials
from stage_core.costs import StageCosts, cost_medians, normalise_costs
from stage_core.errors import ConfigurationError
from stage_core.labels import label_observations
from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.signals import SignalReader
from stage_core.task import FAMILIES, CostsConfig, PotentialsConfig, TiersConfig, task_from_mapping

RATE = 20.0
LEVEL = (0.0, 0.0, 0.0, 1.0)


def phi(family: str, stage: str, mode: str = "cumulative", **fields) -> float:
    """Φ of one stage for one observation: normalised or as the paper has it."""
    task = task_of(family)
    arrays = {name: np.array(value, float) if isinstance(value, tuple) else value for name, value in fields.items()}
    signals = SignalReader(task, RATE).read(StageObservation(stamp=0.0, **arrays))
    evaluator, k = potentials.StagePotential(task, RATE), task.stages.index(stage)
    if mode == "literal":
        return evaluator.evaluate_literal(k, signals)
    return potentials.cumulative_potential(k, evaluator.evaluate(k, signals)[0], len(task.stages))


# ------------------------------------------------------------------ section 4: the numbers are those of the specification


def test_every_default_is_the_number_of_the_specification():
    p, c, t = PotentialsConfig(), CostsConfig(), TiersConfig()
    assert (p.grasp_weight, p.grasp_duration_weight, p.transport_grasp_weight, p.place_orientation_weight) == (0.5, 0.5, 0.25, 0.25)
    assert (p.grasp_duration_s, p.shaping_scale, p.discount) == (0.25, 1.0, 0.99)
    assert (p.reach_distance_m, p.transport_distance_m, p.place_distance_m, p.push_distance_m, p.lift_height_m) == (
        0.1,
        0.2,
        0.05,
        0.15,
        0.1,
    )
    assert (c.contact_distance_weight, c.slip_weight, c.contact_weight) == (0.5, 0.5, 0.5)
    assert (c.line_distance_weight_per_m, c.goal_distance_weight_per_m) == (10.0, 10.0)
    assert (c.goal_motion_weight_per_m, c.stability_weight_per_m, c.lateral_motion_weight) == (20.0, 20.0, 5.0)
    assert (c.contact_distance_scale_m, c.lift_way_point_m, c.stability_window_s * RATE) == (0.05, 0.08, 5)
    assert (c.slip_speed_m_s / RATE, c.slip_width_speed_m_s / RATE) == pytest.approx((0.005, 0.002))  # per step at 20 Hz
    assert (t.minimum_confidence, t.absent_below, t.follow_hand_confidence, t.follow_hand_s) == (0.6, 0.3, 0.7, 2.0)


def test_every_threshold_is_the_number_of_the_specification():
    frames = {"rise_debounce_s": 2, "fall_debounce_s": 3, "success_hold_s": 2}
    for family in FAMILIES.values():
        defaults = family.thresholds()
        assert {name: round(getattr(defaults, name) * RATE) for name in frames} == frames
        assert defaults.contact_force_n == 0.05
    push, place, stack, lift = (FAMILIES[name].thresholds() for name in ("push", "pick_place", "stack", "lift_upright"))
    assert (push.contact_displacement_m, push.push_displacement_m, push.goal_radius_m, push.height_tolerance_m) == (
        0.002,
        0.005,
        0.1,
        0.005,
    )
    assert (place.contact_distance_m, round(place.grasp_hold_s * RATE), place.lift_height_m, place.place_distance_m) == (
        0.02,
        3,
        0.01,
        0.03,
    )
    assert (stack.place_distance_m, stack.goal_distance_m, stack.height_tolerance_m) == (0.033, 0.0333, 0.005)
    assert (lift.minimum_height_m, lift.upright_angle_rad, lift.height_tolerance_m) == (0.02, 0.08, 0.005)


# ------------------------------------------------------------------ section 5: nearer is better, a lost grasp is worse


def _distance_fields(stage: str, distance: float) -> dict:
    if stage == "reach":
        return {"ee_position": (distance, 0.0, 0.0), "object_position": (0.0, 0.0, 0.0)}
    return {"object_position": (0.0, distance, 0.0), "goal_position": (0.0, 0.0, 0.0), "grasped": True}


BY_DISTANCE = [("pick_place", "reach"), ("pick_place", "transport"), ("stack", "transport"), ("stack", "place"), ("push", "push")]
BY_DISTANCE += [("pull", "pull"), ("lift_upright", "reach")]


@pytest.mark.parametrize("mode", ["cumulative", "literal"])
@pytest.mark.parametrize(("family", "stage"), BY_DISTANCE)
@settings(max_examples=60, deadline=None)
@given(first=st.floats(0.0, 0.6), second=st.floats(0.0, 0.6))
def test_a_nearer_thing_raises_the_potential_at_the_same_stage(family, stage, mode, first, second):
    near, far = sorted((first, second))
    nearer, farther = (phi(family, stage, mode, **_distance_fields(stage, distance)) for distance in (near, far))
    assert nearer >= farther
    # The paper's sums are cut at 1: there a nearer thing can gain nothing, which is why ours are normalised instead.
    if far - near > 1e-3 and nearer < 1.0:
        assert nearer > farther
    if mode == "cumulative" and far - near > 1e-3:
        assert nearer > farther


@pytest.mark.parametrize("mode", ["cumulative", "literal"])
@pytest.mark.parametrize(
    ("family", "stage"), [("pick_place", "grasp"), ("stack", "grasp"), ("stack", "transport"), ("lift_upright", "grasp")]
)
@settings(max_examples=60, deadline=None)
@given(distance=st.floats(0.06, 2.0))
def test_losing_the_grasp_lowers_the_potential(family, stage, mode, distance):
    fields = {"object_position": (0.0, distance, 0.0), "goal_position": (0.0, 0.0, 0.0)}
    assert phi(family, stage, mode, **fields, grasped=False) < phi(family, stage, mode, **fields, grasped=True)


@pytest.mark.parametrize("family", ["push", "pull"])
@pytest.mark.parametrize("mode", ["cumulative", "literal"])
def test_losing_the_touch_lowers_the_potential_of_contact(family, mode):
    assert phi(family, "contact", mode, contact=False) < phi(family, "contact", mode, contact=True)


@settings(max_examples=60, deadline=None)
@given(low=st.floats(0.0, 0.3), high=st.floats(0.0, 0.3))
def test_a_higher_thing_raises_the_potential_of_lift_until_it_is_high_enough(low, high):
    low, high = sorted((low, high))
    task = task_of("lift_upright")
    evaluator = potentials.StagePotential(task, RATE)
    values = []
    for height in (low, high):
        reader = SignalReader(task, RATE)
        reader.read(StageObservation(stamp=0.0, object_position=np.zeros(3)))
        signals = reader.read(StageObservation(stamp=0.05, sequence=1, object_position=np.array([0.0, 0.0, height])))
        values.append(evaluator.evaluate(2, signals)[0])
    assert values[1] >= values[0]
    if high - low > 1e-3 and low + 0.025 < 0.1:  # the table is half the peg's thickness below its centre
        assert values[1] > values[0]
    if high + 0.025 >= 0.1:
        assert values[1] == 1.0


@settings(max_examples=60, deadline=None)
@given(first=st.floats(0.0, math.pi / 2), second=st.floats(0.0, math.pi / 2))
def test_a_peg_that_stands_straighter_has_the_higher_potential(first, second):
    def upright(lean: float) -> float:
        half = (math.pi / 2 - lean) / 2
        return phi("lift_upright", "upright", object_position=(0, 0, 0), object_orientation=(0.0, -math.sin(half), 0.0, math.cos(half)))

    less, more = sorted((first, second))
    assert upright(less) >= upright(more) - 1e-12


@pytest.mark.parametrize("family", sorted(FAMILIES))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_worst_of_a_stage_is_not_below_the_best_of_the_one_before(family, seed):
    task = task_of(family)
    evaluator, reader = potentials.StagePotential(task, RATE), SignalReader(task, RATE)
    best, worst = [0.0] * 4, [1.0] * 4
    for episode in random_batch(family, seed, episodes=2, steps=12, rate=10.0):
        for observation in episode:
            signals = reader.read(observation)
            for k in range(4):
                value = evaluator.evaluate(k, signals)[0]
                if value is not None:
                    total = potentials.cumulative_potential(k, value, 4)
                    best[k], worst[k] = max(best[k], total), min(worst[k], total)
    assert all(worst[k + 1] >= best[k] for k in range(3))
    assert max(best) <= potentials.cumulative_potential(4, 0.0, 4) == 1.0


# ------------------------------------------------------------------ section 5: no threshold of 0 yields NaN

_NUMBERS = [
    (block, entry.name)
    for block, kind in (("potentials", PotentialsConfig), ("costs", CostsConfig), ("tiers", TiersConfig))
    for entry in dataclasses.fields(kind)
    if "maximum" in entry.metadata
] + [("thresholds", name) for name in sorted({e.name for f in FAMILIES.values() for e in dataclasses.fields(f.thresholds) if "maximum" in e.metadata})]  # fmt: skip


@pytest.mark.parametrize(("block", "key"), _NUMBERS)
def test_a_number_of_0_is_refused_in_words_or_does_no_harm(block, key):
    tried = 0
    for family, entry in FAMILIES.items():
        if block == "thresholds" and key not in {field.name for field in dataclasses.fields(entry.thresholds)}:
            continue
        mapping = {
            "schema_version": 1, "name": "zero", "family": family, "instructions": ["do it"], "timeout_s": 5.0,
            "objects": {"name": "thing", "half_size_m": [0.12, 0.025, 0.025]}, "goal": {"source": "pose"}, block: {key: 0.0},
        }  # fmt: skip
        tried += 1
        try:
            task = task_from_mapping(mapping, source="zero.yaml")
        except ConfigurationError as error:
            assert f"{block}.{key} is 0" in str(error)
            continue
        for episode in random_batch(family, 1, episodes=10, steps=16, rate=10.0):
            labels = label_observations(task, 10.0, episode)
            assert np.isfinite(labels.progress).all() and np.isfinite(labels.shaped_rewards).all()
            assert ((labels.progress >= 0.0) & (labels.progress <= 1.0)).all()
            assert all(cost is None or 0.0 <= cost < math.inf for cost in labels.segment_costs)
    assert tried


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_thresholds_and_scales_of_0_that_come_past_the_check_still_give_no_nan(family):
    task = task_of(family)
    blocks = (task.thresholds, task.potentials, task.costs)
    for block in blocks:
        for entry in dataclasses.fields(block):
            if "maximum" in entry.metadata and entry.name != "discount":
                object.__setattr__(block, entry.name, 0.0)
    try:
        for mode in ("cumulative", "literal"):
            for episode in random_batch(family, 2, episodes=20, steps=16, rate=10.0):
                labels = label_observations(task, 10.0, episode, mode)
                assert np.isfinite(labels.progress).all() and np.isfinite(labels.shaped_rewards).all()
                assert all(cost is None or 0.0 <= cost < math.inf for cost in labels.segment_costs)
    finally:  # the blocks are the defaults of every task
        for block in blocks:
            for entry in dataclasses.fields(block):
                object.__setattr__(block, entry.name, entry.default)


def test_a_zero_distance_on_the_spot_and_a_zero_scale_elsewhere_are_numbers():
    assert potentials.closeness(0.0, 0.0) == 1.0 and potentials.closeness(0.1, 0.0) == 0.0
    assert potentials.lift_potential(0.0, 0.0) == pytest.approx(0.5 / 0.731059, abs=1e-6) or potentials.lift_potential(0.0, 0.0) >= 0.0


# ------------------------------------------------------------------ section 4: where the literal potential punishes progress


def _terms_at_entries(task, episode, mode: str) -> dict[str, float]:
    """The shaping term of the step at which each stage was entered."""
    monitor, terms = StageMonitor(task, RATE, mode), {}
    for observation in episode:
        update = monitor.update(observation)
        for event in update.events:
            if event.kind in ("entered", "success") and event.stage > 0:
                terms[event.stage_name] = update.shaped_reward
    return terms


def test_literal_punishes_the_touch_that_begins_every_grasp_and_cumulative_does_not(tasks, stack_episode, peg_episode):
    for name, episode in (("StackCube", stack_episode), ("LiftPegUpright", peg_episode)):
        literal, cumulative = (_terms_at_entries(tasks[name], episode, mode) for mode in ("literal", "cumulative"))
        # reach ends near σ(1) = 0.73 and grasp begins at 0, because a touch is not yet a grasp
        assert -0.74 < literal["grasp"] < -0.25
        assert all(term >= -0.01 - 1e-12 for term in cumulative.values()), cumulative  # γ < 1 takes at most a hundredth of Φ
        assert sum(literal.values()) < sum(cumulative.values())


def test_literal_pays_less_for_a_perfect_push_than_for_hovering_beside_the_cube(tasks, push_episode):
    pushed = label_observations(tasks["PushCube"], RATE, push_episode, "literal")
    touched = int(np.argmax(pushed.stages == 1))
    assert pushed.shaped_rewards[touched] < 0.0  # reach 0.7 -> contact 0.5
    best = label_observations(tasks["PushCube"], RATE, push_episode)
    assert best.shaped_rewards[touched] > 0.0


# ------------------------------------------------------------------ section 3: costs in medians


def test_costs_are_compared_in_medians_and_an_empty_segment_stays_empty():
    episodes = [(0.2, 1.0, None), (0.4, None, None), (0.1, 3.0, None)]
    medians = cost_medians(episodes)
    assert medians == (0.2, 2.0, None)
    assert normalise_costs((0.1, 4.0, 7.0), medians) == (0.5, 2.0, None)
    assert normalise_costs((0.9, None, None), medians) == (3.0, None, None)  # 4.5 medians, cut at 3
    assert normalise_costs((0.0, 0.1), (0.0, 0.0)) == (0.0, 3.0)


@given(st.lists(st.tuples(*[st.none() | st.floats(0.0, 1e6)] * 4), min_size=1, max_size=20))
def test_normalised_costs_are_in_0_3_or_absent(episodes):
    medians = cost_medians(episodes)
    for costs in episodes:
        for cost, normalised in zip(costs, normalise_costs(costs, medians), strict=True):
            assert (normalised is None) == (cost is None)
            assert normalised is None or 0.0 <= normalised <= 3.0


def test_costs_of_different_tasks_are_not_mixed():
    with pytest.raises(ValueError, match="Group them by task"):
        cost_medians([(0.1, 0.2), (0.1, 0.2, 0.3)])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_stage_without_a_step_has_no_cost_and_one_with_known_steps_has(family):
    assert StageCosts(task_of(family), RATE).costs() == (None,) * 4
    for episode in random_batch(family, 4, episodes=40, steps=30, rate=RATE, clean=True):
        labels = label_observations(task_of(family), RATE, episode)
        for k, cost in enumerate(labels.segment_costs):
            assert (cost is not None) == bool((labels.stages == k).any()), (family, k)


# ------------------------------------------------------------------ section 6: a stage is switched off by its name


@pytest.mark.parametrize("mode", ["cumulative", "literal"])
@pytest.mark.parametrize(("family", "stage"), [(family, stage) for family, entry in FAMILIES.items() for stage in entry.stages])
def test_any_stage_can_be_switched_off_by_name_and_changes_no_label(family, stage, mode):
    task = task_of(family)
    off = dataclasses.replace(task, potentials=dataclasses.replace(task.potentials, disabled_stages=(stage,), discount=1.0))
    k, inside = task.stages.index(stage), 0
    for episode in random_batch(family, 6, episodes=12, steps=30, rate=RATE, clean=True):
        labels, plain = label_observations(off, RATE, episode, mode), label_observations(task, RATE, episode, mode)
        assert labels.stages.tobytes() == plain.stages.tobytes()
        assert labels.segment_costs == plain.segment_costs
        within = np.flatnonzero((labels.stages[1:] == k) & (labels.stages[:-1] == k)) + 1
        assert (labels.potentials[labels.stages == k] == 0.0).all() and (labels.shaped_rewards[within] == 0.0).all()
        inside += int((labels.stages == k).sum())
    assert inside
