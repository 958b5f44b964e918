"""What RViz would show of the stages; the part with messages runs where visualization_msgs is installed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.task import load_task
from stage_nodes.stage_markers import NAMES, StageMarkers, shapes

TASKS = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/tasks"
PUSH, STACK, LIFT = (load_task(TASKS / f"{name}.yaml") for name in ("push_cube", "stack_cube", "lift_peg_upright"))
START = np.array([0.5, 0.0, 0.02])
LEVEL = np.array([0.0, 0.0, 0.0, 1.0])


def seen(task, observation: StageObservation, start: np.ndarray | None = START) -> dict:
    update = StageMonitor(task, 20.0).update(observation)
    return {shape.name: shape for shape in shapes(observation, update, task, start)}


def looking(**fields) -> StageObservation:
    places = {"ee_position": np.array([0.4, 0.0, 0.2]), "object_position": START, "goal_position": np.array([0.7, 0.1, 0.06])}
    return StageObservation(**{"stamp": 0.0, "ee_orientation": LEVEL, **places, **fields})


def test_object_goal_path_and_stage_are_shown():
    found = seen(STACK, looking(object_orientation=LEVEL, confidence={"object_position": 0.7}))
    assert tuple(found) == NAMES
    assert found["object"].size == (0.04, 0.04, 0.04) and found["object"].alpha == pytest.approx(0.7)
    assert found["stage"].text.startswith("StackCube: reach")


def test_what_is_not_known_is_not_shown():
    found = seen(STACK, looking(object_position=None, goal_position=None), start=None)
    assert tuple(found) == ("stage",) and "not observable" in found["stage"].text
    assert seen(STACK, looking(ee_position=None, object_position=None, goal_position=None), start=None) == {}


def test_the_path_of_a_transport_goes_up_over_and_down():
    points = seen(STACK, looking())["reference_path"].points
    assert points == ((0.5, 0.0, 0.02), (0.5, 0.0, 0.1), (0.7, 0.1, 0.1), (0.7, 0.1, 0.06))


def test_the_path_of_a_push_is_a_line_on_the_table_and_its_goal_a_disc():
    found = seen(PUSH, looking())
    assert found["reference_path"].points == ((0.5, 0.0, 0.02), (0.7, 0.1, 0.02))
    assert found["goal"].kind == "cylinder" and found["goal"].size[0] == pytest.approx(0.2)


def test_the_path_of_a_lift_is_its_height():
    assert seen(LIFT, looking(goal_position=None))["reference_path"].points == ((0.5, 0.0, 0.02), (0.5, 0.0, 0.02 + 0.02))


def test_without_visualization_msgs_nothing_is_published(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "visualization_msgs.msg", None)
    markers = StageMarkers(None, STACK)
    observation = looking()
    markers.publish(observation, StageMonitor(STACK, 20.0).update(observation), "base")  # a node of None would fail at once
    markers.reset()


def test_markers_go_over_the_wire_and_what_is_lost_is_taken_away():
    import rclpy
    import visualization_msgs.msg as messages
    from rclpy.executors import SingleThreadedExecutor

    from stage_bringup.isolation import lease_domain

    lease, context = lease_domain(), rclpy.Context()
    rclpy.init(context=context, domain_id=lease.domain_id)
    node = rclpy.create_node("markers", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        came: list = []
        node.create_subscription(messages.MarkerArray, "stage/markers", came.append, 10)
        markers, monitor = StageMarkers(node, STACK), StageMonitor(STACK, 20.0)
        deadline = time.monotonic() + 20.0
        while not came and time.monotonic() < deadline:
            markers.publish(looking(), monitor.update(looking()), "base")
            executor.spin_once(timeout_sec=0.05)
        markers.publish(blind := looking(object_position=None), monitor.update(blind), "base")
        while came[-1].markers[0].action != messages.Marker.DELETE and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
        lease.close()
    first, last = came[0].markers, came[-1].markers
    assert [marker.ns for marker in first] == ["stage"] * 4 and [marker.id for marker in first] == [0, 1, 2, 3]
    assert [marker.type for marker in first] == [
        messages.Marker.CUBE,
        messages.Marker.CUBE,
        messages.Marker.LINE_STRIP,
        messages.Marker.TEXT_VIEW_FACING,
    ]
    assert first[0].header.frame_id == "base" and len(first[2].points) == 4 and first[0].color.a == 1.0
    assert [marker.action for marker in last] == [messages.Marker.DELETE] + [messages.Marker.ADD] * 3
