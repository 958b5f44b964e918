"""A ManiSkill3 scene as a workcell: one Panda, its hand, cameras, and a simulated clock that goes on over episodes.

Start at `ManiSkillWorkcell`. The scene advances only in `step()`; who calls it, and when, is the node's business
(DESIGN 9.4), so the same class serves lockstep and wall-clock rate.
"""

from __future__ import annotations

from robot_drivers.arm import Arm
from robot_drivers.camera import Camera
from robot_drivers.gripper import Gripper
from robot_drivers.workcell import Workcell, WorkcellConfig
from sim_bridge.maniskill_devices import ManiSkillArm, ManiSkillCamera, ManiSkillGripper
from sim_bridge.maniskill_settings import SimulationSettings, check_cameras, check_task
from sim_bridge.maniskill_simulation import ManiSkillSimulation
from sim_bridge.privileged_state import observe_truth
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError
from stage_core.observation import StageObservation


class ManiSkillWorkcell(Workcell):
    """One ManiSkill task behind `Workcell`.

    Building it is cheap; `safe_arm.connect()` or any camera's `connect()` builds the scene.

    Args:
        config: `settings` as in `SimulationSettings`, every camera as in `CameraSettings`.
        task: PushCube, PullCube, PickCube, StackCube or LiftPegUpright.

    Raises:
        ConfigurationError: For an unknown task, key or value.
        MissingDependencyError: If ManiSkill is not installed.
    """

    moves_metal = False

    def __init__(self, config: WorkcellConfig, *, task: str) -> None:
        check_task(task)
        for key in ("shared_process", "simulated_clock"):
            if not getattr(config, key):
                raise ConfigurationError(f"{config.name}: {key} is false; a simulation needs true. Set {key}: true.")
        self.config = config
        self.task = task
        settings = from_mapping(SimulationSettings, config.settings, source=config.name, field="settings")
        cameras = check_cameras(config.cameras, source=config.name)
        self.simulation = ManiSkillSimulation(task, control_rate_hz=config.control_rate_hz, settings=settings, cameras=cameras)
        self._arm = ManiSkillArm(self.simulation, control_rate_hz=config.control_rate_hz)
        self._gripper = ManiSkillGripper(self.simulation)
        self._cameras: dict[str, Camera] = {name: ManiSkillCamera(name, self.simulation, entry) for name, entry in cameras.items()}
        self._truth: StageObservation | None = None
        self._truth_frame = -1

    @property
    def arm(self) -> Arm:
        return self._arm

    @property
    def gripper(self) -> Gripper | None:
        return self._gripper

    @property
    def cameras(self) -> dict[str, Camera]:
        return self._cameras

    def now(self) -> float:
        return self.simulation.stamp

    def step(self) -> None:
        self.safe_arm.tick()
        self._arm.before_step()
        self.simulation.advance()

    def reset(self, seed: int) -> None:
        self.simulation.reset(seed)
        self._arm.after_reset()

    def read_truth(self) -> StageObservation | None:
        """Return the truth of the present state; computed once for every state."""
        with self.simulation.lock:
            if self._truth_frame != self.simulation.frame or self._truth is None:
                self._truth = observe_truth(self.simulation)
                self._truth_frame = self.simulation.frame
            return self._truth

    def read_success(self) -> bool | None:
        return self.simulation.success
