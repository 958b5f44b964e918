"""One control step's facts for separator, potentials and costs: distances, speeds, flags and how sure they are.

`SignalReader.read` turns a StageObservation into the one `Signals` object it keeps; plain floats, O(1) time and
memory. A field that cannot be known stays None; `*_sure` says that a fact may move the stage (spec/stare section 1).
"""

from __future__ import annotations

import math

from stage_core.debounce import frames_of
from stage_core.geometry import (
    Quaternion,
    Vector,
    distance,
    quaternion_conjugate,
    quaternion_multiply,
    rotate,
    rotation_angle,
)
from stage_core.gripper_events import GripperSegments
from stage_core.observation import StageObservation
from stage_core.task import TaskConfig

REFERENCE_STEP_S = 0.05  # "per step" in the paper's sums means a step at 20 Hz
GRIPPER_ONLY_CONFIDENCE = 0.6
STEPS_TOLERANCE = 0.3  # control steps; images and states are seldom in step
SEEN_OBJECT = "object"  # the input of poses from images: seldom one for each control step, and its motion has an estimator of its own
BEYOND_SQUARED = 1e6  # m²; nothing on a bench is a kilometre away, and squares of larger numbers overflow


def finite_tuple(array: object, length: int) -> tuple[float, ...] | None:
    """Return the floats of a (length,) array, or None if it is None, or holds a number that is not finite or kilometres away."""
    if array is None:
        return None
    values = tuple(array.tolist()) if hasattr(array, "tolist") else tuple(array)  # type: ignore[call-overload]
    if len(values) != length:
        raise ValueError(f"a stage observation field has {len(values)} numbers; expected {length}. Check the estimator that fills it.")
    squares = 0.0
    for value in values:
        squares += value * value
    return values if squares < BEYOND_SQUARED else None  # false for NaN, too


def finite(value: float | None) -> float | None:
    """Return `value` as a float, or None if it is None or not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


class Signals:
    """The facts of the current control step; the reader overwrites them at the next.

    Lengths in m in the arm base frame, speeds in m/s and rad/s, quaternions xyzw. None where a fact cannot be known.

    Attributes:
        ee, ee_orientation, object, object_orientation, goal, goal_orientation: Poses; `goal` is where the object's centre belongs.
        ee_confidence ... contact_confidence: In [0, 1], 0 where the fact is None.
        ee_sure, object_sure, goal_sure, object_orientation_sure: The fact is there and sure enough to move the stage.
        grasped, contact, released, object_static: As observed or derived; None when unknown.
        is_grasped, not_grasped, is_contact, is_released, is_static: True on sure positive evidence.
        ee_to_grasp_point, object_to_goal, object_to_goal_xy: Distances.
        height: Of the object's centre above its rest height.
        displacement: Of the object from its start.
        along_goal: Of the object from its start along the horizontal line start -> goal.
        object_step, step_scale: The object's motion since the last step (3,), and the factor to a step of 0.05 s.
        object_speed, ee_speed, ee_rotation_speed, relative_speed, width_speed: Since the last step.
        start, rest_height, line_goal: Where the object started, its rest height, the goal when first seen.
        grasp_frames: Steps in a row with a grasp.
        followed: The object was out of sight, or hardly seen, and taken to follow the hand.
    """

    __slots__ = (
        "along_goal", "contact", "contact_confidence", "contact_force", "displacement", "ee", "ee_confidence", "ee_orientation",
        "ee_rotation_speed", "ee_speed", "ee_sure", "ee_to_grasp_point", "followed", "goal", "goal_confidence", "goal_orientation",
        "goal_orientation_confidence", "goal_sure", "grasp_frames", "grasped", "grasped_confidence", "height", "is_contact",
        "is_grasped", "is_released", "is_static", "line_goal", "not_grasped", "object", "object_confidence", "object_orientation",
        "object_orientation_confidence", "object_orientation_sure", "object_speed", "object_static", "object_step", "object_sure",
        "object_to_goal", "object_to_goal_xy", "relative_speed", "released", "rest_height", "start", "step_scale", "width_speed",
    )  # fmt: skip

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, None)
        self.grasp_frames = 0


class SignalReader:
    """Turns observations into `Signals`, remembering only the last step, the start and the grasp."""

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self._rate = float(control_rate_hz)
        self._minimum = task.tiers.minimum_confidence
        self._follow_confidence = task.tiers.follow_hand_confidence
        self._follow_frames = frames_of(task.tiers.follow_hand_s, control_rate_hz)
        self._contact_force = task.thresholds.contact_force_n
        self._static_speed = task.thresholds.static_speed_m_s
        self._goal_offset = task.goal.offset_m
        self._has_goal_offset = any(task.goal.offset_m)
        self._grasp_offset = task.objects.grasp_offset_m if any(task.objects.grasp_offset_m) else None
        self._rest_height = task.objects.rest_height_m
        self._uses_grasp = task.family in ("pick_place", "stack", "lift_upright")
        self._segments = GripperSegments(control_rate_hz)
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self.signals = Signals()
        self.signals.rest_height = self._rest_height
        self._segments.reset()
        self._last_ee: Vector | None = None
        self._last_ee_orientation: Quaternion | None = None
        self._last_object: Vector | None = None
        self._last_width: float | None = None
        self._last_grasped = False
        self._last_sequence: int | None = None
        self._hand_to_object: tuple[Vector, Quaternion | None] | None = None
        self._lost_frames = 0
        self._last_seen: float | None = None
        self._image_speed: float | None = None

    def read(self, observation: StageObservation) -> Signals:
        """Return the facts of one control step; the object is the same at every call."""
        s = self.signals
        steps = 1 if self._last_sequence is None else max(1, observation.sequence - self._last_sequence)
        self._last_sequence = observation.sequence
        rate = self._rate / steps  # a step that never came must not look like a fast motion
        self._read_poses(s, observation)
        self._read_flags(s, observation)
        if self._uses_grasp:
            self._follow_hand(s, steps)
        self._measure(s)
        self._differentiate(s, rate, finite(observation.gripper_width), observation.input_stamps.get(SEEN_OBJECT))
        return s

    def _read_poses(self, s: Signals, observation: StageObservation) -> None:
        confidence, minimum = observation.confidence, self._minimum
        s.ee = finite_tuple(observation.ee_position, 3)
        s.ee_orientation = finite_tuple(observation.ee_orientation, 4)
        s.object = finite_tuple(observation.object_position, 3)
        s.object_orientation = finite_tuple(observation.object_orientation, 4)
        s.goal = finite_tuple(observation.goal_position, 3)
        s.goal_orientation = finite_tuple(observation.goal_orientation, 4)
        s.ee_confidence = self._confidence(confidence, "ee_position", s.ee)
        s.object_confidence = self._confidence(confidence, "object_position", s.object)
        s.object_orientation_confidence = self._confidence(confidence, "object_orientation", s.object_orientation)
        s.goal_confidence = self._confidence(confidence, "goal_position", s.goal)
        s.goal_orientation_confidence = self._confidence(confidence, "goal_orientation", s.goal_orientation)
        s.ee_sure = s.ee_confidence >= minimum
        s.goal_sure = s.goal_confidence >= minimum
        s.followed = False
        if s.goal is not None and self._has_goal_offset:
            goal, offset = s.goal, self._goal_offset
            s.goal = (goal[0] + offset[0], goal[1] + offset[1], goal[2] + offset[2])

    @staticmethod
    def _confidence(confidence: dict[str, float], name: str, value: object) -> float:
        if value is None:
            return 0.0
        if not confidence:
            return 1.0
        given = confidence.get(name, 1.0)
        return min(1.0, max(0.0, given)) if given == given else 0.0

    def _read_flags(self, s: Signals, observation: StageObservation) -> None:
        confidence, minimum = observation.confidence, self._minimum
        s.grasped = observation.grasped
        s.grasped_confidence = self._confidence(confidence, "grasped", s.grasped)
        if self._uses_grasp and s.grasped is None and s.start is None and s.object is None:
            width = finite(observation.gripper_width)
            if width is not None:
                s.grasped = self._segments.update(width)
                s.grasped_confidence = 0.0 if s.grasped is None else GRIPPER_ONLY_CONFIDENCE
        s.contact_force = finite(observation.contact_force)
        s.contact = observation.contact
        s.contact_confidence = self._confidence(confidence, "contact", s.contact)
        if s.contact is None and s.contact_force is not None:
            s.contact = s.contact_force > self._contact_force
            s.contact_confidence = self._confidence(confidence, "contact_force", s.contact_force)
        s.released = observation.released
        released_confidence = self._confidence(confidence, "released", s.released)
        if s.released is None and s.grasped is not None:
            s.released, released_confidence = not s.grasped, s.grasped_confidence
        s.object_static = observation.object_static
        s.is_static = bool(s.object_static) and self._confidence(confidence, "object_static", s.object_static) >= minimum
        grasp_sure = s.grasped is not None and s.grasped_confidence >= minimum
        s.is_grasped = grasp_sure and bool(s.grasped)
        s.not_grasped = grasp_sure and not s.grasped
        force_touch = (
            s.contact_force is not None
            and s.contact_force > self._contact_force
            and self._confidence(confidence, "contact_force", s.contact_force) >= minimum
        )
        s.is_contact = force_touch or (bool(s.contact) and s.contact_confidence >= minimum)
        s.is_released = bool(s.released) and released_confidence >= minimum
        if s.grasped is not None:
            s.grasp_frames = s.grasp_frames + 1 if s.grasped else 0

    def _follow_hand(self, s: Signals, steps: int) -> None:
        """Keep a grasped object that went out of sight at its last place in the hand, ever less sure."""
        if s.object_confidence >= self._minimum:
            self._lost_frames = 0
            self._hand_to_object = None
            if s.is_grasped and s.ee is not None and s.ee_orientation is not None:
                inverse = quaternion_conjugate(s.ee_orientation)
                offset = (s.object[0] - s.ee[0], s.object[1] - s.ee[1], s.object[2] - s.ee[2])
                turned = None if s.object_orientation is None else quaternion_multiply(inverse, s.object_orientation)
                self._hand_to_object = (rotate(inverse, offset), turned)
            return
        if self._hand_to_object is None:
            return
        self._lost_frames += steps
        if not s.is_grasped or self._lost_frames > self._follow_frames:
            self._hand_to_object = None
            return
        if s.ee is None or s.ee_orientation is None:
            return
        confidence = min(s.ee_confidence, self._follow_confidence * (1.0 - (self._lost_frames - 1) / self._follow_frames))
        if confidence <= s.object_confidence:
            return  # half hidden, but still better seen than guessed
        offset, turned = self._hand_to_object
        x, y, z = rotate(s.ee_orientation, offset)
        s.object = (s.ee[0] + x, s.ee[1] + y, s.ee[2] + z)
        s.object_confidence = confidence
        s.followed = True
        if turned is not None and s.object_orientation_confidence < confidence:
            s.object_orientation = quaternion_multiply(s.ee_orientation, turned)
            s.object_orientation_confidence = confidence

    def _measure(self, s: Signals) -> None:
        """Distances of this step, and the start when the object is first seen."""
        s.object_sure = s.object_confidence >= self._minimum
        s.object_orientation_sure = s.object_orientation_confidence >= self._minimum
        thing, goal = s.object, s.goal
        if s.start is None and s.object_sure:
            s.start = thing
            if s.rest_height is None:
                s.rest_height = thing[2]
        if s.line_goal is None and s.goal_sure:
            s.line_goal = goal
        s.ee_to_grasp_point = s.object_to_goal = s.object_to_goal_xy = s.height = s.displacement = s.along_goal = None
        if thing is None:
            return
        if s.ee is not None:
            s.ee_to_grasp_point = distance(s.ee, self._grasp_point(s))
        if goal is not None:
            x, y, z = thing[0] - goal[0], thing[1] - goal[1], thing[2] - goal[2]
            flat = x * x + y * y
            s.object_to_goal_xy = math.sqrt(flat)
            s.object_to_goal = math.sqrt(flat + z * z)
        if s.rest_height is not None:
            s.height = thing[2] - s.rest_height
        start = s.start
        if start is not None:
            x, y = thing[0] - start[0], thing[1] - start[1]
            s.displacement = math.sqrt(x * x + y * y + (thing[2] - start[2]) ** 2)
            if s.line_goal is not None:
                vx, vy = s.line_goal[0] - start[0], s.line_goal[1] - start[1]
                length = math.sqrt(vx * vx + vy * vy)
                s.along_goal = (x * vx + y * vy) / length if length > 1e-9 else 0.0

    def _grasp_point(self, s: Signals) -> Vector:
        if self._grasp_offset is None or s.object_orientation is None:
            return s.object
        x, y, z = rotate(s.object_orientation, self._grasp_offset)
        return (s.object[0] + x, s.object[1] + y, s.object[2] + z)

    def _differentiate(self, s: Signals, rate: float, width: float | None, seen: float | None) -> None:
        """Motions since the last step; None when either end is unknown. `seen` is the stamp of the image the object's pose comes from."""
        ee, thing = s.ee, s.object
        ee_step = object_step = None
        s.ee_speed = s.ee_rotation_speed = s.object_speed = s.relative_speed = s.width_speed = None
        last = self._last_ee
        if ee is not None and last is not None:
            ee_step = (ee[0] - last[0], ee[1] - last[1], ee[2] - last[2])
            s.ee_speed = math.sqrt(ee_step[0] ** 2 + ee_step[1] ** 2 + ee_step[2] ** 2) * rate
        if s.ee_orientation is not None and self._last_ee_orientation is not None:
            s.ee_rotation_speed = rotation_angle(s.ee_orientation, self._last_ee_orientation) * rate
        last = self._last_object
        if thing is not None and last is not None:
            object_step = (thing[0] - last[0], thing[1] - last[1], thing[2] - last[2])
            s.object_speed = math.sqrt(object_step[0] ** 2 + object_step[1] ** 2 + object_step[2] ** 2) * rate
        one_step = True
        if seen is not None:
            one_step = self._motion_between_images(s, rate, seen)
        s.object_step = object_step
        s.step_scale = rate * REFERENCE_STEP_S
        held = bool(s.grasped) and self._last_grasped
        if held and one_step and ee_step is not None and object_step is not None:
            s.relative_speed = distance(object_step, ee_step) * rate
        if held and width is not None and self._last_width is not None:
            s.width_speed = abs(width - self._last_width) * rate
        if s.object_static is None and s.object_speed is not None and seen is None:
            s.object_static = s.object_speed <= self._static_speed
            s.is_static = s.object_static and s.object_sure
        self._last_ee, self._last_ee_orientation, self._last_object = ee, s.ee_orientation, thing
        self._last_width, self._last_grasped = width, bool(s.grasped)

    def _motion_between_images(self, s: Signals, rate: float, seen: float) -> bool:
        """Time the object's motion by its images, and return whether it is that of one control step, as the hand's is.

        A pose that stands for two steps, because no new image came, is no sign that the object stood still.
        """
        last, self._last_seen = self._last_seen, seen
        if s.followed or last is None:
            return True
        steps = (seen - last) * rate
        if steps < STEPS_TOLERANCE:
            s.object_speed = self._image_speed
        elif s.object_speed is not None:
            s.object_speed = s.object_speed / steps
        self._image_speed = s.object_speed
        return abs(steps - 1.0) <= STEPS_TOLERANCE
