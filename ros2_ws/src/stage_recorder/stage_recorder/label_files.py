"""Stage labels beside a log: `stage_labels.npz` holds the arrays, `stage_labels.json` what they are and where they come from.

The JSON file is written last and names the digest of the arrays, so that a half-written pair never counts as labels.
The log itself is not touched. Start at `write_labels` and `read_labels`; the JSON Schema is docs/schemas/stage_labels.schema.json.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata as distributions
from pathlib import Path
from typing import Any, Literal

import numpy as np

import stage_core
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError
from stage_core.labels import EpisodeLabels
from stage_core.monitor import StageEvent
from stage_recorder.schema import EpisodeError, mcap_file, write_atomically

SCHEMA_VERSION = 1
LABEL_FILE = "stage_labels.json"
ARRAY_FILE = "stage_labels.npz"
END_OF_LOG = 1 << 16  # bytes: an MCAP's summary names every chunk with its times, so its end tells one log from another


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What labels depend on: the same values give the same labels bit for bit.

    Attributes:
        task: The task's name.
        task_file: Name of its file.
        task_sha256: Of the file's bytes.
        monitor_version: Version of the distribution and digest of stage_core's source.
        control_rate_hz: Control steps per second.
        potential_mode: Which potential the shaped rewards use.
        log_bytes: Size of the log.
        log_end_sha256: Of the log's last 64 KiB.
    """

    task: str
    task_file: str
    task_sha256: str
    monitor_version: str
    control_rate_hz: float
    potential_mode: Literal["cumulative", "literal"] = "cumulative"
    log_bytes: int
    log_end_sha256: str


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """stage_labels.json.

    Attributes:
        provenance: What the labels depend on.
        arrays_sha256: Of stage_labels.npz.
        stage_names: Working stages in order, then success.
        success: The task was done.
        segment_costs: ℓ_k of every working stage, None for one without steps.
        events: Fields of `StageEvent`, in order.
        comparison: How the labels compare with those that the live monitor gave, as `stage label` prints it.
    """

    schema_version: Literal[1] = 1
    provenance: Provenance
    arrays_sha256: str
    stage_names: tuple[str, ...]
    success: bool
    segment_costs: tuple[float | None, ...]
    events: tuple[dict[str, Any], ...]
    comparison: dict[str, Any] = field(default_factory=dict)


@cache
def monitor_version() -> str:
    """Return `<version of stage-robotics>+<digest of stage_core's source>`: labels of another one may differ."""
    folder = Path(stage_core.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    try:
        version = distributions.version("stage-robotics")
    except distributions.PackageNotFoundError:
        version = "0"
    return f"{version}+{digest.hexdigest()[:16]}"


def log_identity(directory: Path) -> tuple[int, str]:
    """Return size in bytes and SHA-256 of the last 64 KiB of an episode's log.

    Raises:
        EpisodeError: If it cannot be read.
    """
    path = mcap_file(directory)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            file.seek(max(0, size - END_OF_LOG))
            return size, hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read: {error.strerror}. Check the disk and the path.") from None


def write_labels(
    directory: Path, labels: EpisodeLabels, provenance: Provenance, *, arrays: dict[str, np.ndarray], comparison: dict[str, Any]
) -> LabelFile:
    """Write both files and return what the JSON one holds.

    Args:
        directory: The episode's directory.
        labels: Of T control steps.
        provenance: What they depend on.
        arrays: More arrays of T rows, by name: sequences, stamps, shaped rewards of another terminal rule.
        comparison: With the live labels; plain JSON.

    Raises:
        EpisodeError: If the disk refuses; labels that were there before are whole then, or count as absent.
    """
    stream = io.BytesIO()
    np.savez_compressed(stream, **label_arrays(labels), **arrays)
    content = LabelFile(
        provenance=provenance,
        arrays_sha256=hashlib.sha256(stream.getvalue()).hexdigest(),
        stage_names=labels.stage_names,
        success=labels.success,
        segment_costs=labels.segment_costs,
        events=tuple(event._asdict() for event in labels.events),
        comparison=comparison,
    )
    text = json.dumps(dataclasses.asdict(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        _write_bytes(Path(directory) / ARRAY_FILE, stream.getvalue())
        write_atomically(Path(directory) / LABEL_FILE, text)
    except OSError as error:
        raise EpisodeError(f"{directory} cannot hold labels: {error.strerror}. Check its rights and free space.") from None
    return content


def label_arrays(labels: EpisodeLabels) -> dict[str, np.ndarray]:
    """Return every (T,) array of the labels by name."""
    entries = ((entry.name, getattr(labels, entry.name)) for entry in dataclasses.fields(labels))
    return {name: value for name, value in entries if isinstance(value, np.ndarray)}


def read_label_file(directory: Path) -> LabelFile | None:
    """Return stage_labels.json of an episode; None where there is none, or the arrays beside it are not the ones it names.

    Raises:
        ConfigurationError: If it is not JSON or a field is unknown or wrong.
    """
    path = Path(directory) / LABEL_FILE
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
        digest = hashlib.sha256((Path(directory) / ARRAY_FILE).read_bytes()).hexdigest()
    except OSError:
        return None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}. Remove it and run: stage label") from None
    content = from_mapping(LabelFile, mapping, source=str(path))
    return content if content.arrays_sha256 == digest else None


def read_labels(directory: Path) -> tuple[EpisodeLabels, dict[str, np.ndarray], LabelFile]:
    """Return the labels beside a log, every array by name, and the file that says where they come from.

    Raises:
        EpisodeError: If there are none.
        ConfigurationError: If the file is damaged.
    """
    content = read_label_file(directory)
    if content is None:
        raise EpisodeError(f"{directory} holds no whole labels. Run: stage label {directory}")
    with np.load(Path(directory) / ARRAY_FILE, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    names = {entry.name for entry in dataclasses.fields(EpisodeLabels)}
    labels = EpisodeLabels(
        **{name: array for name, array in arrays.items() if name in names},
        stage_names=content.stage_names,
        events=tuple(StageEvent(**event) for event in content.events),
        segment_costs=content.segment_costs,
        success=content.success,
    )
    return labels, arrays, content


def _write_bytes(path: Path, data: bytes) -> None:
    """Bring a binary file to the disk under its name in one step. Raises OSError."""
    import os

    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
