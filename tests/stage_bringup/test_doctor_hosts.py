"""`stage doctor --policy-host` and `--peer`: the GPU machine and the other PC, over real sockets."""

from __future__ import annotations

import http.server
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from stage_bringup.doctor import clock
from stage_bringup.doctor.policy_host import check_policy_host

ADDRESSES = itertools.count(1)


def loopback() -> str:
    """Return a loopback address that no other test process uses."""
    return f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}.{200 + next(ADDRESSES)}"


@contextmanager
def web_server(status: int) -> Iterator[tuple[str, int]]:
    """Yield (address, port) of a web server that answers every request with one status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((loopback(), 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_address[:2]
        server.shutdown()


@contextmanager
def time_server(ahead_s: float, *, delay_s: float = 0.0, stratum: int = 2, change: Callable[[bytes], bytes] = bytes) -> Iterator[tuple]:
    """Yield (address, port) of an SNTP server whose clock is ahead of this one's."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((loopback(), 0))

    def stamp() -> bytes:
        return struct.pack(">Q", round((time.time() + ahead_s + 2208988800) * 2**32))

    def serve() -> None:
        while True:
            question, client = server.recvfrom(512)
            if len(question) < 48:  # the end
                return
            arrived = stamp()
            threading.Event().wait(delay_s)  # on the way back
            answer = struct.pack(">BBbbIII8s8s", 0x24, stratum, 0, -20, 0, 0, 0, b"", b"")[:24] + question[40:48] + arrived + arrived
            server.sendto(change(answer), client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"end", server.getsockname())
        thread.join(5.0)
        server.close()


def test_a_ready_policy_server_is_good_and_timed():
    with web_server(200) as (host, port):
        finding = check_policy_host(host, port)
    assert finding.ok and "median" in finding.found and "ms" in finding.found


def test_a_server_that_warms_up_is_noted():
    with web_server(503) as (host, port):
        finding = check_policy_host(host, port)
    assert not finding.ok and not finding.required and "warming up" in finding.found


def test_another_web_server_is_refused():
    with web_server(404) as (host, port):
        finding = check_policy_host(host, port)
    assert finding.required and not finding.ok and "404" in finding.found and "stage serve" in finding.remedy


def test_no_server_is_refused_with_the_tunnel_to_make():
    finding = check_policy_host(loopback(), 8000)
    assert finding.required and not finding.ok and "ssh -N -L 8000" in finding.remedy


def test_a_host_that_speaks_no_http_is_refused():
    with socket.create_server((loopback(), 0)) as server:
        host, port = server.getsockname()
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-server\r\n"), daemon=True)
        thread.start()
        finding = check_policy_host(host, port, timeout_s=0.5)
    assert finding.required and not finding.ok


@pytest.mark.parametrize("ahead_s", [0.0, 0.25, -3.0])
def test_the_offset_of_another_clock_is_measured_within_its_uncertainty(ahead_s):
    with time_server(ahead_s) as (host, port):
        measured = clock.measure_offset(host, port=port)
    assert abs(measured.offset_s - ahead_s) <= measured.uncertainty_s + 1e-4
    assert measured.uncertainty_s < 0.05


def test_clocks_that_agree_are_good():
    with time_server(0.0) as (host, port):
        assert clock.check_peer_clock(host, port=port, limit_ms=40.0).ok


def test_clocks_further_apart_than_the_limit_are_refused():
    with time_server(0.2) as (host, port):
        finding = clock.check_peer_clock(host, port=port)
    assert finding.required and not finding.ok and "chrony" in finding.remedy


def test_a_slow_way_leaves_the_question_open():
    with time_server(0.0, delay_s=0.02) as (host, port):
        finding = clock.check_peer_clock(host, port=port)
    assert not finding.ok and not finding.required and "too coarse" in finding.found


def test_a_clock_that_follows_no_source_is_noted():
    with time_server(0.0, stratum=0) as (host, port):
        finding = clock.check_peer_clock(host, port=port, limit_ms=40.0)
    assert not finding.ok and not finding.required and "drift" in finding.found


def test_no_time_server_is_said_to_be_not_measurable():
    finding = clock.check_peer_clock(loopback(), port=9)
    assert not finding.ok and not finding.required and "not measurable" in finding.found and "allow" in finding.remedy


def test_an_answer_to_another_question_is_not_taken():
    with time_server(0.0, change=lambda answer: answer[:24] + b"\1" * 8 + answer[32:]) as (host, port), pytest.raises(OSError):
        clock.measure_offset(host, port=port, tries=1, timeout_s=0.1)
