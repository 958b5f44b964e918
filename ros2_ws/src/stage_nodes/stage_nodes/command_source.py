"""A node's hold on the arm: it asks arm_node for the token when told to run, and gives the arm back when told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from stage_msgs.msg import ArmCommand
from stage_msgs.srv import SetCommandSource
from std_srvs.srv import SetBool

from stage_nodes.topics import COMMAND_PREFIX, SET_COMMAND_SOURCE, reliable

DISCOVERY_DEADLINE_S = 10.0
ASK_AGAIN_S = 1.0  # without an answer: an arm node that was killed is still listed, and takes the question with it
ANSWER_DEADLINE_S = 10.0
FORGOTTEN_S = 1.0  # a state that does not name this source any more says that it must ask again


class CommandSource:
    """Serves `<node>/run` (SetBool), keeps the token, publishes commands.

    Attributes:
        active: True while this node commands the arm.
        token: To be put into every command.
        message: Why it does not command the arm, in words.
    """

    def __init__(
        self, node: Node, source: str, run_service: str, *, on_started: Callable[[], None], refuse: Callable[[], str] = lambda: ""
    ) -> None:
        """Serve `run_service` for the command source `source`.

        Args:
            node: The commanding node.
            source: policy, teleop, replay or script.
            run_service: Name of the SetBool service.
            on_started: Called when the arm was given to this node.
            refuse: Returns in words why the node cannot run now, or "".
        """
        self._node = node
        self._source = source
        self._on_started = on_started
        self._refuse = refuse
        self.active = False
        self.token = 0
        self.message = ""
        self._confirmed_at = 0.0
        self._confirmed = False  # True once the arm's state said that this source commands it
        self._publisher = node.create_publisher(ArmCommand, COMMAND_PREFIX + source, reliable(10))
        self._client = node.create_client(SetCommandSource, SET_COMMAND_SOURCE)
        self._asked: Future | None = None  # the question that waits for its answer
        self._asked_until = 0.0
        node.create_timer(ASK_AGAIN_S, self._ask_again, clock=Clock(clock_type=ClockType.STEADY_TIME))
        node.create_service(SetBool, run_service, self._run)

    def note_source(self, source: str) -> None:
        """Learn from the arm's state who commands it: a source that lost the arm (a switch, a restart) must ask again."""
        if source == self._source:
            self._confirmed, self._confirmed_at = True, time.monotonic()
        elif self.active and self._confirmed:
            self.active, self._confirmed = False, False
            self.message = f"the arm is no longer commanded by {self._source} but by {source}"
            self._node.get_logger().warning(self.message)

    def publish(self, command: ArmCommand) -> None:
        """Publish one command."""
        self._publisher.publish(command)

    def release(self) -> None:
        """Give the arm back; the answer is not waited for."""
        self._forget_question()
        if self.active:
            self.active, self._confirmed = False, False
            self._client.call_async(SetCommandSource.Request(source="none", requester=self._node.get_name()))

    def _run(self, request: SetBool.Request, answer: SetBool.Response) -> SetBool.Response:
        words = self._refuse() if request.data else ""
        # Right after the start the arm may not have been discovered yet.
        if request.data and not words and not self._client.wait_for_service(timeout_sec=DISCOVERY_DEADLINE_S):
            words = f"{self._client.srv_name} was not served within {DISCOVERY_DEADLINE_S:g} s. Start the arm node first."
        if words:
            answer.success, answer.message = False, words
            return answer
        answer.success = True
        if not request.data:
            self.release()
            answer.message = "the arm was given back"
        elif not self.active or time.monotonic() - self._confirmed_at > FORGOTTEN_S:  # a new arm node knows no old token
            self._asked_until = time.monotonic() + ANSWER_DEADLINE_S
            self._ask()
            answer.message = "asked for the arm"
        return answer

    def _ask(self) -> None:
        self._forget_question()
        self._asked = self._client.call_async(SetCommandSource.Request(source=self._source, requester=self._node.get_name()))
        self._asked.add_done_callback(self._granted)

    def _ask_again(self) -> None:
        if self._asked is None:
            return
        if time.monotonic() < self._asked_until:
            self._ask()
            return
        self._forget_question()
        self.message = f"{self._client.srv_name} did not answer within {ANSWER_DEADLINE_S:g} s. Look at the arm node, then run again."
        self._node.get_logger().error(self.message)

    def _forget_question(self) -> None:
        """Wait for no answer any more; the answer to an older question would bring an older token."""
        asked, self._asked = self._asked, None
        if asked is not None:
            self._client.remove_pending_request(asked)

    def _granted(self, call: Future) -> None:
        if call is not self._asked:
            return
        self._asked = None
        answer = call.result()
        self._confirmed = False
        self.active, self.token, self.message = answer.accepted, answer.token, answer.message
        if answer.accepted:
            self._on_started()
        else:
            self._node.get_logger().error(f"the arm was not given to {self._source}: {answer.message}")
