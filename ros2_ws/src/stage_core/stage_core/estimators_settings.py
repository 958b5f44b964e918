"""The numbers of the estimators: block `sensing` of a task file. Times in seconds, never frames (spec/stare section 1)."""

from __future__ import annotations

from dataclasses import dataclass

from stage_core.errors import ConfigurationError
from stage_core.thresholds import CheckedRanges, quantity


@dataclass(frozen=True, kw_only=True)
class SensingConfig(CheckedRanges):
    """How fields of the StageObservation are estimated from what a robot senses.

    Attributes:
        grasp_settle_s: The fingers must rest this long before they count as holding something; three frames at 20 Hz.
        settled_width_m: Fingers that stay within this of one width rest.
        closed_margin_m: A held object keeps the fingers this far from fully closed, and from the width they were told.
        open_margin_m: A held object keeps the fingers this far from fully open.
        grasp_effort_n: Force of the fingers from which they press on something, N.
        contact_force_n: External force, beyond its bias, that is a touch, N.
        contact_torque_nm: Residual of any joint's torque, beyond its bias, that is a touch, N m; used where there is no wrench.
        contact_bias_s: Time constant of the bias of force or torque, which drifts and changes with the arm's posture.
        contact_settle_s: Force or torque must have been seen for this long before its bias counts as known.
        motion_window_s: Object motion is a straight-line fit over this long.
        moves_with_hand_m: The hand must have moved this far, since it closed, before object motion says anything about the grasp.
        clear_distance_m: A tool centre farther than this from the object's centre does not touch it.
        beside_distance_m: An object in motion says that the hand touches it only while the tool centre is within this, and half the
            object's diagonal, of its centre: one that was dropped moves as well.
        object_max_age_s: Oldest object pose that is joined into a step.
        goal_max_age_s: Oldest pose of a tracked goal that is joined into a step.
    """

    grasp_settle_s: float = quantity(0.15, "s", 2.0)
    settled_width_m: float = quantity(0.0005, "m", 0.01)
    closed_margin_m: float = quantity(0.002, "m", 0.05)
    open_margin_m: float = quantity(0.003, "m", 0.05)
    grasp_effort_n: float = quantity(3.0, "N", 200.0)
    contact_force_n: float = quantity(3.0, "N", 100.0)
    contact_torque_nm: float = quantity(1.0, "N m", 50.0)
    contact_bias_s: float = quantity(1.0, "s", 60.0)
    contact_settle_s: float = quantity(0.3, "s", 10.0)
    motion_window_s: float = quantity(0.3, "s", 5.0)
    moves_with_hand_m: float = quantity(0.015, "m", 0.5)
    clear_distance_m: float = quantity(0.15, "m", 1.0)
    beside_distance_m: float = quantity(0.05, "m", 1.0)
    object_max_age_s: float = quantity(0.2, "s", 5.0)
    goal_max_age_s: float = quantity(1.0, "s", 600.0)


@dataclass(frozen=True, kw_only=True)
class GripperFacts:
    """What the estimators must know of the gripper.

    Attributes:
        open_width_m: Between the finger tips when fully open (`GripperDescription.max_width`), m.
        closed_width_m: Between the finger tips when closed on nothing, m.
    """

    open_width_m: float
    closed_width_m: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.open_width_m <= 0.5:
            raise ConfigurationError(f"open_width_m is {self.open_width_m} m; expected 0 < value <= 0.5. Metres, not millimetres?")
        if not 0.0 <= self.closed_width_m < self.open_width_m:
            raise ConfigurationError(
                f"closed_width_m is {self.closed_width_m} m; expected 0 <= value < {self.open_width_m}. Is it the width of the empty, closed hand?"
            )
