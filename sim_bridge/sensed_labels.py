"""Stage labels from what a robot would sense, in a process that never sees the simulator: `python -m sim_bridge.sensed_labels FOLDER`.

FOLDER holds one directory per episode, each with `task.yaml`, `sensors.npz` and, for tier 2, `camera.npz`; nothing in it is privileged.
Each gets `labels.npz`. The estimators, the builder and the monitor are those of a real robot. Start at `label_episode`.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from sim_bridge.sensed_objects import GOAL, Sight, look
from sim_bridge.sensed_recording import SENSORS, SensorLog, load_sensors
from stage_core.builder import StageObservationBuilder
from stage_core.errors import ConfigurationError
from stage_core.estimators import SensorEstimators
from stage_core.estimators_settings import GripperFacts
from stage_core.labels import label_observations
from stage_core.observation import StageObservation
from stage_core.task import TaskConfig, load_task

RATE = 20.0  # Hz
GRIPPER = GripperFacts(open_width_m=0.08)
TASK, CAMERA_FILE, LABELS = "task.yaml", "camera.npz", "labels.npz"
# The hand hides a part of the object and lets go of it again, and its centroid moves by some mm, 30 mm/s, while it lies still.
_STILL = {"static_speed_m_s": 0.03}
SENSED_THRESHOLDS: dict[str, dict[str, float]] = {
    "push": {"contact_displacement_m": 0.008, "push_displacement_m": 0.012, **_STILL},
    "pull": {"contact_displacement_m": 0.008, "push_displacement_m": 0.012, **_STILL},
    "stack": {"height_tolerance_m": 0.008, **_STILL},
    "lift_upright": {"height_tolerance_m": 0.015, "upright_angle_rad": 0.12, **_STILL},
}
Arrival = tuple[int, float, list[Sight]]  # control step of the arrival, stamp of the capture, what was seen


def label_episode(folder: Path) -> dict[str, np.ndarray]:
    """Return the stage labels (T,) uint8 of every tier that an episode's files allow: tier0, tier1 and, with a camera, tier2.

    Args:
        folder: With `task.yaml`, `sensors.npz` and perhaps `camera.npz`.

    Raises:
        ConfigurationError: If the folder holds privileged state.
    """
    if (folder / "truth.npz").exists():
        raise ConfigurationError(f"{folder} holds truth.npz; expected measurements alone. Give a folder without it.")
    task, sensors = load_task(folder / TASK), load_sensors(folder / SENSORS)
    arrivals = see(folder / CAMERA_FILE, task.name, sensors) if (folder / CAMERA_FILE).is_file() else None
    observations = {"tier0": observe(task, sensors, tier=0), "tier1": observe(task, sensors, tier=1)}
    if arrivals is not None:
        observations["tier2"] = observe(task, sensors, tier=2, arrivals=arrivals)
    return {tier: label_observations(task, RATE, seen).stages for tier, seen in observations.items()}


def see(path: Path, task: str, sensors: SensorLog) -> list[Arrival]:
    """Return what each image of an episode showed, and the control step at which it was known, in the order of arrival."""
    with np.load(path) as camera:
        model = CameraModel(
            width=camera["colours"].shape[2], height=camera["colours"].shape[1], intrinsics=camera["intrinsics"], distortion=np.zeros(5)
        )
        pose, latencies = camera["camera_in_base"], camera["latencies"]
        arrivals = []
        for step, late, colour, depth in zip(camera["steps"], latencies, camera["colours"], camera["depths"], strict=True):
            sights = look(task, colour, depth.astype(np.float32) / 1000.0, model, pose)
            arrivals.append((int(step + late), float(sensors.stamps[step]), sights))
    return sorted(arrivals, key=lambda arrival: arrival[0])


def observe(task: TaskConfig, sensors: SensorLog, *, tier: int, arrivals: Sequence[Arrival] = ()) -> list[StageObservation]:
    """Return the T observations of an episode at one sensing tier (spec/stare section 1).

    Args:
        task: The task; a taught goal counts from tier 0 on.
        sensors: What the arm and its hand measured.
        tier: 0 forward kinematics, finger width and command; 1 and finger force and wrench; 2 and `arrivals`.
        arrivals: From `see`.
    """
    if task.goal.source == "taught" and task.goal.position_m is None:
        raise ConfigurationError(f"{task.name}: the goal is to be taught and was not. Write goal.position_m.")
    estimators = SensorEstimators(task, RATE, gripper=GRIPPER)
    builder = StageObservationBuilder(estimators.limits)
    waiting = list(arrivals) if tier >= 2 else []
    observations = []
    for step, stamp in enumerate(sensors.stamps):
        if step > 0:
            estimators.update_command(float(sensors.openings[step - 1]))
        estimates = []
        while waiting and waiting[0][0] <= step:
            _, captured, sights = waiting.pop(0)
            for sight in sights:
                update = estimators.update_goal if sight.name == GOAL else estimators.update_object
                estimates += update(captured, sight.position, sight.orientation, sight.confidence)
        estimates += estimators.update_arm(
            float(stamp),
            ee_position=sensors.ee_positions[step],
            ee_orientation=sensors.ee_orientations[step],
            gripper_width=float(sensors.widths[step]),
            gripper_effort=float(sensors.efforts[step]) if tier >= 1 else None,
            external_wrench=[*sensors.wrenches[step], 0.0, 0.0, 0.0] if tier >= 1 else None,
        )
        for estimate in estimates:
            builder.add(**estimate)
        observations.append(builder.build(float(stamp), step, sensors.episode))
    return observations


def bench_task(content: dict[str, Any], taught: np.ndarray | None) -> dict[str, Any]:
    """Return a task file's mapping for a bench without privileged poses.

    The goal is taught where it is a place, and seen where it is a thing. Thresholds below what a colour centroid can tell, once
    the hand hides a part of the object, are widened: set on other seeds than those that judge.

    Args:
        content: As bundled, with the simulation's goal.
        taught: (3,) m, where an operator drove the arm; None where the goal is a thing or there is none.
    """
    content = copy.deepcopy(content)
    if taught is not None:
        content["goal"] = {"source": "taught", "position_m": [round(float(value), 5) for value in taught]}
    elif content["goal"]["source"] != "none":
        # What is seen is the lower cube's middle; the object belongs one edge above it.
        content["goal"] = {"source": "pose", "name": "green_cube", "offset_m": [0.0, 0.0, 2.0 * content["objects"]["half_size_m"][2]]}
        content["sensing"] = {"goal_max_age_s": 30.0}  # it lies still
    content.setdefault("thresholds", {}).update(SENSED_THRESHOLDS[content["family"]])
    return content


def main(arguments: Sequence[str]) -> int:
    """Label every episode of a folder; returns 0."""
    warnings.simplefilter("ignore")
    for folder in sorted(path.parent for path in Path(arguments[0]).rglob(SENSORS)):
        np.savez_compressed(folder / LABELS, **label_episode(folder))
    privileged = [name for name in ("mani_skill", "sapien") if name in sys.modules]
    if privileged:
        raise ConfigurationError(f"{privileged} was imported; expected a process without the simulator.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
