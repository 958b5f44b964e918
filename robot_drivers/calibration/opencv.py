"""The one place where calibration imports OpenCV."""

from __future__ import annotations

from typing import Any

from stage_core.errors import MissingDependencyError


def import_opencv() -> Any:
    """Return the module cv2. Raises MissingDependencyError where it, or its ArUco part, is missing."""
    try:
        import cv2
    except ImportError:
        cv2 = None
    if cv2 is None or not hasattr(getattr(cv2, "aruco", None), "CharucoDetector"):
        raise MissingDependencyError(
            "OpenCV 4.8 or newer is not installed; calibration needs it. Run: pip install 'stage-robotics[cameras]'"
        )
    return cv2
