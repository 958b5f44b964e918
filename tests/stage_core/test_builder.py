import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage_core.builder import BUFFER_SIZE, StageObservationBuilder
from stage_core.errors import ConfigurationError

HERE = np.array([0.1, 0.2, 0.3])


def test_the_newest_input_that_is_not_from_the_future_is_used():
    builder = StageObservationBuilder({"object": 0.2})
    for stamp in (0.0, 0.1, 0.2, 0.3):
        builder.add("object", stamp, tier=2, object_position=np.full(3, stamp))
    observation = builder.build(0.25, 5, 1)
    assert observation.object_position == pytest.approx([0.2] * 3)
    assert observation.input_stamps == {"object": 0.2}
    assert (observation.stamp, observation.sequence, observation.episode, observation.tier) == (0.25, 5, 1, 2)


def test_an_input_that_is_too_old_is_unknown():
    builder = StageObservationBuilder({"arm": 0.1, "object": 0.1})
    builder.add("arm", 1.0, ee_position=HERE)
    builder.add("object", 0.8, tier=2, object_position=HERE)
    observation = builder.build(1.0, 0, 0)
    assert observation.ee_position is HERE
    assert observation.object_position is None
    assert observation.tier == 0
    assert observation.confidence_of("object_position") == 0.0


def test_an_input_exactly_at_its_limit_still_counts():
    builder = StageObservationBuilder({"arm": 0.1})
    builder.add("arm", 0.3, ee_position=HERE)
    assert builder.build(0.4, 0, 0).ee_position is HERE


@given(st.permutations([0.0, 0.05, 0.1, 0.15]))
def test_the_order_of_arrival_does_not_matter(stamps):
    builder = StageObservationBuilder({"object": 1.0})
    for stamp in stamps:
        builder.add("object", stamp, object_position=np.full(3, stamp))
    assert builder.build(0.12, 0, 0).object_position[0] == 0.1


def test_of_two_inputs_for_one_field_the_surer_one_wins_then_the_first():
    builder = StageObservationBuilder({"first": 1.0, "second": 1.0})
    builder.add("first", 0.0, tier=1, confidence=0.6, grasped=False)
    builder.add("second", 0.0, tier=3, confidence={"grasped": 0.9}, grasped=True)
    observation = builder.build(0.0, 0, 0)
    assert observation.grasped is True
    assert observation.confidence == {"grasped": 0.9}
    builder.add("first", 0.1, tier=1, confidence=0.9, grasped=False)
    assert builder.build(0.1, 1, 0).grasped is False


def test_memory_stays_bounded():
    builder = StageObservationBuilder({"arm": 1.0})
    for k in range(10 * BUFFER_SIZE):
        builder.add("arm", 0.005 * k, ee_position=HERE)
    assert len(builder._stamps["arm"]) == len(builder._entries["arm"]) == BUFFER_SIZE


def test_unknown_names_are_answered_with_the_nearest_one():
    builder = StageObservationBuilder({"object": 1.0})
    with pytest.raises(ConfigurationError, match='Did you mean "object"'):
        builder.add("objekt", 0.0, object_position=HERE)
    with pytest.raises(ConfigurationError, match='Did you mean "object_position"'):
        builder.add("object", 0.0, object_postion=HERE)
    with pytest.raises(ConfigurationError, match="limits.arm is 0.0 s"):
        StageObservationBuilder({"arm": 0.0})
