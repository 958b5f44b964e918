"""The operator's keys y and n: a judgement beside the stage monitor's, with the step it belongs to."""

from __future__ import annotations

from stage_msgs.msg import ArmState, EnvironmentOutcome

from stage_nodes.recorded_topics import recorded_topics
from stage_nodes.topics import ARM_STATE, OPERATOR_SUCCESS, leased, reliable


def test_a_key_says_that_the_task_is_done_with_the_step_it_was_pressed_at(domain):
    heard: list[EnvironmentOutcome] = []
    domain.node.create_subscription(EnvironmentOutcome, OPERATOR_SUCCESS, heard.append, reliable(10))
    states = domain.node.create_publisher(ArmState, ARM_STATE, leased(50))
    state = ArmState(sequence=41, episode=3)
    state.header.stamp.sec = 12
    keys = domain.run("stage_nodes.operator_node")
    assert domain.spin_until(lambda: states.get_subscription_count() and domain.node.count_publishers(OPERATOR_SUCCESS))

    def press() -> None:
        states.publish(state)
        keys.stdin.write("y")
        keys.stdin.flush()

    assert domain.spin_until(lambda: heard, again=press)
    first = heard[0]
    assert (first.success, first.episode, first.sequence, first.header.stamp.sec) == (True, 3, 41, 12)
    heard.clear()
    keys.stdin.write("n")
    keys.stdin.flush()
    assert domain.spin_until(lambda: any(not outcome.success for outcome in heard))


def test_the_judgement_is_recorded_and_no_step_waits_for_it():
    listed = {topic.name: topic for topic in recorded_topics((), truth=False, monitor=True)}
    assert listed[OPERATOR_SUCCESS].kind is EnvironmentOutcome
    assert listed[OPERATOR_SUCCESS].group == ""
