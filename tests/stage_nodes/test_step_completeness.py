from rclpy.serialization import serialize_message
from stage_msgs.msg import ArmState, StageStatus

from stage_nodes.step_completeness import StepCompleteness, stamp_of


def test_the_stamp_is_read_from_the_serialized_bytes_without_decoding():
    for kind in (ArmState, StageStatus):
        message = kind()
        message.header.stamp.sec, message.header.stamp.nanosec = 12, 345_678_901
        assert stamp_of(serialize_message(message)) == 12_345_678_901


def test_a_step_is_complete_once_and_only_with_every_group():
    steps = StepCompleteness(("state", "image"))
    assert not steps.add("state", 5)
    assert not steps.add("other", 5)
    assert not steps.add("image", 6)
    assert steps.add("image", 5)
    assert not steps.add("image", 5)


def test_unfinished_steps_do_not_pile_up():
    steps = StepCompleteness(("state", "image"))
    for stamp in range(10_000):
        steps.add("state", stamp)
    assert len(steps._seen) <= 64
