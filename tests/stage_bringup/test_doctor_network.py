"""`stage doctor --robot`: the network card towards the controller, and the time to it and back."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

import pytest

from stage_bringup.doctor import latency, robot_network

HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
# 192.168.1.0/24 and the default route on eth0, 172.16.0.0/24 on eth1; numbers as a little-endian machine prints them
DEDICATED = (
    HEADER
    + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    + "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
    + "eth1\t000010AC\t00000000\t0001\t0\t0\t101\t00FFFFFF\t0\t0\t0\n"
)
ADDRESSES = itertools.count(1)


def loopback() -> str:
    """Return a loopback address that no other test process uses."""
    return f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}.{next(ADDRESSES)}"


def routes(tmp_path: Path, table: str = DEDICATED) -> list[robot_network.Route]:
    file = tmp_path / "route"
    file.write_text(table)
    return robot_network.read_routes(file)


def card(tmp_path: Path, name: str, *, speed: str = "1000", state: str = "up", duplex: str = "full", physical: bool = True) -> Path:
    folder = tmp_path / "net" / name
    folder.mkdir(parents=True)
    for file, text in (("speed", speed), ("operstate", state), ("duplex", duplex)):
        (folder / file).write_text(text + "\n")
    if physical:
        (folder / "device").mkdir()
    return folder


@pytest.mark.parametrize(
    ("address", "interface"),
    [("172.16.0.2", "eth1"), ("192.168.1.7", "eth0"), ("8.8.8.8", "eth0"), ("127.3.2.1", "lo")],
)
def test_the_narrowest_route_is_taken(tmp_path, address, interface):
    assert robot_network.find_route(address, routes(tmp_path)).interface == interface


def test_of_equally_narrow_routes_the_lowest_metric_is_taken(tmp_path):
    table = DEDICATED + "eth2\t000010AC\t00000000\t0001\t0\t0\t50\t00FFFFFF\t0\t0\t0\n"
    assert robot_network.find_route("172.16.0.2", routes(tmp_path, table)).interface == "eth2"


def test_this_machines_own_table_can_be_read():
    assert all(route.interface for route in robot_network.read_routes())


def test_a_wired_card_of_its_own_is_good(tmp_path):
    card(tmp_path, "eth1")
    finding = robot_network.check_card("172.16.0.2", routes(tmp_path), tmp_path / "net")
    assert finding.ok and "eth1, 1000 Mbit/s" in finding.found


def test_wifi_is_refused(tmp_path):
    (card(tmp_path, "eth1") / "wireless").mkdir()
    finding = robot_network.check_card("172.16.0.2", routes(tmp_path), tmp_path / "net")
    assert finding.required and not finding.ok and "Wi-Fi" in finding.found and "wire" in finding.remedy


def test_a_card_shared_with_the_default_route_is_noted(tmp_path):
    card(tmp_path, "eth0")
    finding = robot_network.check_card("192.168.1.7", routes(tmp_path), tmp_path / "net")
    assert not finding.ok and not finding.required and "shared" in finding.found and "of its own" in finding.remedy


def test_a_private_address_behind_the_default_route_alone_is_refused(tmp_path):
    finding = robot_network.check_card("172.16.5.2", routes(tmp_path), tmp_path / "net")
    assert finding.required and not finding.ok and "172.16.5.1/24" in finding.remedy


def test_no_route_at_all_is_refused_with_an_address_to_set(tmp_path):
    finding = robot_network.check_card("172.16.0.1", routes(tmp_path, HEADER), tmp_path / "net")
    assert not finding.ok and "no route" in finding.found and "172.16.0.2/24" in finding.remedy


@pytest.mark.parametrize(
    ("facts", "words"),
    [({"state": "down"}, "is down"), ({"speed": "10"}, "10 Mbit/s"), ({"duplex": "half"}, "half duplex")],
)
def test_a_bad_link_is_refused(tmp_path, facts, words):
    card(tmp_path, "eth1", **facts)
    finding = robot_network.check_card("172.16.0.2", routes(tmp_path), tmp_path / "net")
    assert finding.required and not finding.ok and words in finding.found and finding.remedy


def test_a_virtual_card_is_noted(tmp_path):
    card(tmp_path, "eth1", physical=False)
    finding = robot_network.check_card("172.16.0.2", routes(tmp_path), tmp_path / "net")
    assert not finding.ok and "virtual" in finding.found and "--network host" in finding.remedy


def test_a_router_between_is_noted(tmp_path):
    card(tmp_path, "eth1")
    table = DEDICATED + "eth1\t000510AC\t010010AC\t0003\t0\t0\t101\t00FFFFFF\t0\t0\t0\n"
    finding = robot_network.check_card("172.16.5.2", routes(tmp_path, table), tmp_path / "net")
    assert not finding.ok and "router" in finding.found


def test_a_controller_on_this_pc_is_good(tmp_path):
    assert robot_network.check_card("127.0.0.5", [], tmp_path).ok


def test_names_are_resolved_and_nonsense_is_not():
    assert robot_network.resolve("127.0.0.1") == "127.0.0.1"
    assert robot_network.resolve("no such name at all") is None


def test_a_refused_connection_is_a_round_trip_too():
    trips = latency._series("TCP port 9", lambda: latency._connect(loopback(), 1.0, 9), 5)
    assert len(trips.times_s) == 5 and trips.lost == 0


def test_an_open_port_is_a_round_trip():
    with socket.create_server((loopback(), 0)) as server:
        address, port = server.getsockname()
        trips = latency.measure_round_trips(address, port, tries=20)
    assert len(trips.times_s) == 20 and all(0.0 < taken < 1.0 for taken in trips.times_s)


def test_loopback_is_within_the_budget_of_both_robots():
    trips = latency.measure_round_trips(loopback(), 443, tries=50)
    for budget in latency.BUDGETS.values():
        assert trips.milliseconds(0.5) < budget.median_ms


def test_quantiles_are_the_nearest_ranks():
    trips = latency.RoundTrips(way="ICMP", times_s=[i / 1000 for i in range(100, 0, -1)], lost=0)
    assert [round(trips.milliseconds(share)) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]


@pytest.mark.parametrize(
    ("times_ms", "lost", "ok", "required"),
    [
        ([0.1] * 200, 0, True, True),
        ([0.1] * 190 + [0.9] * 10, 0, False, False),  # 5 % late: p99 above 0.3 ms
        ([0.1] * 200, 3, False, False),
        ([1.4] * 200, 0, False, True),  # no time left of the millisecond
    ],
)
def test_the_budget_of_the_1_khz_loop_decides(times_ms, lost, ok, required):
    trips = latency.RoundTrips(way="ICMP", times_s=[taken / 1000 for taken in times_ms], lost=lost)
    finding = latency.check_latency(trips, latency.BUDGETS["franka"], "172.16.0.2")
    assert (finding.ok, finding.required) == (ok, required)
    assert ok or "1 kHz" in finding.remedy


def test_what_stays_silent_is_said_to_be_not_measurable():
    trips = latency.RoundTrips(way="ICMP and TCP port 443", times_s=[], lost=2)
    finding = latency.check_latency(trips, latency.BUDGETS["franka"], "172.16.0.2")
    assert not finding.ok and "not measurable" in finding.found and "ping 172.16.0.2" in finding.remedy


def test_a_dead_link_does_not_take_the_whole_series():
    asked = []
    trips = latency._series("ICMP", lambda: asked.append(1), 1000)
    assert trips.times_s == [] and len(asked) < 20
