"""What the monitor promises for any input: no NaN, bounds, no skipped stage, live = offline, bounded memory."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stage_core.errors import ConfigurationError
from stage_core.labels import label_observations
from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.task import FAMILIES, GoalConfig, ObjectsConfig, TaskConfig

RATE = 20.0


def task_of(family: str) -> TaskConfig:
    return TaskConfig(
        schema_version=1,
        name=family,
        family=family,
        instructions=("do it",),
        objects=ObjectsConfig(name="thing", half_size_m=(0.12, 0.025, 0.025)),
        goal=GoalConfig(source="pose"),
        timeout_s=5.0,
    )


TASK_OF = {family: task_of(family) for family in FAMILIES}


def random_episode(seed: int, steps: int = 80) -> list[StageObservation]:
    """A random walk in which every field comes and goes, with odd numbers now and then."""
    random = np.random.default_rng(seed)
    missing = random.uniform(0.0, 0.7)
    ee, thing, goal = random.uniform(-0.1, 0.1, (3, 3))
    observations = []
    grasped = False
    for k in range(steps):
        ee = ee + random.normal(0.0, 0.01, 3)
        grasped = grasped != (random.random() < 0.1)
        thing = ee.copy() if grasped else thing + random.normal(0.0, 0.004, 3) * (random.random() < 0.3)
        if random.random() < 0.05:
            thing = goal + random.normal(0.0, 0.01, 3)
        values = {
            "ee_position": ee, "ee_orientation": random.normal(size=4), "object_position": thing, "goal_position": goal,
            "object_orientation": random.normal(size=4), "goal_orientation": np.zeros(4), "grasped": bool(grasped),
            "contact": bool(random.random() < 0.5), "released": not grasped, "object_static": bool(random.random() < 0.5),
            "contact_force": float(random.exponential(0.1)), "gripper_width": float(random.uniform(0.0, 0.08)), "gripper_effort": 1.0,
        }  # fmt: skip
        odd = random.random()
        if odd < 0.03:
            values["object_position"] = np.array([math.nan, 0.0, math.inf])
        elif odd < 0.05:
            values["contact_force"] = math.nan
        given_values = {name: value for name, value in values.items() if random.random() > missing}
        confidence = {name: float(random.uniform(-0.2, 1.2)) for name in given_values if random.random() < 0.3}
        observations.append(
            StageObservation(stamp=k / RATE, sequence=k, tier=int(random.integers(0, 4)), confidence=confidence, **given_values)
        )
    return observations


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(0, 2**32 - 1), st.sampled_from(["cumulative", "literal"]))
def test_any_episode_keeps_every_promise(family, seed, mode):
    monitor = StageMonitor(TASK_OF[family], RATE, mode)
    before = None
    for observation in random_episode(seed):
        update = monitor.update(observation)
        assert 0.0 <= update.progress <= 1.0
        assert update.potential is None or 0.0 <= update.potential <= 1.0
        assert update.cost is None or 0.0 <= update.cost < math.inf
        assert math.isfinite(update.shaped_reward)
        assert 0.0 <= update.confidence <= 1.0
        assert update.stage_name == monitor.stage_names[update.stage]
        if update.potential is None:
            assert update.shaped_reward == 0.0
        if before is not None:
            assert update.stage <= before.stage + 1, "a stage was skipped"
            if update.potential is None:
                assert update.progress == before.progress
            if before.success:
                assert update.success and update.stage == before.stage
            if update.stage < before.stage:
                assert any(event.kind == "regression" for event in update.events)
            if update.stage > before.stage:
                assert any(event.kind in ("entered", "success") for event in update.events)
                if before.potential is not None and update.potential is not None:
                    assert update.progress >= before.progress
        before = update


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(0, 2**32 - 1))
def test_live_and_offline_labels_are_equal_bit_for_bit(family, seed):
    episode = random_episode(seed)
    monitor = StageMonitor(TASK_OF[family], RATE)
    for observation in random_episode(seed + 1):
        monitor.update(observation)  # an episode before this one must leave nothing behind
    monitor.reset()
    live = [monitor.update(observation) for observation in episode]
    offline = label_observations(TASK_OF[family], RATE, episode)
    assert bytes(update.stage for update in live) == offline.stages.tobytes()
    for name, array in (("progress", offline.progress), ("shaped_reward", offline.shaped_rewards), ("confidence", offline.confidences)):
        assert np.array([getattr(update, name) for update in live]).tobytes() == array.tobytes()
    for name, array in (("potential", offline.potentials), ("cost", offline.costs)):
        values = [getattr(update, name) for update in live]
        assert np.array([math.nan if value is None else value for value in values]).tobytes() == array.tobytes()
    assert tuple(event for update in live for event in update.events) == offline.events
    assert monitor.segment_costs == offline.segment_costs


@settings(max_examples=60, deadline=None)
@given(st.floats(0.02, 0.5), st.floats(0.02, 0.5))
def test_a_nearer_object_raises_the_progress_at_the_same_stage(first, second):
    near, far = sorted((first, second))

    def progress(distance: float) -> float:
        return StageMonitor(TASK_OF["push"], RATE).update(
            StageObservation(stamp=0.0, ee_position=np.zeros(3), object_position=np.array([distance, 0, 0]), goal_position=np.ones(3))
        ).progress  # fmt: skip

    assert progress(near) >= progress(far)
    if far - near > 1e-3:
        assert progress(near) > progress(far)


def test_losing_the_grasp_lowers_the_progress(tasks, stack_episode):
    monitor = StageMonitor(tasks["StackCube"], RATE)
    for observation in stack_episode[:26]:
        carried = monitor.update(observation)
    object.__setattr__(stack_episode[26], "grasped", False)
    object.__setattr__(stack_episode[26], "object_position", stack_episode[25].object_position)
    assert monitor.update(stack_episode[26]).progress < carried.progress


def test_memory_does_not_grow_with_the_episode(tasks, stack_episode):
    def size(thing, seen: set[int]) -> int:
        if id(thing) in seen:
            return 0
        seen.add(id(thing))
        total = sys.getsizeof(thing)
        children = (
            list(thing.values())
            if isinstance(thing, dict)
            else list(thing)
            if isinstance(thing, (list, tuple)) or hasattr(thing, "maxlen")
            else []
        )
        children += list(vars(thing).values()) if hasattr(thing, "__dict__") and not isinstance(thing, type) else []
        children += [getattr(thing, name) for name in getattr(type(thing), "__slots__", ()) if hasattr(thing, name)]
        return total + sum(size(child, seen) for child in children)

    monitor = StageMonitor(tasks["StackCube"], RATE)
    for observation in stack_episode:
        monitor.update(observation)
    after_one = size(monitor, set())
    for _ in range(40):
        for observation in stack_episode:
            monitor.update(observation)
    assert size(monitor, set()) <= after_one + 512  # counters may become longer integers


def test_a_step_that_never_came_does_not_look_like_a_fast_motion(tasks, observation_of):
    monitor = StageMonitor(tasks["PickCube"], RATE)
    fields = {"object_position": (0, 0, 0), "goal_position": (0, 0, 0.3)}
    monitor.update(observation_of(0, ee_position=(0.0, 0, 0), **fields))
    monitor.update(observation_of(4, ee_position=(0.04, 0, 0), **fields))
    assert monitor._reader.signals.ee_speed == pytest.approx(0.2)  # 4 cm in four steps of 0.05 s


def test_a_wrong_rate_or_mode_is_one_clear_line(tasks):
    with pytest.raises(ConfigurationError, match="control_rate_hz is 0 Hz; expected > 0"):
        StageMonitor(tasks["PushCube"], 0)
    with pytest.raises(ConfigurationError, match='Did you mean "literal"'):
        StageMonitor(tasks["PushCube"], RATE, "literel")


def test_a_field_of_the_wrong_length_is_named_in_words(tasks):
    with pytest.raises(ValueError, match="has 2 numbers; expected 3"):
        StageMonitor(tasks["PushCube"], RATE).update(StageObservation(stamp=0.0, ee_position=np.zeros(2)))


def test_the_first_update_says_that_the_episode_began(tasks, push_episode):
    update = StageMonitor(tasks["PushCube"], RATE).update(push_episode[0])
    assert [(event.kind, event.stage_name, event.sequence) for event in update.events] == [("entered", "reach", 0)]
    assert update.shaped_reward == 0.0


def test_the_goal_lies_where_the_task_puts_it_from_the_thing_that_is_seen(tasks, observation_of):
    import dataclasses

    task = dataclasses.replace(tasks["StackCube"], goal=GoalConfig(source="tag", offset_m=(0.0, 0.0, 0.04)))
    monitor = StageMonitor(task, RATE)
    monitor.update(observation_of(0, object_position=(0.5, 0.0, 0.02), goal_position=(0.5, 0.0, 0.02)))
    assert monitor._reader.signals.object_to_goal == pytest.approx(0.04)


def test_a_pull_task_ignores_height_and_a_push_task_does_not(tasks, new_scene):
    tilted = new_scene(ee_position=(0.5, 0.0, 0.0), object_position=(0.5, 0.0, 0.02), goal_position=(0.7, 0.0, 0.02), contact=True)
    tilted.step(2).move(10, object_position=(0.69, 0.0, 0.028)).step(5)
    assert label_observations(tasks["PullCube"], RATE, tilted.observations).success
    assert not label_observations(tasks["PushCube"], RATE, tilted.observations).success
