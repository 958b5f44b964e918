"""`stage teach goal` against a graph's topics: the pose at rest goes into the file, anything else is told in one line."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from stage_msgs.msg import ArmState, ObjectState

from stage_bringup.cli.teach import main
from stage_core.errors import StageError
from stage_core.task import load_task
from stage_nodes.conversions import to_pose
from stage_nodes.topics import ARM_STATE, leased, reliable

TASKS = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/tasks"
DOWN = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((TASKS / "stack_cube.yaml").read_text())
    return path


def teach(domain, arguments, again) -> Future:
    """Run the command in a thread of its own, while `again` publishes ten times a second, and return how it ended."""
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(main, ["goal", *arguments, "--yes", "--domain", str(domain.id)])
        assert domain.spin_until(ended.done, again=again, timeout=60.0)
    return ended


def test_the_place_of_the_tool_becomes_the_goal(domain, file):
    states = domain.node.create_publisher(ArmState, ARM_STATE, leased(50))
    state = ArmState(ee_pose=to_pose(np.array([0.45, -0.12, 0.06]), np.array(DOWN)))
    ended = teach(domain, [str(file)], lambda: states.publish(state))
    assert ended.result() == 0
    goal = load_task(file).goal
    assert (goal.source, goal.position_m, goal.orientation_xyzw) == ("taught", (0.45, -0.12, 0.06), None)


def test_the_place_of_the_object_becomes_the_goal_without_the_looks_that_are_unsure(domain, file):
    looks = domain.node.create_publisher(ObjectState, "objects/red_cube", reliable(50))
    random = np.random.default_rng(0)

    def look() -> None:
        for confidence, off in ((0.9, 0.0005 * random.standard_normal(3)), (0.3, np.full(3, 0.2))):
            pose = to_pose(np.array([0.6, 0.1, 0.06]) + off, np.array([0.0, 0.0, 0.0, 1.0]))
            looks.publish(ObjectState(name="red_cube", pose=pose, position_valid=True, orientation_valid=True, confidence=confidence))

    ended = teach(domain, [str(file), "--from", "object", "--orientation"], look)
    assert ended.result() == 0
    goal = load_task(file).goal
    assert goal.position_m == pytest.approx((0.6, 0.1, 0.06), abs=0.001)
    assert goal.orientation_xyzw == (0.0, 0.0, 0.0, 1.0)


def test_an_arm_that_moves_teaches_nothing(domain, file):
    states = domain.node.create_publisher(ArmState, ARM_STATE, leased(50))
    before, steps = file.read_text(), iter(range(10_000))
    move = lambda: states.publish(ArmState(ee_pose=to_pose(np.array([0.01 * next(steps), 0.0, 0.1]), np.array(DOWN))))  # noqa: E731
    ended = teach(domain, [str(file)], move)
    with pytest.raises(StageError, match="Let it come to rest"):
        ended.result()
    assert file.read_text() == before
