"""`stage calibrate`: print a board, then find out where a camera is. The arm is only read: the operator moves it."""

from __future__ import annotations

import dataclasses
import datetime
import select
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from stage_bringup.cli import names, output
from stage_bringup.cli.options import CommonOptions, FigureOptions
from stage_core.errors import ConfigurationError

if TYPE_CHECKING:
    from robot_drivers.calibration.board import BoardDescription
    from robot_drivers.calibration.devices import LookOnlyDevices
    from robot_drivers.calibration.outcome import Outcome
    from robot_drivers.calibration.samples import SampleFolder, SampleSetDescription
    from robot_drivers.calibration.session import Key
    from robot_drivers.workcell import WorkcellConfig

MARKER_SHARE = 22.0 / 30.0  # of a square, where --marker-mm is not given


@dataclass(frozen=True, kw_only=True)
class BoardOptions(CommonOptions):
    """Write the ChArUco board as PDF or PNG. Print it at 100 %, glue it on something flat, and measure ten squares."""

    output: Path = Path("board.pdf")
    """Where to; the suffix, .pdf or .png, chooses the form."""
    square_mm: float = 30.0
    """Side of a square, mm."""
    marker_mm: float | None = None
    """Side of a marker, mm; 22/30 of a square where it is not given."""
    columns: int = 8
    """Squares along the long side."""
    rows: int = 6
    """Squares along the short side."""
    dictionary: str = "DICT_4X4_50"
    """OpenCV's name of the markers' dictionary."""
    paper: Literal["a4", "a3", "letter"] = "a4"
    """Paper of the PDF, landscape."""


@dataclass(frozen=True, kw_only=True)
class CameraOptions(FigureOptions):
    """Measure where a camera is, and write it into the workcell file. Move the arm by hand or teleoperation; Enter takes a sample."""

    workcell: tyro.conf.Positional[Path]
    """Your workcell file; the result goes into it."""
    camera: str
    """Name of the camera in the file."""
    mount: Literal["hand", "fixed"]
    """hand: the camera hangs on the hand, the board lies still. fixed: the camera stands, the hand holds the board."""
    square_mm: float
    """Side of a square as measured on the print, mm: ten squares, divided by ten."""
    marker_mm: float | None = None
    """Side of a marker, mm; 22/30 of a square where it is not given."""
    columns: int = 8
    """Squares along the long side."""
    rows: int = 6
    """Squares along the short side."""
    dictionary: str = "DICT_4X4_50"
    """OpenCV's name of the markers' dictionary."""
    lens: bool = False
    """Measure the lens as well and write it (fx, fy, cx, cy, distortion): for a UVC camera, whose lens nobody told."""
    samples: Path | None = None
    """Fit the samples in this folder again, without a robot."""
    folder: Path | None = None
    """Where new samples go; calibration/CAMERA-DATE beside the workcell file where it is not given. A folder with samples is gone on with."""
    poses: int = 16
    """How many samples to take."""
    automatic: bool = False
    """Take a sample whenever arm and board stand still in a new pose, instead of on Enter."""
    no_write: bool = False
    """Show the result only."""


Options = Annotated[BoardOptions, tyro.conf.subcommand("board")] | Annotated[CameraOptions, tyro.conf.subcommand("camera")]


def main(arguments: list[str]) -> int:
    """Parse `stage calibrate ...` and run it."""
    options = tyro.cli(
        Options,  # type: ignore[arg-type]
        prog="stage calibrate",
        description=__doc__,
        args=arguments,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    return write_board(options) if isinstance(options, BoardOptions) else calibrate_camera(options)


def write_board(options: BoardOptions) -> int:
    """Write the board and say what to do with it. Raises ConfigurationError for one that cannot be."""
    output.check_writable(options.output, "--output")
    from robot_drivers.calibration.board_print import render_board

    board = _board(options)
    output.write_atomically(options.output, render_board(board, options.output, paper=options.paper))
    print(f"wrote {options.output}: {board.columns} x {board.rows} squares of {options.square_mm:g} mm, {board.dictionary}")
    print("Print it at 100 % (no fitting to the page), glue it on something flat and stiff, and measure ten squares.")
    print("Then: stage calibrate camera WORKCELL_FILE --camera NAME --mount hand --square-mm MEASURED")
    return 0


def calibrate_camera(options: CameraOptions) -> int:
    """Take samples (or read them), fit, show, write. Raises StageError in one line, also for a fit that is refused."""
    output.check_writable(options.json, "--json")
    if options.poses < 12:
        raise ConfigurationError(f"--poses is {options.poses}; expected at least 12.")
    from robot_drivers.calibration.outcome import fit_samples, require_good, write_extrinsics
    from robot_drivers.calibration.samples import SampleFolder
    from robot_drivers.workcell_file import check_own_file

    path = names.resolve_workcell(str(options.workcell), "workcell")
    if not options.no_write:
        check_own_file(path)  # before the operator spends ten minutes
    if options.lens:
        _require_lens_keys(path, options.camera)
    board = _board(options)
    folder = SampleFolder.open(options.samples) if options.samples else _take_samples(options, path, board)
    if (folder.description.camera, folder.description.mount) != (options.camera, options.mount):
        raise ConfigurationError(
            f"{folder.path} holds samples of camera {folder.description.camera} with --mount {folder.description.mount}; expected"
            f" {options.camera} with --mount {options.mount}."
        )
    today = datetime.date.today()
    outcome = fit_samples(folder, board=board, with_lens=options.lens)
    print(_table(outcome))
    output.write_json(options.json, _figures(outcome, today))
    require_good(outcome)
    if options.no_write:
        print("The fit is good; nothing was written.")
        return 0
    written = write_extrinsics(path, outcome, date=today)
    print(f"wrote cameras.{options.camera}.extrinsics into {path}: position {list(written.position_m)} m in {written.parent_frame}")
    return 0


def _board(options: BoardOptions | CameraOptions) -> BoardDescription:
    from robot_drivers.calibration.board import BoardDescription

    marker_mm = options.marker_mm if options.marker_mm is not None else MARKER_SHARE * options.square_mm
    return BoardDescription(
        square_m=options.square_mm / 1e3,
        marker_m=round(marker_mm / 1e3, 6),
        columns=options.columns,
        rows=options.rows,
        dictionary=options.dictionary,
    )


def _require_lens_keys(path: Path, camera: str) -> None:
    """Raise ConfigurationError for a camera whose entry takes no lens."""
    from robot_drivers.workcell import load_workcell_config

    driver = (load_workcell_config(path).cameras.get(camera) or {}).get("driver", "")
    if driver in ("realsense", "fake"):
        raise ConfigurationError(f"--lens is given, but a {driver} camera tells its lens itself. Leave --lens away.")


def _take_samples(options: CameraOptions, path: Path, board: BoardDescription) -> SampleFolder:
    """Connect, let the operator take samples, disconnect, and return the folder."""
    from robot_drivers.calibration.devices import look_only
    from robot_drivers.calibration.samples import SampleFolder
    from robot_drivers.calibration.session import CalibrationSession, run
    from robot_drivers.workcell import load_workcell_config

    if not options.automatic and not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to press Enter in. Give --automatic, or --samples FOLDER to fit samples again.")
    target = options.folder or path.parent / "calibration" / f"{options.camera}-{datetime.date.today().isoformat()}"
    config = load_workcell_config(path)
    with look_only(config, options.camera, lens_known=not options.lens) as devices:
        folder = SampleFolder.create(target, _describe(config, devices, options, board))
        session = CalibrationSession(devices.arm, devices.camera, folder)
        print(f"Samples go to {folder.path}; {session.taken} are there. The arm is only read: move it by hand guiding or teleoperation.")
        print(
            "Enter takes a sample, u and Enter sets the last aside, f and Enter finishes. Turn the hand 20 to 30 degrees about x, y and z."
        )
        screen = _Screen()
        run(session, wanted=options.poses, automatic=options.automatic, read_key=_read_key, show=screen.show, tell=screen.tell)
    return folder


def _describe(config: WorkcellConfig, devices: LookOnlyDevices, options: CameraOptions, board: BoardDescription) -> SampleSetDescription:
    from robot_drivers.calibration.camera_model import CameraModel
    from robot_drivers.calibration.samples import SampleSetDescription

    arm = devices.arm.description
    return SampleSetDescription(
        workcell=config.name,
        camera=options.camera,
        mount=options.mount,
        board=board,
        camera_model=CameraModel.from_description(devices.camera.description),
        ee_link=arm.ee_link,
        flange_to_tool=arm.flange_to_tool,
        dry_run=config.dry_run,
    )


def _read_key() -> Key:
    """Return what was typed since the last look, without waiting."""
    from robot_drivers.calibration.session import Key

    if not sys.stdin.isatty() or not select.select([sys.stdin], [], [], 0.0)[0]:
        return Key.NONE
    line = sys.stdin.readline()
    if not line:  # Ctrl-D
        return Key.FINISH
    return {"": Key.TAKE, "u": Key.UNDO, "f": Key.FINISH}.get(line.strip().lower()[:1], Key.NONE)


class _Screen:
    """A live line on a terminal; without one, only what happened."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def show(self, words: str) -> None:
        if self._live:
            print(f"\r\033[K{words[:150]}", end="", file=sys.stderr, flush=True)

    def tell(self, words: str) -> None:
        print(f"\r\033[K{words}" if self._live else words, file=sys.stderr, flush=True)


def _table(outcome: Outcome) -> str:
    found = outcome.fit
    rows = [
        (
            entry.name,
            f"{1e3 * entry.position_m:.2f}",
            f"{entry.angle_rad * 57.29578:.3f}",
            f"{entry.reprojection_px:.2f}",
            "outlier, left out" if entry.outlier else "",
        )
        for entry in found.residuals
    ]
    rows += [(name, "-", "-", "-", why) for name, why in outcome.left_out.items()]
    lines = [output.table(("sample", "mm", "degrees", "pixels", ""), rows), ""]
    lines.append(
        f"residual {1e3 * found.position_rms_m:.2f} mm, {found.angle_rms_rad * 57.29578:.3f} degrees (each sample against the other"
        f" {found.used - 1}); the camera is known to {1e3 * found.position_error_m:.2f} mm, {found.angle_error_rad * 57.29578:.3f} degrees"
    )
    if outcome.lens is not None:
        focal = outcome.lens.model.intrinsics[0, 0]
        lines.append(
            f"lens: focal length {focal:.1f} pixels, known to {100 * outcome.lens.focal_error:.2f} %; {outcome.lens.reprojection_px:.2f} pixels left"
        )
    return "\n".join(lines + [f"note: {note}" for note in outcome.notes])


def _figures(outcome: Outcome, date: datetime.date) -> dict[str, Any]:
    from robot_drivers.calibration.outcome import to_extrinsics

    found = outcome.fit
    return {
        "camera": outcome.description.camera,
        "mount": outcome.description.mount,
        "good": not outcome.problems,
        "problems": outcome.problems,
        "notes": outcome.notes,
        "extrinsics": vars(to_extrinsics(outcome, date=date)),
        "board_pose": found.board_pose,
        "position_error_m": found.position_error_m,
        "angle_error_rad": found.angle_error_rad,
        "board_scale": found.scale,
        "board_scale_error": found.scale_error,
        "lens": None if outcome.lens is None else {**vars(outcome.lens), "model": vars(outcome.lens.model)},
        "samples": [dataclasses.asdict(entry) for entry in found.residuals],
        "left_out": outcome.left_out,
    }
