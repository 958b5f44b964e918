"""Large images need the Fast DDS profile that the graph exports; without it frames are lost silently, so we refuse (DESIGN 9.3)."""

from __future__ import annotations

import os

from stage_core.errors import ConfigurationError

LARGE_IMAGE_BYTES = 500_000
PROFILE_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def check_image_transport(camera: str, frame_bytes: int) -> None:
    """Refuse a camera whose frames the default Fast DDS transport would lose.

    Args:
        camera: Its name, for the message.
        frame_bytes: Bytes of one raw frame.

    Raises:
        ConfigurationError: If the frame is large, Fast DDS is in use and no profile is set.
    """
    implementation = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if frame_bytes <= LARGE_IMAGE_BYTES or "fastrtps" not in implementation or os.environ.get(PROFILE_VARIABLE):
        return
    raise ConfigurationError(
        f'camera "{camera}" sends {frame_bytes} bytes per frame; expected at most {LARGE_IMAGE_BYTES} without a Fast DDS profile '
        f'(its default shared memory loses most such frames). Set {PROFILE_VARIABLE}: eval "$(stage env)".'
    )
