"""The way to the controller: which network card, whether it is the arm's own, and how it is linked. Start at `check_card`.

Nothing here sends a byte to the controller; `latency.py` measures the way, `controller_version.py` asks who is at its end.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from stage_bringup.doctor.finding import Finding, failed, good, noted

LOWEST_SPEED_MBIT_S = 100  # both makers ask for 100BASE-TX at least
ROUTES = Path("/proc/net/route")
CARDS = Path("/sys/class/net")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One line of the kernel's IPv4 table.

    Attributes:
        interface: Name of the network card.
        network: Addresses it leads to; 0.0.0.0/0 is the default route.
        gateway: True where a router lies between.
        metric: The lowest of equally narrow routes is taken.
    """

    interface: str
    network: ipaddress.IPv4Network
    gateway: bool
    metric: int


def read_routes(table: Path = ROUTES) -> list[Route]:
    """Return the usable routes of /proc/net/route, whose numbers are hexadecimal in the byte order of the machine."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    routes = []
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or not int(fields[3], 16) & 0x1:  # RTF_UP
            continue
        destination, mask = (str(ipaddress.IPv4Address(struct.pack("=I", int(fields[index], 16)))) for index in (1, 7))
        routes.append(
            Route(
                interface=fields[0],
                network=ipaddress.IPv4Network(f"{destination}/{mask}"),
                gateway=bool(int(fields[3], 16) & 0x2),
                metric=int(fields[6]),
            )
        )
    return routes


def find_route(address: str, routes: list[Route]) -> Route | None:
    """Return the route the kernel takes to an IPv4 address: the narrowest, then the lowest metric. None where there is none."""
    target = ipaddress.IPv4Address(address)
    if target.is_loopback:
        return Route(interface="lo", network=ipaddress.IPv4Network("127.0.0.0/8"), gateway=False, metric=0)
    fitting = [route for route in routes if target in route.network]
    return min(fitting, key=lambda route: (-route.network.prefixlen, route.metric), default=None)


def resolve(address: str) -> str | None:
    """Return the IPv4 address of a name or address, None where it cannot be resolved."""
    try:
        return socket.getaddrinfo(address, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return None


def check_card(address: str, routes: list[Route], cards: Path = CARDS) -> Finding:
    """The card towards the controller: wired, up, quick enough, and of its own.

    Args:
        address: IPv4 address of the controller.
        routes: From `read_routes`.
        cards: Folder of network cards, as /sys/class/net.
    """
    name = "network card"
    route = find_route(address, routes)
    if route is None or (route.gateway and route.network.prefixlen == 0 and ipaddress.IPv4Address(address).is_private):
        way = "no route" if route is None else f"only the default route of {route.interface}"
        near = ipaddress.IPv4Network(f"{address}/24", strict=False)
        own = next(str(host) for host in near.hosts() if str(host) != address)
        remedy = f"give the card that is wired to the controller an address of its network: sudo ip address add {own}/24 dev CARD"
        return failed(name, f"{way} to {address}", remedy)
    if route.interface == "lo":
        return good(name, "loopback: a controller on this PC", required=True)
    card = cards / route.interface
    if (card / "wireless").exists() or (card / "phy80211").exists():
        remedy = "wire the controller to a network card of this PC; a radio link loses and delays packets"
        return failed(name, f"{route.interface} is Wi-Fi", remedy)
    return _check_wire(name, route, routes, card)


def _check_wire(name: str, route: Route, routes: list[Route], card: Path) -> Finding:
    """Judge a card that is no Wi-Fi: link, speed, routers between, and who else uses it."""
    state, speed, duplex = _text(card / "operstate"), _number(card / "speed"), _text(card / "duplex")
    link = f"{route.interface}, {speed} Mbit/s" if speed else route.interface
    if state == "down":
        return failed(name, f"{route.interface} is down", f"plug the cable in at both ends, then: sudo ip link set {route.interface} up")
    if (speed and speed < LOWEST_SPEED_MBIT_S) or duplex == "half":
        remedy = f"use another cable or card: {LOWEST_SPEED_MBIT_S} Mbit/s full duplex at least, 1000 is usual"
        return failed(name, f"{link}{', half duplex' if duplex == 'half' else ''}", remedy)
    if route.gateway:
        remedy = "connect the PC to the controller's own socket, without routers or switches between"
        return noted(name, f"{link}, through a router", remedy)
    if card.exists() and not (card / "device").exists():
        remedy = "run on the PC itself or with the host's network (containers: --network host); take no VPN to a controller"
        return noted(name, f"{link}, a virtual card (bridge, VPN or container)", remedy)
    if any(other.network.prefixlen == 0 and other.interface == route.interface for other in routes):
        remedy = "give the controller a network card of its own (a USB 3 one will do), so that nothing else delays its packets"
        return noted(name, f"{link}, shared with the default route", remedy)
    return good(name, f"{link}, for the controller alone", required=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # a card that is down has no speed to read
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdigit() else 0
