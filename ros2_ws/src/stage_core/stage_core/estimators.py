"""From what a robot senses to fields of the StageObservation: who holds, who touches, what moves (spec/stare section 1).

Start at `SensorEstimators`: it takes arm states, gripper commands and object poses in the order of their stamps and gives
back what `StageObservationBuilder.add` takes. The live node, `stage label --rebuild` and the benchmarks use this one class:

    estimators = SensorEstimators(task, control_rate_hz, gripper=GripperFacts(open_width_m=0.08))
    builder = StageObservationBuilder(estimators.limits)
    estimators.update_command(opening)                               # each gripper command, before the state it precedes
    for estimate in estimators.update_object(stamp, position, orientation, confidence):
        builder.add(**estimate)
    for estimate in estimators.update_arm(stamp, ee_position=..., ee_orientation=..., gripper_width=...):
        builder.add(**estimate)
    observation = builder.build(stamp, sequence, episode)

Every value comes with a tier, a confidence and the stamp of its measurement; a field that cannot be known is None.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from stage_core.estimators_contact import ContactEstimator
from stage_core.estimators_gripper import GraspEstimator
from stage_core.estimators_motion import MovesWithHand, ObjectMotion
from stage_core.estimators_settings import GripperFacts
from stage_core.geometry import Quaternion, Vector, distance, normalise
from stage_core.signals import finite, finite_tuple
from stage_core.task import TaskConfig

Estimate = dict[str, Any]  # arguments of StageObservationBuilder.add: input_name, stamp, tier, confidence, and fields

ARM, GRIPPER, CONTACT, OBJECT, GOAL = "arm", "gripper", "contact", "object", "goal"
ARM_PERIODS = 3.0  # an arm state may be this many control periods old
HISTORY = 256  # hand poses kept, to find the one at an image's stamp; 1.3 s of a 200 Hz state
POSE_TIER, TAUGHT_TIER = 2, 0
_TOLERANCE_S = 1e-6


class SensorEstimators:
    """All estimators of one task on one robot. O(1) time and memory per call; every time is a stamp of the workcell clock.

    Args:
        task: Its block `sensing` has the numbers, its `goal` the taught pose; the goal is None until it was taught.
        control_rate_hz: Control steps per second.
        gripper: Facts of the gripper; None where there is none, and then nothing is said about grasps.

    Attributes:
        limits: Input name -> greatest age, s, for `StageObservationBuilder`.
    """

    def __init__(self, task: TaskConfig, control_rate_hz: float, *, gripper: GripperFacts | None) -> None:
        sensing = task.sensing
        self._task = task
        self._grasp = None if gripper is None else GraspEstimator(sensing, gripper, control_rate_hz)
        self._contact = ContactEstimator(sensing, object_radius=math.hypot(*task.objects.half_size_m))
        self._motion = ObjectMotion(sensing.motion_window_s, task.thresholds.static_speed_m_s)
        self._moves_with_hand = MovesWithHand(sensing.moves_with_hand_m)
        self._minimum = task.tiers.minimum_confidence
        self._taught = {"goal_position": _array(task.goal.position_m), "goal_orientation": _array(task.goal.orientation_xyzw)}
        arm_age = ARM_PERIODS / control_rate_hz
        goal_age = arm_age if task.goal.source == "taught" else sensing.goal_max_age_s
        self.limits = {ARM: arm_age, GRIPPER: arm_age, CONTACT: arm_age, OBJECT: sensing.object_max_age_s, GOAL: goal_age}
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings: a new episode."""
        if self._grasp is not None:
            self._grasp.reset()
        self._contact.reset()
        self._motion.reset()
        self._moves_with_hand.reset()
        self._hand: deque[tuple[float, Vector, Quaternion]] = deque(maxlen=HISTORY)
        self._seen: tuple[float, Vector] | None = None  # newest sure sight of the object: stamp, position
        self._object_moves: bool | None = None

    def update_command(self, opening: float | None) -> None:
        """Take what the gripper was told: an opening in [0, 1], 1 = open; None and NaN leave it as it was."""
        if self._grasp is not None:
            self._grasp.command(opening)

    def update_arm(
        self,
        stamp: float,
        *,
        ee_position: Sequence[float] | None,
        ee_orientation: Sequence[float] | None,
        gripper_width: float | None = None,
        gripper_effort: float | None = None,
        is_grasped: bool | None = None,
        external_wrench: Sequence[float] | None = None,
        residual_torques: Sequence[float] | None = None,
    ) -> list[Estimate]:
        """Take one arm state; call once for each, in the order of stamps.

        Args:
            stamp: Measurement time, s.
            ee_position: (3,) m, tool centre in the arm base frame, or None.
            ee_orientation: (4,) xyzw, or None.
            gripper_width: m between the finger tips; NaN and None: not measured.
            gripper_effort: N; NaN and None: not measured.
            is_grasped: What the gripper itself says, where it does.
            external_wrench: (6,) N and N m in the base frame; empty and None: not measured.
            residual_torques: (n,) N m, joint torques beyond gravity and motion; empty and None: not measured.

        Returns:
            One mapping for each input that this state says something about.
        """
        hand, turned = finite_tuple(ee_position, 3), finite_tuple(ee_orientation, 4)
        if hand is not None and turned is not None:
            self._hand.append((stamp, hand, normalise(turned)))
        estimates: list[Estimate] = [
            {
                "input_name": ARM,
                "stamp": stamp,
                "ee_position": None if hand is None else ee_position,
                "ee_orientation": None if turned is None else ee_orientation,
            }
        ]
        seen = self._seen if self._seen is not None and stamp - self._seen[0] <= self.limits[OBJECT] + _TOLERANCE_S else None
        grasped = None
        if self._grasp is not None:
            moves = self._moves_with_hand.moves_with_hand if seen is not None else None
            grasped, sure, tier = self._grasp.update(stamp, gripper_width, gripper_effort, is_grasped=is_grasped, moves_with_hand=moves)
            if not self._grasp.holds_by_width:
                self._moves_with_hand.reset()
            estimates.append(_gripper_estimate(stamp, grasped, sure, tier, finite(gripper_width), finite(gripper_effort)))
        contact, force, sure, tier = self._contact.update(
            stamp,
            external_wrench=external_wrench,
            residual_torques=residual_torques,
            hand_to_object=None if seen is None or hand is None else distance(hand, seen[1]),
            object_moves=self._object_moves if seen is not None else None,
            grasped=grasped,
        )
        if contact is not None:
            estimates.append(
                {"input_name": CONTACT, "stamp": stamp, "tier": tier, "confidence": sure, "contact": contact, "contact_force": force}
            )
        if self._task.goal.source == "taught":
            estimates.append({"input_name": GOAL, "stamp": stamp, "tier": TAUGHT_TIER, **self._taught})
        return estimates

    def update_object(
        self,
        stamp: float,
        position: Sequence[float] | None,
        orientation: Sequence[float] | None = None,
        confidence: float = 1.0,
    ) -> list[Estimate]:
        """Take one look at the object, as `objects/<name>` (ObjectState) has it.

        Args:
            stamp: Capture time of the image, s; it may be older than arm states that are in already.
            position: (3,) m in the arm base frame; None: looked and not seen.
            orientation: (4,) xyzw, or None where it cannot be known.
            confidence: Of the pose, in [0, 1].
        """
        place, turned = finite_tuple(position, 3), finite_tuple(orientation, 4)
        estimate: Estimate = {
            "input_name": OBJECT,
            "stamp": stamp,
            "tier": POSE_TIER,
            "confidence": {"object_position": confidence, "object_orientation": confidence},
            "object_position": None if place is None else position,
            "object_orientation": None if place is None or turned is None else orientation,
            "object_static": None,
        }
        if place is not None and confidence >= self._minimum and (self._seen is None or stamp > self._seen[0]):
            static, sure = self._motion.update(stamp, place)
            estimate["object_static"] = static
            estimate["confidence"]["object_static"] = sure * confidence
            self._object_moves = None if static is None or sure * confidence < self._minimum else not static
            self._seen = (stamp, place)
            self._compare_with_hand(stamp, place)
        return [estimate]

    def update_goal(
        self,
        stamp: float,
        position: Sequence[float] | None,
        orientation: Sequence[float] | None = None,
        confidence: float = 1.0,
    ) -> list[Estimate]:
        """Take one look at the goal, where the task's `goal.source` is tag or pose; arguments as `update_object`.

        A look that does not find the goal gives nothing: goals lie still, so the last sight holds for `goal_max_age_s`.
        """
        place, turned = finite_tuple(position, 3), finite_tuple(orientation, 4)
        if place is None or self._task.goal.source == "taught":
            return []
        pose = {"goal_position": position, "goal_orientation": None if turned is None else orientation}
        return [{"input_name": GOAL, "stamp": stamp, "tier": POSE_TIER, "confidence": confidence, **pose}]

    def _compare_with_hand(self, stamp: float, place: Vector) -> None:
        """Compare the object's way with the hand's, at the image's own stamp."""
        if self._grasp is None or not self._grasp.holds_by_width:
            return
        pose = self._hand_at(stamp)
        if pose is not None:
            self._moves_with_hand.update(*pose, place)

    def _hand_at(self, stamp: float) -> tuple[Vector, Quaternion] | None:
        """Return the hand's pose at `stamp`, between the two states beside it; None where there is none near."""
        later = None
        for entry in reversed(self._hand):
            if entry[0] <= stamp + _TOLERANCE_S:
                if later is None:
                    return entry[1:] if stamp - entry[0] <= self.limits[ARM] else None
                return _between(entry, later, (stamp - entry[0]) / (later[0] - entry[0]))
            later = entry
        return None


def _array(values: Sequence[float] | None) -> np.ndarray | None:
    return None if values is None else np.array(values, dtype=np.float64)


def _gripper_estimate(
    stamp: float, grasped: bool | None, confidence: float, tier: int, width: float | None, effort: float | None
) -> Estimate:
    released = None if grasped is None else not grasped
    return {
        "input_name": GRIPPER,
        "stamp": stamp,
        "tier": tier,
        "confidence": {"grasped": confidence, "released": confidence},
        "grasped": grasped,
        "released": released,
        "gripper_width": width,
        "gripper_effort": effort,
    }


def _between(first: tuple[float, Vector, Quaternion], second: tuple[float, Vector, Quaternion], share: float) -> tuple[Vector, Quaternion]:
    """Return the pose at `share` in [0, 1] of the way; states lie so close that a straight quaternion line is near enough."""
    share = min(1.0, max(0.0, share))
    position = tuple(a + share * (b - a) for a, b in zip(first[1], second[1], strict=True))
    same = sum(a * b for a, b in zip(first[2], second[2], strict=True)) >= 0.0  # q and -q are one orientation
    ends = zip(first[2], second[2] if same else [-value for value in second[2]], strict=True)
    return position, normalise([a + share * (b - a) for a, b in ends])
