"""Way-points of the tasks that pick a cube up: PickCube and StackCube.

The open hand comes down over the cube through a funnel, closes, carries the cube over and, for a stack, lets go and
rises. What was lost is picked up again, so demonstrations with noise also show how to recover.
"""

from __future__ import annotations

import math

import numpy as np

from sim_bridge.demonstration_motion import LEANING_REACH, WayPoint, leaning, rotation_between, yaw_of
from stage_core.observation import StageObservation

GRASP_HEIGHT = 0.018  # m, tool centre; the cube's middle is at 0.02
NEAR_NEIGHBOUR = 0.13  # m; closer than this, the other cube decides how the fingers go down
TRAVEL_HEIGHT = 0.05  # m above the goal while the cube is not yet over it
CLOSE_DISTANCE = 0.008  # m from the grasp point at which the fingers close
BESIDE = 0.055  # m by which a missed grasp or a misplaced cube is off

PICK_FAILURES = ("miss", "drop", "stop_short", "no_grasp")
STACK_FAILURES = ("miss", "drop", "misplace", "no_release")


class GraspScript:
    """Grasps a cube and carries it to the goal; with `release`, lets go there.

    - miss: closes the fingers beside the cube and goes on without it.
    - no_grasp: goes through the motion with an open hand.
    - drop: opens the hand half-way.
    - stop_short: stays 6 to 9 cm before the goal, the cube in the hand.
    - misplace: lets go beside the lower cube.
    - no_release: stays on the lower cube and never lets go.
    """

    def __init__(self, failure: str, generator: np.random.Generator, *, release: bool) -> None:
        self._failure = failure
        self._release = release
        self._speed = 0.02 * float(generator.uniform(0.85, 1.0))
        angle = float(generator.uniform(0.0, 2.0 * math.pi))
        self._aside = np.array([math.cos(angle), math.sin(angle), 0.0])
        self._short = float(generator.uniform(0.06, 0.09))
        self._phase = "reach"
        self._steps = 0
        self._yaw: float | None = None
        self._cube: np.ndarray | None = None
        self._carried_from = np.zeros(3)
        self._resting = np.zeros(3)

    def way_point(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray, opening: float) -> WayPoint:
        """Return where the hand should be now; arguments as in `Demonstrator.act`."""
        cube, goal = np.asarray(truth.object_position), np.asarray(truth.goal_position)
        if self._cube is None:
            self._cube = cube.copy()
        self._steps += 1
        return getattr(self, f"_{self._phase}")(truth, cube, goal, ee_position, ee_orientation, opening)

    def _enter(self, phase: str) -> None:
        self._phase, self._steps = phase, 0

    def _point(self, position: np.ndarray, gripper: float, speed: float | None = None) -> WayPoint:
        assert self._yaw is not None
        orientation = leaning(self._yaw, position)
        return WayPoint(position=position, orientation=orientation, gripper=gripper, speed=speed or self._speed, reach=LEANING_REACH)

    def _reach(self, truth, cube, goal, ee_position, ee_orientation, opening) -> WayPoint:
        place = np.array([cube[0], cube[1], max(GRASP_HEIGHT, cube[2] - 0.002)])
        if self._failure == "miss":
            place = place + BESIDE * self._aside
        crowded = self._release and float(np.linalg.norm((goal - cube)[:2])) < NEAR_NEIGHBOUR
        if self._yaw is None or ee_position[2] > place[2] + 0.09:
            self._yaw = _grasp_yaw(truth.object_orientation, ee_orientation, goal - cube if crowded else None)
        away = float(np.linalg.norm((ee_position - place)[:2]))
        turned = float(np.linalg.norm(rotation_between(ee_orientation, leaning(self._yaw, place))))
        # The hand may be as low as it is well placed: 8 mm or 0.1 rad off still clears the cube's top.
        height = place[2] + min(0.07, max(0.0, 2.5 * (away - 0.008), 0.25 * (turned - 0.1)))
        if float(np.linalg.norm(ee_position - place)) < CLOSE_DISTANCE and turned < 0.1:
            self._enter("close")
        return self._point(np.array([place[0], place[1], height]), 0.75 if crowded else 1.0)

    def _close(self, truth, cube, goal, ee_position, ee_orientation, opening) -> WayPoint:
        without = self._failure in ("miss", "no_grasp")
        self._carried_from = cube.copy()
        if (truth.grasped and self._steps > 2) or (without and self._steps > 4):
            self._enter("carry")
        elif self._steps > 12:
            self._enter("reach")
        return self._point(self._held_place(cube, ee_position), 1.0 if self._failure == "no_grasp" else 0.0)

    def _held_place(self, cube: np.ndarray, ee_position: np.ndarray) -> np.ndarray:
        if self._failure in ("miss", "no_grasp"):
            assert self._cube is not None
            return np.array([ee_position[0], ee_position[1], GRASP_HEIGHT])
        return np.array([cube[0], cube[1], max(GRASP_HEIGHT, cube[2] - 0.002)])

    def _carry(self, truth, cube, goal, ee_position, ee_orientation, opening) -> WayPoint:
        without = self._failure in ("miss", "no_grasp")
        if not without and not truth.grasped and self._steps > 1:
            self._enter("reach")
            return self._reach(truth, cube, goal, ee_position, ee_orientation, opening)
        held = ee_position if without else cube
        end = self._end(goal)
        target = _carry_target(held, end, from_above=self._release)
        travelled = float(np.linalg.norm(held - self._carried_from)) / max(0.05, float(np.linalg.norm(end - self._carried_from)))
        if self._failure == "drop" and travelled > 0.5 and held[2] > 0.05:
            self._enter("dropped")
        if self._release and self._failure not in ("no_release", "miss") and _placed(cube, end):
            self._enter("open")
            self._resting = ee_position.copy()
        closed = 1.0 if self._failure == "no_grasp" else 0.0
        near = float(np.linalg.norm(end - held)) < 0.03
        return self._point(ee_position + (target - held), closed, 0.6 * self._speed if near and self._release else None)

    def _end(self, goal: np.ndarray) -> np.ndarray:
        """Return where the cube is carried to: the goal, or where the failure has it."""
        away = self._carried_from - goal
        far = float(np.linalg.norm(away))
        if self._failure == "misplace":
            return goal + BESIDE * self._aside - [0.0, 0.0, 0.038]
        low = self._failure == "drop" and goal[2] < 0.08
        if self._failure in ("stop_short", "drop") and (far < 0.12 or low):
            # Next to the goal, or slid there over the table, a dropped cube could still count: carry it off, away and up.
            level = np.array([away[0], away[1], 0.0])
            level = level / np.linalg.norm(level) if np.linalg.norm(level) > 0.005 else self._aside
            return goal + 0.12 * level + [0.0, 0.0, 0.08]
        return goal + away / far * self._short if self._failure == "stop_short" else goal

    def _open(self, truth, cube, goal, ee_position, ee_orientation, opening) -> WayPoint:
        if self._steps > 3 and opening > 0.6:
            self._enter("leave")
        return self._point(self._resting, 1.0)

    def _leave(self, truth, cube, goal, ee_position, ee_orientation, opening) -> WayPoint:
        return self._point(self._resting + [0.0, 0.0, 0.1], 1.0)

    def _dropped(self, truth, cube, goal, ee_position, ee_orientation, opening) -> WayPoint:
        return self._point(np.array([ee_position[0], ee_position[1], 0.15]), 1.0)


def _grasp_yaw(cube_orientation: np.ndarray, ee_orientation: np.ndarray, neighbour: np.ndarray | None) -> float:
    """Return the heading for a grasp on the cube's faces: near the present one, and the fingers clear of a neighbour."""
    present = yaw_of(ee_orientation)
    face = yaw_of(cube_orientation)
    candidates = [face + k * math.pi / 2.0 for k in range(-4, 5)]
    candidates = [yaw for yaw in candidates if abs(yaw) < 2.0]  # within the last joint's reach

    def cost(yaw: float) -> float:
        turn = abs(yaw - present)
        if neighbour is None:
            return turn
        # The fingers travel along the hand's y; a neighbour in that direction is in their way.
        travel = np.array([math.sin(yaw), -math.cos(yaw)])
        return turn + 4.0 * abs(float(travel @ neighbour[:2])) / float(np.linalg.norm(neighbour[:2]))

    return min(candidates, key=cost)


def _carry_target(held: np.ndarray, end: np.ndarray, *, from_above: bool) -> np.ndarray:
    """Return where the held thing should go next: up first, over, and down the last part."""
    away = float(np.linalg.norm((end - held)[:2]))
    if not from_above:
        floor = min(0.05, 0.02 + away)  # off the table unless the goal is there
        return np.array([end[0], end[1], max(end[2], floor)])
    height = end[2] + min(TRAVEL_HEIGHT, max(0.0, 2.0 * (away - 0.006)))
    if away > 0.03 and held[2] < end[2] + 0.02:
        share = max(0.0, min(1.0, (held[2] - 0.02) / (end[2] + 0.02 - 0.02)))
        return np.array([*(held[:2] + 0.3 * share * (end - held)[:2]), height])
    return np.array([end[0], end[1], height])


def _placed(cube: np.ndarray, end: np.ndarray) -> bool:
    return float(np.linalg.norm((cube - end)[:2])) < 0.01 and abs(float(cube[2] - end[2])) < 0.007
