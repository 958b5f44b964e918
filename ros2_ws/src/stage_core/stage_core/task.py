"""A task as data: its instructions, its objects and every number the stage monitor uses (DESIGN 9.7).

Key names carry their unit; times are seconds, never frames. Start at `load_task`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stage_core.configuration import from_mapping, load_yaml
from stage_core.errors import ConfigurationError, nearest
from stage_core.estimators_settings import SensingConfig
from stage_core.thresholds import (
    CheckedRanges,
    LiftUprightThresholds,
    PickPlaceThresholds,
    PushThresholds,
    StackThresholds,
    Thresholds,
    quantity,
)

SCHEMA_VERSION = 1
REACH_M = 3.0  # no arm on a bench reaches farther


def _check_reach(name: str, values: tuple[float, ...]) -> None:
    """Refuse lengths that no arm on a bench has to do with: centimetres, or infinity."""
    for value in values:
        if not abs(value) <= REACH_M:
            raise ConfigurationError(f"{name} has {value} m; expected -{REACH_M:g} <= value <= {REACH_M:g}. Metres, not centimetres?")


@dataclass(frozen=True, kw_only=True)
class ObjectsConfig:
    """What is moved.

    Attributes:
        name: The object's name in ObjectState messages.
        half_size_m: Half edge lengths along the object's own x, y, z.
        rest_height_m: Height of the object's centre at rest in the arm base frame; None takes it from the episode's first sight.
        grasp_offset_m: Where to take hold, from the object's centre, in its own frame.
    """

    name: str
    half_size_m: tuple[float, float, float]
    rest_height_m: float | None = None
    grasp_offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for value in self.half_size_m:
            if not 0.0 < value <= 0.5:
                raise ConfigurationError(f"half_size_m is {value} m; expected 0 < value <= 0.5. Metres, not centimetres?")
        _check_reach("rest_height_m", () if self.rest_height_m is None else (self.rest_height_m,))
        _check_reach("grasp_offset_m", self.grasp_offset_m)

    @property
    def long_axis(self) -> int:
        """Index of the object's longest own axis."""
        return max(range(3), key=lambda axis: self.half_size_m[axis])


@dataclass(frozen=True, kw_only=True)
class GoalConfig:
    """Where the object belongs.

    Attributes:
        source: taught (the arm was driven there once), tag, pose (a tracked thing or the simulation's truth), or none.
        name: The goal's name in ObjectState messages.
        offset_m: From the goal's own position, as StageObservation.goal_position gives it, to where the object's centre belongs;
            arm base frame. On top of a 4 cm cube: [0, 0, 0.04].
        position_m: (3,) of a taught goal, arm base frame, as `stage teach goal` writes it; None for one that is observed.
        orientation_xyzw: (4,) of a taught goal; None where any orientation will do.
    """

    source: Literal["taught", "tag", "pose", "none"]
    name: str = "goal"
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    position_m: tuple[float, float, float] | None = None
    orientation_xyzw: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        _check_reach("offset_m", self.offset_m)
        if self.source != "taught" and (self.position_m is not None or self.orientation_xyzw is not None):
            raise ConfigurationError(f"position_m is given, but source is {self.source}; expected a pose for a taught goal alone.")
        if self.position_m is not None and not all(abs(value) < 10.0 for value in self.position_m):
            raise ConfigurationError(f"position_m is {self.position_m}; expected three numbers below 10 m. Metres, not millimetres?")
        if self.orientation_xyzw is not None and not abs(math.hypot(*self.orientation_xyzw) - 1.0) < 1e-3:
            length = math.hypot(*self.orientation_xyzw)
            raise ConfigurationError(f"orientation_xyzw has length {length:.4f}; expected 1. Is it a quaternion, x y z w?")


@dataclass(frozen=True, kw_only=True)
class PotentialsConfig(CheckedRanges):
    """Scales and weights of the stage potentials (spec/stare sections 4 and 5).

    Attributes:
        reach_distance_m: d_reach.
        transport_distance_m: d_trans.
        place_distance_m: d_place.
        push_distance_m: d_push.
        lift_height_m: h_lift.
        grasp_weight: beta_1.
        grasp_duration_weight: beta_2.
        transport_grasp_weight: beta_3.
        place_orientation_weight: beta_4; 0 where any orientation will do.
        grasp_duration_s: tau.
        shaping_scale: c_shape.
        discount: gamma.
        disabled_stages: Stages whose potential is switched off: they count 0 inside the stage.
    """

    reach_distance_m: float = quantity(0.10, "m", 2.0)
    transport_distance_m: float = quantity(0.20, "m", 2.0)
    place_distance_m: float = quantity(0.05, "m", 2.0)
    push_distance_m: float = quantity(0.15, "m", 2.0)
    lift_height_m: float = quantity(0.10, "m", 2.0)
    grasp_weight: float = quantity(0.5, "", 1.0, zero=True)
    grasp_duration_weight: float = quantity(0.5, "", 1.0, zero=True)
    transport_grasp_weight: float = quantity(0.25, "", 10.0, zero=True)
    place_orientation_weight: float = quantity(0.25, "", 10.0, zero=True)
    grasp_duration_s: float = quantity(0.25, "s", 10.0)
    shaping_scale: float = quantity(1.0, "", 100.0, zero=True)
    discount: float = quantity(0.99, "", 1.0)
    disabled_stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grasp_weight + self.grasp_duration_weight > 1.0 + 1e-9:
            total = self.grasp_weight + self.grasp_duration_weight
            raise ConfigurationError(f"grasp_weight + grasp_duration_weight is {total:g}; expected <= 1. Potentials live in [0, 1].")


@dataclass(frozen=True, kw_only=True)
class CostsConfig(CheckedRanges):
    """Weights of the stage costs (spec/stare section 3). Motions per step mean a step of 0.05 s.

    Attributes:
        contact_distance_weight: alpha_1.
        slip_weight: alpha_2.
        contact_weight: alpha_c.
        line_distance_weight_per_m: alpha_perp.
        goal_distance_weight_per_m: beta_x.
        goal_motion_weight_per_m: beta_v.
        stability_weight_per_m: lambda_stab.
        lateral_motion_weight: lambda_perp.
        stability_window_s: M steps of place's last motion.
        contact_distance_scale_m: Tool-to-grasp-point distance that counts 1.
        slip_speed_m_s: Object against hand, while grasped; faster is a slip.
        slip_width_speed_m_s: Width of the fingers, while grasped; faster is a slip.
        lift_way_point_m: Height of the reference path above the grasp point.
    """

    contact_distance_weight: float = quantity(0.5, "", 100.0, zero=True)
    slip_weight: float = quantity(0.5, "", 100.0, zero=True)
    contact_weight: float = quantity(0.5, "", 100.0, zero=True)
    line_distance_weight_per_m: float = quantity(10.0, "1/m", 1000.0, zero=True)
    goal_distance_weight_per_m: float = quantity(10.0, "1/m", 1000.0, zero=True)
    goal_motion_weight_per_m: float = quantity(20.0, "1/m", 1000.0, zero=True)
    stability_weight_per_m: float = quantity(20.0, "1/m", 1000.0, zero=True)
    lateral_motion_weight: float = quantity(5.0, "", 1000.0, zero=True)
    stability_window_s: float = quantity(0.25, "s", 10.0)
    contact_distance_scale_m: float = quantity(0.05, "m", 1.0)
    slip_speed_m_s: float = quantity(0.1, "m/s", 5.0)
    slip_width_speed_m_s: float = quantity(0.04, "m/s", 5.0)
    lift_way_point_m: float = quantity(0.08, "m", 1.0, zero=True)


@dataclass(frozen=True, kw_only=True)
class TiersConfig(CheckedRanges):
    """What happens when signals are missing or unsure (spec/stare section 1, degradation).

    Attributes:
        minimum_confidence: Evidence below this moves no stage.
        absent_below: A potential whose known share is below this is absent.
        follow_hand_confidence: Confidence of a grasped object that went out of sight and is taken to follow the hand.
        follow_hand_s: That confidence falls to 0 over this time.
    """

    minimum_confidence: float = quantity(0.6, "", 1.0)
    absent_below: float = quantity(0.3, "", 1.0)
    follow_hand_confidence: float = quantity(0.7, "", 1.0, zero=True)
    follow_hand_s: float = quantity(2.0, "s", 60.0)


@dataclass(frozen=True)
class Family:
    """One kind of task: its working stages in order and the class of its thresholds."""

    stages: tuple[str, ...]
    thresholds: type[Thresholds]


FAMILIES: dict[str, Family] = {
    "push": Family(("reach", "contact", "push", "goal"), PushThresholds),
    "pull": Family(("reach", "contact", "pull", "goal"), PushThresholds),
    "pick_place": Family(("reach", "grasp", "transport", "place"), PickPlaceThresholds),
    "stack": Family(("reach", "grasp", "transport", "place"), StackThresholds),
    "lift_upright": Family(("reach", "grasp", "lift", "upright"), LiftUprightThresholds),
}


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """One task, as a YAML file in config/tasks holds it.

    Attributes:
        schema_version: 1.
        name: The task's name, as the workcell knows it.
        family: Which separator, costs and potentials.
        instructions: Phrasings; the first is the canonical one.
        objects: What is moved.
        goal: Where to.
        timeout_s: An episode ends without success after this.
        thresholds: Of the family; set by `load_task` to the family's defaults where the file is silent.
        potentials: Scales and weights.
        costs: Weights.
        tiers: Degradation.
        sensing: How a robot's sensors become grasp, contact and motion.
    """

    schema_version: int
    name: str
    family: Literal["push", "pull", "pick_place", "stack", "lift_upright"]
    instructions: tuple[str, ...]
    objects: ObjectsConfig
    goal: GoalConfig
    timeout_s: float = quantity(dataclasses.MISSING, "s", 600.0)
    thresholds: PushThresholds | PickPlaceThresholds | StackThresholds | LiftUprightThresholds | None = None
    potentials: PotentialsConfig = PotentialsConfig()
    costs: CostsConfig = CostsConfig()
    tiers: TiersConfig = TiersConfig()
    sensing: SensingConfig = SensingConfig()

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ConfigurationError(f"schema_version is {self.schema_version}; expected {SCHEMA_VERSION}. Update the file or Stage.")
        if not self.instructions or not all(text.strip() for text in self.instructions):
            raise ConfigurationError("instructions is empty; expected at least one phrasing. Write what a person would say.")
        CheckedRanges.__post_init__(self)  # type: ignore[arg-type]
        family = FAMILIES[self.family]
        if self.thresholds is None:
            object.__setattr__(self, "thresholds", family.thresholds())
        if type(self.thresholds) is not family.thresholds:
            kind = type(self.thresholds).__name__
            raise ConfigurationError(f"thresholds is {kind}; expected {family.thresholds.__name__} for family {self.family}.")
        for stage in self.potentials.disabled_stages:
            if stage not in family.stages:
                raise ConfigurationError(f'potentials.disabled_stages has "{stage}". {nearest(stage, family.stages)}')
        if self.goal.source == "none" and self.family != "lift_upright":
            raise ConfigurationError(f"goal.source is none; family {self.family} needs a goal: taught, tag or pose.")

    @property
    def stages(self) -> tuple[str, ...]:
        """The working stages in order, without success."""
        return FAMILIES[self.family].stages

    @property
    def instruction(self) -> str:
        """The canonical phrasing."""
        return self.instructions[0]


def task_from_mapping(mapping: dict[str, Any], *, source: str) -> TaskConfig:
    """Return the task in a mapping, as YAML or episode.json gives it.

    Raises:
        ConfigurationError: Naming source, field, value, what was expected and the nearest known key.
    """
    values = dict(mapping)
    family = values.get("family")
    if isinstance(values.get("thresholds"), dict) and family in FAMILIES:
        # The family decides which thresholds exist, so a push task with a place distance is told so.
        values["thresholds"] = from_mapping(FAMILIES[family].thresholds, values["thresholds"], source=source, field="thresholds")
    if family is not None and family not in FAMILIES:
        raise ConfigurationError(f"{source}: family is {family!r}. {nearest(str(family), FAMILIES)}")
    return from_mapping(TaskConfig, values, source=source)


def load_task(path: str | Path) -> TaskConfig:
    """Return the task in a YAML file.

    Raises:
        ConfigurationError: If the file is missing or holds something unknown or out of range.
    """
    return task_from_mapping(load_yaml(path), source=str(path))
