"""The one door for commands: a topic per source with exactly one publisher, and tokens (DESIGN 9.3, 9.8)."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from stage_msgs.msg import ArmCommand
from stage_msgs.srv import SetCommandSource

from robot_drivers.safety import SafeArm
from stage_core.errors import StageError
from stage_nodes.conversions import command_from_message
from stage_nodes.topics import COMMAND_PREFIX, COMMAND_SOURCES, SET_COMMAND_SOURCE, reliable


class CommandGateway:
    """Feeds SafeArm from the command topics and switches their source."""

    def __init__(
        self,
        node: Node,
        safe_arm: SafeArm,
        *,
        on_command: Callable[[ArmCommand], None],
        on_source: Callable[[str], None],
        veto: Callable[[], str],
    ) -> None:
        """Subscribe and serve.

        Args:
            node: The arm node.
            safe_arm: Where every command goes.
            on_command: Called after a command of the active source was judged, refused or not.
            on_source: Called after every switch of the source.
            veto: Returns in words why no command may pass now, or "".
        """
        self._node = node
        self._safe_arm = safe_arm
        self._on_command = on_command
        self._on_source = on_source
        self._veto = veto
        self._too_many: set[str] = set()
        for source in COMMAND_SOURCES:
            node.create_subscription(
                ArmCommand,
                COMMAND_PREFIX + source,
                lambda message, source=source: self._receive(source, message),
                reliable(10),
                event_callbacks=SubscriptionEventCallbacks(matched=lambda event, source=source: self._matched(source, event)),
            )
        node.create_service(SetCommandSource, SET_COMMAND_SOURCE, self._set_source)

    def _receive(self, source: str, message: ArmCommand) -> None:
        if source != self._safe_arm.source:
            self._refuse(f"command from {source} refused: the active source is {self._safe_arm.source}")
            return
        veto = f"two publishers on {COMMAND_PREFIX}{source}" if source in self._too_many else self._veto()
        if veto:
            self._refuse(f"command from {source} refused: {veto}")
            return
        if message.source != source:
            self._refuse(f"command on {COMMAND_PREFIX}{source} says source {message.source!r}; expected {source!r}")
            return
        try:
            verdict = self._safe_arm.submit(command_from_message(message))
        except ValueError as error:  # an action space that does not exist
            self._refuse(f"command {message.sequence} from {source} refused: {error}")
        else:
            if not verdict.accepted:
                self._refuse(f"command {message.sequence} from {source} refused: {verdict.reason}")
        self._on_command(message)

    def _refuse(self, words: str) -> None:
        self._node.get_logger().warning(words, throttle_duration_sec=1.0)

    def _matched(self, source: str, event) -> None:
        """A second publisher on one command topic is an error that holds the arm."""
        topic = self._node.resolve_topic_name(COMMAND_PREFIX + source)
        if event.current_count > 1:
            self._too_many.add(source)
            reason = f"{event.current_count} publishers on {topic}; expected one. Stop the second commander."
            self._node.get_logger().error(reason)
            self._safe_arm.hold(reason)
        elif source in self._too_many:
            self._too_many.discard(source)
            self._node.get_logger().info(f"one publisher on {topic} again; resume the arm to go on")

    def _set_source(self, request: SetCommandSource.Request, answer: SetCommandSource.Response) -> SetCommandSource.Response:
        if request.source not in (*COMMAND_SOURCES, "none"):
            answer.message = f"source is {request.source!r}; expected one of {', '.join(COMMAND_SOURCES)} or none."
            return answer
        try:
            answer.token = self._safe_arm.switch_source(request.source, request.requester)
        except StageError as error:
            answer.message = str(error)
            return answer
        answer.accepted = True
        answer.message = f"{request.source} commands the arm now"
        self._node.get_logger().info(f"command source: {request.source} ({request.requester})")
        self._on_source(request.source)
        return answer
