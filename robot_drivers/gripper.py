"""What every gripper can do. A gripper is a device of its own, beside the arm.

Openings are in [0, 1], 1 = open; widths in metres between the finger tips.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GripperDescription:
    """Facts of one gripper. `max_width` in m between the finger tips when fully open."""

    name: str
    max_width: float


@dataclass(frozen=True, kw_only=True)
class GripperState:
    """What a gripper measured: `stamp` s, `width` m, `opening` [0, 1], `effort` N or None."""

    stamp: float
    width: float
    opening: float
    effort: float | None = None


class Gripper(ABC):
    """One gripper."""

    @property
    @abstractmethod
    def description(self) -> GripperDescription:
        """Facts of this gripper; available before `connect`."""

    @abstractmethod
    def connect(self) -> None:
        """Reach the gripper; nothing moves. Raises DeviceError in words."""

    @abstractmethod
    def read(self) -> GripperState:
        """Return the newest state."""

    @abstractmethod
    def command(self, opening: float) -> None:
        """Go to an opening in [0, 1]; returns at once."""

    def home(self) -> None:  # noqa: B027  most grippers need none
        """Find the ends of the travel, where the device needs it (it opens and closes); waits until done. An operator asked for it.

        Raises:
            DeviceError: If it did not succeed, in words.
        """

    @abstractmethod
    def stop(self) -> None:
        """Keep the present width and grip; never opens. Idempotent, any thread."""

    @abstractmethod
    def disconnect(self) -> None:
        """Let go of the device; never opens. Idempotent."""
