"""The episodes that `stage_labels` judges: recorded once, drawn again for a camera, and stripped to what a robot would sense.

Start at `record_task`. Under a folder each episode gets `<task>/<seed>/` with `sensors.npz`, `truth.npz` and `privileged.npz`;
`prepare_task` writes measurements alone, with noise, into another folder for another process. What is there already is kept.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import yaml

from robot_drivers.workcell import Workcell, load_workcell_config, open_workcell
from sim_bridge.demonstrations import FAILURES
from sim_bridge.rollouts import connect
from sim_bridge.sensed_labels import CAMERA_FILE, TASK, bench_task
from sim_bridge.sensed_noise import SensorNoise
from sim_bridge.sensed_recording import SENSORS, TRUTH, TruthLog, load_sensors, load_truth, record_episode, save_log
from sim_bridge.sensed_rendering import EpisodePainter, camera_settings
from stage_bringup.cli.collect import failure_cycle
from stage_bringup.cli.names import resolve_workcell
from stage_bringup.configuration_files import find_task
from stage_core.configuration import load_yaml
from stage_core.observation import StageObservation
from stage_core.task import load_task

RATE = 20.0  # Hz
PRIVILEGED = "privileged.npz"
INDUCED_SHARE = 0.5  # not every induced failure fails, and some others do: the share is measured, not assumed
NOISES = (0.0, 0.0, 0.004, 0.004)  # m per step, in turn: in pairs, so that failures and successes get both
IMAGE_EVERY = 1  # control steps: 20 images per second
_FIELDS = (
    "ee_position", "ee_orientation", "object_position", "object_orientation", "goal_position", "goal_orientation", "grasped",
    "contact", "released", "object_static", "contact_force", "gripper_width",
)  # fmt: skip


def open_task(task: str, *, camera: bool) -> Workcell:
    """Return a connected ManiSkill workcell, with the bench's camera or state-only."""
    configuration = load_workcell_config(resolve_workcell("maniskill"))
    cameras = camera_settings(task) if camera else {}
    return connect(open_workcell(dataclasses.replace(configuration, cameras=cameras), task=task))


def record_task(task: str, seeds: range, folder: Path) -> list[Path]:
    """Record one scripted episode for each seed, failures among them, and return their directories."""
    cycle = failure_cycle(tuple(FAILURES[task]), INDUCED_SHARE)
    horizon = round(load_task(find_task(task)).timeout_s * RATE)
    directories = [folder / task / str(seed) for seed in seeds]
    missing = [directory for directory in directories if not (directory / TRUTH).is_file()]
    if not missing:
        return directories
    workcell = open_task(task, camera=False)
    for index, (seed, directory) in enumerate(zip(seeds, directories, strict=True)):
        if directory in missing:
            failure, noise = cycle[index % len(cycle)], NOISES[index % len(NOISES)]
            episode = record_episode(workcell, task, seed, failure=failure, noise=noise, horizon=horizon)
            save_log(directory / SENSORS, episode.sensors)
            save_privileged(directory / PRIVILEGED, episode.privileged)
            save_log(directory / TRUTH, episode.truth)  # last: its presence says that the episode is whole
    workcell.close()
    return directories


def prepare_task(task: str, directories: list[Path], folder: Path, *, with_camera: int, noise: SensorNoise | None = None) -> list[Path]:
    """Write what a robot would sense of recorded episodes; the first `with_camera` of them get images.

    Returns:
        The directories of the prepared episodes, in the same order; none of them holds privileged state.
    """
    noise = noise or SensorNoise()
    prepared = [folder / task / directory.name for directory in directories]
    painter: EpisodePainter | None = None
    for index, (directory, target) in enumerate(zip(directories, prepared, strict=True)):
        truth = load_truth(directory / TRUTH)
        generator = np.random.default_rng([truth.seed, 7])
        save_log(target / SENSORS, noise.sensors(load_sensors(directory / SENSORS), generator))
        _write_task(task, target / TASK, truth, noise, generator)
        if index < with_camera and not (target / CAMERA_FILE).is_file():
            painter = painter or EpisodePainter(open_task(task, camera=True))
            _write_camera(target / CAMERA_FILE, painter, truth, noise, generator)
    if painter is not None:
        painter.close()
    return prepared


def _write_task(task: str, path: Path, truth: TruthLog, noise: SensorNoise, generator: np.random.Generator) -> None:
    """Write the task file of a bench without privileged poses: the goal is taught, or a thing that is seen."""
    is_place = task in ("PushCube", "PullCube")
    taught = noise.taught(truth.goal_positions[0], generator) if is_place else None
    content = bench_task(load_yaml(find_task(task)), taught)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _write_camera(path: Path, painter: EpisodePainter, truth: TruthLog, noise: SensorNoise, generator: np.random.Generator) -> None:
    pictures = painter.paint(truth, IMAGE_EVERY)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(
        unfinished,
        steps=pictures.steps,
        colours=noise.colours(pictures.colours, generator),
        depths=noise.depths(pictures.depths, generator),
        latencies=noise.latencies(len(pictures.steps), generator),
        intrinsics=painter.camera_model().intrinsics,
        camera_in_base=noise.extrinsics(painter.camera_in_base(), generator),
    )
    unfinished.replace(path)


def save_privileged(path: Path, observations: list[StageObservation]) -> None:
    """Write tier-9 observations as arrays; a field that is None stays None throughout."""
    arrays = {
        name: np.array([getattr(seen, name) for seen in observations]) for name in _FIELDS if getattr(observations[0], name) is not None
    }
    stamps = np.array([seen.stamp for seen in observations])
    np.savez_compressed(path, stamp=stamps, episode=observations[0].episode, **arrays)


def load_privileged(path: Path) -> list[StageObservation]:
    """Return the observations that `save_privileged` wrote."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    stamps, episode = arrays.pop("stamp"), int(arrays.pop("episode"))
    return [
        StageObservation(
            stamp=float(stamp), sequence=step, episode=episode, tier=9, **{name: _plain(rows[step]) for name, rows in arrays.items()}
        )
        for step, stamp in enumerate(stamps)
    ]


def _plain(value: np.ndarray) -> object:
    """Return an array as it is, a flag or a number as Python's."""
    return value if value.ndim else value.item()
