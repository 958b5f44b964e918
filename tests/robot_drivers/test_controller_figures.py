"""The figures on hostile commands and stops, in short, and that they can fail: the judge of a controller's log finds what is beyond."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import stop_latency
from benchmarks.controller_judge import ControllerJudge
from benchmarks.controller_rig import ARMS, Record, Rig
from benchmarks.hostile_commands import Trial
from benchmarks.hostile_sources import SPACES, Source


@pytest.fixture(scope="module")
def rig():
    with Rig("xarm", rate_hz=20.0, loop=False) as made:
        yield made


def record(joints: np.ndarray, period: float = 0.01) -> Record:
    times = period * np.arange(len(joints))
    speeds = np.vstack([np.zeros(joints.shape[1]), np.diff(joints, axis=0) / period])
    return Record(came=times, times=times, joints=joints, speeds=speeds)


def straight(rig: Rig, direction: list[float], speed: float, count: int = 60) -> np.ndarray:
    """Return joints that lead the tool straight on, at `speed` m/s in steps of 10 ms."""
    joints, way = rig.home.copy(), [rig.home.copy()]
    for _ in range(count):
        pose = rig.kinematics.forward(joints)
        pose[:3] += np.array(direction) * speed * 0.01
        joints = rig.kinematics.inverse(pose, joints)
        way.append(joints)
    return np.array(way)


def test_the_judge_lets_a_lawful_way_pass(rig) -> None:
    judge = ControllerJudge(rig)
    judge.judge(record(straight(rig, [1.0, 0.0, 0.0], 0.1)))
    assert judge.result()["beyond_limits"] == 0


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("tool_speed_share_of_limit", lambda rig: straight(rig, [0.0, 1.0, 0.0], 0.3, 20)),
        ("tool_out_of_the_workspace_m", lambda rig: straight(rig, [1.0, 0.0, 0.0], 0.24, 110)),
        ("body_in_a_keep_out_m", lambda rig: straight(rig, [0.0, 0.0, -1.0], 0.24, 100)),
        ("joint_speed_share_of_limit", lambda rig: rig.home + np.outer(np.arange(10), np.eye(len(rig.home))[-1] * 0.01)),
        ("joint_past_its_limit_rad", lambda rig: rig.home + np.outer(np.arange(800), np.eye(len(rig.home))[1] * 0.005)),
    ],
)
def test_the_judge_names_what_is_beyond_a_limit(rig, name, make) -> None:
    judge = ControllerJudge(rig)
    judge.judge(record(make(rig)))
    assert judge.beyond[name] == 1, judge.extremes


def test_the_sources_speak_every_action_space_and_know_a_dozen_ways_out(rig) -> None:
    source = Source(rig, seed=1)
    assert {source.lawful(float(k))[0].action_space for k in range(200)} == set(SPACES)
    assert len({source.campaign()[0] for _ in range(12)}) == 12
    assert len({source.admission(following=True)[0] for _ in range(400)}) == 13


@pytest.mark.parametrize("name", ARMS)
def test_hostile_commands_stay_within_the_limits_and_lawful_ones_pass_on_a_controller(name) -> None:
    result = Trial(name, seed=11).run(blocks=1, hostile=60, lawful=60)
    assert result["hostile"] == result["lawful"] == 60
    assert (result["beyond_limits"], result["controller_violations"], result["controller_stops"]) == (0, 0, 0), result
    assert result["controller_samples"] > 100
    assert result["lawful_unaltered"] >= 57, result["altered"]  # the full figure asks for 99.9 %; here the machine may be busy


@pytest.mark.parametrize("name", ARMS)
def test_a_stop_reaches_the_controller_in_time_and_returns_while_a_call_is_stuck(name) -> None:
    trials = stop_latency.StopTrials(name)
    latencies = trials.bare(2) + trials.safe(2)
    stuck = trials.stuck(2)
    assert max(latencies) < 0.25, latencies  # the figure itself holds the driver to max_stop_latency; here the machine may be busy
    assert max(stuck["took"]) < 0.25 and stuck["moved_rad"] < 0.02
