"""Draws a recorded episode again, for a camera with depth beside the bench. Start at `EpisodePainter.paint`.

The recorded states are set back into the simulator one after the other, nothing is simulated. Whatever stands between camera and
object hides it, the hand first of all. The pictures are clean: noise is added by `sensed_noise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.transforms import invert
from robot_drivers.workcell import Workcell
from sim_bridge.sensed_recording import TruthLog

CAMERA = "side"
STILL = 5e-4  # m, rad, m/s, rad/s: a scene that changed less is not drawn again
_LENS = {"width_px": 320, "height_px": 240, "field_of_view_rad": 0.85}
# To the left of the bench and on the side from which the hand does not come between, as one would put it; it still hides the object now and then.
_FRONT = {"position_m": [1.0, 0.45, 0.5], "look_at_m": [0.6, 0.0, 0.03], **_LENS}
_BACK = {"position_m": [0.2, 0.5, 0.5], "look_at_m": [0.48, 0.0, 0.03], **_LENS}


def camera_settings(task: str) -> dict[str, dict[str, Any]]:
    """Return the `cameras` block of a workcell file for the camera that watches a task."""
    return {CAMERA: _BACK if task == "PullCube" else _FRONT}


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """F frames of one camera.

    Attributes:
        steps: (F,) int64, the control step at which each was taken.
        colours: (F, H, W, 3) uint8 RGB.
        depths: (F, H, W) uint16 mm along the optical axis, 0 where unknown.
    """

    steps: np.ndarray
    colours: np.ndarray
    depths: np.ndarray


class EpisodePainter:
    """Draws episodes of one task.

    Args:
        workcell: A connected ManiSkill workcell of that task whose cameras are `camera_settings(task)`.
    """

    def __init__(self, workcell: Workcell) -> None:
        self._workcell = workcell
        self._simulation = workcell.simulation  # type: ignore[attr-defined]

    def paint(self, truth: TruthLog, every: int) -> Pictures:
        """Return every `every`-th step of an episode that was recorded with its states, the first one included."""
        self._workcell.reset(truth.seed)
        steps = np.arange(0, len(truth), every)
        drawn: np.ndarray | None = None
        pictures: list[tuple[np.ndarray, np.ndarray]] = []
        for step in steps:
            state = truth.states[step]
            if drawn is None or np.abs(state - drawn).max() > STILL:
                self._set_state(state)
                pictures.append(self._simulation.capture(CAMERA))
                drawn = state
            else:
                pictures.append(pictures[-1])
        return Pictures(
            steps=steps, colours=np.array([colour for colour, _ in pictures]), depths=np.array([depth for _, depth in pictures])
        )

    def _set_state(self, state: np.ndarray) -> None:
        import torch

        simulation = self._simulation
        simulation.environment.set_state(torch.from_numpy(state[None].astype(np.float32)))
        simulation.frame += 1  # another state: nothing drawn before may be taken for it

    def close(self) -> None:
        """Close the workcell."""
        self._workcell.close()

    def camera_model(self) -> CameraModel:
        """Return the camera's true intrinsics; ManiSkill counts from the corner of the first pixel, OpenCV from its middle."""
        intrinsics = self._simulation.intrinsics(CAMERA)
        intrinsics[:2, 2] -= 0.5
        return CameraModel(width=_LENS["width_px"], height=_LENS["height_px"], intrinsics=intrinsics, distortion=np.zeros(5))

    def camera_in_base(self) -> np.ndarray:
        """Return the true (4, 4) pose of the optical frame in the arm base frame."""
        simulation = self._simulation
        matrix = np.eye(4)
        matrix[:3] = simulation.camera_extrinsics(CAMERA)
        base = simulation.environment.agent.robot.pose.sp.to_transformation_matrix().astype(np.float64)
        return invert(base) @ invert(matrix)
