"""What the stage monitor sees at one control step, as plain data (DESIGN 9.6, spec/stare section 1).

`StageObservation` is filled by a simulation's truth or by estimators on a real robot; None means "cannot be
known", never "no".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class StageObservation:
    """One control step's input of the stage monitor. Poses are in the arm base frame; quaternions are (x, y, z, w).

    Attributes:
        stamp: Capture time on the workcell clock, s.
        sequence: Control step k of the episode.
        episode: Counts workcell resets.
        tier: 0 always there, 1 sensing, 2 perception, 3 learned, 9 simulation truth.
        ee_position: (3,) float64 m, tool centre, or None.
        ee_orientation: (4,) float64 xyzw, or None.
        object_position: (3,) float64 m, or None.
        object_orientation: (4,) float64 xyzw, or None.
        goal_position: (3,) float64 m, or None.
        goal_orientation: (4,) float64 xyzw, or None.
        grasped: The gripper holds the object.
        contact: The gripper touches the object.
        released: The gripper does not hold the object.
        object_static: The object is at rest.
        contact_force: Force between gripper and object, N, or None.
        gripper_width: Distance of the finger tips, m, or None.
        gripper_effort: Force of the gripper, N, or None.
        confidence: Field name -> [0, 1]; a field that is absent here counts 1 when it has a value and 0 when it is None.
        input_stamps: Input name -> stamp of the measurement used, s.
    """

    stamp: float
    sequence: int = 0
    episode: int = 0
    tier: int = 0
    ee_position: np.ndarray | None = None
    ee_orientation: np.ndarray | None = None
    object_position: np.ndarray | None = None
    object_orientation: np.ndarray | None = None
    goal_position: np.ndarray | None = None
    goal_orientation: np.ndarray | None = None
    grasped: bool | None = None
    contact: bool | None = None
    released: bool | None = None
    object_static: bool | None = None
    contact_force: float | None = None
    gripper_width: float | None = None
    gripper_effort: float | None = None
    confidence: dict[str, float] = field(default_factory=dict)
    input_stamps: dict[str, float] = field(default_factory=dict)

    def confidence_of(self, name: str) -> float:
        """Return how sure the field `name` is, in [0, 1]."""
        if getattr(self, name) is None:
            return 0.0
        return self.confidence.get(name, 1.0)
