"""What is recorded of an episode is what the simulator had, and a drawn state shows the object where it was."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from robot_drivers.workcell import open_workcell
from sim_bridge.rollouts import connect
from sim_bridge.sensed_objects import look
from sim_bridge.sensed_recording import (
    MOVED,
    SensorLog,
    finger_effort,
    load_sensors,
    load_truth,
    record_episode,
    save_log,
)
from sim_bridge.sensed_rendering import EpisodePainter, camera_settings

SEED = 41_000


@pytest.fixture(scope="module")
def pushed(state_only):
    return record_episode(state_only("PushCube"), "PushCube", SEED, failure="", noise=0.0, horizon=40)


def test_the_solvers_contacts_agree_with_maniskills_own_queries(pushed) -> None:
    queried = np.array([seen.contact_force for seen in pushed.privileged])
    assert (queried > 0.05).any()
    np.testing.assert_allclose(pushed.truth.touch_forces, queried, atol=1e-3)


def test_the_truth_is_the_simulations(pushed) -> None:
    np.testing.assert_allclose(pushed.truth.object_positions, [seen.object_position for seen in pushed.privileged], atol=1e-6)
    assert pushed.truth.successes.any() and not pushed.truth.successes[0]
    assert len(pushed.truth) == len(pushed.sensors) == len(pushed.truth.states)


def test_the_hand_feels_the_cube_against_the_way_it_pushes(pushed) -> None:
    touched = pushed.truth.touch_forces > 0.05
    assert pushed.sensors.wrenches[touched, 0].mean() < 0.0  # PushCube goes along +x
    assert np.abs(pushed.sensors.wrenches[:5]).max() == 0.0


def test_sensors_hold_nothing_of_any_object() -> None:
    names = {entry.name for entry in dataclasses.fields(SensorLog)}
    assert not {name for name in names if any(word in name for word in ("object", "goal", "grasped", "success", "state", "contact"))}


def test_a_log_reads_back_as_it_was_written(pushed, tmp_path: Path) -> None:
    save_log(tmp_path / "sensors.npz", pushed.sensors)
    save_log(tmp_path / "truth.npz", pushed.truth)
    for log, again in ((pushed.sensors, load_sensors(tmp_path / "sensors.npz")), (pushed.truth, load_truth(tmp_path / "truth.npz"))):
        for name, value in vars(log).items():
            np.testing.assert_array_equal(value, getattr(again, name))


def test_closing_fingers_that_meet_one_another_press(state_only) -> None:
    workcell = state_only("PushCube")
    workcell.reset(SEED)
    simulation = workcell.simulation
    assert abs(finger_effort(simulation)) < 1.0
    simulation.finger_target = -0.01
    for _ in range(20):
        simulation.advance()
    assert finger_effort(simulation) > 5.0  # 1000 N/m times 1 cm beyond closed, less what the fingers' stops give


@pytest.mark.slow
@pytest.mark.parametrize("task", ["PushCube", "PullCube", "StackCube", "LiftPegUpright"])
def test_a_drawn_state_shows_the_object_where_it_was(task: str, bundled_config, state_only) -> None:
    truth = record_episode(state_only(task), task, SEED, failure="", noise=0.0, horizon=8).truth
    workcell = connect(open_workcell(dataclasses.replace(bundled_config, cameras=camera_settings(task)), task=task))
    painter = EpisodePainter(workcell)
    pictures = painter.paint(truth, every=7)
    assert pictures.steps.tolist() == [0, 7] and pictures.depths.dtype == np.uint16
    for step, colour, depth in zip(pictures.steps, pictures.colours, pictures.depths, strict=True):
        sight = look(task, colour, depth.astype(np.float32) / 1000.0, painter.camera_model(), painter.camera_in_base())[0]
        assert np.linalg.norm(sight.position - truth.object_positions[step]) < 0.006
        assert sight.confidence > 0.6
    position, _ = workcell.simulation.pose_in_base(getattr(workcell.simulation.environment, MOVED[task]))
    np.testing.assert_allclose(position, truth.object_positions[7], atol=1e-5)
    painter.close()
