import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage_core.statistics import conditional_stage_success, wilson_interval


def test_wilson_interval_of_textbook_numbers():
    # z = 1.959964, 8 of 10: centre (0.8 + z²/20) / (1 + z²/10), half width z sqrt(0.016 + z²/400) / (1 + z²/10)
    assert wilson_interval(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-5)
    assert wilson_interval(10, 10) == pytest.approx((0.722467, 1.0), abs=1e-5)


@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_stays_in_range(counts):
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= high <= 1.0
    if trials:
        assert low - 1e-12 <= successes / trials <= high + 1e-12


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="3 of 2 trials"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="confidence is 95"):
        wilson_interval(1, 2, 95)


def test_conditional_success_divides_by_those_who_came_as_far():
    names = ("reach", "grasp", "transport", "place", "success")
    grasp, transport, place, success = conditional_stage_success([4, 4, 2, 1, 0, 4, 3], names)
    assert (grasp.reached, grasp.trials) == (6, 7)
    assert (transport.reached, transport.trials) == (5, 6)
    assert (place.reached, place.trials) == (4, 5)
    assert (success.name, success.reached, success.trials) == ("success", 3, 4)
    assert success.rate == 0.75
    assert (success.low, success.high) == wilson_interval(3, 4)


def test_a_stage_nobody_tried_has_no_rate():
    assert math.isnan(conditional_stage_success([0, 0], ("reach", "grasp", "success"))[1].rate)
