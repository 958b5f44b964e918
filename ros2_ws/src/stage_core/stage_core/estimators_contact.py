"""Does the hand touch the object? From forces beyond their bias, from where hand and object are, and from what moves.

Start at `ContactEstimator.update`. Source: spec/stare section 1, row "contact (push)".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from stage_core.estimators_settings import SensingConfig

LOAD_CONFIDENCE = 0.8
MOTION_CONFIDENCE = 0.9
FAR_CONFIDENCE = 0.95
LONGEST_GAP_S = 0.5
RELEASE_SHARE = 0.5  # a touch ends below this share of its threshold
SLOWER_IN_CONTACT = 10.0  # a bias that jumped must not read as a touch for ever, a long push must not become bias


class LoadContact:
    """Tells a touch from a force or from residual joint torques, whose bias it learns while nothing touches.

    Args:
        threshold: Beyond the bias, N for forces, N m for torques.
        bias_s: Time constant of the bias.
        settle_s: Nothing is said before the load was seen for this long.
        largest: True compares the largest component (joint torques), False the length of the vector (a force).
    """

    def __init__(self, threshold: float, *, bias_s: float, settle_s: float, largest: bool) -> None:
        self._threshold, self._bias_s, self._settle_s, self._largest = threshold, bias_s, settle_s, largest
        self.reset()

    def reset(self) -> None:
        """Start a new episode."""
        self._bias: list[float] = []
        self._count = 0
        self._since = self._last = 0.0
        self._touching = False

    def update(self, stamp: float, load: Sequence[float]) -> tuple[bool | None, float]:
        """Take one load and return (touching or None while the bias is being learnt, size beyond the bias in the load's unit).

        Args:
            stamp: s.
            load: (3,) N or (n,) N m.
        """
        values = [float(value) for value in load]
        if not all(math.isfinite(value) for value in values):
            return None, 0.0
        step = stamp - self._last
        if len(values) != len(self._bias) or not 0.0 <= step <= LONGEST_GAP_S:
            self._bias, self._count, self._since, self._touching = [0.0] * len(values), 0, stamp, False
        self._last = stamp
        if stamp - self._since < self._settle_s:
            self._count += 1
            self._bias = [bias + (value - bias) / self._count for bias, value in zip(self._bias, values, strict=True)]
            return None, 0.0
        beyond = [value - bias for bias, value in zip(self._bias, values, strict=True)]
        size = max(map(abs, beyond)) if self._largest else math.hypot(*beyond)
        self._touching = size > self._threshold * (RELEASE_SHARE if self._touching else 1.0)
        share = 1.0 - math.exp(-step / (self._bias_s * (SLOWER_IN_CONTACT if self._touching else 1.0)))
        self._bias = [bias + share * extra for bias, extra in zip(self._bias, beyond, strict=True)]
        return self._touching, size


class ContactEstimator:
    """Estimates `contact` and `contact_force`; O(1) per step.

    Tier 1: a load beyond its bias. Tier 2: the hand is far from the object (no touch, whatever the load says: it is another
    thing's), or the object moves with the hand beside it. An object at rest beside a hand without force sensing: None.
    """

    def __init__(self, settings: SensingConfig, *, object_radius: float) -> None:
        """Estimate with these settings; `object_radius` is half the object's diagonal, m."""
        common = {"bias_s": settings.contact_bias_s, "settle_s": settings.contact_settle_s}
        self._clear_distance = settings.clear_distance_m
        self._beside_distance = object_radius + settings.beside_distance_m
        self._force = LoadContact(settings.contact_force_n, **common, largest=False)
        self._torque = LoadContact(settings.contact_torque_nm, **common, largest=True)

    def reset(self) -> None:
        """Start a new episode."""
        self._force.reset()
        self._torque.reset()

    def update(
        self,
        stamp: float,
        *,
        external_wrench: Sequence[float] | None = None,
        residual_torques: Sequence[float] | None = None,
        hand_to_object: float | None = None,
        object_moves: bool | None = None,
        grasped: bool | None = None,
    ) -> tuple[bool | None, float | None, float, int]:
        """Take one step's measurements.

        Args:
            stamp: Of the load, s.
            external_wrench: (6,) N and N m, or None.
            residual_torques: (n,) N m, or None; used without a wrench.
            hand_to_object: Tool centre to object centre, m, or None.
            object_moves: The object is in motion, or None.
            grasped: The gripper holds the object, or None.

        Returns:
            (contact or None, force N or None, confidence, tier). The force is 0 without a touch: below the threshold it is noise.
        """
        touching, force = None, None
        if external_wrench is not None and len(external_wrench) >= 3:
            touching, force = self._force.update(stamp, external_wrench[:3])
        elif residual_torques is not None and len(residual_torques) > 0:
            touching, _ = self._torque.update(stamp, residual_torques)
        known = None if touching is None or force is None else force if touching else 0.0
        if hand_to_object is not None and hand_to_object > self._clear_distance:
            return False, None if known is None else 0.0, FAR_CONFIDENCE, 2
        if touching:
            return True, known, LOAD_CONFIDENCE, 1
        if hand_to_object is not None and (grasped or (object_moves and hand_to_object <= self._beside_distance)):
            return True, None, MOTION_CONFIDENCE, 2
        return touching, known, 0.0 if touching is None else LOAD_CONFIDENCE, 1 if touching is not None else 0
