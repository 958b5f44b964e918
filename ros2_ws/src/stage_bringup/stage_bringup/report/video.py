"""Images of an episode as one small video that browsers play: H.264 in MP4, or VP9 in WebM where no H.264 encoder is installed."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np

HEIGHT = 256  # pixels; the demo's cameras are smaller, real ones larger


def encode_video(cameras: list[np.ndarray], rate_hz: float) -> tuple[bytes, str]:
    """Return the cameras side by side as a video.

    Args:
        cameras: (T, H, W, 3) uint8 RGB each, all of the same T.
        rate_hz: Frames per second.

    Returns:
        The file's bytes and its MIME type.

    Raises:
        ImportError: If PyAV is not installed.
    """
    import av

    container_format, codec, mime, settings = "mp4", "libx264", "video/mp4", {"crf": "23", "preset": "veryfast"}
    if codec not in av.codecs_available:
        container_format, codec, mime, settings = "webm", "libvpx-vp9", "video/webm", {"crf": "34", "b": "0", "cpu-used": "5"}
    frames = [side_by_side([camera[step] for camera in cameras]) for step in range(len(cameras[0]))]
    height, width = shown_size(*frames[0].shape[:2])
    file = io.BytesIO()
    with av.open(file, mode="w", format=container_format) as container:
        stream = container.add_stream(codec, rate=Fraction(rate_hz).limit_denominator(1000), options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in frames:
            # Small images are enlarged smoothly: a browser shows 128 pixels as blocks.
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(width, height, "yuv420p", interpolation="BICUBIC")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue(), mime


def side_by_side(images: list[np.ndarray]) -> np.ndarray:
    """Return (H, W, 3) images beside each other, cut to the height of the lowest."""
    height = min(image.shape[0] for image in images)
    return np.ascontiguousarray(np.concatenate([image[:height] for image in images], axis=1))


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Return (height, width) near `HEIGHT` pixels high, both even, as yuv420p needs."""
    factor = HEIGHT / height
    return 2 * round(height * factor / 2), 2 * max(1, round(width * factor / 2))
