"""An episode begins once the recorder has heard what flows all the time; it never waits for ever."""

from __future__ import annotations

import json

import pytest
from stage_msgs.msg import ArmState
from stage_msgs.srv import StartEpisode

from stage_nodes.topics import ARM_STATE, EPISODE_START, NOT_YET, STATE_DEPTH, reliable


@pytest.fixture
def start(domain, tmp_path):
    """Start a recorder that expects `arm/state` to flow; returns a function that asks for an episode and returns the answer."""
    parameters = {"episode_root": str(tmp_path), "flowing": [ARM_STATE], "monitor": False}
    file = tmp_path / "recorder.json"
    file.write_text(json.dumps({"recorder": {"ros__parameters": parameters}}))  # JSON is YAML
    domain.run("stage_nodes.recorder_node", "--ros-args", "--params-file", str(file))
    client = domain.node.create_client(StartEpisode, EPISODE_START)
    assert domain.spin_until(client.service_is_ready)

    def ask() -> StartEpisode.Response:
        call = client.call_async(StartEpisode.Request(task="PushCube"))
        assert domain.spin_until(call.done)
        return call.result()

    return ask


def test_an_episode_does_not_begin_before_the_arm_was_heard(domain, start) -> None:
    first = start()
    assert not first.accepted and first.message.startswith(f"{NOT_YET}{ARM_STATE}")
    publisher = domain.node.create_publisher(ArmState, ARM_STATE, reliable(STATE_DEPTH))
    answers = [first]

    def speak_and_ask() -> None:
        publisher.publish(ArmState())
        answers.append(start())

    assert domain.spin_until(lambda: answers[-1].accepted, again=speak_and_ask, timeout=4.0), answers[-1].message


def test_an_arm_that_says_nothing_keeps_the_episode_back_for_five_seconds_only(domain, start) -> None:
    answers = [start()]
    assert domain.spin_until(lambda: answers[-1].accepted, again=lambda: answers.append(start()), timeout=15.0), answers[-1].message
    assert all(answer.message.startswith(NOT_YET) for answer in answers[:-1]) and len(answers) > 1
