"""Stage potentials: how far the current stage has come, in [0, 1].

One function per stage of STARE (supplement E), normalised as resolved in spec/stare.md section 4, and the paper's own
un-normalised form beside it. Start at `StagePotential.evaluate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from stage_core.debounce import frames_of
from stage_core.geometry import alignment, sigmoid, vertical_cosine
from stage_core.signals import Signals
from stage_core.task import TaskConfig

PotentialMode = Literal["cumulative", "literal"]
SIGMOID_OF_ONE = sigmoid(1.0)  # 0.731: the most that the paper's σ(1 − d/d_k) reaches

Term = tuple[float, float, float]  # weight, value in [0, 1], confidence in [0, 1]


def raw_closeness(distance: float, scale: float) -> float:
    """Return the paper's σ(1 − d/d_k): 0.731 at d = 0, 0.5 at d = d_k.

    Args:
        distance: d, m, >= 0.
        scale: d_k, m; at 0 the limit is taken: 0.731 on the spot, 0 elsewhere.

    Source: STARE eq. 4.
    """
    if scale <= 0.0:
        return SIGMOID_OF_ONE if distance <= 0.0 else 0.0
    return sigmoid(1.0 - distance / scale)


def closeness(distance: float, scale: float) -> float:
    """Return n(d, d_k) = σ(1 − d/d_k) / σ(1), in [0, 1]: 1 on the spot. Source: spec/stare section 4."""
    return raw_closeness(distance, scale) / SIGMOID_OF_ONE


def grasp_potential(grasped: bool, grasp_steps: int, *, weight: float, duration_weight: float, duration_steps: float) -> float:
    """Return β1·grasped + β2·tanh(consecutive grasp / τ), in [0, 1].

    Args:
        grasped: The gripper holds the object.
        grasp_steps: Control steps in a row with a grasp.
        weight: β1, >= 0.
        duration_weight: β2, >= 0; β1 + β2 <= 1.
        duration_steps: τ in control steps, > 0.

    Source: STARE supplement E, grasp.
    """
    if not grasped:
        return 0.0
    return min(1.0, weight + duration_weight * math.tanh(grasp_steps / duration_steps))


def transport_potential(distance: float, grasped: bool, *, scale: float, grasp_weight: float) -> float:
    """Return (n(d, d_trans) + β3·grasped) / (1 + β3), in [0, 1]. `distance` is object to goal, m. Source: supplement E."""
    return (closeness(distance, scale) + grasp_weight * grasped) / (1.0 + grasp_weight)


def place_potential(distance: float, orientation_agreement: float, *, scale: float, orientation_weight: float) -> float:
    """Return (n(d, d_place) + β4·g) / (1 + β4), in [0, 1]; g = cos²(angle / 2) of object to goal. Source: supplement E."""
    return (closeness(distance, scale) + orientation_weight * orientation_agreement) / (1.0 + orientation_weight)


def lift_potential(height: float, scale: float) -> float:
    """Return n of the missing share of the lift, in [0, 1]: 1 at `scale` and above.

    Args:
        height: Of the object's centre above the table, m.
        scale: h_lift, m, > 0.

    Source: STARE supplement E, lift; clipped and normalised as resolved in spec/stare.md section 4.
    """
    share = min(1.0, max(0.0, height / scale)) if scale > 0.0 else float(height > 0.0)
    return closeness(1.0 - share, 1.0)


def raw_lift_potential(height: float, scale: float) -> float:
    """Return the paper's σ(h / h_lift), in [0.5, 1) above the table. Arguments as `lift_potential`; at a scale of 0 the limit."""
    if scale <= 0.0:
        return 1.0 if height > 0.0 else 0.5
    return sigmoid(height / scale)


def upright_potential(vertical: float, height_error: float) -> float:
    """Return the mean of |cos| to the vertical and 1 − tanh(5·|z − z_standing|), in [0, 1]. `height_error` in m."""
    return 0.5 * vertical + 0.5 * settle(height_error)


def settle(height_error: float) -> float:
    """Return 1 − tanh(5·|error|), in [0, 1]; `height_error` in m. Source: spec/stare section 4, upright."""
    return 1.0 - math.tanh(5.0 * abs(height_error))


def combine(terms: list[Term]) -> tuple[float | None, float]:
    """Return Σ w·c·φ / Σ w·c over the terms, and the known share Σ w·c / Σ w.

    A term that is not available has confidence 0, so the others carry the potential; nothing is guessed.

    Source: spec/stare section 1, degradation.
    """
    weights = known = total = 0.0
    for weight, value, confidence in terms:
        weights += weight
        known += weight * confidence
        total += weight * confidence * value
    if known <= 0.0:
        return None, 0.0
    return min(1.0, max(0.0, total / known)), known / weights


def cumulative_potential(stage: int, potential: float, stages: int) -> float:
    """Return Φ̃ = (k + φ_k)/K for a working stage k, 1 at success (k = K): it never falls when k rises."""
    return 1.0 if stage >= stages else (stage + potential) / stages


class StagePotential:
    """Evaluates the potential of every stage of one task."""

    def __init__(self, task: TaskConfig, control_rate_hz: float) -> None:
        self._config = task.potentials
        self._absent_below = task.tiers.absent_below
        self._duration_steps = float(frames_of(task.potentials.grasp_duration_s, control_rate_hz))
        self._radius = getattr(task.thresholds, "goal_radius_m", 0.0)
        self._axis = task.objects.long_axis
        self._lying = min(task.objects.half_size_m)  # m, centre above the table at rest
        self._standing = task.objects.half_size_m[self._axis]
        by_name: dict[str, Callable[[Signals, bool], list[Term]]] = {
            "reach": self._reach, "grasp": self._grasp, "transport": self._transport, "place": self._place, "contact": self._contact,
            "push": self._push, "pull": self._push, "goal": self._goal, "lift": self._lift, "upright": self._upright,
        }  # fmt: skip
        self._terms = [None if name in task.potentials.disabled_stages else by_name[name] for name in task.stages]
        self._names = task.stages

    def evaluate(self, stage: int, signals: Signals) -> tuple[float | None, float]:
        """Return φ of a working stage in [0, 1], None where too little is known, and the known share in [0, 1].

        A stage that is switched off counts 0 and is fully known.
        """
        terms_of = self._terms[stage]
        if terms_of is None:
            return 0.0, 1.0
        value, known = combine(terms_of(signals, False))
        return (None if known < self._absent_below else value), known

    def evaluate_literal(self, stage: int, signals: Signals) -> float | None:
        """Return the paper's own φ: not normalised, sums clipped to 1, without our additions; None where it is unknown."""
        terms_of = self._terms[stage]
        if terms_of is None:
            return 0.0
        terms = terms_of(signals, True)
        if terms[0][2] <= 0.0:
            return None
        if self._names[stage] in ("transport", "place"):
            return min(1.0, sum(weight * value for weight, value, confidence in terms if confidence > 0.0))
        return terms[0][1]

    def _reach(self, s: Signals, literal: bool) -> list[Term]:
        if s.ee_to_grasp_point is None:
            return [(1.0, 0.0, 0.0)]
        function = raw_closeness if literal else closeness
        value = function(s.ee_to_grasp_point, self._config.reach_distance_m)
        return [(1.0, value, min(s.ee_confidence, s.object_confidence))]

    def _grasp(self, s: Signals, literal: bool) -> list[Term]:
        if s.grasped is None:
            return [(1.0, 0.0, 0.0)]
        config = self._config
        value = grasp_potential(
            s.grasped,
            s.grasp_frames,
            weight=config.grasp_weight,
            duration_weight=config.grasp_duration_weight,
            duration_steps=self._duration_steps,
        )
        return [(1.0, value, s.grasped_confidence)]

    def _goal_closeness(self, s: Signals, scale: float, literal: bool) -> Term:
        if s.object_to_goal is None:
            return (1.0, 0.0, 0.0)
        value = raw_closeness(s.object_to_goal, scale) if literal else closeness(s.object_to_goal, scale)
        return (1.0, value, min(s.object_confidence, s.goal_confidence))

    def _transport(self, s: Signals, literal: bool) -> list[Term]:
        near = self._goal_closeness(s, self._config.transport_distance_m, literal)
        held = (self._config.transport_grasp_weight, float(bool(s.grasped)), s.grasped_confidence)
        return [near, held]

    def _place(self, s: Signals, literal: bool) -> list[Term]:
        near = self._goal_closeness(s, self._config.place_distance_m, literal)
        weight = self._config.place_orientation_weight
        if weight == 0.0 or s.object_orientation is None or s.goal_orientation is None:
            # Without a goal orientation any will do: the term is no part of the task, not an unknown of it.
            return [near]
        confidence = min(s.object_orientation_confidence, s.goal_orientation_confidence)
        return [near, (weight, alignment(s.object_orientation, s.goal_orientation), confidence)]

    def _contact(self, s: Signals, literal: bool) -> list[Term]:
        known = s.contact is not None
        return [(1.0, self._config.grasp_weight if s.contact else 0.0, s.contact_confidence if known else 0.0)]

    def _push(self, s: Signals, literal: bool) -> list[Term]:
        return [self._goal_closeness(s, self._config.push_distance_m, literal)]

    def _goal(self, s: Signals, literal: bool) -> list[Term]:
        if s.object_to_goal_xy is None:
            return [(1.0, 0.0, 0.0)]
        return [(1.0, float(s.object_to_goal_xy < self._radius), min(s.object_confidence, s.goal_confidence))]

    def _lift(self, s: Signals, literal: bool) -> list[Term]:
        if s.height is None:
            return [(1.0, 0.0, 0.0)]
        height, scale = s.height + self._lying, self._config.lift_height_m
        value = raw_lift_potential(height, scale) if literal else lift_potential(height, scale)
        return [(1.0, value, s.object_confidence)]

    def _upright(self, s: Signals, literal: bool) -> list[Term]:
        vertical = 0.0 if s.object_orientation is None else vertical_cosine(s.object_orientation, self._axis)
        turned = (0.5, vertical, s.object_orientation_confidence)
        if s.height is None:
            return [turned, (0.5, 0.0, 0.0)]
        return [turned, (0.5, settle(s.height + self._lying - self._standing), s.object_confidence)]
