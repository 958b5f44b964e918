"""The fingerprint of a run: SHA-256 over sequence, action and stage of every step (DESIGN 9.4). No ROS here.

Per step: sequence uint32, values float32, gripper float32, stage uint8, all little-endian.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence


class TraceHash:
    """Adds steps one by one; equal runs give equal digests."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, sequence: int, values: Sequence[float], gripper: float, stage: int) -> bytes:
        """Add one step and return its bytes. A NaN gripper (no gripper command) always has the same bits."""
        gripper = float("nan") if math.isnan(gripper) else gripper
        step = struct.pack(f"<I{len(values)}ffB", sequence, *values, gripper, stage)
        self._hash.update(step)
        return step

    def add_bytes(self, content: bytes) -> None:
        """Add bytes that `add` of another trace returned."""
        self._hash.update(content)

    def hexdigest(self) -> str:
        """Return the digest so far, 64 hexadecimal digits."""
        return self._hash.hexdigest()
