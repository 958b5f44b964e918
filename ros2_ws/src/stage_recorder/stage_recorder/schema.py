"""What an episode's directory holds: topic names, and episode.json with its fields, version and validation (DESIGN 9.7).

    <root>/<UTC time>_<task>_<short id>/
        <same>_0.mcap      every message as it came
        metadata.yaml      what rosbag2 reads first
        episode.json       `EpisodeMetadata`; state is "recording" until all of it is on the disk
        task.yaml          the task file that the stage monitor went by, as it was then

Start at `EpisodeMetadata`. The JSON Schema of episode.json is docs/schemas/episode.schema.json.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata as distributions
from pathlib import Path
from typing import Any, Literal

from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError, StageError, nearest

SCHEMA_VERSION = 1
EPISODE_FILE = "episode.json"
BAG_FILE = "metadata.yaml"
TASK_FILE = "task.yaml"

ARM_STATE = "arm/state"
COMMAND_PREFIX = "command/"
COMMAND_INTENDED = "command/intended"
STAGE_OBSERVATION = "stage/observation"
STAGE_STATUS = "stage/status"
STAGE_EVENTS = "stage/events"
TRUTH_OUTCOME = "truth/outcome"
CAMERA_IMAGE = re.compile(r"(?:^|/)cameras/([^/]+)/image_raw$")

OUTCOMES = ("success", "failure", "discarded", "unknown")
INTERRUPTED = "interrupted"


class EpisodeError(StageError):
    """An episode cannot be written or read."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an episode went, by whose judgement."""

    value: Literal["success", "failure", "discarded", "unknown"]
    by: str = ""  # operator, environment, monitor or a name
    at: str = ""  # UTC, ISO 8601
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class CameraDescription:
    """One camera at the time of recording."""

    name: str
    width: int  # pixels
    height: int  # pixels
    encoding: str = "rgb8"
    frame: str = ""
    intrinsics: tuple[float, ...] = ()  # K row by row, 9 numbers, pixels
    distortion: tuple[float, ...] = ()
    extrinsics: dict[str, Any] = field(default_factory=dict)  # parent frame, position (m), orientation (xyzw)
    settings: dict[str, Any] = field(default_factory=dict)  # exposure, gain, ... as the driver names them


@dataclass(frozen=True, kw_only=True)
class SourceSegment:
    """Commands of one source in a row, on the recorder's wall clock."""

    source: str
    start_s: float  # since the first message
    end_s: float
    commands: int


@dataclass(frozen=True, kw_only=True)
class EpisodeMetadata:
    """episode.json. Unknown keys are an error, so that a misspelt one is noticed."""

    schema_version: Literal[1] = 1
    id: str
    state: Literal["recording", "saved"] = "recording"
    task: str
    instruction: str = ""
    operator: str = ""
    notes: str = ""
    workcell: str = ""
    policy: str = ""
    condition: str = ""
    seed: int | None = None
    control_rate_hz: float | None = None
    lockstep: bool | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # what else the session was started with
    cameras: tuple[CameraDescription, ...] = ()
    sources: tuple[SourceSegment, ...] = ()
    outcome: Outcome | None = None
    labels: tuple[Outcome, ...] = ()  # every outcome ever given, oldest first
    contract: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)  # messages, bytes, topics{name: messages}
    drops: dict[str, int] = field(default_factory=dict)  # sequence_gaps
    interventions: dict[str, int] = field(default_factory=dict)  # limits applied and commands refused (refused_...) by SafeArm
    flags: tuple[str, ...] = ()  # interrupted, clock_jump, arm_fault, arm_stopped, arm_restarted
    dry_run: bool = False
    started: str = ""  # UTC, ISO 8601
    ended: str = ""

    def __post_init__(self) -> None:
        if not self.id or "/" in self.id:
            raise ConfigurationError(f"id is {self.id!r}; expected the name of the episode's directory.")


def new_metadata(identifier: str, *, task: str, **fields: Any) -> dict[str, Any]:
    """Return the episode.json of an episode that starts now.

    Args:
        identifier: Name of the directory.
        task: Name of the task.
        fields: More fields of `EpisodeMetadata`: instruction, operator, notes, workcell, seed, contract, settings, ...

    Raises:
        ConfigurationError: Naming the field that is unknown or has a wrong value, with the nearest known one.
    """
    mapping = {"id": identifier, "task": task, "started": utc_now(), "versions": versions(), **fields}
    return validated(mapping, source="episode metadata")


def validated(mapping: dict[str, Any], *, source: str) -> dict[str, Any]:
    """Return the mapping with every default filled in, as plain JSON data.

    Args:
        mapping: Content of an episode.json.
        source: Where it comes from, for the message.

    Raises:
        ConfigurationError: In one line with the source, the field, its value and what was expected.
    """
    version = mapping.get("schema_version", SCHEMA_VERSION) if isinstance(mapping, dict) else SCHEMA_VERSION
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ConfigurationError(f"{source}: schema_version is {version}; this Stage reads up to {SCHEMA_VERSION}. Update Stage.")
    content = dataclasses.asdict(from_mapping(EpisodeMetadata, mapping, source=source))
    try:
        return json.loads(json.dumps(content, allow_nan=False))  # tuples become lists, as in the file
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{source}: a value cannot be written as JSON: {error}. Give numbers (no NaN), text, lists and mappings."
        ) from None


def read_metadata(directory: Path) -> dict[str, Any]:
    """Return the validated episode.json of an episode's directory.

    Raises:
        EpisodeError: If it is missing or not JSON.
        ConfigurationError: If a field is unknown or has a wrong value.
    """
    path = Path(directory) / EPISODE_FILE
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EpisodeError(f"{directory} holds no {EPISODE_FILE}; expected the directory of an episode. See: stage episodes list") from None
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read: {error.strerror}. Check the disk and the rights.") from None
    except ValueError as error:
        raise EpisodeError(f"{path} is not JSON: {error}. Restore it from a copy.") from None
    return validated(mapping, source=str(path))


def write_metadata(directory: Path, metadata: dict[str, Any]) -> None:
    """Replace episode.json in one step: a reader sees the old one or the new one, also after a power cut.

    Raises:
        ConfigurationError: If the metadata are not valid; nothing is written then.
        OSError: If the disk refuses; the old file is whole then.
    """
    content = validated(metadata, source=f"{Path(directory) / EPISODE_FILE}")
    write_atomically(Path(directory) / EPISODE_FILE, json.dumps(content, indent=2) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a file under a hidden name, bring it to the disk, then give it its name. Raises OSError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Bring the names in a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_episode_directory(root: Path, task: str) -> Path:
    """Make and return `<root>/<UTC time>_<task>_<short id>`; two in the same second differ by their id.

    Raises:
        EpisodeError: If the folder cannot be made.
    """
    root = Path(root).expanduser()
    word = re.sub(r"[^A-Za-z0-9]+", "-", task).strip("-") or "task"
    for _ in range(100):
        directory = root / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{word}_{secrets.token_hex(3)}"
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if root.is_dir():
                continue
            raise EpisodeError(f"{root} is a file; expected a folder for episodes. Choose another with --episodes.") from None
        except OSError as error:
            raise EpisodeError(f"{root} cannot hold a new episode: {error.strerror}. Check its rights and free space.") from None
        return directory
    raise EpisodeError(f"{root} holds every name that was tried. Choose another folder.")


def keep_task_file(directory: Path, text: str) -> None:
    """Keep the task file beside the log, so that its labels can be made again without it. Raises EpisodeError."""
    try:
        write_atomically(directory / TASK_FILE, text)
    except OSError as error:
        raise EpisodeError(f"{directory} cannot hold {TASK_FILE}: {error.strerror}. Check its rights and free space.") from None


def episode_directories(root: Path | str) -> list[Path]:
    """Return the directories of every episode below `root` (or `root` itself, if it is one), oldest first."""
    files = Path(root).expanduser().rglob(EPISODE_FILE)
    return sorted((file.parent for file in files), key=lambda directory: (directory.name, str(directory)))


def mcap_path(directory: Path) -> Path:
    """Return the path of the episode's MCAP."""
    return Path(directory) / f"{Path(directory).name}_0.mcap"


def mcap_file(directory: Path) -> Path:
    """Return the episode's MCAP as it lies on the disk, also after its directory was renamed."""
    path = mcap_path(directory)
    if path.exists():
        return path
    return next(iter(sorted(Path(directory).glob("*_0.mcap"))), path)


def outcome_of(mapping: dict[str, Any]) -> Outcome:
    """Return the outcome in a mapping with value, by, notes; `at` becomes now when it is not given.

    Raises:
        ConfigurationError: If the value is not one of `OUTCOMES`.
    """
    value = mapping.get("value", "unknown")
    if value not in OUTCOMES:
        raise ConfigurationError(f"outcome is {value!r}. {nearest(str(value), OUTCOMES)}")
    return Outcome(value=value, by=mapping.get("by", ""), at=mapping.get("at") or utc_now(), notes=mapping.get("notes", ""))


def label_episode(directory: Path | str, value: str, *, by: str = "operator", notes: str = "") -> dict[str, Any]:
    """Give a saved episode another outcome; the old one stays in `labels`, and the log is not touched.

    Returns:
        The new episode.json.

    Raises:
        EpisodeError: If the episode is not saved, or the disk refuses.
        ConfigurationError: If the value is not one of `OUTCOMES`.
    """
    metadata = read_metadata(Path(directory))
    if metadata["state"] != "saved":
        raise EpisodeError(f"{directory} is still being recorded, or was interrupted. Stop it, or run: stage episodes repair")
    outcome = vars(outcome_of({"value": value, "by": by, "notes": notes}))
    labelled = {**metadata, "outcome": outcome, "labels": [*metadata["labels"], outcome]}
    try:
        write_metadata(Path(directory), labelled)
    except OSError as error:
        raise EpisodeError(f"{directory} cannot be labelled: {error.strerror}. Check its rights and free space.") from None
    return labelled


def utc_now() -> str:
    """Return the UTC time as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def versions() -> dict[str, str]:
    """Return what a later reader may need to know of this machine's software."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for name in ("stage-robotics", "mcap", "ros-rclpy"):
        try:
            found[name] = distributions.version(name)
        except distributions.PackageNotFoundError:
            continue
    if distribution := os.environ.get("ROS_DISTRO"):
        found["ros_distro"] = distribution
    return found
