"""Gripper conventions, tested as pairs."""

from __future__ import annotations

import numpy as np
import pytest

from policy_server.transforms import GRIPPER_CONVENTIONS, gripper_from_opening, gripper_to_opening, split_action
from stage_core.errors import ConfigurationError

OPENINGS = np.linspace(0.0, 1.0, 11)


@pytest.mark.parametrize("convention", GRIPPER_CONVENTIONS)
def test_there_and_back_is_the_same_opening(convention):
    assert gripper_to_opening(gripper_from_opening(OPENINGS, convention), convention) == pytest.approx(OPENINGS)


# closed, half, open, as the data sets' papers and code define them
@pytest.mark.parametrize(
    ("convention", "values"),
    [("opening", [0.0, 0.5, 1.0]), ("droid", [1.0, 0.5, 0.0]), ("libero", [1.0, 0.0, -1.0]), ("maniskill", [-1.0, 0.0, 1.0])],
)
def test_convention_means_what_its_data_set_says(convention, values):
    assert gripper_from_opening([0.0, 0.5, 1.0], convention) == pytest.approx(values)


@pytest.mark.parametrize("convention", GRIPPER_CONVENTIONS)
def test_values_beyond_the_range_are_limited(convention):
    assert set(gripper_to_opening([-5.0, 5.0], convention)) == {0.0, 1.0}


def test_unknown_convention_names_the_nearest():
    with pytest.raises(ConfigurationError, match='Did you mean "libero"'):
        gripper_to_opening(0.0, "librero")


def test_last_column_is_the_gripper():
    values, opening = split_action(np.array([0.1, 0.2, 0.3, 0, 0, 0, 1.0]), "droid")
    assert values == pytest.approx([0.1, 0.2, 0.3, 0, 0, 0]) and opening == 0.0


def test_without_a_gripper_the_row_stays_whole():
    values, opening = split_action(np.arange(6.0), "none")
    assert values.shape == (6,) and opening is None
