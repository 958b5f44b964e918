"""SafeArm in real threads: its loop, stops beside a stuck driver, a slow gripper."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from driver_rig import make_limits

from robot_drivers.arm import ActionSpace, ArmCommand, ArmMode
from robot_drivers.fake_devices import FakeArm, FakeGripper
from robot_drivers.safety import SafeArm

PATIENCE_S = 5.0


def wait_until(condition, words: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.002)


class StuckArm(FakeArm):
    """`command` hangs in its SDK until released."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.release = threading.Event(), threading.Event()
        self.stops = 0

    def command(self, command) -> None:
        self.inside.set()
        assert self.release.wait(PATIENCE_S)
        super().command(command)

    def stop(self) -> None:
        self.stops += 1
        super().stop()


class SlowGripper(FakeGripper):
    """Each command takes as long as the test likes, as a homing Robotiq does."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.release = threading.Event(), threading.Event()
        self.reached: list[float] = []

    def command(self, opening: float) -> None:
        self.reached.append(opening)
        self.inside.set()
        assert self.release.wait(PATIENCE_S)
        super().command(opening)


def make(arm, gripper=None) -> SafeArm:
    # a long control period, so that a busy machine does not hold the arm
    safe_arm = SafeArm(arm, gripper, make_limits(longest_valid_for_s=0.4), control_period_s=0.2, auto_resume_s=1e6, clock=time.time)
    safe_arm.connect()
    return safe_arm


def nudge(safe_arm: SafeArm, token: int, **changes):
    values = np.array([0.002, 0, 0, 0, 0, 0])
    command = {"stamp": time.time(), "action_space": ActionSpace.EE_DELTA_POSE, "values": values, "valid_for": 0.39, "token": token}
    return safe_arm.submit(ArmCommand(**{**command, **changes}))


def test_stop_works_while_a_driver_call_is_stuck_and_is_repeated_after_it() -> None:
    arm = StuckArm()
    safe_arm = make(arm)
    token = safe_arm.switch_source("policy", "the test")
    safe_arm.start_loop()
    assert nudge(safe_arm, token).accepted
    assert arm.inside.wait(PATIENCE_S)
    begin = time.monotonic()
    safe_arm.stop("the test")
    assert time.monotonic() - begin < 0.1
    assert arm.stops == 1 and safe_arm.status().mode is ArmMode.STOPPED
    arm.release.set()  # the late set-point reaches the controller after the stop
    wait_until(lambda: arm.stops >= 2, "the stop was not repeated after the stuck call")
    safe_arm.disconnect()


def test_a_stuck_driver_call_is_told_in_words(monkeypatch) -> None:
    arm = StuckArm()
    safe_arm = make(arm)
    token = safe_arm.switch_source("policy", "the test")
    safe_arm.start_loop()
    nudge(safe_arm, token)
    assert arm.inside.wait(PATIENCE_S)
    wait_until(lambda: "a driver call is stuck" in safe_arm.status().hold_reason, "nobody told that the call is stuck")
    assert "a driver call is stuck" in nudge(safe_arm, token).reason
    arm.release.set()
    safe_arm.disconnect()


def test_the_loop_moves_the_arm_and_silence_holds_it() -> None:
    arm = FakeArm()
    safe_arm = make(arm)
    start = safe_arm.read_state().ee_position
    token = safe_arm.switch_source("policy", "the test")
    safe_arm.start_loop()
    assert nudge(safe_arm, token).accepted
    wait_until(lambda: safe_arm.read_state().ee_position[0] > start[0] + 0.001, "the arm did not move")
    wait_until(lambda: safe_arm.status().mode is ArmMode.HOLD, "silence did not hold the arm")
    safe_arm.disconnect()


def test_a_slow_gripper_never_blocks_the_arm() -> None:
    arm, gripper = FakeArm(), SlowGripper()
    safe_arm = make(arm, gripper)
    start = safe_arm.read_state().ee_position
    token = safe_arm.switch_source("policy", "the test")
    safe_arm.start_loop()
    nudge(safe_arm, token, gripper=0.0)
    assert gripper.inside.wait(PATIENCE_S)
    wait_until(lambda: safe_arm.read_state().ee_position[0] > start[0] + 0.001, "the arm waited for its gripper")
    assert safe_arm.read_gripper().opening == 1.0
    for opening in (0.3, 0.9):
        assert nudge(safe_arm, token, gripper=opening).accepted
        safe_arm.tick()
    gripper.release.set()
    wait_until(lambda: len(gripper.reached) == 2, "the newest wish was not sent")
    assert gripper.reached == [0.0, 0.9], "the newest wish wins, those in between are never sent"
    safe_arm.disconnect()


@pytest.mark.parametrize("end", ["stop", "hold", "disconnect"])
def test_a_waiting_gripper_wish_is_dropped_when_the_arm_ends(end: str) -> None:
    arm, gripper = FakeArm(), SlowGripper()
    safe_arm = make(arm, gripper)
    token = safe_arm.switch_source("policy", "the test")
    nudge(safe_arm, token, gripper=0.0)
    safe_arm.tick()
    assert gripper.inside.wait(PATIENCE_S)
    nudge(safe_arm, token, gripper=1.0)
    safe_arm.tick()
    {"stop": lambda: safe_arm.stop("the test"), "hold": lambda: safe_arm.hold("the test"), "disconnect": lambda: None}[end]()
    if end == "disconnect":
        threading.Timer(0.05, gripper.release.set).start()
    else:
        gripper.release.set()
    safe_arm.disconnect()
    assert gripper.reached == [0.0], "nothing opens on stop, hold or disconnect"


def test_a_lost_gripper_holds_the_arm_in_words() -> None:
    class LostGripper(FakeGripper):
        lost = False

        def read(self):
            if self.lost:
                raise OSError("the serial line is gone")
            return super().read()

    arm, gripper = FakeArm(), LostGripper()
    safe_arm = make(arm, gripper)
    gripper.lost = True
    wait_until(lambda: safe_arm.status().mode is ArmMode.HOLD, "a lost gripper did not hold the arm")
    assert safe_arm.status().hold_reason == "gripper: the serial line is gone"
    safe_arm.disconnect()
