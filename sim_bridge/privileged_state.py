"""The simulation's truth as a `StageObservation` (tier 9): what estimators on a real robot try to know.

Start at `observe_truth`. Poses are in the arm base frame, quaternions xyzw, every stamp is the state's. Conventions:

- PushCube, PullCube: the goal is the middle of the round target, at the height of a resting cube.
- PickCube: the goal is the goal marker; a cube may hang there in the gripper.
- StackCube: the object is cubeA (red), the goal is its place on cubeB (green), one cube edge above cubeB's centre.
- LiftPegUpright: the peg's long axis is its local x. The goal stands where the peg's middle is now, its centre half a
  peg length above the table, turned by the shortest way that brings the axis to vertical: the x end down unless that
  end points clearly up.

Only LiftPegUpright asks for an orientation, so `goal_orientation` is None in the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim_bridge.maniskill_simulation import ARM_JOINTS, ManiSkillSimulation
from stage_core.geometry import normalise, quaternion_multiply, rotate
from stage_core.observation import StageObservation

TRUTH_TIER = 9
CUBE_HALF_SIZE = 0.02  # m
PEG_HALF_LENGTH = 0.12  # m
CONTACT_FORCE = 0.05  # N; spec/stare, section 2
GRASP_FORCE = 0.5  # N on each finger; ManiSkill's Panda.is_grasping
GRASP_ANGLE = np.deg2rad(85.0)  # between that force and the finger's way of opening; as above
STATIC_SPEED = 0.01  # m/s; ManiSkill's StackCube
STATIC_TURN = 0.5  # rad/s; as above
X_UP_FROM = 0.2  # rise of the peg's axis from which its x end is to go up; above 0, so that a lying peg's goal does not flicker

Pose = tuple[np.ndarray, np.ndarray | None]


def observe_truth(simulation: ManiSkillSimulation) -> StageObservation:
    """Return everything the stage monitor can ask about the present state.

    Args:
        simulation: An open simulation.

    Returns:
        Tier 9, with every field but `gripper_effort`, and `goal_orientation` where the task has one.
    """
    simulation.require_open()
    environment = simulation.environment
    thing = _OBJECTS[simulation.task](environment)
    object_position, object_orientation = simulation.pose_in_base(thing)
    goal_position, goal_orientation = _GOALS[simulation.task](simulation, object_position, object_orientation)
    ee_position, ee_orientation = simulation.ee_pose()
    left, right = finger_forces(environment, thing)
    grasped = _is_grasped(environment, left, right)
    force = float(np.linalg.norm(left) + np.linalg.norm(right))
    stamp = simulation.stamp
    return StageObservation(
        stamp=stamp,
        sequence=simulation.sequence,
        episode=simulation.episode,
        tier=TRUTH_TIER,
        ee_position=ee_position,
        ee_orientation=ee_orientation,
        object_position=object_position,
        object_orientation=object_orientation,
        goal_position=goal_position,
        goal_orientation=goal_orientation,
        grasped=grasped,
        contact=force > CONTACT_FORCE,
        released=not grasped,
        object_static=_is_static(thing),
        contact_force=force,
        gripper_width=float(simulation.joint_positions()[ARM_JOINTS:].sum()),
        input_stamps={"truth": stamp},
    )


def finger_forces(environment: Any, thing: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the force of each finger on an object, (3,) and (3,) N in the world frame: left, right."""
    scene, agent = environment.scene, environment.agent
    return tuple(scene.get_pairwise_contact_forces(finger, thing)[0].numpy() for finger in (agent.finger1_link, agent.finger2_link))


def _is_grasped(environment: Any, left: np.ndarray, right: np.ndarray) -> bool:
    """Return ManiSkill's `Panda.is_grasping` from forces that are known already (the original costs half a step)."""
    agent = environment.agent
    for force, finger, sign in ((left, agent.finger1_link, 1.0), (right, agent.finger2_link, -1.0)):
        size = float(np.linalg.norm(force))
        if size < GRASP_FORCE:
            return False
        opening = sign * finger.pose.sp.to_transformation_matrix()[:3, 1]
        if np.arccos(np.clip(opening @ force / size, -1.0, 1.0)) > GRASP_ANGLE:
            return False
    return True


def _is_static(thing: Any) -> bool:
    linear, angular = thing.linear_velocity[0].numpy(), thing.angular_velocity[0].numpy()
    return bool(np.linalg.norm(linear) <= STATIC_SPEED and np.linalg.norm(angular) <= STATIC_TURN)


def _goal_region(simulation: ManiSkillSimulation, position: np.ndarray, orientation: np.ndarray) -> Pose:
    centre, _ = simulation.pose_in_base(simulation.environment.goal_region)
    return np.array([centre[0], centre[1], CUBE_HALF_SIZE]), None


def _goal_site(simulation: ManiSkillSimulation, position: np.ndarray, orientation: np.ndarray) -> Pose:
    return simulation.pose_in_base(simulation.environment.goal_site)[0], None


def _on_cube_b(simulation: ManiSkillSimulation, position: np.ndarray, orientation: np.ndarray) -> Pose:
    below, _ = simulation.pose_in_base(simulation.environment.cubeB)
    return below + np.array([0.0, 0.0, 2.0 * CUBE_HALF_SIZE]), None


def _standing(simulation: ManiSkillSimulation, position: np.ndarray, orientation: np.ndarray) -> Pose:
    return np.array([position[0], position[1], PEG_HALF_LENGTH]), standing_orientation(orientation)


def standing_orientation(orientation: np.ndarray) -> np.ndarray:
    """Return the nearest orientation in which local x is vertical: down, unless it points clearly up.

    Args:
        orientation: (4,) xyzw of a thing whose long axis is local x.

    Returns:
        (4,) float64 xyzw.
    """
    axis = np.array(rotate(orientation, (1.0, 0.0, 0.0)))
    up = np.array([0.0, 0.0, 1.0 if axis[2] > X_UP_FROM else -1.0])
    # Half-angle form of "turn `axis` into `up`"; the two are never opposite, as `up` is about the nearer end.
    turn = normalise(np.append(np.cross(axis, up), 1.0 + axis @ up))
    return np.array(normalise(quaternion_multiply(turn, orientation)))


_OBJECTS: dict[str, Callable[[Any], Any]] = {
    "PushCube": lambda environment: environment.obj,
    "PullCube": lambda environment: environment.obj,
    "PickCube": lambda environment: environment.cube,
    "StackCube": lambda environment: environment.cubeA,
    "LiftPegUpright": lambda environment: environment.peg,
}
_GOALS: dict[str, Callable[[ManiSkillSimulation, np.ndarray, np.ndarray], Pose]] = {
    "PushCube": _goal_region,
    "PullCube": _goal_region,
    "PickCube": _goal_site,
    "StackCube": _on_cube_b,
    "LiftPegUpright": _standing,
}
