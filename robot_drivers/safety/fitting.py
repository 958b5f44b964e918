"""Whether limits, URDF and driver belong together, found out at connect before anything moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robot_drivers.arm import ActionSpace, ArmDescription, ArmState, ToolReading
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from robot_drivers.safety.command_judge import CommandJudge
from robot_drivers.safety.interpolation import Interpolator
from robot_drivers.safety.limits import SafetyLimits
from robot_drivers.safety.set_points import SetPoints
from robot_drivers.safety.timing import Timing
from stage_core.errors import ConfigurationError, DeviceError

KINEMATICS_AGREE = (0.005, 0.05)  # m and rad between the URDF's and the controller's tool centre
TOOL_AGREES = (0.001, 0.01)  # m and rad between the described tool centre and the one the controller was told
MASS_AGREES = 0.05  # kg
CENTRE_AGREES = 0.01  # m
WAY_M = 0.006  # how far the way between two targets, and braking on it, may leave the straight line: 4.6 mm were measured


def fit_to_arm(description: ArmDescription, state: ArmState, limits: SafetyLimits, timing: Timing) -> tuple[CommandJudge, SetPoints]:
    """Return what judges commands for an arm, and what turns targets into set-points for its driver.

    Args:
        description: Of the connected arm.
        state: Its first state.
        limits: From the workcell file.
        timing: Clocks and periods. Nothing is interpolated where every control period has exactly one turn.

    Raises:
        ConfigurationError: If the limits do not fit the arm.
        DeviceError: If its tool centre is not where the URDF says.
        MissingDependencyError: If kinematics cannot be computed here.
    """
    check_stop_time(description, limits)
    kinematics = Kinematics.from_description(description) if description.urdf else None
    check_tool_centre(description, kinematics, state)
    interpolator = None
    if not timing.step_driven and not description.interpolates and timing.loop_period_s < 0.75 * timing.control_period_s:
        interpolator = make_interpolator(description, kinematics, limits, timing)
        limits = with_room_for_the_way(limits)
        # Set-points are joints; a pose that the driver could take itself is solved here, exactly.
        description = replace(description, native_spaces=(ActionSpace.JOINT_POSITION,))
    judge = CommandJudge(limits, description, kinematics, timing, accelerate=interpolator is None)
    return judge, SetPoints(interpolator, timing)


def with_room_for_the_way(limits: SafetyLimits) -> SafetyLimits:
    """Return limits for targets whose joints are joined by a generator: walls and keep-outs stand `WAY_M` nearer, so that the way keeps the file's."""
    lower, upper = (np.array(limits.workspace_lower_m) + WAY_M, np.array(limits.workspace_upper_m) - WAY_M)
    spheres = tuple(replace(sphere, radius_m=sphere.radius_m + WAY_M) for sphere in limits.collision_spheres)
    return replace(limits, workspace_lower_m=tuple(lower.tolist()), workspace_upper_m=tuple(upper.tolist()), collision_spheres=spheres)


def make_interpolator(description: ArmDescription, kinematics: Kinematics | None, limits: SafetyLimits, timing: Timing) -> Interpolator:
    """Return the interpolator of an arm that has none of its own.

    Raises:
        ConfigurationError: If the arm takes no joint positions, or has no URDF.
        MissingDependencyError: If ruckig is not installed.
    """
    if kinematics is None or ActionSpace.JOINT_POSITION not in description.native_spaces:
        raise ConfigurationError(
            f"arm {description.name} does not interpolate and takes no joint positions with a URDF; expected one of both. "
            "Give it joint_position and a urdf, or interpolate in the driver and say interpolates=True."
        )
    return Interpolator(
        kinematics,
        period_s=timing.loop_period_s,
        control_period_s=timing.control_period_s,
        velocity=description.joint_velocity_limits * limits.joint_velocity_share,
        acceleration=limits.joint_acceleration_rad_s2,
        ee_speed=limits.ee_speed_m_s,
        ee_angular_speed=limits.ee_angular_speed_rad_s,
    )


def check_stop_time(description: ArmDescription, limits: SafetyLimits) -> None:
    """Raise ConfigurationError if the arm cannot come to rest within `stop_time_s` inside its limits."""
    speed = float(np.max(description.joint_velocity_limits)) * limits.joint_velocity_share
    needed = speed / limits.joint_acceleration_rad_s2
    if needed > limits.stop_time_s:
        raise ConfigurationError(
            f"safety.stop_time_s is {limits.stop_time_s:g} s; braking from {speed:.2f} rad/s at {limits.joint_acceleration_rad_s2:g} rad/s2 takes"
            f" {needed:.2f} s. Lower joint_velocity_share or raise joint_acceleration_rad_s2."
        )


def check_tool(description: ArmDescription, reading: ToolReading) -> None:
    """Raise DeviceError if the controller reckons with another tool or payload than the workcell file says."""
    wrong = []
    if reading.flange_to_tool is not None:
        distance, angle = pose_distance(description.flange_to_tool, reading.flange_to_tool)
        if distance > TOOL_AGREES[0] or angle > TOOL_AGREES[1]:
            wrong.append(f"flange_to_tool is {_numbers(reading.flange_to_tool)}; expected {_numbers(description.flange_to_tool)} (m, xyzw)")
    if reading.payload_mass is not None and abs(reading.payload_mass - description.payload_mass) > MASS_AGREES:
        wrong.append(f"the payload is {reading.payload_mass:.3f} kg; expected {description.payload_mass:.3f} kg")
    if reading.payload_center_of_mass is not None and description.payload_mass > MASS_AGREES:
        off = float(np.abs(reading.payload_center_of_mass - description.payload_center_of_mass).max())
        if off > CENTRE_AGREES:
            theirs, ours = _numbers(reading.payload_center_of_mass), _numbers(description.payload_center_of_mass)
            wrong.append(f"the payload's centre of mass is {theirs}; expected {ours} (m, flange frame)")
    if wrong:
        raise DeviceError(
            f"arm {description.name}: the controller and the workcell file disagree: {'; '.join(wrong)}. "
            "Set the controller's tool and payload, or correct settings.arm."
        )


def _numbers(values: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"


def check_tool_centre(description: ArmDescription, kinematics: Kinematics | None, state: ArmState) -> None:
    """Raise DeviceError if the controller's tool centre is not where the URDF puts it: a wrong tool, frame or unit."""
    if kinematics is None:
        return
    reported = make_pose(state.ee_position, state.ee_orientation)
    distance, angle = pose_distance(kinematics.forward(state.joint_positions), reported)
    if distance > KINEMATICS_AGREE[0] or angle > KINEMATICS_AGREE[1]:
        raise DeviceError(
            f"arm {description.name} reports its tool centre {distance:.4f} m and {angle:.3f} rad from where the URDF puts it; expected"
            f" {KINEMATICS_AGREE[0]:g} m and {KINEMATICS_AGREE[1]:g} rad. Compare flange_to_tool, ee_link and units."
        )
