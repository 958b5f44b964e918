"""Modbus RTU over a pseudo-terminal: unit, request and a checksum; a frame ends where the line falls silent. Start at `RtuServer`.

A device on a serial line says nothing to a frame that is not its own or does not fit its checksum.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import struct
import tempfile
import threading
import tty
from collections.abc import Callable
from pathlib import Path

_COUNTER = itertools.count(1)
SILENCE_S = 0.004  # 3.5 characters are 0.3 ms at 115200 bit/s; another process may be slow to write the rest


def crc16(data: bytes) -> int:
    """Return the checksum of Modbus RTU: polynomial 0xA001, start 0xFFFF."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def frame(unit: int, data: bytes) -> bytes:
    """Return a frame: unit, function and data, checksum with its low byte first."""
    body = bytes([unit]) + data
    return body + struct.pack("<H", crc16(body))


class RtuServer:
    """One pseudo-terminal, reached by a link whose name stays while the terminal changes."""

    def __init__(self, answer: Callable[[int, bytes], bytes | None], complain: Callable[[str], None]) -> None:
        """Prepare; there is no terminal yet. `answer` and `complain` as in `TcpServer`."""
        self._answer, self._complain = answer, complain
        self._folder = Path(tempfile.gettempdir()) / f"stage_robotiq_{os.getpid()}_{next(_COUNTER)}"
        self.path = self._folder / "gripper"
        self._ends: tuple[int, int] | None = None
        self._wake: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self.spoil_checksum = False

    def start(self) -> None:
        """Make the terminal; returns once it can be opened."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.path.unlink(missing_ok=True)  # of a process that was killed and had the same number
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.path.symlink_to(os.ttyname(theirs))
        self._ends, self._wake = (ours, theirs), os.pipe()
        self._thread = threading.Thread(target=self._serve, args=(ours, self._wake[0]), name="robotiq-rtu", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take the terminal away: whoever has it open sees the line hang up. Idempotent."""
        ends, self._ends = self._ends, None
        if ends is None:
            return
        os.write(self._wake[1], b"x")
        self._thread.join(timeout=2.0)
        for descriptor in (*ends, *self._wake):
            os.close(descriptor)
        with contextlib.suppress(OSError):
            self.path.unlink()
            self._folder.rmdir()

    def _serve(self, ours: int, wake: int) -> None:
        gathered = b""
        while True:
            ready, _, _ = select.select([ours, wake], [], [], SILENCE_S if gathered else None)
            if wake in ready:
                return
            if ready:
                try:
                    gathered += os.read(ours, 512)
                except OSError:
                    return
            else:
                self._take(ours, gathered)
                gathered = b""

    def _take(self, ours: int, data: bytes) -> None:
        if len(data) < 4 or frame(data[0], data[1:-2]) != data:
            self._complain(f"frame {data[:64].hex()}: wrong checksum or length")
            return
        try:
            answer = self._answer(data[0], data[1:-2])
        except ValueError as error:
            self._complain(f"frame {data.hex()}: {error}")
            return
        if answer is not None:
            whole = frame(data[0], answer)
            with contextlib.suppress(OSError):
                os.write(ours, whole[:-1] + bytes([whole[-1] ^ 0xFF]) if self.spoil_checksum else whole)
