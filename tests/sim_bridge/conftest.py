"""One scene per task for the whole test session: importing ManiSkill and building scenes is most of the time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from robot_drivers.workcell import Workcell, WorkcellConfig, load_workcell_config, open_workcell
from sim_bridge.rollouts import connect

WORKCELL_FILE = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/maniskill.yaml"


@pytest.fixture(scope="session")
def bundled_config() -> WorkcellConfig:
    return load_workcell_config(WORKCELL_FILE)


@pytest.fixture(scope="session")
def state_only(bundled_config: WorkcellConfig) -> Iterator[Callable[[str], Workcell]]:
    """Return a function that gives the connected workcell of a task, without cameras."""
    opened: dict[str, Workcell] = {}

    def get(task: str) -> Workcell:
        if task not in opened:
            opened[task] = connect(open_workcell(dataclasses.replace(bundled_config, cameras={}), task=task))
        return opened[task]

    yield get
    for workcell in opened.values():
        workcell.close()


@pytest.fixture(scope="session")
def seeing(bundled_config: WorkcellConfig) -> Iterator[Workcell]:
    """The bundled workcell with PickCube: the task's own camera and one on the hand."""
    wrist = {
        "mount_link": "panda_hand",
        "position_m": [0.0464982, -0.0200011, 0.0360011],
        "orientation_xyzw": [0.0, 0.0, 0.70710678, 0.70710678],
        "width_px": 32,
        "height_px": 24,
    }
    workcell = connect(
        open_workcell(dataclasses.replace(bundled_config, cameras={**bundled_config.cameras, "wrist": wrist}), task="PickCube")
    )
    yield workcell
    workcell.close()
