"""Writes into a workcell file as a careful person would: one camera's entry, everything else as it was, comments too.

Start at `update_camera`. The new content is checked before it replaces the old, which stays beside it as `.bak`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_drivers.workcell import load_workcell_config
from stage_core.errors import ConfigurationError, MissingDependencyError, nearest

TOP_LEVEL_KEY = re.compile(r"[^\s#]")  # a line that starts with neither space nor comment
CAMERAS_KEY = re.compile(r"""["']?cameras["']?\s*:""")


def update_camera(path: str | Path, name: str, values: Mapping[str, Any]) -> None:
    """Set keys of a camera that the file has; its other keys, all other entries, comments and their order stay.

    Args:
        path: A workcell file of the user's own.
        name: The camera's name in the file.
        values: Key -> new value: text, numbers, lists, mappings or numpy arrays. A value of None takes the key away.

    Raises:
        ConfigurationError: If the file comes with Stage, cannot be read or written, has no such camera, or would
            no longer be a workcell file. It is then as it was.
        MissingDependencyError: If ruamel.yaml is not installed.
    """
    _write(path, name, values, add=False)


def add_camera(path: str | Path, name: str, values: Mapping[str, Any], *, replace: bool = False) -> None:
    """Add a camera to the file; see `update_camera`.

    Args:
        path: A workcell file of the user's own.
        name: Name of the new camera: a lower-case letter, then lower-case letters, digits and underscores.
        values: Its entry; `driver` is required.
        replace: True puts the entry in the place of one that has that name already.

    Raises:
        ConfigurationError: As for `update_camera`, or if the name cannot be used or is taken.
        MissingDependencyError: If ruamel.yaml is not installed.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):  # it becomes a part of topic names
        raise ConfigurationError(f"a camera's name is {name!r}; expected lower-case letters, digits and underscores, such as wrist.")
    if not values.get("driver"):
        raise ConfigurationError(f"cameras.{name}.driver is missing; expected realsense, opencv, fake or module:Class.")
    _write(path, name, values, add=True, replace=replace)


def check_own_file(path: str | Path) -> Path:
    """Return the resolved path of a workcell file that may be written.

    Raises:
        ConfigurationError: If it does not exist, comes with Stage, or cannot be written.
    """
    resolved = Path(path).expanduser().resolve()
    if not resolved.is_file():
        raise ConfigurationError(f"workcell file {path} does not exist. Check the path.")
    root = Path(__file__).resolve().parents[1]
    bundled = [root / "ros2_ws" / "src", *(Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib"))]
    bundled.append(Path(sysconfig.get_path("data")).resolve() / "share" / "stage_bringup")
    if any(resolved.is_relative_to(folder) for folder in bundled):
        raise ConfigurationError(
            f"{path} comes with Stage and is not changed. Copy it first: cp {path} my_{resolved.name}, then name the copy."
        )
    if not (os.access(resolved, os.W_OK) and os.access(resolved.parent, os.W_OK)):
        raise ConfigurationError(f"{path} cannot be written to. Check its permissions and those of its folder.")
    return resolved


def _write(path: str | Path, name: str, values: Mapping[str, Any], *, add: bool, replace: bool = False) -> None:
    target = check_own_file(path)
    load_workcell_config(target)  # a file that is wrong already is told as it is, before anything is written
    with open(target, encoding="utf-8", newline="") as stream:
        text = stream.read()
    ending = "\r\n" if "\r\n" in text else "\n"
    changed = _edit(text.replace("\r\n", "\n"), str(path), name, values, add=add, replace=replace).replace("\n", ending)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as stream:
            stream.write(changed)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            load_workcell_config(temporary)
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace(str(temporary), str(path))) from None
        shutil.copymode(target, temporary)
        shutil.copy2(target, target.with_name(target.name + ".bak"))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _edit(text: str, source: str, name: str, values: Mapping[str, Any], *, add: bool, replace: bool) -> str:
    """Return the file's text with the entry changed; lines outside of `cameras` are the old ones, byte for byte."""
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.comments import CommentedMap
    except ImportError:
        raise MissingDependencyError(
            "ruamel.yaml is not installed; expected it for writing a workcell file. Run: pip install 'stage-robotics[robot]'"
        ) from None
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a line that the user wrote in one piece stays in one piece
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(text)
    cameras = content.get("cameras")
    if cameras is None:
        cameras = content["cameras"] = CommentedMap()
    if not add and name not in cameras:
        raise ConfigurationError(f"{source}: there is no camera {name!r}. {nearest(name, cameras)}")
    if add and name in cameras and not replace:
        raise ConfigurationError(f"{source}: there is a camera {name!r} already. Choose another name, or replace it.")
    entry = CommentedMap() if add or cameras[name] is None else cameras[name]
    for key, value in values.items():
        if value is None:
            entry.pop(key, None)
        else:
            entry[key] = _node(value)
    _choose_style(entry)
    if not cameras:
        cameras.fa.set_block_style()  # `cameras: {}` gets its first one
    cameras[name] = entry
    stream = io.StringIO()
    yaml.dump(content, stream)
    return _splice(text, stream.getvalue())


def _choose_style(entry: Any) -> None:
    """Write a short entry on one line and one with a block in it on several; lists stay on one line."""
    nested = [value for value in entry.values() if isinstance(value, Mapping)]
    if nested:
        entry.fa.set_block_style()
        for block in nested:
            block.fa.set_block_style()
    elif entry.fa.flow_style() is None and not entry.lc.data:  # new: as the bundled files have it
        entry.fa.set_flow_style()


def _node(value: Any) -> Any:
    """Return a value as plain YAML types that are written on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return CommentedMap((str(key), _node(entry)) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        sequence = CommentedSeq(_node(entry) for entry in value)
        sequence.fa.set_flow_style()
        return sequence
    return str(value) if isinstance(value, Path) else value


def _splice(old: str, new: str) -> str:
    """Return `old` with its block `cameras` taken from `new`."""
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    begin, end = _block(old_lines)
    new_begin, new_end = _block(new_lines)
    if begin == end and old_lines and not old_lines[-1].endswith("\n"):
        old_lines[-1] += "\n"
    return "".join(old_lines[:begin] + new_lines[new_begin:new_end] + old_lines[end:])


def _block(lines: list[str]) -> tuple[int, int]:
    """Return the first line of `cameras` and the first line after it; both the number of lines where there is none."""
    begin = next((i for i, line in enumerate(lines) if CAMERAS_KEY.match(line)), len(lines))
    following = (i for i in range(begin + 1, len(lines)) if TOP_LEVEL_KEY.match(lines[i]))
    return begin, next(following, len(lines))
