"""A policy that costs nothing, so that the overhead benchmark sees only the way there and back: DROID-sized input, zero actions."""

from __future__ import annotations

from typing import Any

import numpy as np

from policy_server.contract import ActionEntry, CameraEntry, PolicyContract, StateEntry
from policy_server.policy import Policy

SIZE = 224  # pixels, both sides of both images
JOINTS = tuple(f"joint{i}" for i in range(1, 8))


class EchoPolicy(Policy):
    """Two 224×224 images, seven joints and the gripper -> a chunk of 8, asked for at every step."""

    def __init__(self) -> None:
        self._contract = PolicyContract(
            policy_name="echo",
            cameras=(
                CameraEntry(name="base", key="observation/base_image", width=SIZE, height=SIZE),
                CameraEntry(name="wrist", key="observation/wrist_image", width=SIZE, height=SIZE),
            ),
            state=(StateEntry(key="observation/state", fields=("joint_positions", "gripper_opening")),),
            action=ActionEntry(space="ee_delta_pose", dim=7, joint_names=JOINTS),
            control_rate_hz=20.0,
            horizon=8,
            execute=1,
        )

    @property
    def contract(self) -> PolicyContract:
        """What it sees and gives."""
        return self._contract

    def infer(self, observation: dict[str, Any], *, seed: int | None = None) -> dict[str, Any]:
        """Return zeros: (8, 7) float32."""
        return {"actions": np.zeros((8, 7), dtype=np.float32)}
