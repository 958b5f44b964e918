"""A fake Franka on an address of its own, and the real franky connected to it."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import franky
import numpy as np

from robot_drivers.fake_controllers.franka.controller import FakeFranka

_counter = itertools.count(1)
# franky 2.0 limits its motions by the figures of the FER, whose joints may accelerate more than those of an FR3.
FR3_LIMITS = {
    "joint_acceleration_limit": np.minimum([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0], 10.0),
    "joint_jerk_limit": np.minimum([7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10_000.0, 10_000.0], 5000.0),
    "translation_acceleration_limit": 9.0,
    "translation_jerk_limit": 4500.0,
    "rotation_acceleration_limit": 17.0,
    "rotation_jerk_limit": 8500.0,
}


def free_address() -> str:
    """Return a loopback address that no other test and no other worker has."""
    return f"127.{20 + os.getpid() // 250 % 50}.{os.getpid() % 250}.{next(_counter) % 250 + 1}"


def in_thread(call: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return what `call` returns, or raise what it raises; on a thread that may hang or become real-time without harm."""
    result: dict[str, Any] = {}

    def run() -> None:
        try:
            result["value"] = call()
        except BaseException as error:  # handed to the caller
            result["error"] = error
        finally:
            # libfranka makes the thread that connects real-time where it may; this one ends, but its children would inherit it.
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds} s")
    if "error" in result:
        raise result["error"]
    return result["value"]


def connect(fake: FakeFranka, share: float = 0.3) -> franky.Robot:
    """Return franky connected to the fake, with the limits of an FR3 and this share of them."""
    robot = in_thread(lambda: franky.Robot(fake.address, realtime_config=franky.RealtimeConfig.Ignore))
    for name, limit in FR3_LIMITS.items():
        getattr(robot, name).set(limit)
    robot.relative_dynamics_factor = share
    return robot


def until(condition: Callable[[], bool], seconds: float = 5.0, what: str = "the condition") -> None:
    """Wait for `condition`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.002)
