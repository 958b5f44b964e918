"""The state datagram: one buffer, filled in place. Start at `StateRecord.fill`."""

from __future__ import annotations

import math

import numpy as np

from robot_drivers.fake_controllers.franka.arm import Arm
from robot_drivers.fake_controllers.franka.configuration import Configuration
from robot_drivers.fake_controllers.franka.kinematics import to_column_major
from robot_drivers.fake_controllers.franka.messages import STATE
from robot_drivers.fake_controllers.franka.statuses import ControllerMode, Generator, RobotMode


class StateRecord:
    """The bytes of the next state datagram, as named float32 fields."""

    def __init__(self) -> None:
        record = np.zeros(1, STATE)
        self.buffer = memoryview(record.view(np.uint8))
        # A view of each field: writing through it costs a tenth of looking the field up in the record.
        self._fields = {name: record[name][0] if record[name].ndim > 1 else record[name] for name in STATE.names}
        self._message_id = self._fields["message_id"]
        self._fields["O_ddP_O"][:] = 0.0, 0.0, -9.81
        self._gravity = np.zeros(7)
        self._pushed = self._moving = False

    def set_message_id(self, message_id: int) -> None:
        """Change the clock only: what an arm at rest needs."""
        self._message_id[0] = message_id

    def fill(
        self,
        arm: Arm,
        configuration: Configuration,
        modes: tuple[RobotMode, Generator, ControllerMode],
        errors: np.ndarray,
        reflex_reason: np.ndarray,
        success_rate: float,
    ) -> None:
        """Write everything but the clock."""
        fields = self._fields
        fields["robot_mode"][0], fields["motion_generator_mode"][0], fields["controller_mode"][0] = modes
        fields["control_command_success_rate"][0] = success_rate
        self._fill_joints(arm)
        self._fill_end_effector(arm)
        if modes[0] is not RobotMode.MOVE or not self._moving:
            fields["errors"][:] = errors
            fields["reflex_reason"][:] = reflex_reason
            self._fill_settings(configuration)
            center = (arm.pose.flange @ np.append(configuration.end_effector_center, 1.0))[:3]
            self._gravity = arm.pose.gravity_torques(configuration.end_effector_mass + configuration.load_mass, center)
        self._moving = modes[0] is RobotMode.MOVE
        self._fill_contact(arm, configuration)
        fields["tau_J"][:] = self._gravity + arm.desired_torque + fields["tau_ext_hat_filtered"]

    def _fill_joints(self, arm: Arm) -> None:
        fields = self._fields
        fields["q"][:] = fields["theta"][:] = arm.joints
        fields["dq"][:] = fields["dtheta"][:] = arm.velocity
        fields["q_d"][:] = arm.desired
        fields["dq_d"][:] = arm.desired_velocity
        fields["ddq_d"][:] = arm.desired_acceleration
        fields["tau_J_d"][:] = arm.desired_torque
        fields["elbow"][:] = arm.joints[2], math.copysign(1.0, arm.joints[3])
        fields["elbow_d"][:] = fields["elbow_c"][:] = arm.desired[2], math.copysign(1.0, arm.desired[3])
        fields["delbow_c"][0], fields["ddelbow_c"][0] = arm.elbow_rate

    def _fill_end_effector(self, arm: Arm) -> None:
        fields = self._fields
        fields["O_T_EE"][:] = to_column_major(arm.end_effector)
        fields["O_T_EE_d"][:] = fields["O_T_EE_c"][:] = to_column_major(arm.end_effector_desired)
        fields["O_dP_EE_d"][:] = fields["O_dP_EE_c"][:] = arm.twist
        fields["O_ddP_EE_c"][:] = arm.twist_rate

    def _fill_settings(self, configuration: Configuration) -> None:
        fields = self._fields
        fields["F_T_NE"][:] = to_column_major(configuration.flange_to_nominal)
        fields["NE_T_EE"][:] = to_column_major(configuration.nominal_to_end_effector)
        fields["F_T_EE"][:] = to_column_major(configuration.flange_to_end_effector)
        fields["EE_T_K"][:] = to_column_major(configuration.end_effector_to_stiffness)
        fields["m_ee"][0] = configuration.end_effector_mass
        fields["F_x_Cee"][:] = configuration.end_effector_center
        fields["I_ee"][:] = configuration.end_effector_inertia
        fields["m_load"][0] = configuration.load_mass
        fields["F_x_Cload"][:] = configuration.load_center
        fields["I_load"][:] = configuration.load_inertia

    def _fill_contact(self, arm: Arm, configuration: Configuration) -> None:
        fields = self._fields
        if not arm.external_wrench.any():
            if not self._pushed:
                return
            self._pushed = False
            for name in ("joint_contact", "joint_collision", "cartesian_contact", "cartesian_collision"):
                fields[name][:] = 0.0
            for name in ("tau_ext_hat_filtered", "O_F_ext_hat_K", "K_F_ext_hat_K"):
                fields[name][:] = 0.0
            return
        self._pushed = True
        rotation = arm.end_effector[:3, :3] @ configuration.end_effector_to_stiffness[:3, :3]
        torque = arm.pose.jacobian(arm.end_effector[:3, 3]).T @ arm.external_wrench
        fields["O_F_ext_hat_K"][:] = arm.external_wrench
        fields["K_F_ext_hat_K"][:3] = rotation.T @ arm.external_wrench[:3]
        fields["K_F_ext_hat_K"][3:] = rotation.T @ arm.external_wrench[3:]
        fields["tau_ext_hat_filtered"][:] = torque
        fields["cartesian_contact"][:] = np.abs(fields["K_F_ext_hat_K"]) > configuration.force_contact
        fields["cartesian_collision"][:] = np.abs(fields["K_F_ext_hat_K"]) > configuration.force_collision
        fields["joint_contact"][:] = np.abs(torque) > configuration.torque_contact
        fields["joint_collision"][:] = np.abs(torque) > configuration.torque_collision

    def colliding(self) -> str | None:
        """Return the reflex that the thresholds call for, or None."""
        if not self._pushed:
            return None
        if self._fields["cartesian_collision"].any():
            return "cartesian_reflex"
        return "joint_reflex" if self._fields["joint_collision"].any() else None
