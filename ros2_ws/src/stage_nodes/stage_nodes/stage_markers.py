"""What RViz shows of the stages: object, goal, reference path and the stage in words, on `stage/markers`.

Without visualization_msgs nothing is published; the extra `ros` has it, and every ROS machine. `shapes` says what is
to be seen as plain data, `StageMarkers` puts it on the wire. Start at `shapes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stage_core.monitor import StageUpdate
from stage_core.observation import StageObservation
from stage_core.task import TaskConfig
from stage_nodes.conversions import to_pose, to_time
from stage_nodes.topics import STAGE_MARKERS, reliable

Colour = tuple[float, float, float]  # red, green, blue in [0, 1]
# Told apart also by colour-blind eyes (Okabe and Ito 2008); the last one is success.
STAGE_COLOURS: tuple[Colour, ...] = ((0.34, 0.71, 0.91), (0.90, 0.62, 0.0), (0.0, 0.45, 0.70), (0.80, 0.47, 0.65), (0.0, 0.62, 0.45))
GOAL_COLOUR, PATH_COLOUR, TEXT_COLOUR = (0.95, 0.90, 0.25), (0.6, 0.6, 0.6), (1.0, 1.0, 1.0)
LEVEL = (0.0, 0.0, 0.0, 1.0)
TEXT_HEIGHT_M, PATH_WIDTH_M, TEXT_ABOVE_M = 0.03, 0.004, 0.08
FAINTEST = 0.2  # alpha of something hardly known
CUBE, CYLINDER, PATH, TEXT = "cube", "cylinder", "path", "text"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One thing to be seen, in the arm base frame.

    Attributes:
        name: object, goal, reference_path or stage.
        kind: cube, cylinder, path or text.
        position: (3,) m.
        orientation: (4,) xyzw.
        size: (3,) m, whole edge lengths; width of a path, height of text.
        colour: Red, green, blue in [0, 1].
        alpha: In [0, 1].
        points: Of a path, m.
        text: In words.
    """

    name: str
    kind: str
    position: tuple[float, ...] = (0.0, 0.0, 0.0)
    orientation: tuple[float, ...] = LEVEL
    size: tuple[float, float, float]
    colour: Colour
    alpha: float = 1.0
    points: tuple[tuple[float, ...], ...] = field(default=())
    text: str = ""


NAMES = ("object", "goal", "reference_path", "stage")


def shapes(observation: StageObservation, update: StageUpdate, task: TaskConfig, start: np.ndarray | None) -> list[Shape]:
    """Return what can be seen at one control step; what is not known is left out.

    Args:
        observation: As the monitor used it.
        update: What the monitor said about it.
        task: Sizes, thresholds and way-points.
        start: (3,) m where the object lay before it was held, None while that is not known.
    """
    found = []
    colour = STAGE_COLOURS[-1] if update.success else STAGE_COLOURS[update.stage % (len(STAGE_COLOURS) - 1)]
    half_x, half_y, half_z = task.objects.half_size_m
    if observation.object_position is not None:
        sure = observation.confidence_of("object_position")
        turned = LEVEL if observation.object_orientation is None else tuple(observation.object_orientation)
        size = (2 * half_x, 2 * half_y, 2 * half_z)
        found.append(
            Shape(
                name="object",
                kind=CUBE,
                position=tuple(observation.object_position),
                orientation=turned,
                size=size,
                colour=colour,
                alpha=max(FAINTEST, min(1.0, sure)),
            )
        )
    goal = None if observation.goal_position is None else observation.goal_position + np.array(task.goal.offset_m)
    if goal is not None:
        found.append(goal_shape(goal, observation.goal_orientation, task))
    path = reference_path(task, start, goal)
    if path:
        found.append(Shape(name="reference_path", kind=PATH, size=(PATH_WIDTH_M, 0.0, 0.0), colour=PATH_COLOUR, points=path))
    place = next((entry for entry in (observation.object_position, observation.ee_position) if entry is not None), None)
    if place is not None:
        above = (float(place[0]), float(place[1]), float(place[2]) + TEXT_ABOVE_M)
        words = f"{update.stage_name}  {100 * update.progress:.0f} %"
        words += "" if update.potential is not None else "  (not observable)"
        found.append(
            Shape(name="stage", kind=TEXT, position=above, size=(0.0, 0.0, TEXT_HEIGHT_M), colour=TEXT_COLOUR, text=f"{task.name}: {words}")
        )
    return found


def goal_shape(goal: np.ndarray, orientation: np.ndarray | None, task: TaskConfig) -> Shape:
    """Return the goal as a disc where the task asks for a region, else as a faint copy of the object."""
    radius = getattr(task.thresholds, "goal_radius_m", None)
    if radius is not None:
        return Shape(name="goal", kind=CYLINDER, position=tuple(goal), size=(2 * radius, 2 * radius, 0.002), colour=GOAL_COLOUR, alpha=0.4)
    size = tuple(2.0 * half for half in task.objects.half_size_m)
    turned = LEVEL if orientation is None else tuple(orientation)
    return Shape(name="goal", kind=CUBE, position=tuple(goal), orientation=turned, size=size, colour=GOAL_COLOUR, alpha=0.35)


def reference_path(task: TaskConfig, start: np.ndarray | None, goal: np.ndarray | None) -> tuple[tuple[float, ...], ...]:
    """Return the points that the costs measure against: the line of a push, the way-points of a transport, the height of a lift.

    Source: spec/stare section 3 (x_ref of transport, d_perp of contact and push, h_min of lift).
    """
    if start is None:
        return ()
    x, y, z = (float(value) for value in start)
    if task.family == "lift_upright":
        return ((x, y, z), (x, y, z + task.thresholds.minimum_height_m))
    if goal is None:
        return ()
    end = tuple(float(value) for value in goal)
    if task.family in ("push", "pull"):
        return ((x, y, z), (end[0], end[1], z))
    top = z + task.costs.lift_way_point_m
    return ((x, y, z), (x, y, top), (end[0], end[1], max(top, end[2])), end)


class StageMarkers:
    """Publishes the shapes where visualization_msgs is installed and somebody looks."""

    def __init__(self, node: Any, task: TaskConfig) -> None:
        self._task = task
        self._publisher = None
        try:
            from visualization_msgs.msg import Marker, MarkerArray
        except ImportError:
            return
        self._marker, self._array = Marker, MarkerArray
        self._publisher = node.create_publisher(MarkerArray, STAGE_MARKERS, reliable(10))
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self._start: np.ndarray | None = None

    def publish(self, observation: StageObservation, update: StageUpdate, frame: str) -> None:
        """Show one control step."""
        if self._publisher is None:
            return
        if observation.object_position is not None and (self._start is None or (update.stage <= 1 and not observation.grasped)):
            self._start = np.array(observation.object_position)
        if self._publisher.get_subscription_count():
            seen = {shape.name: shape for shape in shapes(observation, update, self._task, self._start)}
            stamp = to_time(observation.stamp)
            self._publisher.publish(self._array(markers=[self._message(name, seen.get(name), stamp, frame) for name in NAMES]))

    def _message(self, name: str, shape: Shape | None, stamp: Any, frame: str) -> Any:
        """Return one marker; what is not known any more is taken away."""
        kind = self._marker
        marker = kind(ns="stage", id=NAMES.index(name), action=kind.DELETE if shape is None else kind.ADD)
        marker.header.stamp, marker.header.frame_id = stamp, frame
        if shape is None:
            return marker
        marker.type = {CUBE: kind.CUBE, CYLINDER: kind.CYLINDER, PATH: kind.LINE_STRIP, TEXT: kind.TEXT_VIEW_FACING}[shape.kind]
        marker.pose = to_pose(shape.position, shape.orientation)
        marker.scale.x, marker.scale.y, marker.scale.z = map(float, shape.size)
        marker.color.r, marker.color.g, marker.color.b = shape.colour
        marker.color.a = float(shape.alpha)
        marker.points = [to_pose(point, LEVEL).position for point in shape.points]
        marker.text = shape.text
        return marker
