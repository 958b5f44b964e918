"""From samples to the workcell file: fit, judge in words, write. Start at `fit_samples`, then `require_good`, then `write_extrinsics`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.calibration.board import BoardDescription, BoardDetector
from robot_drivers.calibration.hand_eye import FEWEST_VIEWS, HandEyeFit, fit
from robot_drivers.calibration.least_squares import View
from robot_drivers.calibration.lens import LensFit, fit_lens, lens_entry
from robot_drivers.calibration.samples import SampleFolder, SampleSetDescription
from robot_drivers.camera_extrinsics import CameraExtrinsics
from robot_drivers.workcell import load_workcell_config
from robot_drivers.workcell_file import update_camera
from stage_core.errors import ConfigurationError

LARGEST_POSITION_M = 0.003
LARGEST_ANGLE_RAD = np.radians(0.5)
# A wrong board size hardly shows in residuals, for the camera's pose takes it up: 1 % puts the camera 4 mm off at 0.4 m.
TOLD_SCALE = 0.003
LARGEST_SCALE = 0.01
NAMED_WORST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """A fit with what it came from.

    Attributes:
        description: Camera, mount, board and tool of the samples.
        views: What was fitted.
        fit: The numbers.
        left_out: Samples whose image could not be used: name -> why.
        notes: What an operator should know although the fit is usable.
        problems: Why the fit must not be used, in words; empty where it may.
        lens: The lens, where it was measured as well.
    """

    description: SampleSetDescription
    views: tuple[View, ...]
    fit: HandEyeFit
    left_out: dict[str, str]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    lens: LensFit | None = None


def fit_samples(folder: SampleFolder, *, board: BoardDescription | None = None, with_lens: bool = False) -> Outcome:
    """Find the board in every image of a folder and fit.

    Args:
        folder: The samples.
        board: The board as it was measured since; None takes the folder's.
        with_lens: True measures the lens from the same images first, for a camera that does not tell it.

    Raises:
        ConfigurationError: If too few samples can be used, or their orientations are too alike, or the lens is not known well enough.
    """
    description = replace(folder.description, board=board or folder.description.board)
    shown, left_out = find_views(folder, description)
    if len(shown) < FEWEST_VIEWS and left_out:
        first = next(iter(left_out.items()))
        raise ConfigurationError(
            f"{folder.path}: {len(shown)} samples can be used and {len(left_out)} cannot, first {first[0]}: {first[1]}."
            f" Expected at least {FEWEST_VIEWS}. Take more."
        )
    lens = None
    if with_lens:
        lens = fit_lens(shown, width=description.camera_model.width, height=description.camera_model.height)
        description = replace(description, camera_model=lens.model)
    views = [replace(view, pixels=description.camera_model.undistort(view.pixels)) for view in shown]
    return replace(judge_views(views, description), left_out=left_out, lens=lens)


def judge_views(views: Sequence[View], description: SampleSetDescription) -> Outcome:
    """Fit views (ideal pinhole pixels) and say in words what is wrong with the result; see `fit_samples`."""
    found = _fit(views, description)
    return Outcome(
        description=description,
        views=tuple(views),
        fit=found,
        left_out={},
        notes=tuple(_notes(found)),
        problems=tuple(_problems(found, views, description)),
    )


def find_views(folder: SampleFolder, description: SampleSetDescription) -> tuple[list[View], dict[str, str]]:
    """Return the usable samples of a folder as views, their pixels as the camera shows them, and name -> why for the others."""
    detector, model = BoardDetector(description.board), description.camera_model
    views, left_out = [], {}
    for sample in folder:
        if sample.image.shape[:2] != (model.height, model.width):
            left_out[sample.name] = f"the image is {sample.image.shape[1]}x{sample.image.shape[0]}, not {model.width}x{model.height}"
            continue
        detection = detector.detect(sample.image)
        if detection.problem:
            left_out[sample.name] = detection.problem
            continue
        views.append(
            View(
                name=sample.name,
                ee_pose=sample.ee_pose,
                points=description.board.corners[detection.ids],
                pixels=detection.pixels,
            )
        )
    return views, left_out


def require_good(outcome: Outcome) -> None:
    """Raise ConfigurationError with all problems in one line where the fit must not be used."""
    if outcome.problems:
        raise ConfigurationError(f'the fit of camera "{outcome.description.camera}" is refused: ' + " ".join(outcome.problems))


def to_extrinsics(outcome: Outcome, *, date: datetime.date) -> CameraExtrinsics:
    """Return what goes into the workcell file."""
    found, hand = outcome.fit, outcome.description.mount == "hand"
    return CameraExtrinsics(
        parent_frame="ee" if hand else "base",
        position_m=tuple(round(float(value), 6) for value in found.camera_pose[:3]),
        orientation_xyzw=tuple(round(float(value), 8) for value in found.camera_pose[3:]),
        residual_mm=round(1e3 * found.position_rms_m, 3),
        residual_deg=round(float(np.degrees(found.angle_rms_rad)), 4),
        date=date.isoformat(),
        method=f"ChArUco board, camera {'on the hand' if hand else 'fixed'}, {'dry run' if outcome.description.dry_run else 'leave-one-out residuals'}",
        poses=found.used,
        intrinsics_sha256=outcome.description.camera_model.sha256,
        flange_to_tool=tuple(round(float(value), 8) for value in outcome.description.flange_to_tool),
    )


def write_extrinsics(path: Path, outcome: Outcome, *, date: datetime.date) -> CameraExtrinsics:
    """Write the camera's pose, and its lens where that was measured, into a workcell file; comments and everything else stay.

    Raises:
        ConfigurationError: If the fit is refused, or the file comes with Stage or cannot be written.
    """
    require_good(outcome)
    extrinsics = to_extrinsics(outcome, date=date)
    block: dict[str, Any] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in vars(extrinsics).items() if value is not None
    }
    camera, values = outcome.description.camera, {"extrinsics": block}
    if outcome.lens is not None:
        turn = int((load_workcell_config(path).cameras.get(camera) or {}).get("turn_deg", 0))
        values.update(lens_entry(outcome.lens.model, turn_deg=turn))
    update_camera(path, camera, values)
    return extrinsics


def _fit(views: Sequence[View], description: SampleSetDescription) -> HandEyeFit:
    return fit(views, description.camera_model.intrinsics, mount=description.mount, board_center=description.board.center)


def _within(found: HandEyeFit) -> bool:
    return found.position_rms_m <= LARGEST_POSITION_M and found.angle_rms_rad <= LARGEST_ANGLE_RAD


def _notes(found: HandEyeFit) -> list[str]:
    notes = []
    if found.outliers:
        notes.append(f"left out as outliers: {', '.join(found.outliers)}. Did the arm move, or the board slip?")
    off = found.scale - 1.0
    if TOLD_SCALE < abs(off) <= LARGEST_SCALE and abs(off) > 3.0 * found.scale_error:
        notes.append(f"the board seems {100 * abs(off):.1f} % {'larger' if off > 0 else 'smaller'} than stated: measure ten squares again.")
    return notes


def _problems(found: HandEyeFit, views: Sequence[View], description: SampleSetDescription) -> list[str]:
    """Return why a fit must not be used: residuals, uncertainty, board size; with the likely cause where one can be told."""
    problems = []
    other = "fixed" if description.mount == "hand" else "hand"
    off, bad = abs(found.scale - 1.0), not _within(found)
    limits = f"{1e3 * LARGEST_POSITION_M:g} mm and {np.degrees(LARGEST_ANGLE_RAD):g} degrees"
    if bad:
        problems.append(
            f"its residual is {1e3 * found.position_rms_m:.1f} mm and {np.degrees(found.angle_rms_rad):.2f} degrees; expected at most {limits}."
            f" Worst samples: {_worst(found)}."
        )
    elif found.position_error_m > LARGEST_POSITION_M or found.angle_error_rad > LARGEST_ANGLE_RAD:
        problems.append(
            f"the camera is known to {1e3 * found.position_error_m:.1f} mm and {np.degrees(found.angle_error_rad):.2f} degrees only;"
            f" expected {limits}. Take more samples, with larger turns."
        )
    # A scale from samples that fit nothing is chance: it counts where the samples fit with it.
    if _fits(views, description, scale=found.scale) if bad else off > max(LARGEST_SCALE, 3.0 * found.scale_error):
        size = 1e3 * description.board.square_m
        problems.append(
            f"Squares of {size * found.scale:.2f} mm would fit, not {size:g} mm: measure the print and give --square-mm; or the intrinsics are wrong."
        )
    elif bad and _fits(views, description, mount=other):
        problems.append(f"The samples fit --mount {other}; or the driver gives base in tool instead of tool in base.")
    elif bad:
        problems.append("Did the board or the camera move, does the driver give the pose of another frame, or are the intrinsics wrong?")
    return problems


def _fits(views: Sequence[View], description: SampleSetDescription, *, mount: str = "", scale: float = 1.0) -> bool:
    """Return True where the samples would be within the limits under another assumption."""
    scaled = [replace(view, points=view.points * scale) for view in views]
    changed = replace(description, mount=mount or description.mount)
    try:
        return _within(_fit(scaled, changed))
    except ConfigurationError:
        return False


def _worst(found: HandEyeFit) -> str:
    used = [entry for entry in found.residuals if not entry.outlier]
    used.sort(key=lambda entry: max(entry.position_m / LARGEST_POSITION_M, entry.angle_rad / LARGEST_ANGLE_RAD), reverse=True)
    return ", ".join(
        f"{entry.name} ({1e3 * entry.position_m:.1f} mm, {np.degrees(entry.angle_rad):.2f} degrees)" for entry in used[:NAMED_WORST]
    )
