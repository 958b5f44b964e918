"""Which action of a chunk is due (DESIGN 9.5), on a clock that the tests move."""

from __future__ import annotations

import math

import numpy as np
import pytest

from policy_server.action_chunking import ChunkSchedule
from policy_server.models.scripted import ScriptedPolicy
from stage_core.errors import ConfigurationError

PERIOD = 0.05
CHUNK = np.arange(8, dtype=float)[:, None] * np.ones(7)


def due_index(schedule, now):
    found = schedule.due(now)
    if found is None:
        return None
    values, index = found
    assert np.array_equal(values, CHUNK[index])
    return index


def test_in_lockstep_action_i_runs_at_step_i_for_hours():
    schedule = ChunkSchedule(PERIOD, 0.4)
    for step in range(0, 72_000, 4):  # 1 h: k * dt is no longer exact
        schedule.add(CHUNK, step * PERIOD, step * PERIOD)
        assert [due_index(schedule, (step + i) * PERIOD) for i in range(4)] == [0, 1, 2, 3]
    assert schedule.dropped == 0 and schedule.underruns == 0


def test_overdue_actions_are_dropped_and_never_squeezed():
    schedule = ChunkSchedule(PERIOD, 0.4)
    # the reply took 0.12 s: the periods of actions 0 and 1 (due 0.00 and 0.05) are over, that of 2 (due 0.10) is not
    assert schedule.add(CHUNK, 10.0, 10.12) == 2
    assert [due_index(schedule, 10.12 + i * PERIOD) for i in range(6)] == [2, 3, 4, 5, 6, 7]
    assert schedule.dropped == 2


def test_a_step_that_was_missed_loses_its_action():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.0, 0.0)
    assert due_index(schedule, 0.0) == 0
    assert due_index(schedule, 0.15) == 3
    assert schedule.dropped == 2


def test_each_action_is_handed_out_once():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.0, 0.0)
    assert due_index(schedule, 0.0) == 0
    assert due_index(schedule, 0.01) is None
    assert due_index(schedule, 0.05) == 1


@pytest.mark.parametrize("phase", [0.0, 0.001, 0.0249, 0.0251, 0.049])
def test_jitter_of_the_control_steps_neither_skips_nor_repeats(phase):
    schedule = ChunkSchedule(PERIOD, 0.6)
    schedule.add(CHUNK, 0.0, phase)
    jitter = [0.0, 0.004, -0.004, 0.004, -0.004, 0.0]
    indices = [due_index(schedule, phase + i * PERIOD + jitter[i]) for i in range(6)]
    assert indices[0] in (0, 1) and indices == list(range(indices[0], indices[0] + 6))


def test_polling_faster_than_the_period_never_squeezes_the_actions():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.0, 0.0)
    times = [t for t in np.arange(0.0, 0.4, 0.002) if schedule.due(t) is not None]
    assert len(times) == 8
    assert np.diff(times).min() >= 0.6 * PERIOD
    assert times[-1] >= (7 - 0.4) * PERIOD  # no action is handed out more than 0.4 of a period before its time


def test_a_state_that_is_stamped_early_gets_its_action_all_the_same():
    """Ages as an xArm gave them beside two busy processes: its reports come at 100 Hz. A step without an action would hold the arm."""
    schedule = ChunkSchedule(PERIOD, 0.6)
    schedule.add(CHUNK, 0.0, 0.046)
    assert [due_index(schedule, age) for age in (0.046, 0.098, 0.138, 0.199, 0.249, 0.287, 0.350)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_chunk_is_over_when_its_actions_or_its_time_are():
    schedule = ChunkSchedule(PERIOD, 0.12)
    assert schedule.is_over(0.0)
    schedule.add(CHUNK, 0.0, 0.0)
    assert [schedule.is_over(now) for now in (0.0, 0.12, 0.13)] == [False, False, True]
    schedule.add(CHUNK[:1], 1.0, 1.0)
    assert due_index(schedule, 1.0) == 0 and schedule.is_over(1.0)


def test_polling_over_a_change_of_chunks_never_squeezes_the_actions():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.0, 0.0)
    times = []
    for now in np.arange(0.0, 0.5, 0.002):
        if now == pytest.approx(0.112):
            schedule.add(CHUNK, 0.061, now)  # its actions fall between those of the first chunk
        if schedule.due(now) is not None:
            times.append(now)
    assert np.diff(times).min() >= 0.5 * PERIOD - 1e-9


def test_age_limit_beyond_the_chunks_length_is_refused():
    contract = ScriptedPolicy().contract  # 8 actions at 20 Hz
    assert ChunkSchedule.for_contract(contract, 0.4).period_s == 0.05
    with pytest.raises(ConfigurationError, match="max_chunk_age is 0.5 s; expected at most 0.4 s"):
        ChunkSchedule.for_contract(contract, 0.5)


def test_nothing_is_due_when_the_chunk_is_too_old():
    schedule = ChunkSchedule(PERIOD, 0.1)
    schedule.add(CHUNK, 0.0, 0.0)
    assert [due_index(schedule, i * PERIOD) for i in range(5)] == [0, 1, 2, None, None]
    assert schedule.underruns == 2


def test_a_chunk_that_comes_too_late_altogether_runs_no_action():
    schedule = ChunkSchedule(PERIOD, 0.4)
    assert schedule.add(CHUNK, 0.0, 0.5) == 8
    assert schedule.due(0.5) is None


def test_nothing_is_due_after_the_last_action():
    schedule = ChunkSchedule(PERIOD, 10.0)
    schedule.add(CHUNK, 0.0, 0.0)
    assert [due_index(schedule, i * PERIOD) for i in range(10)] == [*range(8), None, None]
    assert schedule.underruns == 2 and schedule.remaining == 0


def test_a_new_chunk_takes_over_at_its_own_times():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.0, 0.0)
    assert [due_index(schedule, i * PERIOD) for i in range(3)] == [0, 1, 2]
    schedule.add(CHUNK, 0.10, 0.14)  # observed at step 2, there just before step 3
    assert due_index(schedule, 0.15) == 1
    assert schedule.executed == 2


def test_an_older_chunk_never_replaces_a_newer_one():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.10, 0.10)
    assert schedule.add(CHUNK + 100.0, 0.05, 0.10) == 8
    assert due_index(schedule, 0.10) == 0


def test_without_a_chunk_nothing_is_due_and_nothing_is_counted():
    schedule = ChunkSchedule(PERIOD, 0.4)
    assert schedule.due(1.0) is None
    assert schedule.underruns == 0 and math.isnan(schedule.age(1.0))


def test_age_is_counted_from_the_observation():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 3.0, 3.1)
    assert schedule.age(3.25) == pytest.approx(0.25)


def test_cleared_schedule_waits_for_a_fresh_chunk():
    schedule = ChunkSchedule(PERIOD, 0.4)
    schedule.add(CHUNK, 0.0, 0.0)
    schedule.clear()
    assert schedule.due(0.0) is None
    assert schedule.chunks == 1


def test_settings_must_be_positive():
    with pytest.raises(ConfigurationError, match="max_chunk_age_s is 0"):
        ChunkSchedule(PERIOD, 0.0)


def test_a_chunk_must_have_rows():
    with pytest.raises(ValueError, match="expected \\(horizon, dim\\)"):
        ChunkSchedule(PERIOD, 0.4).add(np.zeros(7), 0.0, 0.0)
