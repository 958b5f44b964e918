"""Holds the arm when a required node's process has died: DDS liveliness with a lease of one second (DESIGN 9.5)."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from stage_msgs.msg import EpisodeStatus, PolicyStatus, StageStatus

from stage_core.errors import ConfigurationError, nearest
from stage_nodes.topics import EPISODE_STATUS, LEASE_SECONDS, POLICY_STATUS, STAGE_STATUS, leased

WATCHED = {
    "stage_monitor": (StageStatus, STAGE_STATUS),
    "recorder": (EpisodeStatus, EPISODE_STATUS),
    "policy": (PolicyStatus, POLICY_STATUS),
}


class LivelinessWatch:
    """Calls `on_lost(words)` when the last writer of a required node's status topic is gone.

    Attributes:
        lost: Required nodes that were there and are gone now; while there is one, no command is let through.
    """

    def __init__(self, node: Node, required: tuple[str, ...], on_lost: Callable[[str], None]) -> None:
        self.lost: set[str] = set()
        for name in required:
            if name not in WATCHED:
                raise ConfigurationError(f"{node.get_name()}: parameter required names {name!r}. {nearest(name, WATCHED)}")
            kind, topic = WATCHED[name]
            node.create_subscription(
                kind,
                topic,
                lambda message: None,
                leased(),
                event_callbacks=SubscriptionEventCallbacks(liveliness=lambda event, name=name: self._changed(name, event)),
            )
        self._on_lost = on_lost

    def veto(self) -> str:
        """Return in words why no command may pass, "" where all required nodes live."""
        return f"{', '.join(sorted(self.lost))} is gone; start it again" if self.lost else ""

    def _changed(self, name: str, event) -> None:
        if event.alive_count > 0:
            self.lost.discard(name)
        elif event.alive_count_change < 0:
            self.lost.add(name)
            self._on_lost(f"{name} is gone: nothing heard for {LEASE_SECONDS:.0f} s. Start it again, then resume.")
