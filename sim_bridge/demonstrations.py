"""Scripted demonstrations of the five ManiSkill tasks, with noise and with failures by name.

Start at `ScriptedDemonstrator`. It reads a `StageObservation` and the hand's pose, never the simulator, so it runs in
a ROS node of another process. Its actions are `ee_delta_pose`, frame base, reference commanded, at 20 Hz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_drivers.poses import add_twist, make_pose
from sim_bridge.demonstration_grasp import PICK_FAILURES, STACK_FAILURES, GraspScript
from sim_bridge.demonstration_lift import LIFT_FAILURES, LiftScript
from sim_bridge.demonstration_motion import LARGEST_ROTATION, LARGEST_TRANSLATION, WayPoint, shorten, step_towards
from sim_bridge.demonstration_push import SLIDE_FAILURES, SlideScript
from stage_core.errors import ConfigurationError, nearest
from stage_core.observation import StageObservation

FAILURES: dict[str, tuple[str, ...]] = {
    "PushCube": SLIDE_FAILURES,
    "PullCube": SLIDE_FAILURES,
    "PickCube": PICK_FAILURES,
    "StackCube": STACK_FAILURES,
    "LiftPegUpright": LIFT_FAILURES,
}
ROTATION_NOISE = 3.0  # rad of rotation noise for every metre of translation noise
FULL_NOISE_FROM = 0.008  # m; noise is smaller on smaller steps
RESTING_NOISE = 0.2  # share of the noise that is left at rest
_FIRST_TRANSLATION = 0.015  # m: SafeArm refuses a first target far from the measured pose


class Script(Protocol):
    """One task's way-points for one episode."""

    def way_point(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray, opening: float) -> WayPoint:
        """Return where the hand should be now."""


SCRIPTS: dict[str, Callable[[str, np.random.Generator], Script]] = {
    "PushCube": SlideScript,
    "PullCube": SlideScript,
    "PickCube": lambda failure, generator: GraspScript(failure, generator, release=False),
    "StackCube": lambda failure, generator: GraspScript(failure, generator, release=True),
    "LiftPegUpright": LiftScript,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class DemonstratedAction:
    """One action and what was meant by it.

    Attributes:
        values: (6,) float64 executed: m and rotation vector per control period, base frame, reference commanded.
        gripper: Executed opening in [0, 1], 1 = open.
        intended_values: (6,) float64 before noise: the training label.
        intended_gripper: Opening before noise.
    """

    values: np.ndarray
    gripper: float
    intended_values: np.ndarray
    intended_gripper: float


class Demonstrator(Protocol):
    """Shows a task, one action per control step."""

    def reset(self, task: str, seed: int) -> None:
        """Start an episode; the same task and seed give the same actions for the same observations."""

    def act(
        self,
        truth: StageObservation,
        ee_position: np.ndarray,
        ee_orientation: np.ndarray,
        gripper_opening: float,
        commanded_pose: np.ndarray | None = None,
    ) -> DemonstratedAction:
        """Return the next action.

        Args:
            truth: Object and goal poses of this step, arm base frame.
            ee_position: (3,) m, measured, arm base frame.
            ee_orientation: (4,) xyzw, measured.
            gripper_opening: Measured, [0, 1].
            commanded_pose: (7,) m and xyzw, the last absolute target (`ArmState.commanded_ee_pose`); None where it is
                not known: the demonstrator then adds up its own actions.
        """


class ScriptedDemonstrator:
    """Closed-loop way-point controllers for the five tasks.

    Args:
        noise: Standard deviation of the translation noise, m per step; rotation gets `ROTATION_NOISE` rad per metre of it.
        failure: "" to succeed, or one of `FAILURES[task]`.
        seed: Mixed with the episode's seed, so that two demonstrators differ on the same scenes.

    Raises:
        ConfigurationError: For a negative or large noise; at `reset`, for an unknown task or failure.
    """

    def __init__(self, noise: float = 0.0, failure: str = "", seed: int = 0) -> None:
        if not 0.0 <= noise <= 0.02:
            raise ConfigurationError(f"noise is {noise} m; expected 0 to 0.02 m per step. Metres, not centimetres?")
        self.noise = noise
        self.failure = failure
        self._seed = seed
        self._script: Script | None = None

    def reset(self, task: str, seed: int) -> None:
        if task not in SCRIPTS:
            raise ConfigurationError(f'there is no demonstration of "{task}". {nearest(task, SCRIPTS)}')
        if self.failure and self.failure not in FAILURES[task]:
            raise ConfigurationError(f'{task} has no failure "{self.failure}". {nearest(self.failure, FAILURES[task])}')
        self._generator = np.random.default_rng([self._seed, seed])
        self._script = SCRIPTS[task](self.failure, np.random.default_rng([self._seed, seed, 1]))
        self._commanded: np.ndarray | None = None

    def act(
        self,
        truth: StageObservation,
        ee_position: np.ndarray,
        ee_orientation: np.ndarray,
        gripper_opening: float,
        commanded_pose: np.ndarray | None = None,
    ) -> DemonstratedAction:
        if self._script is None:
            raise ConfigurationError("the demonstrator has no task; nothing was demonstrated. Call reset(task, seed) first.")
        ee_position, ee_orientation = np.asarray(ee_position, dtype=np.float64), np.asarray(ee_orientation, dtype=np.float64)
        first = self._commanded is None
        if commanded_pose is not None:
            self._commanded = np.asarray(commanded_pose, dtype=np.float64)
        elif self._commanded is None:
            self._commanded = make_pose(ee_position, ee_orientation)
        target = self._script.way_point(truth, ee_position, ee_orientation, gripper_opening)
        intended = step_towards(self._commanded, target)
        executed = self._with_noise(intended)
        if first:
            intended[:3], executed[:3] = shorten(intended[:3], _FIRST_TRANSLATION), shorten(executed[:3], _FIRST_TRANSLATION)
            intended[3:], executed[3:] = shorten(intended[3:], 0.08), shorten(executed[3:], 0.08)
        self._commanded = add_twist(self._commanded, executed)
        return DemonstratedAction(values=executed, gripper=target.gripper, intended_values=intended, intended_gripper=target.gripper)

    def _with_noise(self, intended: np.ndarray) -> np.ndarray:
        if self.noise == 0.0:
            return intended.copy()
        deviation = self.noise * self._generator.normal(size=6)
        deviation[3:] *= ROTATION_NOISE
        # Noise fades with the step that was meant: a hand that has arrived rests, as PickCube's success asks.
        deviation *= min(1.0, max(RESTING_NOISE, float(np.linalg.norm(intended[:3])) / FULL_NOISE_FROM))
        noisy = intended + deviation
        return np.concatenate([shorten(noisy[:3], LARGEST_TRANSLATION), shorten(noisy[3:], LARGEST_ROTATION)])
