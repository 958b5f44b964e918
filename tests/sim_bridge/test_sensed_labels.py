"""Labels from measurements alone: what each tier may know, when an image counts, and that no simulator is in the process."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim_bridge.sensed_labels import LABELS, SENSED_THRESHOLDS, TASK, bench_task, label_episode, observe
from sim_bridge.sensed_objects import OBJECT, Sight
from sim_bridge.sensed_recording import SENSORS, SensorLog, save_log
from stage_core.configuration import load_yaml
from stage_core.errors import ConfigurationError
from stage_core.task import TaskConfig, load_task, task_from_mapping

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "ros2_ws/src/stage_bringup/config/tasks"
NAMES = ("PushCube", "PullCube", "StackCube", "LiftPegUpright")


def bundled(task: str) -> dict:
    return load_yaml(next(path for path in TASKS.glob("*.yaml") if load_task(path).name == task))


def bench(task: str) -> TaskConfig:
    taught = np.array([0.8, 0.0, 0.02]) if task in ("PushCube", "PullCube") else None
    return task_from_mapping(bench_task(bundled(task), taught), source=task)


def closing_hand(steps: int = 30, *, rest_width: float = 0.04, press: float = 25.0) -> SensorLog:
    """The hand stands still, its fingers close from step 5 on and come to rest at `rest_width`."""
    closed = np.arange(steps) >= 8
    return SensorLog(
        stamps=0.05 * np.arange(steps),
        ee_positions=np.tile([0.6, 0.0, 0.1], (steps, 1)),
        ee_orientations=np.tile([1.0, 0.0, 0.0, 0.0], (steps, 1)),
        widths=np.where(closed, rest_width, 0.08),
        efforts=np.where(closed, press, 0.0),
        wrenches=np.zeros((steps, 3)),
        openings=np.where(np.arange(steps) >= 5, 0.0, 1.0),
    )


@pytest.mark.parametrize("task", NAMES)
def test_the_task_file_of_a_bench_has_no_privileged_goal(task: str) -> None:
    goal = bench(task).goal
    assert (goal.source, goal.name) != (bundled(task)["goal"]["source"], bundled(task)["goal"].get("name")) or goal.source == "none"
    assert goal.source in ("taught", "pose", "none")
    for name, value in SENSED_THRESHOLDS[bench(task).family].items():
        assert getattr(bench(task).thresholds, name) == value


def test_making_a_bench_of_a_task_leaves_the_bundled_one_alone() -> None:
    content = bundled("StackCube")
    bench_task(content, None)
    assert content == bundled("StackCube")


@pytest.mark.parametrize("tier", [0, 1])
def test_without_a_camera_nothing_is_known_of_any_object(tier: int) -> None:
    for seen in observe(bench("StackCube"), closing_hand(), tier=tier):
        assert seen.object_position is None and seen.goal_position is None and seen.object_static is None
        assert seen.tier <= tier


def test_tier_0_knows_neither_effort_nor_contact_and_tier_1_both() -> None:
    without, with_force = (observe(bench("StackCube"), closing_hand(), tier=tier) for tier in (0, 1))
    assert all(seen.gripper_effort is None and seen.contact is None for seen in without)
    assert with_force[-1].gripper_effort == 25.0 and with_force[-1].contact is False
    assert without[-1].grasped and with_force[-1].grasped
    assert with_force[-1].confidence["grasped"] > without[-1].confidence["grasped"]


def test_fingers_that_close_on_nothing_grasp_nothing() -> None:
    for tier in (0, 1):
        assert observe(bench("StackCube"), closing_hand(rest_width=0.0005), tier=tier)[-1].grasped is False


def test_an_image_counts_from_its_arrival_on_with_the_stamp_of_its_capture() -> None:
    sights = [Sight(name=OBJECT, position=np.array([0.6, 0.0, 0.02]), confidence=1.0)]
    seen = observe(bench("PushCube"), closing_hand(), tier=2, arrivals=[(6, 0.05 * 4, sights)])
    known = [step for step, observation in enumerate(seen) if observation.object_position is not None]
    assert known[0] == 6  # taken at step 4, two steps late
    assert seen[6].input_stamps["object"] == pytest.approx(0.2)
    assert known[-1] == 8  # 0.2 s old at step 8: older than that, it is not used


def test_a_folder_with_privileged_state_is_refused(tmp_path: Path) -> None:
    write_episode(tmp_path)
    (tmp_path / "truth.npz").touch()
    with pytest.raises(ConfigurationError, match="expected measurements alone"):
        label_episode(tmp_path)


def test_an_untaught_goal_is_refused() -> None:
    task = bench("PushCube")
    task = dataclasses.replace(task, goal=dataclasses.replace(task.goal, position_m=None))
    with pytest.raises(ConfigurationError, match="taught"):
        observe(task, closing_hand(), tier=0)


def write_episode(folder: Path) -> None:
    save_log(folder / SENSORS, closing_hand())
    content = bench_task(bundled("StackCube"), None)
    (folder / TASK).write_text(yaml.safe_dump(content), encoding="utf-8")


def test_the_labelling_process_imports_no_simulator_and_labels_every_episode(tmp_path: Path) -> None:
    write_episode(tmp_path / "a")
    write_episode(tmp_path / "b")
    code = (
        "import sys; from sim_bridge.sensed_labels import main; assert main([sys.argv[1]]) == 0;"
        "assert not {'mani_skill', 'sapien', 'torch', 'gymnasium'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("a", "b"):
        with np.load(tmp_path / name / LABELS) as labels:
            assert set(labels.files) == {"tier0", "tier1"} and all(len(labels[tier]) == 30 for tier in labels.files)
