"""`stage cameras`: which cameras are connected, with a picture of each, and their entry in a workcell file."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stage_bringup.cli import output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError, StageError, nearest

if TYPE_CHECKING:
    from robot_drivers.camera_discovery import Discovery, FoundCamera

NOTHING_FOUND = (
    "No camera is connected. Check: the cable and its port (USB 3, blue or marked SS), `lsusb`, the udev rules of librealsense, "
    "membership in the group video, and in a container that /dev is passed on. See docs/cameras.md"
)


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """List RealSense serial numbers and UVC paths with a thumbnail each; --write puts one into a workcell file."""

    thumbnails: Path = Path("camera_thumbnails")
    """Folder for a PNG of what each camera sees now."""
    no_thumbnails: bool = False
    """Only list: no camera is opened."""
    write: Path | None = None
    """Workcell file of your own, in which --device becomes the camera --name."""
    name: str = ""
    """With --write: the camera's name in topics and in the policy's contract, such as wrist."""
    device: str = ""
    """With --write: a serial number or path from the list."""
    depth: bool = False
    """With --write: a RealSense gives aligned depth too."""
    yes: bool = False
    """With --write: write without asking."""


def run(
    options: Options, *, context: Any = None, find: Callable[[], Discovery] | None = None, ask: Callable[[str], str] | None = None
) -> int:
    """List the cameras, or write one of them into a workcell file.

    Args:
        options: From the command line.
        context: A `pyrealsense2.context` to look in; None: this computer's.
        find: Finds the cameras; None looks in `context` and in /dev.
        ask: Asks the user; None reads from the terminal, and refuses where there is none.
    """
    output.check_writable(options.json, "--json")
    if options.write is None:
        for option in ("name", "device"):
            if getattr(options, option):
                raise ConfigurationError(
                    f"--{option} is {getattr(options, option)}, but --write is missing; expected the workcell file too."
                )
        output.check_writable(options.thumbnails, "--thumbnails", directory=True)
    else:
        _check_write(options)
    from robot_drivers.camera_discovery import find_cameras

    discovery = find() if find else find_cameras(context)
    for problem in discovery.problems:
        print(f"note: {problem}", file=sys.stderr)
    if options.write is not None:
        return _write(options, discovery, ask)
    return _list(options, discovery, context)


def _list(options: Options, discovery: Discovery, context: Any) -> int:
    rows, figures = [], []
    for found in discovery.cameras:
        print(f"looking through {found.name} {found.device} ...", file=sys.stderr) if not options.no_thumbnails else None
        picture = {} if options.no_thumbnails else _picture(found, options.thumbnails, context)
        seen = picture.get("thumbnail") or picture.get("problem") or "-"
        kind = f"firmware {found.firmware}" if found.firmware else " ".join(found.formats) or "-"
        rows.append((found.driver, found.device, found.name, kind, f"USB {found.usb}" if found.usb else "-", seen, found.note))
        figures.append({**dataclasses.asdict(found), "note": found.note, **picture})
    if rows:
        print(output.table(("driver", "serial or path", "model", "firmware or formats", "link", "thumbnail", ""), rows))
        print("Put one into a workcell file: stage cameras --write WORKCELL_FILE --name wrist --device SERIAL_OR_PATH")
    else:
        print(NOTHING_FOUND)
    output.write_json(options.json, {"cameras": figures, "problems": list(discovery.problems)})
    return 0


def _picture(found: FoundCamera, folder: Path, context: Any) -> dict[str, Any]:
    """Return what one frame told: the thumbnail's path, the size and the lens; or the problem in words."""
    from robot_drivers.camera_discovery import encode_png, take_picture

    try:
        description, frame = take_picture(found, context=context)
    except StageError as error:  # one camera in use by another program must not hide the others
        return {"problem": str(error)}
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", found.device).strip("_")
    path = output.write_atomically(folder / f"{found.driver}_{name}.png", encode_png(frame.image))
    told = {"thumbnail": path, "width_px": description.width, "height_px": description.height, "rate_hz": description.rate_hz}
    if found.driver == "realsense":  # a UVC camera does not tell its lens
        told |= {"intrinsics": description.intrinsics, "distortion": description.distortion}
    return told


def _check_write(options: Options) -> None:
    from robot_drivers.workcell_file import check_own_file

    for option, example in (("name", "wrist"), ("device", "a serial number or path from: stage cameras")):
        if not getattr(options, option):
            raise ConfigurationError(f"--{option} is missing; with --write it is required: {example}.")
    check_own_file(options.write)


def _write(options: Options, discovery: Discovery, ask: Callable[[str], str] | None) -> int:
    from robot_drivers.camera_discovery import workcell_entry
    from robot_drivers.workcell import load_workcell_config
    from robot_drivers.workcell_file import add_camera, update_camera

    by_device = {found.device: found for found in discovery.cameras}
    if options.device not in by_device:
        remedy = nearest(options.device, by_device) if by_device else NOTHING_FOUND
        raise ConfigurationError(f'--device is "{options.device}", which is not connected. {remedy}')
    found = by_device[options.device]
    entry = workcell_entry(found, depth=options.depth)
    before = load_workcell_config(options.write).cameras.get(options.name)
    exchanged = before is not None and before.get("driver") == entry["driver"]
    if exchanged:  # another camera of the same kind: what was chosen for this place stays, what was measured does not
        key = "serial" if found.driver == "realsense" else "path"
        same = before.get(key) == entry[key]
        entry = {key: entry[key]} | ({"depth": True} if options.depth else {}) | ({} if same else _unmeasured(before))
    words = ", ".join(f"{key}: {value}" for key, value in entry.items())
    print(f"{options.write}: cameras.{options.name} {'changes' if before is not None else 'is new'}: {words}")
    if not options.yes and not _agreed(ask):
        print("nothing was written")
        return 1
    if exchanged:
        update_camera(options.write, options.name, entry)
    else:
        add_camera(options.write, options.name, entry, replace=before is not None)
    print(f"wrote {options.write}; the former file is {options.write}.bak. Check it: stage check-camera {options.write}")
    if found.driver == "opencv" and (before is None or not exchanged):
        print("its lens is not calibrated (uncalibrated: true): measure it before pictures are used as measurements, docs/cameras.md")
    output.write_json(options.json, {"file": options.write, "name": options.name, "entry": entry})
    return 0


def _unmeasured(before: dict[str, Any]) -> dict[str, Any]:
    """Return what takes away the measurements of a camera that another one replaces."""
    lens = [key for key in ("fx", "fy", "cx", "cy", "distortion") if key in before]
    gone: dict[str, Any] = dict.fromkeys([*lens, *(["extrinsics"] if "extrinsics" in before else [])])
    return gone | ({"uncalibrated": True} if lens else {})


def _agreed(ask: Callable[[str], str] | None) -> bool:
    if ask is None:
        if not sys.stdin.isatty():
            raise ConfigurationError("there is no terminal to ask on; expected one, or --yes to write without asking.")
        ask = input
    return ask("Write it? [y/N] ").strip().lower() in ("y", "yes")
