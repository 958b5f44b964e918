"""One ROS domain per graph, so that two users on one machine never hear each other. No ROS here.

A domain id is taken by binding an abstract Unix socket: the kernel gives it back when the process ends, however it
ends. ROS_DOMAIN_ID is respected when it is set.
"""

from __future__ import annotations

import itertools
import os
import socket
from dataclasses import dataclass

from stage_core.errors import ConfigurationError

DOMAIN_VARIABLE = "ROS_DOMAIN_ID"
FIRST_DOMAIN, LAST_DOMAIN = 1, 101  # above 101 the ports reach into Linux's ephemeral range
_PORT_BASE, _DOMAIN_GAIN, _UNICAST_OFFSET = 7400, 250, 10  # the ports of the DDS standard (RTPS 9.6.1.1)


@dataclass
class DomainLease:
    """A domain id and the socket that keeps it ours; `close` gives it back."""

    domain_id: int
    _socket: socket.socket | None

    def close(self) -> None:
        """Give the domain back. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def lease_domain() -> DomainLease:
    """Return a domain that no other graph on this machine uses, or the one in ROS_DOMAIN_ID.

    Raises:
        ConfigurationError: If ROS_DOMAIN_ID is not a number from 0 to 232, or every domain is taken.
    """
    wanted = os.environ.get(DOMAIN_VARIABLE)
    if wanted:
        if not wanted.isdigit() or int(wanted) > 232:
            raise ConfigurationError(f"{DOMAIN_VARIABLE} is {wanted!r}; expected a number from 0 to 232. Unset it to have one chosen.")
        return DomainLease(int(wanted), None)
    count = LAST_DOMAIN - FIRST_DOMAIN + 1
    start = os.getpid() % count  # two graphs started together seldom try the same one first
    for offset in range(count):
        domain_id = FIRST_DOMAIN + (start + offset) % count
        lock = _lock(domain_id)
        if lock is not None:
            return DomainLease(domain_id, lock)
    raise ConfigurationError(f"all {count} ROS domains are in use on this machine. End a graph, or set {DOMAIN_VARIABLE}.")


def _lock(domain_id: int) -> socket.socket | None:
    """Return the socket that marks the domain as ours, or None where another graph has it."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0stage-robotics-ros-domain-{domain_id}")
    except OSError:
        lock.close()
        return None
    if _in_use_by_others(domain_id):
        lock.close()
        return None
    return lock


def _in_use_by_others(domain_id: int) -> bool:
    """Return True where some ROS program that does not ask us listens in the domain."""
    port = _PORT_BASE + _DOMAIN_GAIN * domain_id + _UNICAST_OFFSET
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


def free_port() -> int:
    """Return a TCP port on the loopback interface that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def loopback_address() -> str:
    """Return an address 127.x.y.z that no other process of Stage gets while this one lives: a fake controller's ports are fixed."""
    number = os.getpid() * 8 + next(_addresses) % 8
    return f"127.{64 + number // 64516 % 64}.{number // 254 % 254 + 1}.{number % 254 + 1}"


_addresses = itertools.count()
