"""Forward and inverse kinematics of an arm from its URDF, on pinocchio. Start at `Kinematics`.

pinocchio (`pip install pin`) is imported when a `Kinematics` is built, so that reading a configuration stays cheap.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import ArmDescription
from robot_drivers.poses import twist_between
from stage_core.errors import ConfigurationError, MissingDependencyError, nearest

_SMALLEST_DAMPING = 1e-10


class Kinematics:
    """The chain base -> tool centre. Safe to call from several threads."""

    def __init__(self, urdf: str | Path, ee_link: str, joint_names: tuple[str, ...], base_frame: str = "") -> None:
        """Read the chain.

        Args:
            urdf: Path of the URDF; meshes are not read.
            ee_link: Link of the tool centre.
            joint_names: n revolute joints, base to wrist; all others are fixed at 0.
            base_frame: Link that poses are expressed in; the URDF's root where it has no such link.

        Raises:
            MissingDependencyError: If pinocchio is not installed.
            ConfigurationError: If the file, a joint or the link does not exist.
        """
        self._pin = _import_pinocchio()
        self._model = _load_chain(self._pin, Path(urdf), joint_names)
        self._data = self._model.createData()
        self._lock = threading.Lock()  # pinocchio writes its results into `data`
        links = [frame.name for frame in self._model.frames]
        if ee_link not in links:
            raise ConfigurationError(f'{urdf}: there is no link "{ee_link}" for the tool centre. {nearest(ee_link, links)}')
        self._ee = self._model.getFrameId(ee_link)
        self._base_inverse = self._pin.SE3.Identity()
        if base_frame in links:
            self._base_inverse = self._placement(self._pin.neutral(self._model), self._model.getFrameId(base_frame)).inverse()
        self._rotation = np.array(self._base_inverse.rotation)
        order = [self._model.joints[self._model.getJointId(name)].idx_q for name in joint_names]
        if order != list(range(len(joint_names))):
            raise ConfigurationError(
                f"{urdf}: the joints {', '.join(joint_names)} are not in order from base to wrist. Reorder joint_names."
            )
        self.joint_names = tuple(joint_names)
        self.lower = np.array(self._model.lowerPositionLimit)
        self.upper = np.array(self._model.upperPositionLimit)
        self.velocity_limits = np.array(self._model.velocityLimit)

    @classmethod
    def from_description(cls, description: ArmDescription) -> Kinematics:
        """Return the kinematics of a described arm. Raises as the constructor."""
        return cls(description.urdf, description.ee_link, description.joint_names, description.base_frame)

    def forward(self, joints: np.ndarray) -> np.ndarray:
        """Return the pose (7,) m and xyzw of the tool centre for `joints` (n,) rad."""
        with self._lock:
            return self._pose(self._base_inverse * self._placement(np.asarray(joints, dtype=np.float64), self._ee))

    def jacobian(self, joints: np.ndarray) -> np.ndarray:
        """Return (6, n): m/s and rad/s of the tool centre in the base frame per rad/s of each joint."""
        with self._lock:
            return self._jacobian(np.asarray(joints, dtype=np.float64))

    def inverse(
        self,
        pose: np.ndarray,
        seed: np.ndarray,
        *,
        tolerance: float = 1e-7,
        iterations: int = 100,
        lower: np.ndarray | None = None,
        upper: np.ndarray | None = None,
    ) -> np.ndarray | None:
        """Return joints that bring the tool centre to a pose, near a seed, or None where none were found.

        Damped least squares; the damping follows the squared error, so it converges quadratically near the goal and
        stays calm near singularities. A joint at its limit is left out of the step that would push it further.

        Args:
            pose: (7,) m and xyzw, base frame.
            seed: (n,) rad, where the search starts; the answer moves from it as little as it can.
            tolerance: Largest remaining error, m and rad.
            iterations: Most steps.
            lower: (n,) rad, limits to hold; the URDF's by default.
            upper: (n,) rad.

        Source: T. Sugihara, "Solvability-unconcerned inverse kinematics by the Levenberg-Marquardt method", 2011.
        """
        lower = self.lower if lower is None else lower
        upper = self.upper if upper is None else upper
        joints = np.clip(np.asarray(seed, dtype=np.float64), lower, upper)
        goal = np.asarray(pose, dtype=np.float64)
        with self._lock:
            for _ in range(iterations):
                error = twist_between(self._pose(self._base_inverse * self._placement(joints, self._ee)), goal)
                if np.linalg.norm(error[:3]) < tolerance and np.linalg.norm(error[3:]) < tolerance:
                    return joints
                step = _damped_step(self._jacobian(joints), error)
                blocked = ((joints <= lower) & (step < 0.0)) | ((joints >= upper) & (step > 0.0))
                if blocked.any():
                    step = _damped_step(self._jacobian(joints) * ~blocked, error)
                joints = np.clip(joints + step, lower, upper)
        return None

    def link_points(self, joints: np.ndarray, links: tuple[str, ...], centers: np.ndarray) -> np.ndarray:
        """Return where points of links are, base frame.

        Args:
            joints: (n,) rad.
            links: k link names.
            centers: (k, 3) m, each in the frame of its link.

        Returns:
            (k, 3) m.
        """
        with self._lock:
            pin = self._pin
            pin.forwardKinematics(self._model, self._data, np.asarray(joints, dtype=np.float64))
            points = []
            for link, center in zip(links, centers, strict=True):
                placement = self._base_inverse * pin.updateFramePlacement(self._model, self._data, self._model.getFrameId(link))
                points.append(placement.rotation @ center + placement.translation)
            return np.array(points).reshape(-1, 3)

    @property
    def links(self) -> tuple[str, ...]:
        """Names of all links."""
        return tuple(frame.name for frame in self._model.frames)

    def _placement(self, joints: np.ndarray, frame: int) -> Any:
        self._pin.forwardKinematics(self._model, self._data, joints)
        return self._pin.updateFramePlacement(self._model, self._data, frame)

    def _jacobian(self, joints: np.ndarray) -> np.ndarray:
        pin = self._pin
        jacobian = pin.computeFrameJacobian(self._model, self._data, joints, self._ee, pin.LOCAL_WORLD_ALIGNED)
        return np.vstack([self._rotation @ jacobian[:3], self._rotation @ jacobian[3:]])

    def _pose(self, placement: Any) -> np.ndarray:
        return np.array(self._pin.SE3ToXYZQUAT(placement))


def damped_pseudo_inverse_step(jacobian: np.ndarray, twist: np.ndarray, *, damping: float = 1e-6) -> np.ndarray:
    """Return the smallest joint step (n,) rad whose tool motion is `twist` (6,), damped near singularities."""
    square = jacobian @ jacobian.T + damping * np.eye(6)
    return jacobian.T @ np.linalg.solve(square, twist)


def _damped_step(jacobian: np.ndarray, error: np.ndarray) -> np.ndarray:
    return damped_pseudo_inverse_step(jacobian, error, damping=0.5 * float(error @ error) * 1e-2 + _SMALLEST_DAMPING)


def _import_pinocchio() -> Any:
    try:
        import pinocchio
    except ImportError:
        raise MissingDependencyError(
            "pinocchio is not installed; kinematics and workspace limits need it. Run: pip install 'stage-robotics[robot]'"
        ) from None
    return pinocchio


def _load_chain(pin: Any, urdf: Path, joint_names: tuple[str, ...]) -> Any:
    """Return a pinocchio model in which only `joint_names` move."""
    if not urdf.is_file():
        raise ConfigurationError(f"urdf {urdf} does not exist; expected a URDF file. Check the path in the driver's description.")
    try:
        model = pin.buildModelFromUrdf(str(urdf))
    except (ValueError, RuntimeError) as error:
        raise ConfigurationError(f"{urdf} is not a URDF: {str(error).splitlines()[0]}. Check it with check_urdf.") from None
    for name in joint_names:
        if not model.existJointName(name):
            raise ConfigurationError(f'{urdf}: there is no joint "{name}". {nearest(name, list(model.names)[1:])}')
        if model.joints[model.getJointId(name)].nq != 1:
            raise ConfigurationError(f'{urdf}: joint "{name}" turns without end; expected a revolute joint with limits. Give it limits.')
    others = [index for index, name in enumerate(model.names) if index > 0 and name not in joint_names]
    return pin.buildReducedModel(model, others, pin.neutral(model)) if others else model
