"""One motion: what was asked for, how far its commands have come, and the extremes of what it did. Start at `Motion`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.franka import limits
from robot_drivers.fake_controllers.franka.arm import Arm
from robot_drivers.fake_controllers.franka.generators import JointPositionGenerator, TorqueGenerator
from robot_drivers.fake_controllers.franka.kinematics import largest
from robot_drivers.fake_controllers.franka.statuses import ControllerMode, Generator


@dataclass
class Motion:
    """The motion that is running."""

    command_id: int
    mode: Generator
    controller: ControllerMode
    generator: JointPositionGenerator | TorqueGenerator
    last_message_id: int | None = None  # of the last command taken; None before the first
    stop_command_id: int | None = None  # set while a stop brakes the arm
    lost: int = 0


def read_modes(request: np.void) -> tuple[Generator, ControllerMode] | None:
    """Return generator and controller of a MOVE request, or None where there is no such motion."""
    try:
        mode = Generator(int(request["motion_generator_mode"]) + 1)
        controller = ControllerMode(int(request["controller_mode"]))
    except ValueError:
        return None
    deviations = np.concatenate([request["maximum_path_deviation"], request["maximum_goal_deviation"]])
    if not np.all(np.isfinite(deviations)) or np.any(deviations < 0) or controller is ControllerMode.OTHER:
        return None
    if mode is Generator.NONE and controller is not ControllerMode.EXTERNAL:
        return None
    return mode, controller


def keep_extremes(log: CommandLog, arm: Arm, motion: Motion, before: np.ndarray, cycles: int) -> None:
    """Keep the extremes of an accepted command; `before` (3,) m is where the end effector was, `cycles` ms ago."""
    log.measure("joint_velocity", largest(arm.desired_velocity))
    log.measure("joint_acceleration", largest(arm.desired_acceleration))
    position = arm.end_effector_desired[:3, 3]
    log.measure("translation_velocity", math.dist(position.tolist(), before.tolist()) / (cycles * limits.CYCLE))
    if motion.generator.watch is not None:
        log.measure("joint_jerk", largest(motion.generator.watch.differences.jerk))
    if motion.generator.cartesian:
        differences = motion.generator.cartesian_watch.differences
        log.measure("rotation_velocity", math.hypot(*differences.velocity[3:].tolist()))
        log.measure("translation_acceleration", math.hypot(*differences.acceleration[:3].tolist()))
        log.measure("rotation_acceleration", math.hypot(*differences.acceleration[3:].tolist()))
        log.measure("translation_jerk", math.hypot(*differences.jerk[:3].tolist()))
