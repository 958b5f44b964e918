"""How long the way to the controller and back takes, measured without talking to what controls the arm. Start at `check_latency`.

A network driver answers an echo request (ICMP) at once; where the system does not allow one, the time of a TCP connection is taken on a
port that has nothing to do with control: the controller's web page. A refusal travels the same way as an acceptance, so both count.
The control port itself is never used for a series: a controller may take each connection for a client.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from stage_bringup.doctor.finding import Finding, failed, good, noted


@dataclass(frozen=True, kw_only=True)
class LatencyBudget:
    """What a controller's rate leaves for the network.

    Attributes:
        median_ms: Above it the arm cannot be controlled.
        p99_ms: Above it packets come late now and then.
        why: The period behind both, in words.
        port: TCP port of the controller's web page.
    """

    median_ms: float
    p99_ms: float
    why: str
    port: int


BUDGETS = {
    "franka": LatencyBudget(median_ms=1.0, p99_ms=0.3, why="its 1 kHz loop has 1 ms for network and answer together", port=443),
    "xarm": LatencyBudget(median_ms=10.0, p99_ms=3.0, why="servo commands go out every 10 ms", port=18333),
}


@dataclass(frozen=True, kw_only=True)
class RoundTrips:
    """A series of round trips.

    Attributes:
        way: `ICMP` or `TCP port N`.
        times_s: Of the answered ones, s.
        lost: How many stayed without an answer.
    """

    way: str
    times_s: list[float]
    lost: int

    def milliseconds(self, share: float) -> float:
        """Return the nearest-rank quantile, ms; `share` in (0, 1]."""
        ordered = sorted(self.times_s)
        return 1e3 * ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def measure_round_trips(address: str, port: int, *, tries: int = 200, timeout_s: float = 0.2) -> RoundTrips:
    """Measure by ICMP where it is allowed and answered, else by TCP.

    Args:
        address: IPv4 address.
        port: TCP port that may be connected to as often as one likes, open or closed.
        tries: Length of the series.
        timeout_s: Longest wait for one answer, s.
    """
    for way, probe in (("ICMP", _echo), (f"TCP port {port}", lambda *ends: _connect(*ends, port))):
        if probe(address, timeout_s) is not None:  # also resolves the address at link level, which is not to be counted
            return _series(way, lambda probe=probe: probe(address, timeout_s), tries)
    return RoundTrips(way=f"ICMP and TCP port {port}", times_s=[], lost=2)


def _series(way: str, probe: Callable[[], float | None], tries: int) -> RoundTrips:
    times_s: list[float] = []
    lost = 0
    for _ in range(tries):
        taken = probe()
        if taken is None:
            lost += 1
            if lost > 10 and lost > len(times_s):
                break  # a dead link would take tries × timeout_s
        else:
            times_s.append(taken)
    return RoundTrips(way=way, times_s=times_s, lost=lost)


def _connect(address: str, timeout_s: float, port: int) -> float | None:
    """Return the seconds that one TCP connection (or its refusal) takes, None without an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(timeout_s)
        start = time.perf_counter()
        try:
            probe.connect((address, port))
        except ConnectionRefusedError:
            return time.perf_counter() - start
        except OSError:
            return None
        return time.perf_counter() - start


def _echo(address: str, timeout_s: float) -> float | None:
    """Return the seconds of one ICMP echo, None where it is not allowed or not answered."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            probe = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        except OSError:
            continue
        with probe:
            try:
                return _one_echo(probe, address, timeout_s, raw=kind == socket.SOCK_RAW)
            except OSError:
                return None
    return None


def _one_echo(probe: socket.socket, address: str, timeout_s: float, *, raw: bool) -> float | None:
    """Send one echo request and wait for the reply that carries its token."""
    token = os.urandom(16)
    header = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1)
    packet = struct.pack(">BBHHH", 8, 0, _checksum(header + token), os.getpid() & 0xFFFF, 1) + token
    start = time.perf_counter()
    probe.sendto(packet, (address, 0))
    while (left := timeout_s - (time.perf_counter() - start)) > 0.0:
        probe.settimeout(left)
        reply = probe.recv(2048)
        taken = time.perf_counter() - start
        body = reply[(reply[0] & 0xF) * 4 :] if raw else reply
        if body[:1] == b"\0" and body.endswith(token):  # type 0 is the reply; over loopback a raw socket sees its own request too
            return taken
    return None


def _checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def check_latency(trips: RoundTrips, budget: LatencyBudget, address: str) -> Finding:
    """Judge a series of round trips by what the controller's rate leaves.

    Args:
        trips: From `measure_round_trips`.
        budget: Of the robot, from `BUDGETS`.
        address: For the message.
    """
    name = "latency"
    if not trips.times_s:
        remedy = f"is the controller switched on and wired to this PC? Try: ping {address}; a firewall that drops both hides a working controller"
        return noted(name, f"not measurable: {address} does not answer by {trips.way}", remedy)
    median, p99, worst = (trips.milliseconds(share) for share in (0.5, 0.99, 1.0))
    total = len(trips.times_s) + trips.lost
    found = f"median {median:.2f}, p99 {p99:.2f}, most {worst:.2f} ms by {trips.way} ({trips.lost} of {total} lost)"
    remedy = (
        f"{budget.why}: wire the PC straight to the controller, nothing between; CPU governor performance; no load beside it"
        f" (wanted: median below {budget.median_ms:g}, p99 below {budget.p99_ms:g} ms, none lost)"
    )
    if median > budget.median_ms:
        return failed(name, found, remedy)
    if p99 > budget.p99_ms or trips.lost:
        return noted(name, found, remedy)
    return good(name, found, required=True)
