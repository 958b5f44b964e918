"""Lifecycle nodes that can start themselves and say in one line why they could not.

A subclass fills `bring_up` (reach the hardware or the server, nothing moves), `start` and `shut_down`.
"""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from stage_core.errors import StageError
from stage_nodes.node_process import report


class StageLifecycleNode(LifecycleNode):
    """A lifecycle node; with the parameter `autostart` (default true) it configures and activates itself."""

    exit_code: int | None = None

    def __init__(self, name: str, **options) -> None:
        super().__init__(name, **options)
        self._autostart = bool(self.declare_parameter("autostart", True).value)
        self._closed = False

    def bring_up(self) -> None:
        """Reach the hardware or the server. Nothing moves. Raises StageError in one line."""

    def start(self) -> None:
        """Begin to serve: publishers, subscriptions, services, timers. Raises StageError in one line."""

    def shut_down(self) -> None:
        """Let go of everything. Called once."""

    def autostart(self) -> None:
        """Configure and activate, where `autostart` asks for it.

        Raises:
            StageError: From `bring_up` or `start`.
        """
        if not self._autostart:
            return
        self._failure: StageError | None = None
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise self._failure or StageError(f"{self.get_name()} could not start. Run it again with STAGE_DEBUG=1 for the traceback.")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.bring_up)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt(self.start)
        return result if result != TransitionCallbackReturn.SUCCESS else super().on_activate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Let go of the hardware once."""
        if not self._closed:
            self._closed = True
            self.shut_down()

    def _attempt(self, step) -> TransitionCallbackReturn:
        try:
            step()
        except StageError as error:
            self._failure = error
            if not self._autostart:
                report(error, self)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS
