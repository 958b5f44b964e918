"""A policy that needs no learning, no torch and no truth: the tool goes round a small horizontal circle and comes back.

For trying out a workcell, the wire and the timing. It remembers nothing between two requests, so the same observation
always gives the same chunk: where the circle lies follows from where the tool is (a grid of centres, 10 cm apart).
Start at `ScriptedPolicy`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from policy_server.contract import ActionEntry, CameraEntry, PolicyContract, StateEntry
from policy_server.policy import Policy

GRID = 0.10  # m, between centres
INNER, OUTER = 0.015, 0.03  # m, radii between which the tool just goes round
STEP = 0.0025  # m per control period along the circle
PULL = 0.2  # share of the distance to the ring taken back per period
LONGEST_STEP = 0.0029  # m per control period in all; the policy promises less than 3 mm


class ScriptedPolicy(Policy):
    """Goes round the nearest centre of the grid at constant height and keeps orientation and gripper as they are."""

    def __init__(self) -> None:
        self._contract = PolicyContract(
            policy_name="scripted",
            cameras=(CameraEntry(name="base", key="observation/base_image", height=128, width=128),),
            state=(StateEntry(key="observation/state", fields=("ee_position", "ee_orientation", "gripper_opening")),),
            action=ActionEntry(space="ee_delta_pose", dim=7, delta_keys=("x", "y", "z", "rotation_x", "rotation_y", "rotation_z")),
            control_rate_hz=20.0,
            horizon=8,
            execute=4,
            robot_models=("fake", "panda", "fr3", "xarm7", "xarm6", "lite6"),
        )

    @property
    def contract(self) -> PolicyContract:
        """What it sees and gives: a 128 x 128 image, the tool's pose and the gripper -> 8 steps of ee_delta_pose."""
        return self._contract

    def infer(self, observation: dict[str, Any], *, seed: int | None = None) -> dict[str, Any]:
        """Return {"actions": (8, 7) float32}: metres and rotation vector per period in the base frame, and the opening.

        Args:
            observation: `observation/state` (8,): ee_position m, ee_orientation xyzw, gripper_opening; the rest is not looked at.
            seed: Not used; there is no noise.
        """
        state = np.asarray(observation["observation/state"], dtype=np.float64)
        actions = np.zeros((self._contract.horizon, self._contract.action.dim), dtype=np.float32)
        position = state[:2].copy()
        centre = (np.floor(position / GRID) + 0.5) * GRID  # once per chunk: the grid's edge must not cut a chunk in two
        for row in actions:
            step = circle_step(position - centre)
            row[:2] = step
            position += step
        actions[:, 6] = np.clip(state[7], 0.0, 1.0)
        return {"actions": actions}


def circle_step(offset: np.ndarray) -> np.ndarray:
    """Return the next step of a tool at `offset` from the centre: along its circle, and back to the ring outside it.

    Args:
        offset: (2,) float64 m, horizontal.

    Returns:
        (2,) float64 m, shorter than `LONGEST_STEP`. Within the ring the steps close to a circle exactly.
    """
    radius = float(np.hypot(*offset))
    radial = offset / radius if radius > 1e-9 else np.array([1.0, 0.0])
    wanted = float(np.clip(radius, INNER, OUTER))
    angle = STEP / wanted
    turned = radial * np.cos(angle) + np.array([-radial[1], radial[0]]) * np.sin(angle)
    step = turned * (radius + PULL * (wanted - radius)) - offset
    return step * min(1.0, LONGEST_STEP / max(float(np.hypot(*step)), 1e-12))
