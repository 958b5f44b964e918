"""The text of a message type and of all types inside it, as MCAP stores it, from the .msg files of a ROS installation.

No rclpy: the files below `share/<package>/msg` are enough. Start at `message_definition`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from pathlib import Path

from stage_core.errors import ConfigurationError

SEPARATOR = "=" * 80
PRIMITIVES = frozenset(
    [
        "bool",
        "byte",
        "char",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
        "string",
        "wstring",
    ]  # ROS 2's own names
)
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(<=\d+)?(\[[^\]]*\])?\s+[A-Za-z]\w*")


@functools.cache
def message_definition(type_name: str) -> str:
    """Return the ros2msg text of a type: its own .msg file, then every type it contains behind a separator line.

    Args:
        type_name: For example `stage_msgs/msg/ArmState`.

    Raises:
        ConfigurationError: If the type's or a contained type's .msg file is not found.
    """
    package, name = _split(type_name)
    parts = [_read(package, name)]
    seen = {(package, name)}
    waiting = contained_types(parts[0], package)
    while waiting:
        entry = waiting.pop(0)
        if entry in seen:
            continue
        seen.add(entry)
        text = _read(*entry)
        parts.append(f"{SEPARATOR}\nMSG: {entry[0]}/{entry[1]}\n{text}")
        waiting += contained_types(text, entry[0])
    return "\n".join(parts)


@functools.cache
def type_hash(type_name: str) -> str:
    """Return the RIHS01 hash ROS gives a type, or an empty string where it is not known; rosbag2 stores it beside the topic."""
    package, name = _split(type_name)
    for folder in _folders(package):
        file = folder / f"{name}.json"
        if file.is_file():
            hashes = json.loads(file.read_text(encoding="utf-8")).get("type_hashes", [])
            return next((entry["hash_string"] for entry in hashes if entry.get("type_name") == type_name), "")
    return ""


def contained_types(text: str, package: str) -> list[tuple[str, str]]:
    """Return (package, name) of the message types that the fields of a .msg text have, in order."""
    found = []
    for line in text.splitlines():
        match = _FIELD.match(line.split("#", 1)[0])
        if match is None or match.group(1) in PRIMITIVES:
            continue
        words = match.group(1).split("/")
        found.append((words[0], words[-1]) if len(words) > 1 else (package, words[0]))
    return found


def _split(type_name: str) -> tuple[str, str]:
    words = type_name.split("/")
    if len(words) not in (2, 3) or not all(words):
        raise ConfigurationError(f'message type is "{type_name}"; expected package/msg/Type, for example stage_msgs/msg/ArmState.')
    return words[0], words[-1]


def _folders(package: str) -> list[Path]:
    """Return where a package's .msg files may lie: ROS prefixes, this environment, the checkout this file is in."""
    prefixes = [entry for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry] + [sys.prefix]
    return [Path(prefix) / "share" / package / "msg" for prefix in prefixes] + [Path(__file__).resolve().parents[2] / package / "msg"]


def _read(package: str, name: str) -> str:
    for folder in _folders(package):
        file = folder / f"{name}.msg"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise ConfigurationError(
        f"message type {package}/msg/{name} is not installed; expected share/{package}/msg/{name}.msg below a ROS prefix."
        f" Install the package or source ROS, then run: stage doctor"
    )
