"""One arm, its gripper, named cameras, a clock and `step()`: everything the nodes need of a robot or a simulation.

Start at `open_workcell`: it builds the class named in a workcell file and always puts `SafeArm` between the nodes
and the driver. Nodes never ask whether a robot is simulated; they ask what the workcell offers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import Arm
from robot_drivers.camera import Camera
from robot_drivers.gripper import Gripper
from robot_drivers.safety import Homing, SafeArm, SafetyLimits, reduced
from stage_core.configuration import load_class, load_configuration
from stage_core.errors import ConfigurationError
from stage_core.observation import StageObservation

WORKCELLS = {
    "fake": "robot_drivers.fake_workcell:FakeWorkcell",
    "robot": "robot_drivers.robot_workcell:RobotWorkcell",
    "maniskill": "sim_bridge.maniskill_workcell:ManiSkillWorkcell",
}


@dataclass(frozen=True, kw_only=True)
class WorkcellConfig:
    """A workcell file (`config/workcells/*.yaml`). What moves metal has no default.

    Attributes:
        schema_version: 1.
        name: Name of this workcell in logs.
        workcell: A registered name (`fake`, `maniskill`) or `module:Class`.
        control_rate_hz: Control steps per second; a policy's contract must have the same rate.
        safety: Limits that no command passes.
        max_chunk_age_s: Longest time a policy's chunk may run after its observation, s (DESIGN 9.5).
        robot_model: What a policy's contract calls this arm; empty: `name`.
        settings: For the workcell's class, which checks them.
        cameras: Camera name -> its settings, which the class checks.
        lockstep: True where the workcell advances only when every node has answered (DESIGN 9.4).
        shared_process: True where arm and cameras must live in one process (a simulation).
        simulated_clock: True where `now()` is simulated and goes out on /clock.
        read_only: Connect and publish; never command, enable or configure anything.
        dry_run: The controllers are fake ones on loopback addresses; episodes say so.
        full_speed: False reduces a real robot to REDUCED_SPEED_M_S and REDUCED_SHARE of its joint speeds.
        auto_resume_s: A hold longer than this needs an operator's resume, s; 0 always needs it.
    """

    schema_version: int
    name: str
    workcell: str
    control_rate_hz: float
    safety: SafetyLimits
    auto_resume_s: float
    max_chunk_age_s: float
    robot_model: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    cameras: dict[str, dict[str, Any]] = field(default_factory=dict)
    lockstep: bool = False
    shared_process: bool = False
    simulated_clock: bool = False
    read_only: bool = False
    dry_run: bool = False
    full_speed: bool = False

    def __post_init__(self) -> None:
        if self.schema_version != 1:
            raise ConfigurationError(f"schema_version is {self.schema_version}; expected 1. Update the file to the present form.")
        if not 1.0 <= self.control_rate_hz <= 1000.0:
            raise ConfigurationError(f"control_rate_hz is {self.control_rate_hz} Hz; expected 1 to 1000 Hz. Hertz, not a period?")
        if not 0.0 < self.max_chunk_age_s <= 10.0:
            raise ConfigurationError(f"max_chunk_age_s is {self.max_chunk_age_s} s; expected 0 < value <= 10 s. Seconds, not steps?")
        if not self.auto_resume_s >= 0.0:
            raise ConfigurationError(f"auto_resume_s is {self.auto_resume_s} s; expected >= 0. Use 0 on a real robot.")


class Workcell(ABC):
    """A robot with its cameras, or a simulation of one.

    Subclasses get the `WorkcellConfig` and keyword options (for a simulation: `task`), build the bare devices and
    leave safety to `open_workcell`.
    """

    config: WorkcellConfig
    safe_arm: SafeArm  # set by open_workcell; the only way to move
    homing: Homing  # set by open_workcell
    moves_metal: bool = True  # False where nobody can be hurt: then the limits hold at full speed from the start

    @property
    @abstractmethod
    def arm(self) -> Arm:
        """The bare driver; for `SafeArm` and contract tests alone."""

    @property
    @abstractmethod
    def gripper(self) -> Gripper | None:
        """The gripper, or None."""

    @property
    @abstractmethod
    def cameras(self) -> dict[str, Camera]:
        """Cameras by name."""

    @abstractmethod
    def now(self) -> float:
        """Return the workcell clock, s: ROS time on a robot, simulated time in a simulation."""

    def step(self) -> None:  # noqa: B027  a real robot has nothing to do here
        """Advance one control period. A real robot does nothing: its SafeArm loop runs by itself."""

    def reset(self, seed: int) -> None:  # noqa: B027  a real robot has nothing to do here
        """Arrange the scene for an episode. A real robot moves nothing. Leaves the arm without a command."""

    @property
    def home_joints(self) -> np.ndarray | None:
        """Where `home` brings the arm, (n,) rad; None where it does not."""
        return None

    def read_truth(self) -> StageObservation | None:
        """Return the simulation's truth for the stage monitor, None on a real robot."""
        return None

    def read_success(self) -> bool | None:
        """Return the simulation's own judgement of the present state, None on a real robot."""
        return None

    def close(self) -> None:
        """Disconnect everything. Idempotent; the gripper never opens because of it."""
        self.safe_arm.disconnect()
        for camera in self.cameras.values():
            camera.disconnect()


def load_workcell_config(path: str | Path) -> WorkcellConfig:
    """Return the checked content of a workcell file. Raises ConfigurationError in one line."""
    return load_configuration(WorkcellConfig, path)


def open_workcell(config: WorkcellConfig, **options: Any) -> Workcell:
    """Return the workcell named in `config`, with its arm wrapped in SafeArm; nothing is connected yet.

    Args:
        config: From `load_workcell_config`.
        options: Passed to the class; a simulation takes `task`.

    Raises:
        ConfigurationError: If the class does not exist or refuses its settings.
    """
    kind = load_class(config.workcell, WORKCELLS, what="workcell")
    workcell = kind(config, **options)
    limits = config.safety if config.full_speed or not workcell.moves_metal else reduced(config.safety)
    period = 1.0 / config.control_rate_hz
    workcell.safe_arm = SafeArm(
        workcell.arm,
        workcell.gripper,
        limits,
        control_period_s=period,
        auto_resume_s=config.auto_resume_s,
        clock=workcell.now,
        # A simulation's own step is its loop, and its gripper must stay in step with it.
        step_driven=config.simulated_clock,
        gripper_thread=not config.simulated_clock,
        read_only=config.read_only,
    )
    workcell.homing = Homing(workcell.safe_arm, limits, workcell.home_joints, control_period_s=period)
    return workcell
