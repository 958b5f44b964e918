"""The robot description that the controller hands out (answer to GET_ROBOT_MODEL). Start at `robot_model`."""

from __future__ import annotations

import math

from robot_drivers.fake_controllers.franka import limits
from robot_drivers.fake_controllers.franka.kinematics import DENAVIT_HARTENBERG, FLANGE_OFFSET, LINK_MASSES

_EFFORT = limits.TORQUE
_LINK_INERTIA = 0.02  # kg m^2, round: the arm is simulated by kinematics, and the client's model needs it positive only


def robot_model(name: str = "fr3") -> str:
    """Return the URDF text: links link0 to link8 (the flange), joints joint1 to joint8, limits and velocity limits near the ends."""
    parts = [f'<?xml version="1.0"?>\n<robot name="{name}">', _link("link0", 2.4)]
    for index, (a, d, alpha) in enumerate(DENAVIT_HARTENBERG):
        number = index + 1
        # Craig: turn by alpha about x, then go d along the turned z.
        along_z = (-round(math.sin(alpha)) * d, round(math.cos(alpha)) * d)
        parts.append(_link(f"link{number}", LINK_MASSES[index]))
        parts.append(
            f'<joint name="joint{number}" type="revolute"><origin rpy="{alpha!r} 0 0" xyz="{a} {along_z[0]} {along_z[1]}"/>'
            f'<parent link="link{number - 1}"/><child link="link{number}"/><axis xyz="0 0 1"/>'
            f'<limit effort="{_EFFORT[index]}" lower="{limits.LOWER_JOINTS[index]}" upper="{limits.UPPER_JOINTS[index]}"'
            f' velocity="{limits.JOINT_VELOCITY[index]}"/>'
            f'<position_based_velocity_limits deceleration_limit="{limits.DECELERATION[index]}"'
            f' velocity_offset="{limits.VELOCITY_OFFSET[index]}"/></joint>'
        )
    parts.append('<link name="link8"/>')
    parts.append(
        f'<joint name="joint8" type="fixed"><origin rpy="0 0 0" xyz="0 0 {FLANGE_OFFSET}"/>'
        '<parent link="link7"/><child link="link8"/></joint>\n</robot>\n'
    )
    return "\n".join(parts)


def _link(name: str, mass: float) -> str:
    inertia = f'ixx="{_LINK_INERTIA}" ixy="0" ixz="0" iyy="{_LINK_INERTIA}" iyz="0" izz="{_LINK_INERTIA}"'
    return f'<link name="{name}"><inertial><origin rpy="0 0 0" xyz="0 0 0"/><mass value="{mass}"/><inertia {inertia}/></inertial></link>'
