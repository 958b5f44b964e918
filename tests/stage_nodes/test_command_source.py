"""A node that asks for the arm keeps asking until somebody answers, and says so when nobody does."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.node import Node
from stage_msgs.srv import SetCommandSource
from std_srvs.srv import SetBool

from stage_nodes import command_source
from stage_nodes.command_source import CommandSource
from stage_nodes.topics import SET_COMMAND_SOURCE


class Asking:
    """A source in the test's own node, and how often it was started."""

    def __init__(self, node: Node) -> None:
        self.started = 0
        self.source = CommandSource(node, "policy", "policy/run", on_started=self._note)
        self._run = node.create_client(SetBool, "policy/run")

    def run(self) -> None:
        self.call = self._run.call_async(SetBool.Request(data=True))

    def _note(self) -> None:
        self.started += 1


@pytest.fixture
def silent_arm(domain):
    """An arm node that is listed and answers nobody, as one that was killed a moment ago; ends when told."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain.id)
    node = rclpy.create_node("arm", context=context)
    node.create_service(SetCommandSource, SET_COMMAND_SOURCE, lambda request, answer: answer)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_question_that_died_with_the_arm_node_is_asked_again(domain, silent_arm) -> None:
    asking = Asking(domain.node)
    asking.run()
    assert domain.spin_until(lambda: asking.call.done()) and asking.call.result().message == "asked for the arm"
    silent_arm.destroy_node()

    def grant(request: SetCommandSource.Request, answer: SetCommandSource.Response) -> SetCommandSource.Response:
        answer.accepted, answer.token = True, 42
        return answer

    domain.node.create_service(SetCommandSource, SET_COMMAND_SOURCE, grant)
    assert domain.spin_until(lambda: asking.source.active), asking.source.message
    assert asking.source.token == 42 and asking.started == 1


def test_an_arm_node_that_never_answers_is_told_in_words(domain, silent_arm, monkeypatch) -> None:
    monkeypatch.setattr(command_source, "ANSWER_DEADLINE_S", 1.5)
    asking = Asking(domain.node)
    asking.run()
    assert domain.spin_until(lambda: "did not answer within 1.5 s" in asking.source.message)
    assert not asking.source.active and asking.started == 0
