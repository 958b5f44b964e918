"""Toy demonstrations: a bright square in the image and the instruction tell where the arm goes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from stage_core.episode import Episode

sys.path.insert(0, str(Path(__file__).parents[1] / "stage_recorder"))  # recorded_logs: real messages through the real writer

STEPS = 12


@pytest.fixture
def make_episode():
    """Return a function that builds an Episode; keyword arguments replace fields."""

    def make(task: str = "PushCube", instruction: str = "push the cube", seed: int = 0, **fields) -> Episode:
        generator = np.random.default_rng(seed)
        row = int(generator.integers(2, 13))
        sign = 1.0 if task == "PushCube" else -1.0
        images = np.full((STEPS, 16, 16, 3), 40, dtype=np.uint8)
        images[:, row : row + 3, 6:9] = 250
        actions = np.zeros((STEPS, 6))
        actions[:, 0] = 0.01 * sign
        actions[:, 1] = 0.002 * (row - 7)
        values = {
            "joint_positions": generator.normal(size=(STEPS, 7)),
            "joint_velocities": generator.normal(size=(STEPS, 7)),
            "ee_position": generator.normal(size=(STEPS, 3)),
            "ee_orientation": np.tile([1.0, 0.0, 0.0, 0.0], (STEPS, 1)),
            "gripper_opening": np.ones((STEPS, 1)),
            "gripper_width": np.full((STEPS, 1), 0.08),
        }
        arguments = {
            "identifier": f"episode_{seed}",
            "directory": None,
            "metadata": {"task": task, "instruction": instruction},
            "stamps": np.arange(STEPS) / 20.0,
            "sequences": np.arange(STEPS),
            "states": values,
            "images": {"base": images},
            "actions": actions,
            "action_space": "ee_delta_pose",
            "action_gripper": np.ones(STEPS),
            "outcomes": np.arange(STEPS) == STEPS - 1,
        }
        return Episode(**(arguments | fields))

    return make
