"""Adds the tool centre of a workcell to an arm's URDF, so that kinematics and limits know the tool. Start at `urdf_with_tool`."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from stage_core.errors import ConfigurationError

TOOL_LINK = "stage_tool"


def urdf_with_tool(urdf: str | Path, flange_link: str, flange_to_tool: np.ndarray, *, folder: Path | None = None) -> Path:
    """Return the path of a copy of `urdf` with a fixed link `stage_tool` at the tool centre.

    The copy's name carries the hash of its content, so several arms and processes can share the folder.

    Args:
        urdf: The arm alone, up to its flange.
        flange_link: Its last link.
        flange_to_tool: (7,) m and xyzw: the tool centre in the flange frame.
        folder: Where the copy goes; a folder of the user's own below the system's temporary one by default.

    Raises:
        ConfigurationError: If there is no such link, or the pose is not one.
    """
    pose = np.asarray(flange_to_tool, dtype=np.float64)
    if pose.shape != (7,) or not np.isfinite(pose).all() or abs(float(np.linalg.norm(pose[3:])) - 1.0) > 1e-3:
        raise ConfigurationError(f"flange_to_tool is {pose.tolist()}; expected 7 numbers, m and a quaternion xyzw of length 1.")
    tree = ElementTree.parse(urdf)
    root = tree.getroot()
    if flange_link not in [link.get("name") for link in root.iter("link")]:
        raise ConfigurationError(f'{urdf}: there is no link "{flange_link}"; expected the flange. Correct the driver.')
    joint = ElementTree.SubElement(root, "joint", name=f"{TOOL_LINK}_joint", type="fixed")
    ElementTree.SubElement(joint, "origin", xyz=_numbers(pose[:3]), rpy=_numbers(_roll_pitch_yaw(pose[3:])))
    ElementTree.SubElement(joint, "parent", link=flange_link)
    ElementTree.SubElement(joint, "child", link=TOOL_LINK)
    ElementTree.SubElement(root, "link", name=TOOL_LINK)
    content = ElementTree.tostring(root)
    folder = folder or Path(tempfile.gettempdir()) / f"stage_urdf_{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{Path(urdf).stem}_{hashlib.sha256(content).hexdigest()[:16]}.urdf"
    if not path.is_file():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)  # another process may read it at this moment
    return path


def _roll_pitch_yaw(quaternion: np.ndarray) -> tuple[float, float, float]:
    """Return the angles of a URDF origin, rad: turns about the fixed axes x, then y, then z."""
    x, y, z, w = quaternion / np.linalg.norm(quaternion)
    sine = 2.0 * (w * y - z * x)
    if abs(sine) > 1.0 - 1e-12:  # straight up or down: roll and yaw turn about one axis, and roll is taken as 0
        return (
            0.0,
            math.copysign(math.pi / 2, sine),
            2.0 * math.atan2(z, w) if abs(w) + abs(z) > 1e-9 else -2.0 * math.copysign(1.0, sine) * math.atan2(x, y),
        )
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    return roll, math.asin(sine), math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def _numbers(values: np.ndarray | tuple[float, ...]) -> str:
    return " ".join(f"{value:.17g}" for value in values)
