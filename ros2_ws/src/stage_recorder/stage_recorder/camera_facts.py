"""What episode.json says about the cameras, from the first CameraInfo each one sent."""

from __future__ import annotations

import re
from typing import Any

from stage_core.errors import StageError
from stage_recorder.cdr import message_decoder

CAMERA_INFO = re.compile(r"(?:^|/)cameras/([^/]+)/camera_info$")


def camera_of(topic: str) -> str:
    """Return the name of the camera whose CameraInfo comes on a topic, empty for any other topic."""
    match = CAMERA_INFO.search(topic)
    return match.group(1) if match else ""


def describe_camera(name: str, type_name: str, definition: str, content: bytes | memoryview) -> dict[str, Any] | None:
    """Return the fields of `schema.CameraDescription` that a sensor_msgs/CameraInfo message tells, None if it cannot be decoded."""
    try:
        info = message_decoder(type_name, definition)(content)
        return {
            "name": name,
            "width": info["width"],
            "height": info["height"],
            "frame": info["header"]["frame_id"],
            "intrinsics": [float(value) for value in info["k"]],
            "distortion": [float(value) for value in info["d"]],
        }
    except (StageError, KeyError):  # an episode is not lost because a user's camera sends something else
        return None


def merge_cameras(given: list[dict[str, Any]], told: list[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Return one entry per camera: what the session said (extrinsics, settings), filled up with what the camera told."""
    merged = {entry["name"]: dict(entry) for entry in told if entry is not None}
    for entry in given:
        merged[entry["name"]] = {**merged.get(entry["name"], {}), **{key: value for key, value in entry.items() if value}}
    return [merged[name] for name in sorted(merged)]
