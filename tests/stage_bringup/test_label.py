"""`stage label`: finding episodes, and what counts as a different label."""

from __future__ import annotations

import numpy as np
import pytest

from stage_bringup.cli.label import differing_steps, find_episodes
from stage_core.errors import ConfigurationError


def test_episodes_are_found_below_a_directory_in_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "episode.json").write_text("{}")
    assert [directory.name for directory in find_episodes((tmp_path,))] == ["a", "b"]


def test_naming_no_episode_is_refused():
    with pytest.raises(ConfigurationError, match="no episode is named"):
        find_episodes(())


def test_one_changed_bit_is_a_difference():
    live = np.array([0.1, 0.2, 0.3])
    again = live.copy()
    again[1] = np.nextafter(again[1], 1.0)
    assert differing_steps(live, again).tolist() == [False, True, False]


def test_absent_equals_absent_and_differs_from_a_number():
    live, again = np.array([np.nan, np.nan]), np.array([np.nan, 0.0])
    assert differing_steps(live, again).tolist() == [False, True]
