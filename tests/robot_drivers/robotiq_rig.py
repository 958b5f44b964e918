"""A Robotiq driver on the fake gripper, over TCP or the serial line, for the tests of the driver."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

from robot_drivers.fake_controllers.robotiq.controller import FakeRobotiq
from robot_drivers.grippers.robotiq import RobotiqGripper
from robot_drivers.grippers.robotiq_settings import RobotiqSettings

_COUNTER = itertools.count(1)


def own_address() -> str:
    """Return a loopback address that no other test worker has."""
    pid = os.getpid()
    return f"127.{100 + pid // 250 % 100}.{pid % 250}.{next(_COUNTER) % 250 + 1}"


def until(condition: Callable[[], bool], timeout: float = 8.0) -> bool:
    """Return True as soon as `condition()` holds, False after `timeout` s."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


def settings_for(fake: FakeRobotiq, transport: str = "tcp", **changes) -> dict:
    """Return the entry `settings.gripper` that reaches the fake."""
    place = {"port": fake.rtu_path} if transport == "rtu" else {"address": fake.address, "tcp_port": fake.port}
    values = {"transport": transport, "model": "2f_85", "max_width_m": 0.085, "speed_m_s": 0.15, "force_n": 60.0, **place}
    return {**values, **changes}


class Rig:
    """A fake gripper, activated by default, and a driver that is not connected yet."""

    def __init__(
        self, transport: str = "tcp", *, activated: bool = True, read_only: bool = False, full_speed: bool = True, **changes
    ) -> None:
        self.fake = FakeRobotiq(own_address(), port=0, activated=activated, activation_s=0.3)
        self.fake.start()
        settings = RobotiqSettings(**settings_for(self.fake, transport, **changes))
        self.gripper = RobotiqGripper(settings, read_only=read_only, full_speed=full_speed)

    @property
    def requests(self) -> list[dict]:
        """What was written into the gripper."""
        return self.fake.log.entries("request")

    def go(self, opening: float) -> None:
        """Command and wait until the fingers rest."""
        written = self.fake.log.counts.get("request", 0)
        self.gripper.command(opening)
        assert until(lambda: self.fake.log.counts.get("request", 0) > written)
        assert until(lambda: not self.fake.moving)

    def close(self) -> None:
        self.gripper.disconnect()
        self.fake.stop()
