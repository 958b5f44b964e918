"""Clocks: whether this PC's is synchronised, and how far it is from another PC's. Start at `check_clock`.

The other PC is asked by SNTP (RFC 4330), which chrony and ntpd answer where they are told to. Half the round trip bounds the error
of the result; what cannot be measured is said, never guessed.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from dataclasses import dataclass

from stage_bringup.doctor.finding import Finding, failed, good, noted

LARGEST_OFFSET_MS = 5.0  # DESIGN 9.2: above it nothing is recorded across two PCs
NTP_PORT = 123
NTP_TO_UNIX_S = 2208988800  # seconds from 1900 to 1970
NTP_PACKET = struct.Struct(">BBbbIII8s8s8s8s")


def check_clock() -> Finding | None:
    """The kernel's word on whether the clock is synchronised; it matters when ROS runs on two PCs (limit 5 ms)."""

    class Timex(ctypes.Structure):
        _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long)]
        _fields_ += [("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * 256)]

    timex = Timex()
    try:
        ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    unsynchronised = bool(timex.status & 0x40)  # STA_UNSYNC
    if unsynchronised:
        return noted("clock", "not synchronised", "only for ROS on two PCs: install chrony and let it settle")
    return good("clock", f"synchronised, error below {timex.maxerror / 1000:.0f} ms")


@dataclass(frozen=True, kw_only=True)
class ClockOffset:
    """How far another PC's clock is ahead.

    Attributes:
        offset_s: Other clock minus ours, s.
        uncertainty_s: The true offset lies within ± this, s: half the time that the question took.
        synchronised: False where the other PC says that its own clock follows none.
    """

    offset_s: float
    uncertainty_s: float
    synchronised: bool


def measure_offset(host: str, *, port: int = NTP_PORT, tries: int = 8, timeout_s: float = 0.5) -> ClockOffset:
    """Return the offset of another PC's clock from the quickest of several questions.

    Raises:
        OSError: If nobody answers; TimeoutError among them.
    """
    best: ClockOffset | None = None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect((host, port))
        for _ in range(tries):
            sample = _ask(connection)
            if best is None or sample.uncertainty_s < best.uncertainty_s:
                best = sample
    assert best is not None
    return best


def _ask(connection: socket.socket) -> ClockOffset:
    """Ask once. An answer to another question is skipped until the time is up."""
    sent, asked = time.time(), time.perf_counter()
    stamp = _to_ntp(sent)
    connection.send(NTP_PACKET.pack(0x23, 0, 0, 0, 0, 0, 0, b"", b"", b"", stamp))  # version 4, client
    for _ in range(8):
        answer = connection.recv(512)
        taken = time.perf_counter() - asked
        if len(answer) < NTP_PACKET.size:
            continue
        flags, stratum, *_middle, originate, arrived, left = NTP_PACKET.unpack(answer[: NTP_PACKET.size])
        if originate == stamp and flags & 0x7 == 4:
            arrived_s, left_s = _from_ntp(arrived), _from_ntp(left)
            round_trip_s = max(taken - (left_s - arrived_s), 0.0)
            offset_s = ((arrived_s - sent) + (left_s - (sent + taken))) / 2.0
            return ClockOffset(offset_s=offset_s, uncertainty_s=round_trip_s / 2.0, synchronised=flags >> 6 != 3 and 0 < stratum < 16)
    raise TimeoutError("no answer belongs to the question")


def check_peer_clock(host: str, *, port: int = NTP_PORT, limit_ms: float = LARGEST_OFFSET_MS) -> Finding:
    """How far the other PC's clock is from this one's, for ROS on two PCs.

    Args:
        host: Name or address of the other PC.
        port: UDP port of its time server.
        limit_ms: Largest offset with which an episode may be recorded across both.
    """
    name = "clock of the other PC"
    try:
        measured = measure_offset(host, port=port)
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else " ".join(str(error).split())
        remedy = (
            f"on {host}: install chrony, put 'allow' with this PC's network into its configuration, open UDP {port};"
            f" here: 'server {host} iburst'. Not needed where ROS runs on one PC only"
        )
        return noted(name, f"not measurable: {reason} from {host}, UDP port {port}", remedy)
    offset_ms, uncertainty_ms = 1e3 * measured.offset_s, 1e3 * measured.uncertainty_s
    found = f"{offset_ms:+.2f} ms, within {uncertainty_ms:.2f} ms"
    remedy = (
        f"let one PC follow the other: here in chrony's configuration 'server {host} iburst minpoll 0 maxpoll 4', then: chronyc makestep"
    )
    if abs(offset_ms) - uncertainty_ms > limit_ms:
        return failed(name, f"{found}; limit {limit_ms:g} ms", remedy)
    if abs(offset_ms) + uncertainty_ms > limit_ms:
        return noted(name, f"{found}: too coarse to tell it from {limit_ms:g} ms", "measure over a wire, with both PCs idle")
    if not measured.synchronised:
        return noted(name, f"{found} now, but {host} follows no time source, so both will drift apart", remedy)
    return good(name, f"{found} (limit {limit_ms:g} ms)", required=True)


def _to_ntp(seconds: float) -> bytes:
    """Return Unix seconds as NTP's 32.32 fixed point number."""
    return struct.pack(">Q", round((seconds + NTP_TO_UNIX_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF)


def _from_ntp(stamp: bytes) -> float:
    """Return NTP's 32.32 fixed point number as Unix seconds, good to about 0.3 µs."""
    return struct.unpack(">Q", stamp)[0] / (1 << 32) - NTP_TO_UNIX_S
