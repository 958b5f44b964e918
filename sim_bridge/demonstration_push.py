"""Way-points of the tasks that move a cube over the table without holding it: PushCube and PullCube.

The closed hand goes down beside the cube, on the side away from the goal, and slides it along. The hand comes down
only as far as it is already beside the cube (a funnel), so every way-point follows from what can be seen now.
"""

from __future__ import annotations

import numpy as np

from sim_bridge.demonstration_motion import WayPoint, downward
from stage_core.observation import StageObservation

TOOL_HEIGHT = 0.022  # m; the finger tips end about 1 cm below the tool centre
CLEARANCE = 0.075  # m above TOOL_HEIGHT at which the hand passes over a cube
STAND_OFF = 0.05  # m between the middle of the cube and the tool before the push
TOUCH = 0.032  # m between the two in contact
MISS = 0.085  # m beside the cube: the hand's half width and the cube's, and a gap
STRETCHED = 0.72  # m from the base's axis; further out the elbow is nearly straight and turns too fast at full speed
DESIRED_FINISH = 0.08  # m; the slide ends with the cube this close to the middle of the goal region (its radius is 0.1)

SLIDE_FAILURES = ("miss", "stop_short", "push_aside")


class SlideScript:
    """Moves the cube along the table to the goal region, or fails in one of the ways of `SLIDE_FAILURES`.

    - miss: slides past the cube, to its side.
    - stop_short: stops after half of the way that would count as success.
    - push_aside: pushes at a right angle to the goal direction.
    """

    def __init__(self, failure: str, generator: np.random.Generator) -> None:
        self._failure = failure
        self._side = float(generator.choice([-1.0, 1.0]))
        self._speed = 0.02 * float(generator.uniform(0.85, 1.0))
        self._sliding = False
        self._start: np.ndarray | None = None
        self._direction = np.array([1.0, 0.0, 0.0])

    def way_point(self, truth: StageObservation, ee_position: np.ndarray, ee_orientation: np.ndarray, opening: float) -> WayPoint:
        """Return where the hand should be now; arguments as in `Demonstrator.act`."""
        cube = np.asarray(truth.object_position)
        if self._start is None:
            self._begin(cube, np.asarray(truth.goal_position))
        direction, across = self._direction, np.array([-self._direction[1], self._direction[0], 0.0])
        behind = cube - STAND_OFF * direction
        if self._failure == "miss":
            behind = self._start - STAND_OFF * direction + self._side * MISS * across
        behind[2] = TOOL_HEIGHT
        away = float(np.linalg.norm((ee_position - behind)[:2]))
        if not self._sliding:
            # Over the cube the hand must stay high; the nearer to its place beside the cube, the lower it may be.
            height = TOOL_HEIGHT + min(CLEARANCE, max(0.0, 2.5 * (away - 0.008)))
            self._sliding = ee_position[2] < TOOL_HEIGHT + 0.02 and away < 0.02
            return self._point(np.array([behind[0], behind[1], height]))
        return self._slide(cube, np.asarray(truth.goal_position), ee_position, direction, behind)

    def _begin(self, cube: np.ndarray, goal: np.ndarray) -> None:
        self._start = cube.copy()
        self._direction = (goal - cube) * [1.0, 1.0, 0.0]
        self._direction /= np.linalg.norm(self._direction)
        if self._failure == "push_aside":
            self._direction = self._side * np.array([-self._direction[1], self._direction[0], 0.0])

    def _slide(self, cube: np.ndarray, goal: np.ndarray, ee_position: np.ndarray, direction: np.ndarray, behind: np.ndarray) -> WayPoint:
        assert self._start is not None
        length = {"stop_short": 0.05, "push_aside": 0.14, "miss": 0.22}.get(
            self._failure, float((goal - self._start) @ direction) - DESIRED_FINISH
        )
        # Along the line of the push through the cube as it lies now, so that a cube that drifts aside is caught.
        done = float((ee_position - self._start) @ direction) + TOUCH
        line = behind if self._failure == "miss" else cube
        ahead = min(self._speed * 4.0, max(0.0, length - done))
        target = line + direction * float((ee_position - line) @ direction + ahead)
        return self._point(np.array([target[0], target[1], TOOL_HEIGHT]))

    def _point(self, position: np.ndarray) -> WayPoint:
        # The hand keeps its heading: its wide side already faces along x, the way both tasks go.
        far = float(np.linalg.norm(position[:2])) > STRETCHED
        return WayPoint(position=position, orientation=downward(0.0), gripper=0.0, speed=(0.5 if far else 1.0) * self._speed)
