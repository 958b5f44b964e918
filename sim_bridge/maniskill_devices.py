"""The Panda, its hand and the cameras of a ManiSkill scene as Stage's `Arm`, `Gripper` and `Camera`.

The three share one `ManiSkillSimulation`; `connect` on any of them opens it. The arm takes absolute targets only and
drives ManiSkill's joint position controller: an EE_POSE goes through ManiSkill's own inverse kinematics, so that summed
`ee_delta_pose` actions move the arm as ManiSkill's `pd_ee_target_delta_pose` does.
"""

from __future__ import annotations

import logging
import math
import time
import xml.etree.ElementTree as ElementTree

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmDescription, ArmMode, ArmState
from robot_drivers.camera import Camera, CameraDescription, CameraFrame
from robot_drivers.gripper import Gripper, GripperDescription, GripperState
from sim_bridge.maniskill_settings import CameraSettings
from sim_bridge.maniskill_simulation import (
    ARM_JOINTS,
    EE_LINK,
    FINGER_OPEN,
    FINGER_SQUEEZE,
    ManiSkillSimulation,
    maniskill_folder,
    vertical_focal_length,
)
from stage_core.errors import DeadlineError, DeviceError

logger = logging.getLogger(__name__)

SQUEEZE_BELOW = 0.05  # an opening under this asks for a grip; wider ones are positions
MOVING_SPEED = 0.01  # rad/s


class ManiSkillArm(Arm):
    """ManiSkill's Panda. Poses base -> `panda_hand_tcp`, which already is Stage's tool centre."""

    def __init__(self, simulation: ManiSkillSimulation, *, control_rate_hz: float) -> None:
        self._simulation = simulation
        self._description = _describe_panda(control_rate_hz)
        self._stop_requested = False
        self._commanded = False

    @property
    def description(self) -> ArmDescription:
        return self._description

    def connect(self) -> None:
        self._simulation.open()

    def read_state(self) -> ArmState:
        simulation = self._simulation
        with simulation.lock:
            simulation.require_open()
            velocities = simulation.joint_velocities()[:ARM_JOINTS]
            position, orientation = simulation.ee_pose()
            return ArmState(
                stamp=simulation.stamp,
                joint_positions=simulation.joint_positions()[:ARM_JOINTS],
                joint_velocities=velocities,
                ee_position=position,
                ee_orientation=orientation,
                mode=self._mode(velocities),
            )

    def _mode(self, velocities: np.ndarray) -> ArmMode:
        if self._stop_requested:
            return ArmMode.HOLD
        return ArmMode.MOVING if self._commanded or np.abs(velocities).max() > MOVING_SPEED else ArmMode.IDLE

    def command(self, command: ArmCommand) -> None:
        space = ActionSpace(command.action_space)
        if space not in self._description.native_spaces:
            native = ", ".join(entry.value for entry in self._description.native_spaces)
            raise ValueError(f"action_space is {space.value}; expected {native}. SafeArm turns other spaces into absolute targets.")
        values = np.asarray(command.values, dtype=np.float64)
        if values.shape != (space.dimension(ARM_JOINTS),) or not np.isfinite(values).all():
            raise ValueError(f"values are {values}; expected {space.dimension(ARM_JOINTS)} finite numbers for {space.value}.")
        simulation = self._simulation
        with simulation.lock:
            simulation.require_open()
            target = values if space is ActionSpace.JOINT_POSITION else simulation.solve_joints(values[:3], values[3:])
            if target is None:
                # ManiSkill's controllers do the same: a pose out of reach keeps the arm where it is.
                logger.warning("no joints reach the pose %s m; the arm stays where it is", np.round(values[:3], 3))
                target = simulation.joint_positions()[:ARM_JOINTS]
            simulation.joint_target = np.clip(target, self._description.joint_lower, self._description.joint_upper)
            self._commanded = True
            self._stop_requested = False

    def stop(self) -> None:
        self._stop_requested = True  # read by `before_step`; takes no lock, so it works while a call is stuck

    def recover(self) -> None:
        self._stop_requested = False

    def disconnect(self) -> None:
        self._stop_requested = True
        self._simulation.close()

    def before_step(self) -> None:
        """Brake when a stop was asked for; called by the workcell before each control period."""
        if self._stop_requested and self._commanded:
            self._simulation.joint_target = self._simulation.joint_positions()[:ARM_JOINTS]
            self._commanded = False

    def after_reset(self) -> None:
        """Forget the last episode's command."""
        self._commanded = False
        self._stop_requested = False


def _describe_panda(control_rate_hz: float) -> ArmDescription:
    """Return the description, read from ManiSkill's URDF without importing ManiSkill."""
    urdf = maniskill_folder() / "assets" / "robots" / "panda" / "panda_v2.urdf"
    names = tuple(f"panda_joint{i + 1}" for i in range(ARM_JOINTS))
    limits = {joint.get("name"): joint.find("limit") for joint in ElementTree.parse(urdf).getroot().iter("joint")}
    numbers = np.array([[float(limits[name].get(key)) for key in ("lower", "upper", "velocity")] for name in names])
    half = math.pi / 8  # the hand is turned by -45 degrees about the flange's z
    return ArmDescription(
        name="panda",
        joint_names=names,
        joint_lower=numbers[:, 0],
        joint_upper=numbers[:, 1],
        joint_velocity_limits=numbers[:, 2],
        urdf=str(urdf),
        base_frame="panda_link0",
        ee_link=EE_LINK,
        control_rate_hz=control_rate_hz,
        native_spaces=(ActionSpace.JOINT_POSITION, ActionSpace.EE_POSE),
        interpolates=True,  # the drives follow a step in the target smoothly; a second generator would only add delay
        flange_to_tool=np.array([0.0, 0.0, 0.1034, 0.0, 0.0, -math.sin(half), math.cos(half)]),
        payload_mass=0.73,
        payload_center_of_mass=np.array([-0.01, 0.0, 0.03]),
        max_stop_latency=1.0 / control_rate_hz,
    )


class ManiSkillGripper(Gripper):
    """The Panda hand: both fingers follow one target (ManiSkill's mimic controller)."""

    def __init__(self, simulation: ManiSkillSimulation) -> None:
        self._simulation = simulation
        self._description = GripperDescription(name="panda_hand", max_width=2.0 * FINGER_OPEN)

    @property
    def description(self) -> GripperDescription:
        return self._description

    def connect(self) -> None:
        self._simulation.open()

    def read(self) -> GripperState:
        simulation = self._simulation
        with simulation.lock:
            simulation.require_open()
            width = float(simulation.joint_positions()[ARM_JOINTS:].sum())
            opening = min(1.0, max(0.0, width / self._description.max_width))
            return GripperState(stamp=simulation.stamp, width=width, opening=opening)

    def command(self, opening: float) -> None:
        if not 0.0 <= opening <= 1.0:
            raise ValueError(f"opening is {opening}; expected 0 (closed) to 1 (open).")
        with self._simulation.lock:
            self._simulation.require_open()
            self._simulation.finger_target = FINGER_SQUEEZE if opening < SQUEEZE_BELOW else opening * FINGER_OPEN

    def stop(self) -> None:
        """Open no further; closing fingers keep their target and their grip."""
        simulation = self._simulation
        with simulation.lock:
            if simulation.is_open:
                present = 0.5 * float(simulation.joint_positions()[ARM_JOINTS:].sum())
                simulation.finger_target = min(simulation.finger_target, max(0.0, present))

    def disconnect(self) -> None:
        self._simulation.close()


class ManiSkillCamera(Camera):
    """A camera of the scene; renders when it is read, at most once for every state."""

    def __init__(self, name: str, simulation: ManiSkillSimulation, settings: CameraSettings) -> None:
        self._name = name
        self._simulation = simulation
        self._settings = settings
        self._read_frame = -1
        self._intrinsics: np.ndarray | None = None

    @property
    def description(self) -> CameraDescription:
        settings = self._settings
        focal = vertical_focal_length(settings)
        before = np.array([[focal, 0, settings.width_px / 2], [0, focal, settings.height_px / 2], [0, 0, 1.0]])
        return CameraDescription(
            name=self._name,
            width=settings.width_px,
            height=settings.height_px,
            rate_hz=1.0 / self._simulation.period,
            optical_frame=f"camera_{self._name}_optical_frame",
            intrinsics=before if self._intrinsics is None else self._intrinsics,
        )

    def connect(self) -> None:
        self._simulation.open()
        self._intrinsics = self._simulation.intrinsics(self._name)

    def read(self, *, timeout: float = 0.5) -> CameraFrame:
        simulation = self._simulation
        deadline = time.monotonic() + timeout
        with simulation.advanced:
            simulation.require_open()
            if self._intrinsics is None:
                raise DeviceError(f'camera "{self._name}" is not connected; expected connect() before its use.')
            while self._read_frame == simulation.frame:
                if not simulation.advanced.wait(deadline - time.monotonic()):
                    raise DeadlineError(
                        f'camera "{self._name}" has no new frame after {timeout:g} s; the simulation did not advance. Call step() first.'
                    )
            image = simulation.render(self._name)
            self._read_frame = simulation.frame
            return CameraFrame(stamp=simulation.stamp, sequence=simulation.sequence, image=image)

    def disconnect(self) -> None:
        self._intrinsics = None
