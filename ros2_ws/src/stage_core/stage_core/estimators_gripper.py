"""Does the gripper hold something? From its command, its width, its effort, and whether the object moves with the hand.

Start at `GraspEstimator.update`. Source: spec/stare section 1, row "grasped".
"""

from __future__ import annotations

from stage_core.estimators_settings import GripperFacts, SensingConfig
from stage_core.signals import finite

WIDTH_CONFIDENCE = 0.7  # width alone: enough to move a stage, the least of the three
EFFORT_CONFIDENCE = 0.85
MOTION_CONFIDENCE = 0.95
EMPTY_CONFIDENCE = 0.9  # fully open, fully closed or told to open: the width leaves no room for an object
LONGEST_GAP_S = 0.5  # fingers not seen for longer were not seen to rest


class GraspEstimator:
    """Estimates `grasped` and `released`; O(1) per step.

    Tier 0: told to close, the fingers rest for `grasp_settle_s`, and they rest where an object keeps them apart.
    Tier 1: they also press, or the gripper itself says so. Tier 2: the object also moves with the hand.
    Evidence that contradicts gives None: then it cannot be known.
    """

    def __init__(self, settings: SensingConfig, gripper: GripperFacts, control_rate_hz: float) -> None:
        self._settings, self._gripper = settings, gripper
        self._period = 1.0 / control_rate_hz
        self.reset()

    def reset(self) -> None:
        """Start a new episode; what the gripper was told before is forgotten."""
        self._commanded_width: float | None = None
        self._last: float | None = None  # stamp
        self._rest: tuple[float, float] | None = None  # since when, and at which width, the fingers have rested
        self._held_width: float | None = None

    @property
    def holds_by_width(self) -> bool:
        """True while command and width alone say that the fingers hold something."""
        return self._held_width is not None

    def command(self, opening: float | None) -> None:
        """Take what the gripper was told, [0, 1], 1 = open; None leaves it as it was."""
        opening = finite(opening)
        if opening is not None:
            narrow, wide = self._gripper.closed_width_m, self._gripper.open_width_m
            self._commanded_width = narrow + min(1.0, max(0.0, opening)) * (wide - narrow)

    def update(
        self,
        stamp: float,
        width: float | None,
        effort: float | None = None,
        *,
        is_grasped: bool | None = None,
        moves_with_hand: bool | None = None,
    ) -> tuple[bool | None, float, int]:
        """Take one measurement.

        Args:
            stamp: s.
            width: m between the finger tips, or None.
            effort: Force of the fingers, N, or None.
            is_grasped: What the gripper itself says, or None.
            moves_with_hand: Whether the object was seen to move with the hand, or None.

        Returns:
            (grasped or None, confidence, tier): tier 1 where effort or the gripper's word counted, 2 where motion did.
        """
        held = self._hold_by_width(stamp, finite(width))
        if held is not True:
            return held, 0.0 if held is None else EMPTY_CONFIDENCE, 0
        effort = finite(effort)
        pressing = is_grasped if is_grasped is not None else None if effort is None else effort >= self._settings.grasp_effort_n
        if moves_with_hand is not None:  # fingers may press on something else; an object that stays behind is not held
            return moves_with_hand, MOTION_CONFIDENCE if pressing is not False else WIDTH_CONFIDENCE, 2
        if pressing is None:
            return True, WIDTH_CONFIDENCE, 0
        return (True, EFFORT_CONFIDENCE, 1) if pressing else (None, 0.0, 1)

    def _hold_by_width(self, stamp: float, width: float | None) -> bool | None:
        """Return the answer of tier 0."""
        rests = self._rests(stamp, width)
        if width is None:
            self._held_width = None
            return None
        s = self._settings
        between = self._gripper.closed_width_m + s.closed_margin_m < width < self._gripper.open_width_m - s.open_margin_m
        told = self._commanded_width
        if not between or (told is not None and width <= told + s.closed_margin_m):
            self._held_width = None
            return False
        if told is None:
            self._held_width = None
            return None
        if self._held_width is not None and abs(width - self._held_width) <= s.closed_margin_m:
            return True  # a quiver of the fingers, smaller than any object, is no loss
        self._held_width = width if rests else None
        return rests

    def _rests(self, stamp: float, width: float | None) -> bool:
        """Return whether the width stayed in one place for `grasp_settle_s`; the first frame there counts."""
        last, self._last = self._last, stamp
        if width is None:
            self._rest = None
            return False
        gap = last is None or not 0.0 < stamp - last <= LONGEST_GAP_S
        if gap or self._rest is None or abs(width - self._rest[1]) > self._settings.settled_width_m:
            self._rest = (stamp, width)
        return stamp - self._rest[0] + self._period >= self._settings.grasp_settle_s - 1e-9
