"""From an address to a robot that can be used: opens it, looks what is in the way, sets what the workcell file says.

Start at `Readiness.find_obstacle`, which `bring_up.wait_until_ready` calls until it finds none.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from robot_drivers.franka.deadline import call_with_deadline
from robot_drivers.franka.sdk import NotReadyError, load_franky, open_robot
from robot_drivers.franka.settings import FrankaSettings
from robot_drivers.franka.tool import DeskTool, ToolPlan, columns, plan_tool, pose_from_matrix
from robot_drivers.franka.words import OTHER_CLIENT, describe_errors, describe_exception, describe_mode
from stage_core.errors import DeadlineError, DeviceError

logger = logging.getLogger(__name__)

CALL_S = 3.0  # a setting takes some milliseconds
RECOVERY_S = 5.0  # the controller checks its brakes meanwhile
REDUCED = 0.2  # of the arm's dynamics until full speed is asked (DESIGN 9.8)
PUBLISHED_ACCELERATION = 10.0  # rad/s2, every joint of a FR3
PUBLISHED_JERK = 5000.0  # rad/s3
# The FR3 slows its joints down near their limits: speed² < this (rad/s2) times the distance to the limit, about. Braking
# with half of it keeps below that all the way.
BRAKING = np.array([12.0, 5.17, 7.0, 8.0, 34.0, 11.0, 34.0]) / 2.0


def relative_dynamics(settings: FrankaSettings, *, full_speed: bool) -> tuple[float, float, float]:
    """Return the shares of speed, acceleration and jerk: the file's, at most 0.2 each until full speed is asked."""
    asked = (settings.relative_velocity, settings.relative_acceleration, settings.relative_jerk)
    return asked if full_speed else tuple(min(REDUCED, share) for share in asked)


def read_desk_tool(state: Any) -> DeskTool:
    """Return what Desk says of the end-effector, from a franky state."""
    return DeskTool(
        mass=float(state.m_ee),
        center_of_mass=np.array(state.F_x_Cee, dtype=np.float64).reshape(3),
        flange_to_nominal=np.array(state.F_T_NE.matrix, dtype=np.float64).reshape(4, 4),
    )


class Readiness:
    """Looks for obstacles with a fresh robot per attempt where the last one is of no use any more."""

    def __init__(self, settings: FrankaSettings, *, full_speed: bool, read_only: bool, ignore_reflex: bool = False) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: The arm's.
            full_speed: False reduces the dynamics.
            read_only: Only what keeps one from reading is an obstacle, and nothing is set.
            ignore_reflex: True where somebody asked to recover: a pending reflex is cleared then.
        """
        self._settings, self._read_only, self._ignore_reflex = settings, read_only, ignore_reflex
        self._dynamics = relative_dynamics(settings, full_speed=full_speed)
        self.robot: Any = None

    def find_obstacle(self) -> str:
        """Return in words what is in the way, "" where the robot is ready and configured.

        Raises:
            DeviceError: Where waiting cannot help.
        """
        try:
            if self.robot is None:
                self.robot = open_robot(self._settings, self._dynamics)
            return self._look()
        except NotReadyError as error:
            self.drop()
            return str(error)
        except DeadlineError:
            self.drop()
            return OTHER_CLIENT
        except DeviceError:
            self.drop()
            raise
        except Exception as error:  # the SDK's, or a plain RuntimeError after a network failure
            self.drop()
            return describe_exception(error)

    def drop(self) -> None:
        """Let go of a robot that is of no use; in a thread, for franky joins its own there."""
        robot, self.robot = self.robot, None
        if robot is None:
            return
        holder = [robot]
        del robot
        try:
            call_with_deadline(holder.clear, seconds=2.0, name="leaving the Franka controller")
        except DeadlineError as error:
            logger.warning("%s", error)

    def take(self) -> Any:
        """Return the robot; from now on it is the caller's."""
        robot, self.robot = self.robot, None
        return robot

    def _look(self) -> str:
        state = self._call(lambda: self.robot.state)
        mode, errors = state.robot_mode.name, describe_errors(state.current_errors)
        if self._read_only:
            if words := describe_mode(mode, errors):
                logger.warning("read only: the arm could not be moved now: %s", words)
            return ""
        if self._ignore_reflex and (mode == "Reflex" or (mode == "Idle" and errors)):
            self._call(self.robot.recover_from_errors, RECOVERY_S)
            state = self._call(lambda: self.robot.state)
            mode, errors = state.robot_mode.name, describe_errors(state.current_errors)
        words = describe_mode(mode, errors)
        if mode == "Reflex":  # a client that died in mid-motion leaves one; connecting clears nothing, an operator recovers
            logger.warning("%s", words)
        elif words:
            return words
        plan = self._plan(state)
        if isinstance(plan, str):
            return plan
        self._call(lambda: self._configure(plan))
        return ""

    def _plan(self, state: Any) -> ToolPlan | str:
        settings = self._settings
        return plan_tool(
            read_desk_tool(state),
            flange_to_tool=np.array(settings.flange_to_tool),
            mass=settings.payload_mass,
            center_of_mass=np.array(settings.payload_center_of_mass),
            desk_mass=settings.desk_end_effector_mass_kg,
        )

    def _configure(self, plan: ToolPlan) -> None:
        """Set everything that the file says. Twice is harmless."""
        robot, settings = self.robot, self._settings
        robot.set_ee(columns(plan.nominal_to_tool))
        robot.set_load(plan.load_mass, plan.load_center_of_mass.tolist(), columns(plan.load_inertia))
        robot.set_collision_behavior(
            list(settings.contact_torque_nm),
            list(settings.collision_torque_nm),
            list(settings.contact_force_n),
            list(settings.collision_force_n),
        )
        robot.set_joint_impedance(list(settings.joint_impedance))
        robot.relative_dynamics_factor = load_franky().RelativeDynamicsFactor(*self._dynamics)
        acceleration = np.minimum(robot.joint_acceleration_limit.max, PUBLISHED_ACCELERATION)
        robot.joint_acceleration_limit.set(np.minimum(acceleration, BRAKING / self._dynamics[1]).tolist())
        robot.joint_jerk_limit.set(np.minimum(robot.joint_jerk_limit.max, PUBLISHED_JERK).tolist())

    def _call(self, call: Any, seconds: float = CALL_S) -> Any:
        return call_with_deadline(call, seconds=seconds, name="asking the Franka controller")


def read_tool_frame(state: Any) -> tuple[np.ndarray, float, np.ndarray]:
    """Return flange_to_tool (7,), the whole payload in kg and its centre (3,) m in the flange frame, as the controller uses them."""
    matrix = np.array(state.F_T_EE.matrix, dtype=np.float64).reshape(4, 4)
    return pose_from_matrix(matrix), float(state.m_total), np.array(state.F_x_Ctotal, dtype=np.float64).reshape(3)
