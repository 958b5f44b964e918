"""Figures of a session, by hand calculation."""

from __future__ import annotations

import pytest

from stage_bringup.report.summary import conditional_success, machine_facts, summarise
from stage_bringup.session import EpisodeResult

NAMES = ["reach", "contact", "push", "goal", "success"]


def result(index: int, reached: int, *, environment: bool | None, monitor: bool) -> EpisodeResult:
    """Return an episode that entered the first `reached` stages, 10 steps of 0.05 s each."""
    stages = [
        {
            "name": name,
            "entered_step": 10 * k if k < reached else None,
            "entered_s": 0.5 * k if k < reached else None,
            "duration_s": 0.5 if k < reached else None,
        }
        for k, name in enumerate(NAMES)
    ]
    return EpisodeResult(
        index=index,
        seed=50_000 + index,
        episode_id=f"episode{index}",
        directory="",
        environment_success=environment,
        environment_success_once=environment,
        monitor_success=monitor,
        steps=10 * reached,
        ended_by="success" if monitor else "timeout",
        stages=stages,
        trace_sha256="",
        round_trip_ms={},
        error="",
    )


@pytest.fixture
def figures():
    episodes = [
        result(0, 5, environment=True, monitor=True),
        result(1, 5, environment=True, monitor=True),
        result(2, 3, environment=False, monitor=False),
        result(3, 1, environment=False, monitor=True),
    ]
    return summarise("PushCube", episodes)


def test_success_is_the_simulations_own_judgement(figures):
    assert (figures["successes"], figures["episodes"], figures["success_rate"]) == (2, 4, 0.5)


def test_interval_is_wilsons(figures):
    # z = 1.96, n = 4, p = 0.5: centre (0.5 + z²/8)/(1 + z²/4) = 0.5, half width z·sqrt(1/16 + z²/64)/(1 + z²/4) = 0.350
    assert figures["interval_95"] == pytest.approx([0.150, 0.850], abs=1e-3)


def test_stages_count_who_entered_them_and_for_how_long(figures):
    assert {name: stage["reached"] for name, stage in figures["stages"].items()} == {
        "reach": 4,
        "contact": 3,
        "push": 3,
        "goal": 2,
        "success": 2,
    }
    assert figures["stages"]["goal"]["mean_s"] == 0.5
    assert figures["stages"]["goal"]["mean_entered_s"] == 1.5


def test_conditional_success_is_of_those_that_came_so_far(figures):
    chain = {entry["stage"]: (entry["reached"], entry["of"]) for entry in figures["conditional_stage_success"]}
    assert chain == {"contact": (3, 4), "push": (3, 3), "goal": (2, 3), "success": (2, 2)}


def test_agreement_compares_monitor_and_simulation(figures):
    assert figures["monitor_agreement"] == 0.75


def test_without_a_simulation_the_monitor_decides():
    figures = summarise("PushCube", [result(0, 5, environment=None, monitor=True)])
    assert figures["success_rate"] == 1.0
    assert figures["monitor_agreement"] is None


def test_no_episode_gives_no_rate_instead_of_a_division_by_zero():
    figures = summarise("PushCube", [])
    assert figures["success_rate"] is None and figures["interval_95"] is None


def test_a_stage_nobody_came_near_has_no_rate():
    chain = conditional_success([result(0, 1, environment=False, monitor=False)])
    assert [entry["rate"] for entry in chain] == [0.0, None, None, None]


def test_machine_facts_name_processor_and_versions():
    facts = machine_facts()
    assert facts["processors"] >= 1 and facts["packages"]["numpy"]
