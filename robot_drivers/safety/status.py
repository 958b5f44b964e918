"""What SafeArm answers: a verdict on one command, and its own status."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_drivers.arm import ArmMode


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a command was taken; `reason` says why not."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SafeArmStatus:
    """What SafeArm does and did.

    Attributes:
        mode: Of the arm as SafeArm drives it.
        hold_reason: Why it holds, is stopped or in fault, in words; empty while it moves.
        source: The active command source.
        interventions: Limits applied and commands refused (`refused_...`), by name, since SafeArm was made.
        last_limits: The newest of them in words, with value and limit.
        longest_silence: Between two valid actions that no hold lay between, s.
    """

    mode: ArmMode
    hold_reason: str
    source: str
    interventions: dict[str, int] = field(default_factory=dict)
    last_limits: tuple[str, ...] = ()
    longest_silence: float = 0.0
