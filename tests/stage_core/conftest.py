"""Synthetic trajectories for the stage monitor: plain arrays, no simulator."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from stage_core.observation import StageObservation
from stage_core.task import TaskConfig, load_task

TASKS = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/tasks"
# A deadline per example would test how busy the machine is.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
RATE = 20.0
DOWN = (1.0, 0.0, 0.0, 0.0)  # xyzw, the tool points down
LEVEL = (0.0, 0.0, 0.0, 1.0)


class Scene:
    """Builds one observation after another from named values; what is not named stays as it was."""

    def __init__(self, **fields) -> None:
        self.fields = {"ee_orientation": DOWN, "object_orientation": LEVEL} | fields
        self.observations: list[StageObservation] = []

    def step(self, count: int = 1, **changes) -> Scene:
        """Add `count` steps that all look the same."""
        self.fields |= changes
        for _ in range(count):
            k = len(self.observations)
            self.observations.append(make_observation(k, **self.fields))
        return self

    def move(self, count: int, **ends) -> Scene:
        """Move positions in straight lines to `ends` within `count` steps."""
        starts = {name: np.asarray(self.fields[name], dtype=float) for name in ends}
        for i in range(1, count + 1):
            self.step(**{name: starts[name] + (np.asarray(end) - starts[name]) * i / count for name, end in ends.items()})
        return self


def make_observation(k: int, **fields) -> StageObservation:
    """Return the observation of control step `k`; sequences become arrays."""
    arrays = {name: np.array(value, dtype=np.float64) if isinstance(value, tuple | list) else value for name, value in fields.items()}
    return StageObservation(stamp=k / RATE, sequence=k, **arrays)


def loosely(task: TaskConfig, **thresholds) -> TaskConfig:
    """Return `task` with other thresholds."""
    return dataclasses.replace(task, thresholds=dataclasses.replace(task.thresholds, **thresholds))


@pytest.fixture
def new_scene():
    return Scene


@pytest.fixture
def observation_of():
    return make_observation


@pytest.fixture
def with_thresholds():
    return loosely


@pytest.fixture(scope="session")
def tasks() -> dict[str, TaskConfig]:
    """The five bundled tasks by name."""
    found = [load_task(path) for path in sorted(TASKS.glob("*.yaml"))]
    return {task.name: task for task in found if task.name in ("PushCube", "PullCube", "PickCube", "StackCube", "LiftPegUpright")}


@pytest.fixture
def push_episode():
    """A hand that touches a cube and pushes it 20 cm into the goal region."""
    scene = Scene(ee_position=(0.45, 0.0, 0.15), object_position=(0.6, 0.0, 0.02), goal_position=(0.8, 0.0, 0.02))
    scene.fields |= {"grasped": False, "contact": False, "released": True, "contact_force": 0.0, "gripper_width": 0.0}
    scene.step().move(10, ee_position=(0.57, 0.0, 0.02))
    scene.step(3, contact=True, contact_force=2.0)
    scene.move(15, ee_position=(0.75, 0.0, 0.02), object_position=(0.78, 0.0, 0.02))
    return scene.step(6).observations


@pytest.fixture
def stack_episode():
    """A hand that picks a cube up, puts it onto another one and lets go."""
    scene = Scene(ee_position=(0.5, 0.0, 0.2), object_position=(0.5, 0.0, 0.02), goal_position=(0.6, 0.1, 0.06))
    scene.fields |= {"grasped": False, "contact": False, "released": True, "contact_force": 0.0, "gripper_width": 0.08}
    scene.fields |= {"object_static": True}
    scene.step().move(10, ee_position=(0.5, 0.0, 0.02))
    scene.step(3, contact=True, contact_force=1.0, gripper_width=0.04)
    scene.step(4, grasped=True, released=False)
    scene.fields |= {"object_static": False}
    scene.move(8, ee_position=(0.5, 0.0, 0.12), object_position=(0.5, 0.0, 0.12))
    scene.move(10, ee_position=(0.6, 0.1, 0.12), object_position=(0.6, 0.1, 0.12))
    scene.move(6, ee_position=(0.6, 0.1, 0.06), object_position=(0.6, 0.1, 0.06))
    scene.step(2)
    scene.fields |= {"object_static": True, "grasped": False, "released": True, "contact": False, "contact_force": 0.0}
    return scene.step(2, gripper_width=0.08).move(5, ee_position=(0.6, 0.1, 0.15)).observations


@pytest.fixture
def peg_episode():
    """A hand that takes a lying peg, lifts it, turns it upright and stands it on the table."""
    scene = Scene(ee_position=(0.6, 0.0, 0.2), object_position=(0.5, 0.0, 0.025))
    scene.fields |= {"grasped": False, "contact": False, "released": True, "contact_force": 0.0}
    scene.step().move(10, ee_position=(0.595, 0.0, 0.025)).step(3, contact=True, contact_force=1.0).step(4, grasped=True, released=False)
    scene.move(8, ee_position=(0.595, 0.0, 0.15), object_position=(0.5, 0.0, 0.15))
    for angle in np.linspace(0.0, np.pi / 2, 12):
        scene.step(object_orientation=(0.0, -np.sin(angle / 2), 0.0, np.cos(angle / 2)))
    scene.move(6, ee_position=(0.55, 0.0, 0.21), object_position=(0.5, 0.0, 0.12))
    return scene.step(4).step(3, grasped=False, released=True).observations
