"""Samples on disk: images with the arm's pose, whole or absent, written before anything is computed. Start at `SampleFolder`.

A folder holds `calibration.json` (camera, mount, board, intrinsics) and for every sample `NNNN.png` with `NNNN.json`. A sample counts once its
JSON is there. `stage calibrate camera --samples FOLDER` fits the folder again without a robot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.calibration.board import BoardDescription
from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.opencv import import_opencv
from robot_drivers.poses import pose_distance
from stage_core.errors import ConfigurationError

SCHEMA_VERSION = 1
DESCRIPTION_FILE = "calibration.json"
NEW_ANGLE_RAD = np.radians(6.0)
NEW_DISTANCE_M = 0.04


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleSetDescription:
    """What holds for every sample of a folder.

    Attributes:
        workcell: Name of the workcell.
        camera: Name of the camera.
        mount: "hand" or "fixed".
        board: As given when the samples were taken; its sizes may be corrected later.
        camera_model: Intrinsics at that time.
        ee_link: Name of the tool centre's link.
        flange_to_tool: (7,) m and xyzw; the ee poses hold for this tool.
        dry_run: True where the arm was not a real one.
    """

    workcell: str
    camera: str
    mount: str
    board: BoardDescription
    camera_model: CameraModel
    ee_link: str
    flange_to_tool: np.ndarray
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One image and where the arm was.

    Attributes:
        name: Four digits.
        image: (H, W, 3) uint8 RGB.
        ee_pose: (7,) m and xyzw, tool centre in the base frame.
        joint_positions: (n,) rad.
        image_stamp: Workcell clock, s.
        arm_stamp: Workcell clock, s.
    """

    name: str
    image: np.ndarray
    ee_pose: np.ndarray
    joint_positions: np.ndarray
    image_stamp: float
    arm_stamp: float


class SampleFolder:
    """The samples in one folder; `create` makes a new one, `open` reads one."""

    def __init__(self, path: Path, description: SampleSetDescription) -> None:
        self.path = path
        self.description = description

    @classmethod
    def create(cls, path: Path, description: SampleSetDescription) -> SampleFolder:
        """Make the folder, or go on in one with the same description.

        Raises:
            ConfigurationError: If it holds samples that were taken otherwise, or cannot be written.
        """
        if (path / DESCRIPTION_FILE).exists():
            found = cls.open(path)
            if _as_json(found.description) != _as_json(description):
                raise ConfigurationError(f"{path} holds samples of another camera, mount, board, tool or intrinsics. Name another folder.")
            return found
        try:
            path.mkdir(parents=True, exist_ok=True)
            _write(path / DESCRIPTION_FILE, json.dumps(_as_json(description), indent=2).encode())
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}. Name a folder of your own.") from None
        return cls(path, description)

    @classmethod
    def open(cls, path: Path) -> SampleFolder:
        """Read the description of a folder. Raises ConfigurationError where it is none, or was changed by hand to something unusable."""
        file = path / DESCRIPTION_FILE
        content = _read_json(file)
        if content.get("schema_version") != SCHEMA_VERSION:
            raise ConfigurationError(f"{file}: schema_version is {content.get('schema_version')}; expected {SCHEMA_VERSION}.")
        try:
            model = content["camera_model"]
            return cls(
                path,
                SampleSetDescription(
                    workcell=content["workcell"],
                    camera=content["camera"],
                    mount=content["mount"],
                    board=BoardDescription(**content["board"]),
                    camera_model=CameraModel(
                        width=model["width"],
                        height=model["height"],
                        intrinsics=np.array(model["intrinsics"], dtype=np.float64),
                        distortion=np.array(model["distortion"], dtype=np.float64),
                    ),
                    ee_link=content["ee_link"],
                    flange_to_tool=np.array(content["flange_to_tool"], dtype=np.float64),
                    dry_run=bool(content["dry_run"]),
                ),
            )
        except (KeyError, TypeError) as error:
            raise ConfigurationError(f"{file} is incomplete: {error}. Take the samples again, or put the key back.") from None

    @property
    def names(self) -> list[str]:
        """Names of the whole samples, in order."""
        return sorted(file.stem for file in self.path.glob("[0-9][0-9][0-9][0-9].json"))

    def add(self, sample: Sample) -> None:
        """Write a sample; it is on the disk when this returns. Raises ConfigurationError where that cannot be."""
        cv2 = import_opencv()
        record = {
            "ee_pose": sample.ee_pose.tolist(),
            "joint_positions": sample.joint_positions.tolist(),
            "image_stamp": sample.image_stamp,
            "arm_stamp": sample.arm_stamp,
        }
        _, png = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(sample.image), cv2.COLOR_RGB2BGR))
        try:
            _write(self.path / f"{sample.name}.png", png.tobytes())
            _write(self.path / f"{sample.name}.json", json.dumps(record, indent=2).encode())
        except OSError as error:
            raise ConfigurationError(f"{self.path}: sample {sample.name} was not written: {error.strerror}. Is the disk full?") from None

    def next_name(self) -> str:
        """Return the name for a new sample; names of removed samples are not used again."""
        taken = [int(file.stem[:4]) for file in self.path.glob("[0-9][0-9][0-9][0-9].*")]
        return f"{max(taken, default=0) + 1:04d}"

    def set_aside(self, name: str) -> None:
        """Take a sample out of the fit; its files stay, as NNNN.json.unused."""
        os.replace(self.path / f"{name}.json", self.path / f"{name}.json.unused")

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order. Raises ConfigurationError for a file that cannot be read."""
        cv2 = import_opencv()
        for name in self.names:
            record = _read_json(self.path / f"{name}.json")
            image = cv2.imread(str(self.path / f"{name}.png"), cv2.IMREAD_COLOR)
            if image is None:
                raise ConfigurationError(f"{self.path / name}.png is missing or no image. Remove {name}.json as well, then fit again.")
            try:
                yield Sample(
                    name=name,
                    image=cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
                    ee_pose=_finite(record["ee_pose"], 7),
                    joint_positions=np.array(record["joint_positions"], dtype=np.float64),
                    image_stamp=float(record["image_stamp"]),
                    arm_stamp=float(record["arm_stamp"]),
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigurationError(f"{self.path / name}.json cannot be used: {error}. Remove it, then fit again.") from None


def nearest_pose(pose: np.ndarray, others: Sequence[np.ndarray]) -> str:
    """Return in words why `pose` (7,) tells nothing new beside `others`; empty where it does."""
    for other in others:
        distance, angle = pose_distance(pose, other)
        if distance < NEW_DISTANCE_M and angle < NEW_ANGLE_RAD:
            return f"too near a sample there is already ({1e3 * distance:.0f} mm, {np.degrees(angle):.1f} degrees): turn the hand further"
    return ""


def _finite(values: Any, count: int) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"{values} is not {count} finite numbers")
    return array


def _as_json(description: SampleSetDescription) -> dict[str, Any]:
    model = description.camera_model
    return {
        "schema_version": SCHEMA_VERSION,
        "workcell": description.workcell,
        "camera": description.camera,
        "mount": description.mount,
        "board": asdict(description.board),
        "camera_model": {
            "width": model.width,
            "height": model.height,
            "intrinsics": model.intrinsics.tolist(),
            "distortion": model.distortion.tolist(),
        },
        "ee_link": description.ee_link,
        "flange_to_tool": np.asarray(description.flange_to_tool, dtype=np.float64).tolist(),
        "dry_run": description.dry_run,
    }


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file} does not exist; expected a folder that stage calibrate camera wrote. Check the path.") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}. Is it a file of stage calibrate camera?") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} holds {type(content).__name__}; expected a mapping.")
    return content


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or absent, also after a crash."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
