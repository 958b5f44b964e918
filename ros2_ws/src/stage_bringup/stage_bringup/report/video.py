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
    height, width = frames[0].shape[:2]
    file = io.BytesIO()
    with av.open(file, mode="w", format=container_format) as container:
        stream = container.add_stream(codec, rate=Fraction(rate_hz).limit_denominator(1000), options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue(), mime


def side_by_side(images: list[np.ndarray]) -> np.ndarray:
    """Return (H, W, 3) images beside each other, scaled to about `HEIGHT` by whole pixels; both sides even, as yuv420p needs."""
    scaled = [scale(image) for image in images]
    height = min(image.shape[0] for image in scaled)
    joined = np.concatenate([image[:height] for image in scaled], axis=1)
    return np.ascontiguousarray(joined[: height - height % 2, : joined.shape[1] - joined.shape[1] % 2])


def scale(image: np.ndarray) -> np.ndarray:
    """Return the image enlarged or thinned by a whole factor, so that it is near `HEIGHT` pixels high."""
    height = image.shape[0]
    if height >= 2 * HEIGHT:
        step = height // HEIGHT
        return image[::step, ::step]
    factor = max(1, HEIGHT // height)
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
