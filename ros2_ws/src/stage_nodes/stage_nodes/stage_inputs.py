"""What the stage monitor is fed with, joined by stamp (DESIGN 9.6): the live node and `stage label --rebuild` use this. No ROS here.

Three sources: `truth` (a simulation's), `arm` (the arm's state as it is), `sensors` (the estimators of `stage_core.estimators`
over arm states, gripper commands and `objects/<name>`). Start at `StageInputs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stage_core.builder import StageObservationBuilder
from stage_core.errors import ConfigurationError
from stage_core.estimators import SensorEstimators
from stage_core.estimators_settings import GripperFacts
from stage_core.observation import StageObservation
from stage_core.task import TaskConfig

TRUTH, ARM, SENSORS = "truth", "arm", "sensors"
SOURCES = (TRUTH, ARM, SENSORS)
ALWAYS_THERE, SENSING, PERCEPTION, LEARNED, TRUTH_TIER = 0, 1, 2, 3, 9
TOLERANCE_S = 1e-6  # stamps travel as whole nanoseconds
OPEN_ENOUGH = 0.05  # opening from which the width at full opening can be told
TRUTH_FIELDS = (
    "ee_position", "ee_orientation", "object_position", "object_orientation", "goal_position", "goal_orientation", "grasped",
    "contact", "released", "object_static", "contact_force", "gripper_width", "gripper_effort",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """Which inputs may be used.

    Attributes:
        source: truth, arm or sensors.
        max_input_age_s: Oldest truth or arm state that may be joined into a step, s.
        highest_tier: 0 always there, 1 sensing, 2 perception, 3 learned, 9 simulation truth; inputs above it are ignored.
        gripper_open_width_m: Between the finger tips when fully open; 0 takes it from the arm's state.
        gripper_closed_width_m: Between the finger tips when closed on nothing.
    """

    source: str
    max_input_age_s: float = 0.15
    highest_tier: int = TRUTH_TIER
    gripper_open_width_m: float = 0.0
    gripper_closed_width_m: float = 0.0

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigurationError(f"observation_source is {self.source!r}; expected {', '.join(SOURCES)}.")
        if self.highest_tier not in (ALWAYS_THERE, SENSING, PERCEPTION, LEARNED, TRUTH_TIER):
            raise ConfigurationError(f"tier is {self.highest_tier}; expected 0, 1, 2, 3, or 9 for a simulation's truth.")
        if self.source == TRUTH and self.highest_tier < TRUTH_TIER:
            raise ConfigurationError(
                f"tier is {self.highest_tier}, but observation_source is truth, which is tier 9. Use sensors, or leave tier at 9."
            )
        if not self.max_input_age_s > 0.0:
            raise ConfigurationError(f"max_input_age_s is {self.max_input_age_s} s; expected > 0. Three control periods are a good start.")


class StageInputs:
    """Takes inputs in the order in which they come and gives one StageObservation per control step.

    Args:
        task: The task.
        control_rate_hz: Control steps per second.
        settings: Which inputs may be used.
    """

    def __init__(self, task: TaskConfig, control_rate_hz: float, settings: InputSettings) -> None:
        self._task = task
        self._rate = control_rate_hz
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new episode."""
        self._gripper: GripperFacts | None = None
        self._estimators: SensorEstimators | None = None
        self._begun: float | None = None  # stamp of the episode's first arm state, s
        if self.settings.source == SENSORS:
            self._begin_estimators(self._given_gripper())
        else:
            self._builder = StageObservationBuilder({self.settings.source: self.settings.max_input_age_s})

    def add_truth(self, truth: StageObservation) -> None:
        """Take a simulation's truth."""
        fields = {name: getattr(truth, name) for name in TRUTH_FIELDS}
        self._builder.add(TRUTH, truth.stamp, tier=truth.tier, confidence=truth.confidence, **fields)

    def add_arm_state(
        self,
        stamp: float,
        *,
        ee_position: np.ndarray,
        ee_orientation: np.ndarray,
        gripper_width: float = math.nan,
        gripper_opening: float = math.nan,
        gripper_effort: float = math.nan,
        external_wrench: np.ndarray | None = None,
    ) -> None:
        """Take one state of the arm.

        Args:
            stamp: Measurement time, s.
            ee_position: (3,) m, tool centre, arm base frame.
            ee_orientation: (4,) xyzw.
            gripper_width: m between the finger tips; NaN where there is no gripper.
            gripper_opening: In [0, 1], 1 = open; NaN where there is no gripper.
            gripper_effort: N; NaN where not measured.
            external_wrench: (6,) N and N m, base frame; empty or None where not measured.
        """
        width, effort = _known(gripper_width), _known(gripper_effort)
        if self._estimators is None:
            fields = {"ee_position": ee_position, "ee_orientation": ee_orientation, "gripper_width": width, "gripper_effort": effort}
            self._builder.add(ARM, stamp, tier=ALWAYS_THERE, **fields)
            return
        self._begun = stamp if self._begun is None else self._begun
        self._learn_open_width(gripper_width, gripper_opening)
        sensing = self.settings.highest_tier >= SENSING
        wrench = external_wrench if sensing and external_wrench is not None and len(external_wrench) else None
        self._add(
            self._estimators.update_arm(
                stamp,
                ee_position=ee_position,
                ee_orientation=ee_orientation,
                gripper_width=width,
                gripper_effort=effort if sensing else None,
                external_wrench=wrench,
            )
        )

    def add_gripper_command(self, opening: float) -> None:
        """Take what the gripper was told: an opening in [0, 1], 1 = open; NaN leaves it as it was."""
        if self._estimators is not None:
            self._estimators.update_command(_known(opening))

    def add_thing(
        self, name: str, stamp: float, position: np.ndarray | None, orientation: np.ndarray | None, *, confidence: float = 1.0
    ) -> None:
        """Take one look at a thing by its name.

        Ignored: things that are neither the task's object nor its goal, all of them where `highest_tier` is below 2, and what was
        seen before the episode's first arm state, which is the scene of the episode before.

        Args:
            name: As in ObjectState.
            stamp: Capture time of the image, s.
            position: (3,) m, arm base frame; None: looked and not seen.
            orientation: (4,) xyzw, or None.
            confidence: Of the pose, in [0, 1].
        """
        if self._estimators is None or self.settings.highest_tier < PERCEPTION or self._begun is None or stamp < self._begun - TOLERANCE_S:
            return
        if name == self._task.objects.name:
            self._add(self._estimators.update_object(stamp, position, orientation, confidence))
        elif name == self._task.goal.name:
            self._add(self._estimators.update_goal(stamp, position, orientation, confidence))

    def build(self, stamp: float, sequence: int, episode: int) -> StageObservation:
        """Return the observation of the control step at `stamp`, s."""
        return self._builder.build(stamp, sequence, episode)

    def _begin_estimators(self, gripper: GripperFacts | None) -> None:
        self._gripper = gripper
        self._estimators = SensorEstimators(self._task, self._rate, gripper=gripper)
        self._builder = StageObservationBuilder(self._estimators.limits)

    def _given_gripper(self) -> GripperFacts | None:
        settings = self.settings
        if not settings.gripper_open_width_m:
            return None
        return GripperFacts(open_width_m=settings.gripper_open_width_m, closed_width_m=settings.gripper_closed_width_m)

    def _learn_open_width(self, width: float, opening: float) -> None:
        """Until the gripper was seen open its size is unknown and nothing is said about grasps; then the estimators begin with it."""
        if self._gripper is not None or not opening >= OPEN_ENOUGH or not math.isfinite(width):
            return
        open_width = round(width / opening, 4)
        if self.settings.gripper_closed_width_m < open_width <= 0.5:
            self._begin_estimators(GripperFacts(open_width_m=open_width, closed_width_m=self.settings.gripper_closed_width_m))

    def _add(self, estimates: list[dict[str, Any]]) -> None:
        for estimate in estimates:
            if estimate.get("tier", ALWAYS_THERE) <= self.settings.highest_tier:
                self._builder.add(**estimate)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
