"""One ManiSkill environment, advanced one control period at a time, with SAPIEN's conventions turned into Stage's.

The arm, gripper and cameras of a workcell share one `ManiSkillSimulation`. It computes nothing twice: no observation
and no reward inside `env.step`, and an image only when a camera is read for a new frame. SAPIEN's quaternions are
wxyz and its poses are in a world frame; everything that leaves this file is xyzw and in the arm base frame.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np

from sim_bridge.maniskill_settings import TASK_CAMERA, CameraSettings, SimulationSettings, check_task
from stage_core.errors import ConfigurationError, DeviceError, MissingDependencyError

EE_LINK = "panda_hand_tcp"  # between the finger tips, z out of the gripper, y along the fingers' travel: Stage's `ee` as it is
ARM_JOINTS = 7
FINGER_OPEN = 0.04  # m, each finger
FINGER_SQUEEZE = -0.01  # m, ManiSkill's lower target of a finger: keeps a force on thin things
# SAPIEN's camera looks along x with y to the left; the columns are its axes in the optical frame (z forward, x right)
_SAPIEN_IN_OPTICAL_WXYZ = (0.5, 0.5, -0.5, 0.5)


def maniskill_folder() -> Path:
    """Return the folder of the installed package without importing it (an import takes seconds).

    Raises:
        MissingDependencyError: If ManiSkill is not installed.
    """
    found = importlib.util.find_spec("mani_skill")
    if found is None or found.origin is None:
        raise MissingDependencyError("ManiSkill is not installed; the workcell maniskill needs it. Run: pip install 'stage-robotics[sim]'")
    return Path(found.origin).parent


class ManiSkillSimulation:
    """A single ManiSkill environment on the CPU.

    Attributes:
        task: Stage's task name.
        period: Control period, s.
        frame: Counts states: one for every reset and every step, never back; `frame * period` is the clock.
        sequence: Control steps since the last reset.
        episode: Counts resets.
        success: ManiSkill's judgement of the present state.
        lock: Held around every use of SAPIEN, which is not thread-safe.
        advanced: Notified after every reset and step.
    """

    def __init__(self, task: str, *, control_rate_hz: float, settings: SimulationSettings, cameras: dict[str, CameraSettings]) -> None:
        self.task = task
        self._identifier = check_task(task)
        if control_rate_hz != int(control_rate_hz) or settings.simulation_rate_hz % int(control_rate_hz):
            raise ConfigurationError(
                f"settings.simulation_rate_hz is {settings.simulation_rate_hz} Hz; expected a whole multiple of"
                f" control_rate_hz = {control_rate_hz:g} Hz. Change one of them."
            )
        self.period = 1.0 / control_rate_hz
        self._control_rate = int(control_rate_hz)
        self._settings = settings
        self._camera_settings = cameras
        self.frame = 0
        self.sequence = 0
        self.episode = 0
        self.success = False
        self.lock = threading.RLock()
        self.advanced = threading.Condition(self.lock)
        self.environment: Any = None
        self._used = False

    # ------------------------------------------------------------------ life

    @property
    def is_open(self) -> bool:
        """True between `open` and `close`."""
        return self.environment is not None

    def open(self) -> None:
        """Build the environment; does nothing when it is open.

        Raises:
            MissingDependencyError: If ManiSkill is not installed.
            DeviceError: If the Vulkan driver cannot be used.
        """
        with self.lock:
            if self.environment is not None:
                return
            maniskill_folder()
            import torch

            torch.set_num_threads(1)  # bit-equal results must not depend on how the work is split
            self.environment = self._make()
            self._bind()
            self._kinematics = self._make_kinematics()
            self._after_reset(self.environment.get_info())

    def _bind(self) -> None:
        """Take hold of the parts of a scene that was just built."""
        self._robot = self.environment.agent.robot
        self._base_inverse = self._robot.pose.sp.inv()
        self._ee_link = self.environment.agent.tcp
        self._rendered_frame = -1
        self._sensors = {name: self._make_camera(name, camera) for name, camera in self._camera_settings.items()}
        if self._settings.show_goal_marker:
            for hidden in self.environment._hidden_objects:
                hidden.show_visual()

    def _make(self) -> Any:
        import gymnasium
        import mani_skill.envs  # noqa: F401  registers the tasks

        camera = self._camera_settings.get(TASK_CAMERA, CameraSettings())
        try:
            made = gymnasium.make(
                self._identifier,
                num_envs=1,
                robot_uids=self._settings.robot,
                obs_mode="none",
                reward_mode="none",
                control_mode="pd_joint_pos",
                sim_backend="physx_cpu",
                render_backend=self._settings.render_backend if self._camera_settings else "none",
                sim_config={"sim_freq": self._settings.simulation_rate_hz, "control_freq": self._control_rate},
                sensor_configs={"base_camera": {"width": camera.width_px, "height": camera.height_px}, "shader_pack": "minimal"},
                max_episode_steps=10**9,  # an episode ends when the runner says so
            )
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            if not any(word in reason.lower() for word in ("vk::", "vulkan", "render", "device")):
                raise
            raise DeviceError(
                f"SAPIEN cannot use the Vulkan driver ({reason}); expected Mesa 25 or newer, or a GPU driver. Run: make setup"
            ) from None
        return made.unwrapped  # the wrappers only count steps

    def _make_kinematics(self) -> Any:
        from mani_skill.agents.controllers.utils.kinematics import Kinematics

        arm = self.environment.agent.controller.controllers["arm"]
        return Kinematics(self.environment.agent.urdf_path, EE_LINK, self._robot, arm.active_joint_indices)

    def close(self) -> None:
        """Let go of the environment. Idempotent."""
        with self.lock:
            if self.environment is not None:
                self.environment.close()
                self.environment = None
                self._sensors = {}

    def require_open(self) -> None:
        """Raise DeviceError in words when `open` was not called."""
        if self.environment is None:
            raise DeviceError("the simulation is not connected; nothing was simulated. Call connect() first.")

    # ------------------------------------------------------------------ time

    @property
    def stamp(self) -> float:
        """The simulated clock, s; goes on over episodes."""
        return self.frame * self.period

    def reset(self, seed: int) -> None:
        """Arrange the scene for one episode; the same seed gives the same episode, bit for bit, with `rebuild_scene`."""
        with self.advanced:
            self.require_open()
            if self._used:
                self.frame += 1  # two states must never share a stamp
            rebuild = self._settings.rebuild_scene
            _, information = self.environment.reset(seed=int(seed), options={"reconfigure": rebuild})
            if rebuild:
                self._bind()
            self.episode += 1
            self._after_reset(information)
            self.advanced.notify_all()

    def _after_reset(self, information: dict[str, Any]) -> None:
        self.sequence = 0
        self.success = bool(information["success"][0])
        self.joint_target = self.joint_positions()[:ARM_JOINTS].copy()
        self.finger_target = FINGER_OPEN
        self._used = True

    def advance(self) -> None:
        """Simulate one control period towards `joint_target` and `finger_target`."""
        with self.advanced:
            self.require_open()
            action = np.empty(ARM_JOINTS + 1, dtype=np.float32)
            action[:ARM_JOINTS] = self.joint_target
            action[ARM_JOINTS] = 2.0 * (self.finger_target - FINGER_SQUEEZE) / (FINGER_OPEN - FINGER_SQUEEZE) - 1.0
            information = self.environment.step(action)[4]
            self.frame += 1
            self.sequence += 1
            self.success = bool(information["success"][0])
            self.advanced.notify_all()

    # ------------------------------------------------------------------ state

    def joint_positions(self) -> np.ndarray:
        """Return (9,) float64: seven joints in rad, two fingers in m."""
        return self._robot.get_qpos()[0].numpy().astype(np.float64)

    def joint_velocities(self) -> np.ndarray:
        """Return (9,) float64: seven joints in rad/s, two fingers in m/s."""
        return self._robot.get_qvel()[0].numpy().astype(np.float64)

    def pose_in_base(self, thing: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return position (3,) m and orientation (4,) xyzw of an actor or link in the arm base frame."""
        pose = self._base_inverse * thing.pose.sp
        return pose.p.astype(np.float64), pose.q.astype(np.float64)[[1, 2, 3, 0]]

    def ee_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Return position (3,) m and orientation (4,) xyzw of the tool centre in the arm base frame."""
        return self.pose_in_base(self._ee_link)

    def solve_joints(self, position: np.ndarray, orientation: np.ndarray) -> np.ndarray | None:
        """Return the joints that bring the tool centre to a pose, or None where none were found.

        Uses the solver of ManiSkill's own end-effector controllers, started at the measured joints as they do, so that
        an absolute target here and a summed delta there give the same motion (tested to 1 mm).

        Args:
            position: (3,) m, arm base frame.
            orientation: (4,) xyzw.

        Returns:
            (7,) float64 rad, or None.
        """
        import sapien

        chain = self._kinematics
        goal = sapien.Pose(np.asarray(position, dtype=np.float32), np.asarray(orientation, dtype=np.float32)[[3, 0, 1, 2]])
        start = self._robot.get_qpos()[0, chain.pmodel_active_joint_indices].numpy()
        controlled = chain.pmodel_controlled_joint_indices.numpy()
        for step, iterations in ((1.0, 20), (0.1, 200)):  # full Newton steps are ten times faster; short ones reach further
            solution, success, _ = chain.pmodel.compute_inverse_kinematics(
                chain.end_link_idx, goal, initial_qpos=start, active_qmask=chain.qmask, max_iterations=iterations, dt=step
            )
            if success:
                return np.asarray(solution, dtype=np.float64)[controlled]
        return None

    # ------------------------------------------------------------------ images

    def render(self, name: str) -> np.ndarray:
        """Return the image (H, W, 3) uint8 of the camera `name` in the present state."""
        with self.lock:
            self.require_open()
            if self._rendered_frame != self.frame:
                self.environment.scene.update_render(update_sensors=True, update_human_render_cameras=False)
                self._rendered_frame = self.frame
            sensor = self._sensors[name]
            sensor.capture()
            picture = sensor.get_obs(rgb=True, depth=False, position=False, segmentation=False)["rgb"]
            return np.ascontiguousarray(picture[0].numpy())

    def capture(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return image (H, W, 3) uint8 and aligned depth (H, W) uint16 mm, 0 where unknown, of the camera `name` in the present state."""
        with self.lock:
            self.require_open()
            self.environment.scene.update_render(update_sensors=True, update_human_render_cameras=False)
            sensor = self._sensors[name]
            sensor.capture()
            seen = sensor.get_obs(rgb=True, depth=True, position=False, segmentation=False)
            depth = np.clip(seen["depth"][0, ..., 0].numpy(), 0, None).astype(np.uint16)
            return np.ascontiguousarray(seen["rgb"][0].numpy()), depth

    def camera_extrinsics(self, name: str) -> np.ndarray:
        """Return the (3, 4) float64 matrix from the world to the optical frame of the camera `name`."""
        with self.lock:
            self.require_open()
            self.environment.scene.update_render(update_sensors=True, update_human_render_cameras=False)
            return self._sensors[name].camera.get_extrinsic_matrix()[0].numpy()[:3].astype(np.float64)

    def intrinsics(self, name: str) -> np.ndarray:
        """Return the (3, 3) float64 camera matrix in pixels."""
        return self._sensors[name].camera.get_intrinsic_matrix()[0].numpy().astype(np.float64)

    def _make_camera(self, name: str, settings: CameraSettings) -> Any:
        if settings.position_m is None:
            return self.environment.scene.sensors["base_camera"]
        import sapien
        from mani_skill.sensors.camera import Camera, CameraConfig
        from mani_skill.utils import sapien_utils

        base = self._robot.pose.sp
        if settings.look_at_m is not None:
            looking = sapien_utils.look_at(eye=list(settings.position_m), target=list(settings.look_at_m)).sp
            pose = base * looking
        else:
            x, y, z, w = settings.orientation_xyzw or (0.0, 0.0, 0.0, 1.0)
            pose = sapien.Pose(list(settings.position_m), [w, x, y, z]) * sapien.Pose(q=list(_SAPIEN_IN_OPTICAL_WXYZ))
            pose = pose if settings.mount_link else base * pose
        links = self._robot.links_map
        if settings.mount_link and settings.mount_link not in links:
            from stage_core.errors import nearest

            raise ConfigurationError(f'cameras.{name}.mount_link is "{settings.mount_link}". {nearest(settings.mount_link, links)}')
        return Camera(
            CameraConfig(
                uid=f"stage_{name}",
                pose=pose,
                width=settings.width_px,
                height=settings.height_px,
                fov=settings.field_of_view_rad,
                mount=links[settings.mount_link] if settings.mount_link else None,
                shader_pack="minimal",
            ),
            self.environment.scene,
        )


def vertical_focal_length(settings: CameraSettings) -> float:
    """Return the focal length in pixels of a camera before it is connected."""
    return settings.height_px / 2.0 / math.tan(settings.field_of_view_rad / 2.0)
