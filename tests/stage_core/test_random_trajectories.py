"""What the monitor promises for any trajectory, over 10,000 random ones: no NaN, no skipped stage, no potential outside [0, 1]."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from trajectories import random_batch, task_of

from stage_core.monitor import StageMonitor
from stage_core.task import FAMILIES

MODES = ("cumulative", "literal")
KINDS = ("", "entered", "regression", "unobservable", "success", "success_lost")
ABSENT = -1.0  # stands for None, so that a NaN is always an error
DISCOUNT = 0.99
# A failure names family, mode, seed and episode; making the seed smaller would say nothing more.
batches = settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def watch(family: str, mode: str, seed: int, *, episodes: int, steps: int, rate: float, clean: bool = False) -> dict[str, np.ndarray]:
    """Run the monitor over a batch; (episodes, steps) arrays by name, None as -1, and two bits per kind of event."""
    monitor = StageMonitor(task_of(family), rate, mode)
    rows = []
    for episode in random_batch(family, seed, episodes=episodes, steps=steps, rate=rate, clean=clean):
        monitor.reset()
        for observation in episode:
            u = monitor.update(observation)
            events = 0
            for event in u.events:
                events |= 1 << KINDS.index(event.kind)
            shaping = monitor.shaping_potential
            rows.append(
                (u.stage, u.progress, ABSENT if u.potential is None else u.potential, ABSENT if u.cost is None else u.cost)
                + (u.shaped_reward, u.confidence, ABSENT if shaping is None else shaping, events)
            )  # fmt: skip
    table = np.array(rows, dtype=np.float64).reshape(episodes, steps, -1)
    names = ("stage", "progress", "potential", "cost", "shaped", "confidence", "shaping", "events")
    return {name: table[..., i] for i, name in enumerate(names)}


def check_promises(seen: dict[str, np.ndarray], where: str) -> None:
    """Assert every promise; a failure names the first episode and step that break it."""

    def hold(right: np.ndarray, claim: str) -> None:
        assert right.all(), f"{claim}; {where}, first (episode, step) {tuple(np.argwhere(~right)[0])}"

    stage, progress, potential, shaped = (seen[name] for name in ("stage", "progress", "potential", "shaped"))
    for name, values in seen.items():
        hold(np.isfinite(values), f"{name} is finite")
    hold((progress >= 0.0) & (progress <= 1.0), "the progress is in [0, 1]")
    hold((potential == ABSENT) | ((potential >= 0.0) & (potential <= 1.0)), "the potential is in [0, 1]")
    hold((seen["shaping"] == ABSENT) | ((seen["shaping"] >= 0.0) & (seen["shaping"] <= 1.0)), "the shaping potential is in [0, 1]")
    hold((seen["cost"] == ABSENT) | (seen["cost"] >= 0.0), "a cost is not negative")
    hold((seen["confidence"] >= 0.0) & (seen["confidence"] <= 1.0), "the confidence is in [0, 1]")
    hold((stage >= 0) & (stage <= 4), "the stage exists")
    rises = np.diff(stage, axis=1, prepend=0.0)
    hold(rises <= 1, "no stage is skipped")
    events = seen["events"].astype(int)
    hold((rises >= 0) | (events & 1 << KINDS.index("regression") > 0), "a demotion is a regression event")
    hold((rises <= 0) | (events & (1 << KINDS.index("entered") | 1 << KINDS.index("success")) > 0), "a rise is an event")
    hold(np.diff(stage == 4, axis=1, prepend=False).astype(int) * (stage != 4) == 0, "success is final")
    known, before = potential != ABSENT, np.roll(potential != ABSENT, 1, axis=1)
    earlier = np.hstack([np.zeros((len(progress), 1)), progress[:, :-1]])
    hold(known | (shaped == 0.0), "an absent potential adds no shaping")
    hold(known | (progress == earlier), "an absent potential holds the last progress")
    before[:, 0] = False
    hold(~(known & before & (rises > 0)) | (progress >= earlier), "the progress never falls when the stage rises")


def check_shaping(seen: dict[str, np.ndarray], where: str) -> None:
    """Assert that the terms are those of equation 5 and that they telescope where every potential is known."""
    potential, shaping = seen["potential"], seen["shaping"]
    previous = np.hstack([np.full((len(shaping), 1), ABSENT), shaping[:, :-1]])
    taken = (potential != ABSENT) & (previous != ABSENT) & (seen["shaped"] != 0.0)
    expected = DISCOUNT * shaping - previous
    assert np.abs(np.where(taken, seen["shaped"] - expected, 0.0)).max() <= 1e-12, where
    whole = (potential != ABSENT).all(axis=1)
    steps = potential.shape[1]
    sums = (DISCOUNT ** np.arange(steps - 1) * seen["shaped"][whole, 1:]).sum(axis=1)
    ends = DISCOUNT ** (steps - 1) * shaping[whole, -1] - shaping[whole, 0]
    assert whole.any() and np.abs(sums - ends).max() <= 1e-9, where


@pytest.mark.parametrize("family", sorted(FAMILIES))  # 5 families x 8 batches x 250 = 10,000 trajectories
@batches
@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(MODES))
def test_ten_thousand_trajectories_give_no_nan_no_skipped_stage_and_no_potential_outside_0_1(family, seed, mode):
    where = f"{family}, {mode}, seed {seed}"
    seen = watch(family, mode, seed, episodes=250, steps=16, rate=10.0)
    check_promises(seen, where)
    if mode == "cumulative":  # where the literal potential alone is unknown, the update does not tell
        check_shaping(seen, where)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_ten_thousand_long_trajectories_keep_every_promise(family, mode):
    for seed in range(10):
        seen = watch(family, mode, seed, episodes=200, steps=100, rate=20.0)
        check_promises(seen, f"{family}, {mode}, seed {seed}")
        known = watch(family, mode, seed, episodes=50, steps=100, rate=20.0, clean=True)
        check_shaping(known, f"{family}, {mode}, seed {seed}")


def test_the_random_trajectories_reach_every_stage_and_every_kind_of_event():
    kinds = 0
    for family in sorted(FAMILIES):
        seen = watch(family, "cumulative", 5, episodes=250, steps=16, rate=10.0)
        assert set(np.unique(seen["stage"])) == {0, 1, 2, 3, 4}, family
        assert (seen["potential"] == ABSENT).any() and (seen["potential"] != ABSENT).all(axis=1).any()
        kinds |= int(np.bitwise_or.reduce(seen["events"].astype(int), axis=None))
    assert kinds == sum(1 << i for i in range(1, len(KINDS)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_shaping_telescopes_in_both_modes_where_everything_is_known(family, mode):
    check_shaping(watch(family, mode, 3, episodes=60, steps=40, rate=20.0, clean=True), f"{family}, {mode}")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_trajectories_that_nothing_disturbs_only_go_forward(family):
    seen = watch(family, "cumulative", 11, episodes=60, steps=60, rate=20.0, clean=True)
    check_promises(seen, family)
    assert (np.diff(seen["stage"], axis=1) >= 0).all()
    assert (seen["stage"][:, -1] == 4).mean() > 0.2
    assert not (seen["events"].astype(int) & 1 << KINDS.index("regression")).any()
    assert math.isclose(seen["progress"].max(), 1.0)
