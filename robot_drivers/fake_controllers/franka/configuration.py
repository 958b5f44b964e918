"""What a client sets: collision thresholds, impedance, guiding, tool frames, load. Start at `Configuration.apply`."""

from __future__ import annotations

import numpy as np

from robot_drivers.fake_controllers.franka.facts import RobotFacts
from robot_drivers.fake_controllers.franka.kinematics import from_column_major, is_rigid
from robot_drivers.fake_controllers.franka.messages import Command

MAXIMUM_JOINT_STIFFNESS = 14_250.0  # Nm/rad, the published bound
MAXIMUM_CARTESIAN_STIFFNESS = np.array([3000.0, 3000.0, 3000.0, 300.0, 300.0, 300.0])  # N/m, Nm/rad
MINIMUM_CARTESIAN_STIFFNESS = np.array([10.0, 10.0, 10.0, 1.0, 1.0, 1.0])
MAXIMUM_LOAD = 3.0  # kg, the payload of the arm


class Configuration:
    """The settings in force; what a power cycle forgets begins anew with a new object."""

    def __init__(self, facts: RobotFacts) -> None:
        self.flange_to_nominal = np.array(facts.flange_to_nominal_end_effector, dtype=float)
        self.end_effector_mass = facts.end_effector_mass
        self.end_effector_center = np.array(facts.end_effector_center_of_mass, dtype=float)
        self.end_effector_inertia = np.array(facts.end_effector_inertia, dtype=float)
        self.nominal_to_end_effector = np.eye(4)
        self.end_effector_to_stiffness = np.eye(4)
        self.load_mass = 0.0
        self.load_center = np.zeros(3)
        self.load_inertia = np.zeros(9)
        self.torque_contact, self.torque_collision = np.full(7, 20.0), np.full(7, 20.0)  # Nm
        self.force_contact, self.force_collision = np.full(6, 20.0), np.full(6, 20.0)  # N, Nm
        self.joint_stiffness = np.array([3000.0, 3000.0, 3000.0, 2500.0, 2500.0, 2000.0, 2000.0])  # Nm/rad
        self.cartesian_stiffness = np.array([2000.0, 2000.0, 2000.0, 100.0, 100.0, 100.0])
        self.guiding_axes = np.ones(6, dtype=bool)
        self.guiding_nullspace = False

    @property
    def flange_to_end_effector(self) -> np.ndarray:
        """End effector in flange, (4, 4)."""
        return self.flange_to_nominal @ self.nominal_to_end_effector

    def apply(self, command: Command, request: np.void) -> str | None:
        """Take one setting; return None, or why it is refused, in words (nothing changes then)."""
        return {
            Command.SET_COLLISION_BEHAVIOR: self._set_collision_behavior,
            Command.SET_JOINT_IMPEDANCE: self._set_joint_impedance,
            Command.SET_CARTESIAN_IMPEDANCE: self._set_cartesian_impedance,
            Command.SET_GUIDING_MODE: self._set_guiding,
            Command.SET_EE_TO_K: self._set_stiffness_frame,
            Command.SET_NE_TO_EE: self._set_end_effector_frame,
            Command.SET_LOAD: self._set_load,
        }[command](request)

    def _set_collision_behavior(self, request: np.void) -> str | None:
        for name in request.dtype.names:
            if not np.all(np.isfinite(request[name])) or np.any(request[name] < 0):
                return f"{name} is {request[name].tolist()}; expected finite values >= 0"
        for kind in ("torque", "force"):
            for phase in ("acceleration", "nominal"):
                if np.any(request[f"lower_{kind}_{phase}"] > request[f"upper_{kind}_{phase}"]):
                    return f"lower_{kind}_{phase} is above upper_{kind}_{phase}"
        self.torque_contact, self.torque_collision = request["lower_torque_nominal"].copy(), request["upper_torque_nominal"].copy()
        self.force_contact, self.force_collision = request["lower_force_nominal"].copy(), request["upper_force_nominal"].copy()
        return None

    def _set_joint_impedance(self, request: np.void) -> str | None:
        stiffness = request["stiffness"]
        if not np.all((stiffness > 0) & (stiffness <= MAXIMUM_JOINT_STIFFNESS)):
            return f"joint stiffness is {stiffness.tolist()} Nm/rad; expected 0 < value <= {MAXIMUM_JOINT_STIFFNESS}"
        self.joint_stiffness = stiffness.copy()
        return None

    def _set_cartesian_impedance(self, request: np.void) -> str | None:
        stiffness = request["stiffness"]
        if not np.all((stiffness >= MINIMUM_CARTESIAN_STIFFNESS) & (stiffness <= MAXIMUM_CARTESIAN_STIFFNESS)):
            return f"Cartesian stiffness is {stiffness.tolist()}; expected 10 to 3000 N/m and 1 to 300 Nm/rad"
        self.cartesian_stiffness = stiffness.copy()
        return None

    def _set_guiding(self, request: np.void) -> str | None:
        self.guiding_axes = request["axes"].astype(bool)
        self.guiding_nullspace = bool(request["nullspace"])
        return None

    def _set_stiffness_frame(self, request: np.void) -> str | None:
        transform = from_column_major(request["transform"])
        if not is_rigid(transform):
            return "EE_T_K is no rigid transform"
        self.end_effector_to_stiffness = transform
        return None

    def _set_end_effector_frame(self, request: np.void) -> str | None:
        transform = from_column_major(request["transform"])
        if not is_rigid(transform):
            return "NE_T_EE is no rigid transform"
        self.nominal_to_end_effector = transform
        return None

    def _set_load(self, request: np.void) -> str | None:
        mass, center, inertia = float(request["mass"]), request["center_of_mass"], request["inertia"]
        if not 0.0 <= mass <= MAXIMUM_LOAD:
            return f"load is {mass} kg; expected 0 to {MAXIMUM_LOAD}"
        if not (np.all(np.isfinite(center)) and np.all(np.isfinite(inertia))):
            return "centre of mass or inertia of the load is not finite"
        matrix = inertia.reshape(3, 3)
        if np.max(np.abs(matrix - matrix.T)) > 1e-9 or np.min(np.linalg.eigvalsh(matrix)) < -1e-9:
            return "inertia of the load is not symmetric and positive"
        self.load_mass, self.load_center, self.load_inertia = mass, center.copy(), inertia.copy()
        return None
