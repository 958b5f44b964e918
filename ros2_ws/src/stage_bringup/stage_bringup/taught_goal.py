"""Writes a taught goal into a task file: the block `goal`, everything else as it was, comments too. Start at `write_goal`.

The new content is checked before it replaces the old, which stays beside it as `.bak`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from stage_bringup.configuration_files import configuration_root
from stage_core.errors import ConfigurationError, MissingDependencyError
from stage_core.task import load_task

TOP_LEVEL_KEY = re.compile(r"[^\s#]")  # a line that starts with neither space nor comment
GOAL_KEY = re.compile(r"""["']?goal["']?\s*:""")


def check_own_task_file(path: Path) -> Path:
    """Return the resolved path of a task file that may be written.

    Raises:
        ConfigurationError: If it does not exist, comes with Stage, cannot be written, or is not a task file already.
    """
    resolved = path.expanduser().resolve()
    if not resolved.is_file():
        raise ConfigurationError(f"task file {path} does not exist. Check the path, or write one: stage tasks new")
    if resolved.is_relative_to(configuration_root().resolve()):
        raise ConfigurationError(
            f"{path} comes with Stage and is not changed. Copy it first: cp {path} my_{resolved.name}, then name the copy."
        )
    if not (os.access(resolved, os.W_OK) and os.access(resolved.parent, os.W_OK)):
        raise ConfigurationError(f"{path} cannot be written to. Check its permissions and those of its folder.")
    load_task(resolved)
    return resolved


def write_goal(path: Path, position: Sequence[float], orientation: Sequence[float] | None, *, keep_offset: bool) -> None:
    """Make the goal of a task file a taught one.

    Args:
        path: A task file of the user's own.
        position: (3,) m in the arm base frame.
        orientation: (4,) xyzw of the object at the goal; None where any will do.
        keep_offset: True leaves the file's `offset_m`, which goes from `position` to where the object's centre belongs.

    Raises:
        ConfigurationError: If the file cannot be written or would no longer be a task file. It is then as it was.
        MissingDependencyError: If ruamel.yaml is not installed.
    """
    target = check_own_task_file(path)
    with open(target, encoding="utf-8", newline="") as stream:
        text = stream.read()
    ending = "\r\n" if "\r\n" in text else "\n"
    changed = _edit(text.replace("\r\n", "\n"), position, orientation, keep_offset).replace("\n", ending)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as stream:
            stream.write(changed)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            load_task(temporary)
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace(str(temporary), str(path))) from None
        shutil.copymode(target, temporary)
        shutil.copy2(target, target.with_name(target.name + ".bak"))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _edit(text: str, position: Sequence[float], orientation: Sequence[float] | None, keep_offset: bool) -> str:
    """Return the file's text with another goal; lines outside of it are the old ones, byte for byte."""
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.comments import CommentedSeq
    except ImportError:
        raise MissingDependencyError(
            "ruamel.yaml is not installed; expected it for writing a task file. Run: pip install 'stage-robotics[robot]'"
        ) from None

    def on_one_line(values: Sequence[float], digits: int) -> CommentedSeq:
        sequence = CommentedSeq(round(float(value), digits) + 0.0 for value in values)
        sequence.fa.set_flow_style()
        return sequence

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(text)
    goal = content["goal"]
    goal["source"] = "taught"
    goal["position_m"] = on_one_line(position, 5)
    if not keep_offset:
        goal.pop("offset_m", None)
    goal.pop("orientation_xyzw", None)
    if orientation is not None:
        goal["orientation_xyzw"] = on_one_line(orientation, 6)
    stream = io.StringIO()
    yaml.dump(content, stream)
    old, new = text.splitlines(keepends=True), stream.getvalue().splitlines(keepends=True)
    begin, end = _block(old)
    new_begin, new_end = _block(new)
    return "".join(old[:begin] + new[new_begin:new_end] + old[end:])


def _block(lines: list[str]) -> tuple[int, int]:
    """Return the first line of `goal` and the first line after it that is another key or a comment before one."""
    begin = next(i for i, line in enumerate(lines) if GOAL_KEY.match(line))
    end = next((i for i in range(begin + 1, len(lines)) if TOP_LEVEL_KEY.match(lines[i])), len(lines))
    while end > begin + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1  # what stands before the next key belongs to that key
    return begin, end
