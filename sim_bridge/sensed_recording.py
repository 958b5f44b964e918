"""One simulated episode as two files: what a robot's sensors told, and what was true. Start at `record_episode`.

`sensors.npz` holds joint-side measurements alone (forward kinematics, finger width, motor force, a wrist's force sensor), the same
on any arm. `truth.npz` holds the simulator's poses, contacts, grasp and judgement, and each whole state so that it can be drawn
again later. They are two files so that a process can be given the one without the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.workcell import Workcell
from sim_bridge.demonstrations import ScriptedDemonstrator
from sim_bridge.maniskill_simulation import ARM_JOINTS, ManiSkillSimulation
from sim_bridge.rollouts import run_episode
from stage_core.observation import StageObservation

HAND_LINKS = ("panda_hand", "panda_leftfinger", "panda_rightfinger")
MOVED = {"PushCube": "obj", "PullCube": "obj", "PickCube": "cube", "StackCube": "cubeA", "LiftPegUpright": "peg"}  # ManiSkill's names
SENSORS, TRUTH = "sensors.npz", "truth.npz"


@dataclass(kw_only=True)
class SensorLog:
    """What the arm and its hand measured at T control steps, without noise; nothing here knows of any object.

    Attributes:
        stamps: (T,) s.
        ee_positions: (T, 3) m, arm base frame, forward kinematics.
        ee_orientations: (T, 4) xyzw.
        widths: (T,) m between the finger tips.
        efforts: (T,) N, force of the finger drives, closing positive; without contact it is what moving the fingers takes.
        wrenches: (T, 3) N, what the whole world does to the hand and its fingers, arm base frame, as a sensor at the wrist has it.
        openings: (T,) the opening that was commanded at this step, after its measurements.
        episode: Counts workcell resets.
    """

    stamps: np.ndarray
    ee_positions: np.ndarray
    ee_orientations: np.ndarray
    widths: np.ndarray
    efforts: np.ndarray
    wrenches: np.ndarray
    openings: np.ndarray
    episode: int = 0

    def __len__(self) -> int:
        """Return T."""
        return len(self.stamps)


@dataclass(kw_only=True)
class TruthLog:
    """What the simulator knows of T control steps.

    Attributes:
        seed: Of the scene.
        failure: What was induced, "" for nothing.
        ee_positions: (T, 3) m, arm base frame.
        object_positions: (T, 3) m, arm base frame.
        object_orientations: (T, 4) xyzw.
        goal_positions: (T, 3) m, where the object's centre belongs.
        touch_forces: (T,) N, sum over the hand's links of the force on the object, from the solver's contact list.
        grasped: (T,) bool, ManiSkill's `agent.is_grasping(object)`.
        successes: (T,) bool, ManiSkill's `evaluate()`.
        states: (T, d) float32, ManiSkill's flat state vectors.
    """

    seed: int
    failure: str
    ee_positions: np.ndarray
    object_positions: np.ndarray
    object_orientations: np.ndarray
    goal_positions: np.ndarray
    touch_forces: np.ndarray
    grasped: np.ndarray
    successes: np.ndarray
    states: np.ndarray

    def __len__(self) -> int:
        """Return T."""
        return len(self.successes)


@dataclass(kw_only=True)
class RecordedEpisode:
    """One episode of T steps.

    Attributes:
        sensors: For whoever plays a robot.
        truth: For whoever judges.
        privileged: T observations of tier 9, as the simulation's monitor gets them.
    """

    sensors: SensorLog
    truth: TruthLog
    privileged: list[StageObservation] = field(default_factory=list)


def record_episode(
    workcell: Workcell, task: str, seed: int, *, failure: str, noise: float, horizon: int, keep_states: bool = True
) -> RecordedEpisode:
    """Run one scripted episode and return it.

    Args:
        workcell: A connected ManiSkill workcell of the task.
        task: Stage's name of the task.
        seed: Of the scene and the demonstrator.
        failure: One of `demonstrations.FAILURES[task]`, or "".
        noise: Of the demonstrator, m per step.
        horizon: Most control steps; an episode ends 0.5 s after ManiSkill's first success.
        keep_states: Keep the state vectors, needed to draw the episode again.
    """
    rows: dict[str, list[Any]] = {}

    def note(step: int, truth: StageObservation, images: dict[str, np.ndarray]) -> None:
        simulation = workcell.simulation  # type: ignore[attr-defined]
        for name, value in _measure(simulation, task, keep_states).items():
            rows.setdefault(name, []).append(value)

    rollout = run_episode(workcell, ScriptedDemonstrator(noise, failure), seed, horizon, images=False, on_step=note)
    arrays = {name: np.array(values) for name, values in rows.items()}
    sensors = SensorLog(
        stamps=rollout.stamps,
        ee_positions=rollout.states["ee_position"],
        ee_orientations=rollout.states["ee_orientation"],
        widths=rollout.states["gripper_width"][:, 0],
        efforts=arrays.pop("efforts"),
        wrenches=arrays.pop("wrenches"),
        openings=rollout.grippers,
        episode=rollout.truths[0].episode,
    )
    goals = np.array([truth.goal_position for truth in rollout.truths])
    truth = TruthLog(seed=seed, failure=failure, ee_positions=rollout.states["ee_position"], goal_positions=goals, **arrays)
    return RecordedEpisode(sensors=sensors, truth=truth, privileged=rollout.truths)


def _measure(simulation: ManiSkillSimulation, task: str, keep_states: bool) -> dict[str, Any]:
    """Return one state's row of everything that `Rollout` does not keep."""
    environment = simulation.environment
    thing = getattr(environment, MOVED[task])
    position, orientation = simulation.pose_in_base(thing)
    touch, wrench = _hand_forces(environment, thing)
    base = environment.agent.robot.pose.sp.to_transformation_matrix()[:3, :3].astype(np.float64)
    return {
        "object_positions": position,
        "object_orientations": orientation,
        "touch_forces": touch,
        "wrenches": base.T @ wrench,
        "efforts": finger_effort(simulation),
        "grasped": bool(environment.agent.is_grasping(thing)[0]),
        "successes": simulation.success,
        "states": environment.get_state()[0].numpy().astype(np.float32) if keep_states else np.zeros(0, np.float32),
    }


def _hand_forces(environment: Any, thing: Any) -> tuple[float, np.ndarray]:
    """Return how hard the hand's links press on an object, N, and the world's force (3,) N on hand and fingers, world frame.

    Read from the solver's list of contacts, in one pass; nothing of ManiSkill's contact queries is used.
    """
    scene = environment.scene
    links = environment.agent.robot.links_map
    hand = {links[name]._bodies[0].entity: np.zeros(3) for name in HAND_LINKS}
    target = thing._bodies[0].entity
    wrench = np.zeros(3)
    for contact in scene.px.get_contacts():
        first, second = contact.bodies[0].entity, contact.bodies[1].entity
        if (first in hand) == (second in hand):
            continue  # fingers press on one another inside the sensor
        impulse = np.sum([point.impulse for point in contact.points], axis=0)  # on the first body
        force = impulse / scene.timestep * (1.0 if first in hand else -1.0)  # on the hand
        wrench += force
        if target in (first, second):
            hand[first if first in hand else second] += force
    return float(sum(np.linalg.norm(force) for force in hand.values())), wrench


def finger_effort(simulation: ManiSkillSimulation) -> float:
    """Return the force of the finger drives, N, closing positive: what the current of the hand's motor shows."""
    agent = simulation.environment.agent
    width = simulation.joint_positions()[ARM_JOINTS:]
    speed = simulation.joint_velocities()[ARM_JOINTS:]
    force = agent.gripper_stiffness * (width - simulation.finger_target) + agent.gripper_damping * speed
    return float(np.clip(force, -agent.gripper_force_limit, agent.gripper_force_limit).mean())


def save_log(path: Path, log: SensorLog | TruthLog) -> None:
    """Write a log as a compressed npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **vars(log))


def load_sensors(path: Path) -> SensorLog:
    """Return the sensors of one episode."""
    with np.load(path) as stored:
        values = {name: stored[name] for name in stored.files}
    return SensorLog(**(values | {"episode": int(values["episode"])}))


def load_truth(path: Path) -> TruthLog:
    """Return the truth of one episode."""
    with np.load(path) as stored:
        values = {name: stored[name] for name in stored.files}
    return TruthLog(**(values | {"seed": int(values["seed"]), "failure": str(values["failure"])}))
