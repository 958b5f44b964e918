"""What a workcell file says about a Franka Hand. What moves the fingers has no default. Start at `FrankaHandSettings`."""

from __future__ import annotations

from dataclasses import dataclass

from stage_core.errors import ConfigurationError

# field -> (lowest, highest, hint)
_RANGES = {
    "speed_m_s": (0.005, 0.1, "Metres per second; the hand reaches 0.1."),
    "force_n": (1.0, 70.0, "N; the hand holds 70 N for long."),
    "max_width_m": (0.01, 0.1, "Metres; 0.08 with the fingers it comes with."),
    "grasp_below": (0.0, 1.0, "An opening, 1 = open."),
    "connect_timeout_s": (0.0, 3600.0, "Seconds."),
    "homing_wait_s": (0.0, 3600.0, "Seconds."),
}


@dataclass(frozen=True, kw_only=True)
class FrankaHandSettings:
    """The `settings.gripper` of a workcell with a Franka Hand.

    Attributes:
        speed_m_s: Of the fingers.
        force_n: Of a grasp, as long as it lasts.
        max_width_m: Between the finger tips when fully open.
        grasp_below: Closing to less than this opening grasps at once; above it the fingers grasp only what blocks them.
        connect_timeout_s: How long `connect` waits for a hand that cannot be reached, s.
        homing_wait_s: How long it waits for somebody to home the hand in Desk, s; then it connects all the same, so that the
            operator can home it, and refuses every command until that was done.
    """

    speed_m_s: float
    force_n: float
    max_width_m: float = 0.08
    grasp_below: float = 0.25
    connect_timeout_s: float = 120.0
    homing_wait_s: float = 15.0

    def __post_init__(self) -> None:
        for name, (low, high, hint) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigurationError(f"{name} is {getattr(self, name):g}; expected {low:g} to {high:g}. {hint}")
