"""Whether the GPU machine's policy server answers, and how long one question takes. Start at `check_policy_host`."""

from __future__ import annotations

import http.client
import statistics
import time

from stage_bringup.doctor.finding import Finding, failed, good, noted

SLOW_ROUND_TRIP_MS = 20.0  # of the 50 ms between two control steps at 20 Hz
TRIES = 20


def check_policy_host(host: str, port: int, *, timeout_s: float = 3.0) -> Finding:
    """The policy server's health and the round trip to it.

    Args:
        host: Name or address.
        port: TCP port.
        timeout_s: Longest wait for one answer, s.
    """
    name = "policy server"
    tunnel = f"ssh -N -L {port}:127.0.0.1:{port} {host} (docs/two_computers.md)"
    times_ms: list[float] = []
    try:
        for _ in range(TRIES):
            status, taken_s = _ask_health(host, port, timeout_s)
            if status == 503:
                return noted(name, f"{host}:{port} is warming up", "wait until stage serve says that it is ready, then look again")
            if status != 200:
                remedy = f"something else listens there; start it on the GPU machine: stage serve --policy NAME --port {port}"
                return failed(name, f"{host}:{port} answered {status} to /healthz", remedy)
            times_ms.append(1e3 * taken_s)
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = f"on the GPU machine: stage serve --policy NAME --port {port}; it listens on loopback there, so tunnel to it: {tunnel}"
        return failed(name, f"{host}:{port}: {reason}", remedy)
    median, worst = statistics.median(times_ms), max(times_ms)
    found = f"{host}:{port} ready, median {median:.1f}, most {worst:.1f} ms for a connection and an answer"
    if median > SLOW_ROUND_TRIP_MS:
        return noted(name, found, "connect both PCs by wire; a radio or routed link eats the time of the policy's chunks")
    return good(name, found, required=True)


def _ask_health(host: str, port: int, timeout_s: float) -> tuple[int, float]:
    """Return the status of one GET /healthz and the seconds it took."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    start = time.perf_counter()
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - start
    finally:
        connection.close()
