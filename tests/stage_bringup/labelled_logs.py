"""Logs whose stage topics come from the real monitor: a push, a push that stops half-way, and one seen by sensors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from stage_bringup.configuration_files import find_task
from stage_core.monitor import StageMonitor
from stage_core.observation import StageObservation
from stage_core.task import load_task
from stage_nodes.conversions import (
    stage_event_to_message,
    stage_observation_from_message,
    stage_observation_to_message,
    stage_status_to_message,
    to_pose,
    to_time,
)
from stage_nodes.stage_inputs import InputSettings, StageInputs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stage_recorder"))
from recorded_logs import Log, arm_command, arm_state
from stage_msgs.msg import ObjectState

RATE, EPISODE = 20.0, 3
STEP_NS = 50_000_000
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
GOAL = np.array([0.8, 0.0, 0.02])


def push_truths(*, steps_pushed: int = 15) -> list[StageObservation]:
    """A hand comes down behind a cube and pushes it towards the goal; fewer steps leave it half-way."""
    hand = [np.array([0.45, 0.0, 0.15]) + (np.array([0.57, 0.0, 0.02]) - np.array([0.45, 0.0, 0.15])) * k / 10 for k in range(11)]
    cube = [np.array([0.6, 0.0, 0.02])] * 11
    for k in range(1, steps_pushed + 1):
        moved = np.array([0.012 * k, 0.0, 0.0])
        hand.append(np.array([0.57, 0.0, 0.02]) + moved)
        cube.append(np.array([0.6, 0.0, 0.02]) + moved)
    hand, cube = hand + [hand[-1]] * 8, cube + [cube[-1]] * 8
    return [
        StageObservation(
            stamp=3.0 + k / RATE,
            sequence=k,
            episode=EPISODE,
            tier=9,
            ee_position=hand[k],
            ee_orientation=DOWN,
            object_position=cube[k],
            object_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
            goal_position=GOAL,
            grasped=False,
            contact=k > 10,
            released=True,
            contact_force=2.0 if k > 10 else 0.0,
            gripper_width=0.0,
        )
        for k in range(len(hand))
    ]


def labelled_log(root: Path, *, source: str = "truth", steps_pushed: int = 15, late_looks: int = 0, task: str = "PushCube") -> Path:
    """Return the directory of a saved episode whose labels a real monitor gave while it was written.

    Args:
        root: Where episodes are.
        source: truth, arm or sensors, as stage_monitor_node joins them.
        steps_pushed: Of `push_truths`.
        late_looks: Object poses reach the monitor this many steps after their stamp; the log holds them when they came.
        task: Name or file.
    """
    config = load_task(find_task(task))
    settings = InputSettings(source=source, gripper_open_width_m=0.08 if source == "sensors" else 0.0)
    told = {"source": source, "gripper_open_width_m": settings.gripper_open_width_m}
    log = Log(root, config.name, control_rate_hz=RATE, lockstep=True, settings={"stage_monitor": told})
    monitor, inputs, generator = StageMonitor(config, RATE), StageInputs(config, RATE, settings), np.random.default_rng(0)
    waiting: list[StageObservation] = []
    for truth in push_truths(steps_pushed=steps_pushed):
        stamp_ns = round(truth.stamp * 1e9)
        if truth.sequence:  # what was seen before the first state belongs to the episode before
            waiting.append(truth)
        if source == "sensors" and len(waiting) > late_looks:
            look(log, inputs, config, waiting.pop(0))
        step_state(log, inputs, generator, truth, stamp_ns, source)
        if source == "truth":
            message = stage_observation_to_message(truth, frame="base")
            log.write("truth/stage_observation", message)
            inputs.add_truth(stage_observation_from_message(message))
        used = stage_observation_to_message(inputs.build(stamp_ns / 1e9, truth.sequence, EPISODE), frame="base")
        update = monitor.update(stage_observation_from_message(used))
        log.write("stage/observation", used)
        names = monitor.stage_names
        log.write(
            "stage/status", stage_status_to_message(update, stage_observation_from_message(used), task=config.name, stage_names=names)
        )
        for event in update.events:
            log.write("stage/events", stage_event_to_message(event, stage_observation_from_message(used), task=config.name))
        log.write("command/policy", arm_command(generator, truth.sequence, stamp_ns=stamp_ns, episode=EPISODE))
    log.close()
    return log.directory


def step_state(log: Log, inputs: StageInputs, generator: np.random.Generator, truth: StageObservation, stamp_ns: int, source: str) -> None:
    """Write one arm/state and feed the joiner with it, as the node does."""
    state = arm_state(generator, truth.sequence, stamp_ns=stamp_ns, episode=EPISODE)
    state.ee_pose = to_pose(truth.ee_position, truth.ee_orientation)
    state.gripper_width, state.gripper_opening, state.external_wrench = 0.0, 0.0, np.zeros(6)
    log.write("arm/state", state)
    if source != "truth":
        inputs.add_arm_state(
            stamp_ns / 1e9,
            ee_position=truth.ee_position,
            ee_orientation=truth.ee_orientation,
            gripper_width=0.0,
            gripper_opening=0.0,
            gripper_effort=state.gripper_effort,
            external_wrench=np.zeros(6),
        )


def look(log: Log, inputs: StageInputs, config, truth: StageObservation) -> None:
    """Write one look at the object and one at the goal, and feed the joiner with them."""
    for name, place in ((config.objects.name, truth.object_position), (config.goal.name, truth.goal_position)):
        pose = to_pose(place, np.array([0.0, 0.0, 0.0, 1.0]))
        stamp = to_time(truth.stamp)
        log.write(
            f"objects/{name}",
            ObjectState(name=name, pose=pose, position_valid=True, orientation_valid=False, confidence=0.9, stamp=stamp),
        )
        inputs.add_thing(name, stamp.sec + stamp.nanosec / 1e9, place, None, confidence=0.9)
