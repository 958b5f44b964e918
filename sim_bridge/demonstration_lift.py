"""Way-points of LiftPegUpright: hold the lying peg near one end, lift it, turn it upright, set it down.

Held near its end the peg swings in the fingers as it rises and hangs about 35 degrees from upright; the hand turns
the rest. Turning the hand all the way is no choice: low over the table the Panda's sixth joint ends before that.
"""

from __future__ import annotations

import math

import numpy as np

from robot_drivers.poses import rotation_vector_to_quaternion
from sim_bridge.demonstration_motion import WayPoint, downward, rotation_between, shorten
from stage_core.geometry import normalise, quaternion_multiply, rotate
from stage_core.observation import StageObservation

PEG_HALF_LENGTH = 0.12  # m
PEG_HALF_WIDTH = 0.025  # m
GRIP_ALONG = 0.095  # m from the peg's middle towards the end that goes up
GRASP_HEIGHT = 0.022  # m, tool centre
CLEARANCE = 0.025  # m under the peg's lower end while it turns
SWUNG = 0.72  # rad from upright: from here the hand can turn the rest
UPRIGHT = 0.035  # rad; ManiSkill allows 0.08
LOOSE_GRIP = 0.3  # opening asked for while it swings: about 10 N on a 5 cm peg
CLOSE_DISTANCE = 0.008  # m

LIFT_FAILURES = ("miss", "drop", "stop_short", "tip_over")


class LiftScript:
    """Stands the peg on its end, or fails in one of the ways of `LIFT_FAILURES`.

    - miss: closes the fingers beside the peg.
    - drop: opens the hand while it rises.
    - stop_short: stops turning 25 degrees before upright and holds the peg there.
    - tip_over: lets go 25 degrees before upright, so that the peg falls.
    """

    def __init__(self, failure: str, generator: np.random.Generator) -> None:
        self._failure = failure
        self._speed = 0.02 * float(generator.uniform(0.85, 1.0))
        self._side = float(generator.choice([-1.0, 1.0]))
        self._phase = "reach"
        self._steps = 0
        self._held = np.zeros(3)
        self._aim = downward(0.0)
        self._ground = np.zeros(3)

    def way_point(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray, opening: float) -> WayPoint:
        """Return where the hand should be now; arguments as in `Demonstrator.act`."""
        self._steps += 1
        lost = not truth.grasped and self._failure != "miss" and self._steps > 2
        if lost and self._phase in ("lift", "turn") and _tilt(truth) > 1.2:
            self._enter("reach")
        return getattr(self, f"_{self._phase}")(truth, ee_position, ee_orientation)

    def _enter(self, phase: str) -> None:
        self._phase, self._steps = phase, 0

    def _reach(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray) -> WayPoint:
        peg = np.asarray(truth.object_position)
        place = peg - GRIP_ALONG * np.array(rotate(truth.object_orientation, (1.0, 0.0, 0.0)))
        place[2] = GRASP_HEIGHT
        if self._failure == "miss":
            place[1] += self._side * 0.1
        facing = downward(0.0)
        away = float(np.linalg.norm((ee_position - place)[:2]))
        turned = float(np.linalg.norm(rotation_between(ee_orientation, facing)))
        height = place[2] + min(0.09, max(0.0, 2.5 * (away - 0.008), 0.5 * (turned - 0.1)))
        if float(np.linalg.norm(ee_position - place)) < CLOSE_DISTANCE and turned < 0.1:
            self._enter("close")
            self._held = place
        return WayPoint(position=np.array([place[0], place[1], height]), orientation=facing, gripper=1.0, speed=self._speed)

    def _close(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray) -> WayPoint:
        if (truth.grasped and self._steps > 2) or (self._failure == "miss" and self._steps > 5):
            self._enter("lift")
            self._ground = np.asarray(truth.object_position) - [0.03, 0.0, 0.0]
        elif self._steps > 12:
            self._enter("reach")
        grip = 0.0 if self._failure == "miss" else LOOSE_GRIP
        return WayPoint(position=self._held, orientation=downward(0.0), gripper=grip, speed=self._speed)

    def _lift(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray) -> WayPoint:
        top = self._held + [0.0, 0.0, 0.25]
        if self._failure == "drop" and ee_position[2] > 0.12:
            return self._begin_to_let_go(ee_position, ee_orientation)
        if self._failure != "miss" and _tilt(truth) < SWUNG:
            self._enter("turn")
        grip = 0.0 if self._failure == "miss" else LOOSE_GRIP
        return WayPoint(position=top, orientation=downward(0.0), gripper=grip, speed=self._speed)

    def _turn(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray) -> WayPoint:
        tilt, centre = _tilt(truth), np.asarray(truth.object_position)
        left_over = {"stop_short": 0.45, "tip_over": 0.45}.get(self._failure, 0.0)
        if self._failure == "tip_over" and tilt < left_over + 0.1 and self._steps > 10:
            return self._begin_to_let_go(ee_position, ee_orientation)
        if tilt < UPRIGHT and centre[2] < PEG_HALF_LENGTH + 0.004:
            return self._begin_to_let_go(ee_position, ee_orientation)
        whole = rotation_between(truth.object_orientation, truth.goal_orientation)
        size = float(np.linalg.norm(whole))
        rotation = shorten(whole, max(0.0, size - left_over))
        # The hand goes round the peg's middle with it, a little ahead of what is measured, as the arm lags behind.
        grip = np.array(rotate(rotation_vector_to_quaternion(shorten(rotation, 0.2)), ee_position - centre))
        clearance = 0.0 if tilt < UPRIGHT + 0.02 else CLEARANCE
        middle = np.array([self._ground[0], self._ground[1], _standing_height(tilt) + clearance - 0.002])
        return WayPoint(
            position=middle + grip,
            orientation=np.array(normalise(quaternion_multiply(rotation_vector_to_quaternion(rotation), ee_orientation))),
            gripper=0.0,
            speed=0.6 * self._speed,
            turn=0.06,
        )

    def _begin_to_let_go(self, ee_position: np.ndarray, ee_orientation: np.ndarray) -> WayPoint:
        self._held, self._aim = ee_position.copy(), ee_orientation.copy()
        self._enter("let_go")
        return WayPoint(position=self._held, orientation=self._aim, gripper=1.0, speed=self._speed)

    def _let_go(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray) -> WayPoint:
        return WayPoint(position=self._held, orientation=self._aim, gripper=1.0, speed=self._speed)


def _tilt(truth: StageObservation) -> float:
    """Return the angle between the peg's axis and the vertical, rad: 0 when it stands."""
    axis = rotate(truth.object_orientation, (1.0, 0.0, 0.0))
    return math.acos(min(1.0, abs(axis[2])))


def _standing_height(tilt: float) -> float:
    """Return the height of the peg's middle when its lower end touches the table, m."""
    return PEG_HALF_LENGTH * math.cos(tilt) + PEG_HALF_WIDTH * math.sin(tilt)
