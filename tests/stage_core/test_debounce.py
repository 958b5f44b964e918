import pytest

from stage_core.debounce import Debounce, frames_of
from stage_core.gripper_events import GripperSegments


@pytest.mark.parametrize(
    ("seconds", "rate", "frames"), [(0.1, 20, 2), (0.15, 20, 3), (0.1, 30, 3), (0.1, 5, 1), (0.0, 20, 1), (0.11, 20, 3)]
)
def test_seconds_become_frames_rounded_up_and_at_least_one(seconds, rate, frames):
    assert frames_of(seconds, rate) == frames


def test_a_rate_of_zero_is_refused_in_words():
    with pytest.raises(ValueError, match="control_rate_hz is 0.0 Hz"):
        frames_of(0.1, 0.0)


def test_only_an_unbroken_row_counts():
    debounce = Debounce(2)
    assert [debounce.update(held) for held in (True, False, True, None, True, True, True)] == [False] * 5 + [True, True]


def test_a_gripper_alone_tells_motion_from_skill():
    segments = GripperSegments(20.0)
    widths = [0.08] * 5 + [0.07, 0.06, 0.05, 0.04] + [0.04] * 4 + [0.06, 0.08, 0.08]
    grasped = [segments.update(width) for width in widths]
    assert grasped[:5] == [False] * 5
    assert grasped[10] is False  # the fingers have not settled yet
    assert grasped[12] is True
    assert grasped[-1] is False


def test_fingers_that_close_on_nothing_hold_nothing():
    segments = GripperSegments(20.0)
    assert [segments.update(width) for width in [0.08, 0.05, 0.02, 0.0, 0.0, 0.0, 0.0]][-1] is False
