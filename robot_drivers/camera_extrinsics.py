"""Where a camera stands or hangs, as calibration wrote it into the workcell file. Start at `extrinsics_of`.

The block `extrinsics` of a camera's entry; drivers check it with their other settings and make no use of it.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np

from robot_drivers.workcell import WorkcellConfig
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, nearest


@dataclass(frozen=True, kw_only=True)
class CameraExtrinsics:
    """Pose of a camera's optical frame (REP-105: z forward, x right) in another frame.

    Attributes:
        parent_frame: `base` for a camera that stands, `ee` (the tool centre) for one that hangs on the hand.
        position_m: (3,) the optical frame's origin in the parent frame, m.
        orientation_xyzw: (4,) the optical frame's orientation in the parent frame, a quaternion of length 1.
        residual_mm: Root mean square of what the fit leaves of the positions, mm.
        residual_deg: Root mean square of what the fit leaves of the orientations, degrees.
        date: When it was measured, ISO 8601.
        method: How it was measured, in words.
        poses: Samples that the fit used; 0 where nobody wrote it down.
        intrinsics_sha256: Of the intrinsics the fit was made with (`calibration.camera_model`); extrinsics hold for these alone.
        flange_to_tool: (7,) m and xyzw, the tool the arm had then; a pose in `ee` holds for this tool alone.
    """

    parent_frame: str
    position_m: tuple[float, float, float]
    orientation_xyzw: tuple[float, float, float, float]
    residual_mm: float
    residual_deg: float
    date: str | datetime.date
    method: str
    poses: int = 0
    intrinsics_sha256: str = ""
    flange_to_tool: tuple[float, float, float, float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.date, datetime.date):  # YAML reads an unquoted 2026-05-04 as a date
            object.__setattr__(self, "date", self.date.isoformat())
        if not self.parent_frame:
            raise ConfigurationError("parent_frame is empty; expected base, or ee for a camera on the hand.")
        if not all(math.isfinite(value) and abs(value) < 10.0 for value in self.position_m):
            raise ConfigurationError(f"position_m is {self.position_m}; expected three numbers below 10 m. Metres, not millimetres?")
        length = math.sqrt(sum(value * value for value in self.orientation_xyzw))
        if not abs(length - 1.0) < 1e-3:
            raise ConfigurationError(f"orientation_xyzw has length {length:.4f}; expected 1. Is it a quaternion, x y z w?")
        for key in ("residual_mm", "residual_deg"):
            if not 0.0 <= getattr(self, key) < math.inf:
                raise ConfigurationError(f"{key} is {getattr(self, key)}; expected a number >= 0.")

    @property
    def position(self) -> np.ndarray:
        """(3,) float64, m, in the parent frame."""
        return np.array(self.position_m)

    @property
    def orientation(self) -> np.ndarray:
        """(4,) float64 xyzw of length 1, of the optical frame in the parent frame."""
        quaternion = np.array(self.orientation_xyzw)
        return quaternion / np.linalg.norm(quaternion)


def extrinsics_of(config: WorkcellConfig, name: str) -> CameraExtrinsics | None:
    """Return the pose of a camera as the workcell file has it, None where it was never calibrated.

    Args:
        config: From `load_workcell_config`.
        name: The camera's name in the file.

    Raises:
        ConfigurationError: If there is no such camera, or its block `extrinsics` holds a wrong key or value.
    """
    if name not in config.cameras:
        raise ConfigurationError(f"{config.name}: there is no camera {name!r}. {nearest(name, config.cameras)}")
    block = (config.cameras[name] or {}).get("extrinsics")
    if block is None:
        return None
    return from_mapping(CameraExtrinsics, block, source=config.name, field=f"cameras.{name}.extrinsics")
