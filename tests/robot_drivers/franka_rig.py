"""A Franka driver and the fake controller it talks to over loopback, for the tests of the driver."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand, ArmMode
from robot_drivers.device_context import settings_without_driver
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.franka.franka_arm import FrankaArm
from robot_drivers.franka.settings import FrankaSettings
from robot_drivers.grippers.franka_hand import FrankaHand, FrankaHandSettings
from robot_drivers.workcell import load_workcell_config
from stage_core.configuration import from_mapping
from stage_core.errors import DeviceError

WORKCELL = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/franka.yaml"
PATIENCE_S = 20.0  # on a busy machine; what is claimed of the time is asserted on its own
_counter = itertools.count()


def own_address() -> str:
    """Return a loopback address that no other test worker has."""
    number = os.getpid()
    return f"127.{number // 250 % 200 + 20}.{number % 250 + 1}.{next(_counter) % 250 + 1}"


def settings_for(address: str, **changes: Any) -> FrankaSettings:
    """Return the bundled workcell's settings at that address, without a wait for people who are not here."""
    entry = settings_without_driver(load_workcell_config(WORKCELL).settings["arm"])
    entry |= {"address": address, "realtime": "ignore", "connect_timeout_s": 0.0} | changes
    return from_mapping(FrankaSettings, entry, source="franka.yaml", field="")


def arm_for(fake: FakeFranka, *, kind: type[FrankaArm] = FrankaArm, changes: dict | None = None, **options: Any) -> FrankaArm:
    """Return an arm for a fake controller; nothing is connected yet."""
    return kind(settings_for(fake.address, **(changes or {})), **options)


def hand_for(fake: FakeFranka, *, read_only: bool = False, **changes: Any) -> FrankaHand:
    """Return a hand for a fake controller; nothing is connected yet."""
    settings = FrankaHandSettings(**({"speed_m_s": 0.1, "force_n": 20.0, "connect_timeout_s": 0.0, "homing_wait_s": 0.0} | changes))
    return FrankaHand(fake.address, settings, read_only=read_only)


def eventually(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> float:
    """Wait until `condition` holds; return how long it took, s."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < patience_s, f"{what} did not come true within {patience_s:g} s"
        time.sleep(0.002)
    return time.monotonic() - begin


def in_fault(arm: FrankaArm) -> str:
    """Return the fault of an arm in words, however it tells it; "" without one."""
    try:
        state = arm.read_state()
    except DeviceError as error:
        return str(error)
    return state.fault if state.mode is ArmMode.FAULT else ""


def send(arm: FrankaArm, joints: np.ndarray) -> None:
    """Command joints, rad."""
    arm.command(ArmCommand(stamp=time.time(), action_space=ActionSpace.JOINT_POSITION, values=joints, valid_for=0.1))


class Mover:
    """Swings joint 7 by streaming targets at 20 Hz until it is told to end or the driver refuses."""

    def __init__(self, arm: FrankaArm, *, speed: float = 0.25) -> None:
        self.arm, self.refusal = arm, ""
        self._speed = speed
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Mover:
        start = float(self.arm.read_state().joint_positions[6])
        self._thread.start()
        eventually(lambda: self.refusal or abs(self.arm.read_state().joint_positions[6] - start) > 0.02, "motion")
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        target = self.arm.read_state().joint_positions.copy()
        try:
            for step in itertools.count():
                target[6] += 0.05 * self._speed * (1 if step // 40 % 2 == 0 else -1)
                send(self.arm, target)
                if self._end.wait(0.05):
                    return
        except DeviceError as error:
            self.refusal = str(error)
