import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage_core.monitor import StageMonitor
from stage_core.shaping import shape_rewards, shaping_term

paths = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=60)


@given(paths, st.floats(0.5, 1.0))
def test_discounted_shaping_telescopes(path, discount):
    terms = shape_rewards(np.zeros(len(path) - 1), np.array(path), discount=discount)
    total = sum(discount**t * term for t, term in enumerate(terms))
    assert total == pytest.approx(discount ** (len(path) - 1) * path[-1] - path[0], abs=1e-9)


@given(paths)
def test_with_zero_at_a_true_terminal_only_the_first_potential_is_left(path):
    terms = shape_rewards(np.zeros(len(path) - 1), np.array(path), discount=0.99, terminated=True, terminal="zero")
    assert sum(0.99**t * term for t, term in enumerate(terms)) == pytest.approx(-path[0], abs=1e-9)


def test_a_truncation_keeps_the_last_potential_in_both_modes():
    path = np.array([0.1, 0.5])
    zero, keep = (shape_rewards(np.zeros(1), path, terminated=False, terminal=mode) for mode in ("zero", "keep"))
    assert zero == keep == pytest.approx(0.99 * 0.5 - 0.1)


def test_an_absent_potential_is_held_and_adds_nothing():
    path = np.array([0.2, np.nan, np.nan, 0.6])
    assert shape_rewards(np.ones(3), path, discount=1.0) == pytest.approx([1.0, 1.0, 1.4])
    assert shape_rewards(np.ones(2), np.array([np.nan, 0.5, 0.7]), discount=1.0) == pytest.approx([1.0, 1.2])
    assert shaping_term(None, 0.5, discount=0.99) == 0.0


def test_constant_potential_and_no_discount_change_nothing():
    rewards = np.array([0.0, 1.0, 0.0])
    assert shape_rewards(rewards, np.full(4, 0.7), discount=1.0) == pytest.approx(rewards)


def test_wrong_lengths_are_one_clear_line():
    with pytest.raises(ValueError, match=r"expected \(3,\), one more than the rewards"):
        shape_rewards(np.zeros(2), np.zeros(2))


def test_the_monitor_s_terms_telescope_over_an_episode(tasks, stack_episode):
    monitor = StageMonitor(tasks["StackCube"], 20.0)
    updates = [monitor.update(observation) for observation in stack_episode]
    total = sum(0.99**t * update.shaped_reward for t, update in enumerate(updates[1:]))
    assert total == pytest.approx(0.99 ** (len(updates) - 1) * updates[-1].progress - updates[0].progress, abs=1e-9)
    path = np.array([update.progress for update in updates])
    assert shape_rewards(np.zeros(len(path) - 1), path) == pytest.approx([update.shaped_reward for update in updates[1:]], abs=1e-15)
