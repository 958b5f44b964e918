"""One recorded episode as arrays: T control steps with shapes and units. Readers fill it, trainers use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stage_core.monitor import StageEvent
from stage_core.observation import StageObservation

STATE_NAMES = ("joint_positions", "joint_velocities", "ee_position", "ee_orientation", "gripper_opening", "gripper_width")


@dataclass(kw_only=True, eq=False)
class Episode:
    """T control steps. Metres, radians, seconds; poses in the arm base frame; quaternions xyzw; None where nothing was recorded.

    Attributes:
        identifier: Name of the episode's directory.
        directory: Where it lies, None for one that was never stored.
        metadata: episode.json as it is.
        stamps: (T,) float64 s, workcell clock.
        sequences: (T,) int64, control step k.
        states: Name -> (T, d) float64; names as in STATE_NAMES.
        images: Camera -> (T, H, W, 3) uint8 RGB.
        actions: (T, d) float64, as sent, in `action_space`; d without the gripper.
        action_space: As in ArmCommand.
        action_gripper: (T,) float64 opening in [0, 1], 1 = open; NaN leaves the gripper as it is.
        intended_actions: (T, d) float64, what a demonstrator meant before noise: the training label.
        intended_gripper: (T,) float64.
        sources: T names of who commanded: policy, teleop, replay, script.
        stages: (T,) uint8, index into `stage_names`.
        stage_names: Working stages in order, then success.
        progress: (T,) float64 in [0, 1].
        potentials: (T,) float64, NaN where absent.
        costs: (T,) float64, NaN where absent.
        shaped_rewards: (T,) float64.
        stage_observations: T observations as the monitor used them.
        stage_events: In order.
        outcomes: (T,) bool, the simulation's own judgement.
    """

    identifier: str
    directory: Path | None
    metadata: dict[str, Any]
    stamps: np.ndarray
    sequences: np.ndarray
    states: dict[str, np.ndarray]
    images: dict[str, np.ndarray]
    actions: np.ndarray
    action_space: str
    action_gripper: np.ndarray
    intended_actions: np.ndarray | None = None
    intended_gripper: np.ndarray | None = None
    sources: list[str] = field(default_factory=list)
    stages: np.ndarray | None = None
    stage_names: tuple[str, ...] = ()
    progress: np.ndarray | None = None
    potentials: np.ndarray | None = None
    costs: np.ndarray | None = None
    shaped_rewards: np.ndarray | None = None
    stage_observations: list[StageObservation] = field(default_factory=list)
    stage_events: list[StageEvent] = field(default_factory=list)
    outcomes: np.ndarray | None = None

    def __post_init__(self) -> None:
        arrays = {"sequences": self.sequences, "actions": self.actions, "action_gripper": self.action_gripper}
        arrays |= {f"states.{name}": array for name, array in self.states.items()}
        arrays |= {f"images.{name}": array for name, array in self.images.items()}
        optional = ("intended_actions", "intended_gripper", "stages", "progress", "potentials", "costs", "shaped_rewards", "outcomes")
        arrays |= {name: getattr(self, name) for name in optional if getattr(self, name) is not None}
        for name, array in arrays.items():
            if len(array) != len(self.stamps):
                raise ValueError(
                    f"{self.identifier}: {name} has {len(array)} steps; expected {len(self.stamps)}, as stamps has. Join again by stamp."
                )

    def __len__(self) -> int:
        """Return T."""
        return len(self.stamps)

    @property
    def task(self) -> str:
        """The task's name, empty when the metadata does not say."""
        return str(self.metadata.get("task", ""))

    @property
    def instruction(self) -> str:
        """What the policy was told."""
        return str(self.metadata.get("instruction", ""))

    @property
    def success(self) -> bool | None:
        """Whether the simulation ever called the task done, else the monitor; None when neither judged."""
        if self.outcomes is not None:
            return bool(np.any(self.outcomes))
        if self.stages is not None and self.stage_names:
            return bool(np.any(self.stages == len(self.stage_names) - 1))
        return None
