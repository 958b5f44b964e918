"""The limits of a real robot until somebody asks for full speed (DESIGN 9.8). Start at `reduced`."""

from __future__ import annotations

from dataclasses import replace

from robot_drivers.safety.limits import SafetyLimits

EE_SPEED_M_S = 0.25  # what collaborative robot standards call reduced speed
EE_ANGULAR_SPEED_RAD_S = 1.0
JOINT_VELOCITY_SHARE = 0.2


def reduced(limits: SafetyLimits) -> SafetyLimits:
    """Return `limits` with every speed held to its reduced value; a lower one of the file stays."""
    return replace(
        limits,
        ee_speed_m_s=min(limits.ee_speed_m_s, EE_SPEED_M_S),
        ee_angular_speed_rad_s=min(limits.ee_angular_speed_rad_s, EE_ANGULAR_SPEED_RAD_S),
        joint_velocity_share=min(limits.joint_velocity_share, JOINT_VELOCITY_SHARE),
    )
