"""What a workcell file says about an xArm. What moves metal has no default. Start at `XArmSettings`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_drivers.xarm.models import find_model
from stage_core.errors import ConfigurationError

CONTROL_PORT = 502


@dataclass(frozen=True, kw_only=True)
class XArmSettings:
    """The `settings.arm` of a workcell with an xArm.

    Attributes:
        address: IP address of the control box, empty until robot_address gives one.
        model: `xarm6`, `xarm7` or `lite6`; another arm behind the address is refused.
        flange_to_tool: (7,) m and xyzw: the tool centre in the flange frame. The controller gets it as its TCP offset.
        payload_mass: kg of everything beyond the flange, the gripper included. The controller gets it as its TCP load.
        payload_center_of_mass: (3,) m of all that, in the flange frame.
        collision_sensitivity: 0 (off) to 5 (most sensitive), the controller's own collision detection; 3 is usual.
        connect_timeout_s: How long `connect` waits for somebody to release a stop, clear an error and so on, s.
        control_port: Of the command connection; only a fake controller has another than 502.
    """

    address: str
    model: str
    flange_to_tool: tuple[float, float, float, float, float, float, float]
    payload_mass: float
    payload_center_of_mass: tuple[float, float, float]
    collision_sensitivity: int
    connect_timeout_s: float = 120.0
    control_port: int = CONTROL_PORT

    def __post_init__(self) -> None:
        model = find_model(self.model)
        pose = np.asarray(self.flange_to_tool, dtype=np.float64)
        if not np.isfinite(pose).all() or np.abs(pose[:3]).max() > 1.0 or abs(float(np.linalg.norm(pose[3:])) - 1.0) > 1e-3:
            raise ConfigurationError(
                f"flange_to_tool is {list(self.flange_to_tool)}; expected x, y, z within 1 m and a quaternion xyzw of length 1. Metres?"
            )
        if not 0.0 <= self.payload_mass <= model.largest_payload:
            raise ConfigurationError(
                f"payload_mass is {self.payload_mass} kg; expected 0 to {model.largest_payload:g}, all a {model.title} carries. Kilograms?"
            )
        if not np.abs(self.payload_center_of_mass).max() <= 0.5:
            raise ConfigurationError(
                f"payload_center_of_mass is {list(self.payload_center_of_mass)}; expected within 0.5 m. Metres in the flange frame?"
            )
        if not 0 <= self.collision_sensitivity <= 5:
            raise ConfigurationError(f"collision_sensitivity is {self.collision_sensitivity}; expected 0 (off) to 5. 3 is usual.")
        if not 0.0 <= self.connect_timeout_s <= 3600.0:
            raise ConfigurationError(f"connect_timeout_s is {self.connect_timeout_s} s; expected 0 to 3600. Seconds.")
        if not 1 <= self.control_port <= 65535:
            raise ConfigurationError(f"control_port is {self.control_port}; expected 1 to 65535. A real control box has {CONTROL_PORT}.")
