"""One episode in one process, without ROS: for tests, for training experiments and for studies of label agreement.

Start at `run_episode`. Commands go the way the nodes send them: `SafeArm.submit`, then one `Workcell.step`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.workcell import Workcell
from sim_bridge.demonstrations import DemonstratedAction, Demonstrator
from stage_core.errors import DeviceError
from stage_core.observation import StageObservation

VALID_PERIODS = 1.8  # how long a command holds, in control periods
STATE_FIELDS = ("joint_positions", "joint_velocities", "ee_position", "ee_orientation", "gripper_opening", "gripper_width")


@dataclass(kw_only=True)
class Rollout:
    """What happened in one episode of T steps; entry i of every list belongs to step i, before its action.

    Attributes:
        task: Task name.
        seed: Of the scene.
        success: The simulation judged one state as a success.
        success_step: Actions until then, or None.
        stamps: (T,) s.
        states: Field -> (T, d) float64: rad, rad/s, m, xyzw, opening, m.
        images: Camera -> (T, H, W, 3) uint8; empty where no images were asked for.
        actions: (T, 6) float64, executed `ee_delta_pose`.
        grippers: (T,) executed opening.
        intended_actions: (T, 6) float64, before noise.
        intended_grippers: (T,).
        truths: T observations.
        successes: (T,) bool, the judgement after the action.
        interventions: What SafeArm limited or refused in this episode, by name.
    """

    task: str
    seed: int
    success: bool = False
    success_step: int | None = None
    stamps: np.ndarray = field(default_factory=lambda: np.zeros(0))
    states: dict[str, np.ndarray] = field(default_factory=dict)
    images: dict[str, np.ndarray] = field(default_factory=dict)
    actions: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))
    grippers: np.ndarray = field(default_factory=lambda: np.zeros(0))
    intended_actions: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))
    intended_grippers: np.ndarray = field(default_factory=lambda: np.zeros(0))
    truths: list[StageObservation] = field(default_factory=list)
    successes: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    interventions: dict[str, int] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Number of actions."""
        return len(self.actions)


def run_episode(
    workcell: Workcell,
    demonstrator: Demonstrator,
    seed: int,
    horizon: int,
    *,
    steps_after_success: int = 10,
    images: bool = True,
    on_step: Callable[[int, StageObservation, dict[str, np.ndarray]], None] | None = None,
) -> Rollout:
    """Run one episode and return what happened.

    Args:
        workcell: Opened and connected (`connect`), with a truth.
        demonstrator: Who acts; `reset` is called here.
        seed: Of the scene and of the demonstrator.
        horizon: Most actions.
        steps_after_success: Actions after the first success; 10 are 0.5 s at 20 Hz, as the episode runner does.
        images: Read the workcell's cameras at every step.
        on_step: Called before each action with step, truth and images.

    Raises:
        DeviceError: If the workcell has no truth or the arm refuses a command; the text names the reason.
    """
    safe_arm = workcell.safe_arm
    task = getattr(workcell, "task", workcell.config.name)
    rollout = Rollout(task=task, seed=seed)
    before = dict(safe_arm.status().interventions)
    safe_arm.switch_source("none", "run_episode")
    workcell.reset(seed)
    demonstrator.reset(task, seed)
    token = safe_arm.switch_source("script", "run_episode")
    rows: dict[str, list] = {name: [] for name in ("stamp", "action", "gripper", "intended", "intended_gripper", "success", *STATE_FIELDS)}
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in workcell.cameras} if images else {}
    try:
        for step in range(horizon):
            truth = workcell.read_truth()
            if truth is None:
                raise DeviceError(f"workcell {workcell.config.name} has no truth; a demonstration needs one. Use a simulation.")
            state = _read_state(workcell)
            seen = {name: workcell.cameras[name].read().image for name in pictures}
            if on_step is not None:
                on_step(step, truth, seen)
            action = demonstrator.act(
                truth, state["ee_position"], state["ee_orientation"], float(state["gripper_opening"][0]), safe_arm.commanded_pose()
            )
            _command(workcell, action, token, step)
            workcell.step()
            success = bool(workcell.read_success())
            _note(rows, pictures, rollout.truths, truth, state, seen, action, success)
            if success and rollout.success_step is None:
                rollout.success, rollout.success_step = True, step + 1
            if rollout.success_step is not None and step + 1 >= rollout.success_step + steps_after_success:
                break
    finally:
        safe_arm.switch_source("none", "run_episode")
    _fill(rollout, rows, pictures)
    after = safe_arm.status().interventions
    rollout.interventions = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    return rollout


def connect(workcell: Workcell) -> Workcell:
    """Connect the arm and every camera of a workcell, and return it."""
    workcell.safe_arm.connect()
    for camera in workcell.cameras.values():
        camera.connect()
    return workcell


def _read_state(workcell: Workcell) -> dict[str, np.ndarray]:
    arm, gripper = workcell.safe_arm.read_state(), workcell.safe_arm.read_gripper()
    values = {name: getattr(arm, name) for name in STATE_FIELDS[:4]}
    values["gripper_opening"] = np.array([gripper.opening if gripper else np.nan])
    values["gripper_width"] = np.array([gripper.width if gripper else np.nan])
    return {"stamp": np.array([arm.stamp]), **values}


def _command(workcell: Workcell, action: DemonstratedAction, token: int, step: int) -> None:
    verdict = workcell.safe_arm.submit(
        ArmCommand(
            stamp=workcell.now(),
            action_space=ActionSpace.EE_DELTA_POSE,
            values=action.values,
            valid_for=VALID_PERIODS / workcell.config.control_rate_hz,
            gripper=action.gripper,
            source="script",
            sequence=step,
            token=token,
        )
    )
    if not verdict.accepted:
        raise DeviceError(f"the arm refused the action of step {step}: {verdict.reason}")


def _note(rows, pictures, truths, truth, state, seen, action, success) -> None:
    truths.append(truth)
    for name in STATE_FIELDS:
        rows[name].append(state[name])
    for name, image in seen.items():
        pictures[name].append(image)
    for name, value in (
        ("stamp", state["stamp"][0]),
        ("action", action.values),
        ("gripper", action.gripper),
        ("intended", action.intended_values),
        ("intended_gripper", action.intended_gripper),
        ("success", success),
    ):
        rows[name].append(value)


def _fill(rollout: Rollout, rows: dict[str, list], pictures: dict[str, list[np.ndarray]]) -> None:
    rollout.stamps = np.array(rows["stamp"])
    rollout.states = {name: np.array(rows[name]) for name in STATE_FIELDS}
    rollout.images = {name: np.array(images) for name, images in pictures.items()}
    rollout.actions = np.array(rows["action"]).reshape(-1, 6)
    rollout.grippers = np.array(rows["gripper"])
    rollout.intended_actions = np.array(rows["intended"]).reshape(-1, 6)
    rollout.intended_grippers = np.array(rows["intended_gripper"])
    rollout.successes = np.array(rows["success"], dtype=bool)
