"""The shipped xArm workcell through SafeArm on a fake controller: moves, stops, falls into faults and comes back."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from xarm_rig import CONTROL_PORT, loopback_address, wait_until

from robot_drivers.arm import ActionSpace, ArmCommand, ArmMode
from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from robot_drivers.safety import reduced
from robot_drivers.safety.fitting import check_stop_time
from robot_drivers.workcell import load_workcell_config, open_workcell

WORKCELL = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/xarm.yaml"
PERIOD = 0.05


class Cell:
    """A connected workcell with a source switched on."""

    def __init__(self, *, start: tuple[float, ...] | None = None) -> None:
        config = load_workcell_config(WORKCELL)
        address = loopback_address()
        self.home = config.settings["home_joints_rad"]
        self.fake = FakeXArm(address, robot_type="xarm7", joints=start or tuple(self.home), control_port=CONTROL_PORT)
        self.fake.start()
        arm = {**config.settings["arm"], "address": address, "connect_timeout_s": 2.0, "control_port": CONTROL_PORT}
        self.workcell = open_workcell(
            replace(config, settings={**config.settings, "arm": arm}, cameras={}, safety=reduced(config.safety), dry_run=True)
        )
        self.safe_arm = self.workcell.safe_arm
        self.safe_arm.connect()
        self.safe_arm.start_loop()
        self.take_over()

    def take_over(self) -> None:
        self.token = self.safe_arm.switch_source("policy", "the test")
        self.safe_arm.resume()
        self.sequence = 0
        state = self.safe_arm.read_state()
        self.pose = np.array([*state.ee_position, *state.ee_orientation])

    def move(self, seconds: float, *, step: float = 0.004, gripper: float | None = None) -> bool:
        """Send the tool sideways at 20 Hz; returns whether every command was taken.

        Where this process itself was held up for longer than an action holds, it goes on as an operator would.
        """
        taken, late = True, 0
        for _ in range(round(seconds / PERIOD)):
            self.pose[1] += step
            self.sequence += 1
            verdict = self.safe_arm.submit(
                ArmCommand(
                    stamp=time.time(),
                    action_space=ActionSpace.EE_POSE,
                    values=self.pose.copy(),
                    valid_for=0.09,
                    gripper=gripper,
                    sequence=self.sequence,
                    token=self.token,
                )
            )
            if not verdict.accepted and "no valid action" in verdict.reason and late < 5:
                late += 1
                self.take_over()
            else:
                taken = taken and verdict.accepted
            time.sleep(PERIOD)
        return taken

    def __enter__(self) -> Cell:
        return self

    def __exit__(self, *_: object) -> None:
        self.workcell.close()
        self.fake.stop()


@pytest.fixture
def cell():
    with Cell() as opened:
        yield opened


def test_limits_and_stop_time_of_the_file_fit_the_arm() -> None:
    config = load_workcell_config(WORKCELL)
    arm = {**config.settings["arm"], "address": "127.0.0.1"}
    description = open_workcell(replace(config, settings={**config.settings, "arm": arm})).arm.description
    check_stop_time(description, config.safety)
    check_stop_time(description, reduced(config.safety))
    home, margin = np.array(config.settings["home_joints_rad"]), config.safety.joint_margin_rad
    assert (home > description.joint_lower + margin).all()
    assert (home < description.joint_upper - margin).all()


def test_a_policys_poses_and_gripper_reach_the_controller_inside_every_limit(cell) -> None:
    assert cell.move(1.0, gripper=0.0)
    time.sleep(0.3)
    state = cell.safe_arm.read_state()
    assert state.ee_position[1] == pytest.approx(cell.pose[1], abs=0.003)
    assert cell.fake.log.violations == []
    wait_until(lambda: cell.fake.machine.gripper.position < 5.0)


def test_the_stop_latch_holds_and_an_operator_goes_on_from_where_the_arm_is(cell) -> None:
    cell.move(0.4)
    cell.safe_arm.stop("the test")
    wait_until(lambda: cell.fake.machine.stopped)
    assert not cell.move(0.2)
    assert cell.safe_arm.read_state().mode is ArmMode.STOPPED
    cell.safe_arm.clear_stop()
    cell.take_over()
    before = cell.safe_arm.read_state().ee_position
    assert cell.move(0.6)
    time.sleep(0.2)
    assert cell.safe_arm.read_state().ee_position[1] - before[1] > 0.03
    assert cell.fake.log.violations == []


def test_a_fault_holds_the_arm_until_an_operator_recovers_and_resumes(cell) -> None:
    cell.move(0.3)
    cell.fake.inject("collision")
    wait_until(lambda: cell.safe_arm.read_state().mode is ArmMode.FAULT, timeout=0.5)
    assert "error 31: the arm hit something" in cell.safe_arm.read_state().fault
    assert not cell.move(0.1)
    cell.safe_arm.recover()
    assert not cell.move(0.1), "a recovery alone must not let the policy go on"
    cell.take_over()
    assert cell.move(0.4)


def test_a_pulled_cable_is_a_fault_and_comes_back_without_a_new_start(cell) -> None:
    cell.move(0.3)
    cell.fake.inject("cable_pulled")
    wait_until(lambda: cell.safe_arm.read_state().mode is ArmMode.FAULT, timeout=0.6)
    cell.fake.clear()
    cell.safe_arm.recover()
    # The gripper has a connection of its own, and may tell a moment later that it was cut off too.
    assert any(cell.take_over() or cell.move(0.4) for _ in range(4))


@pytest.mark.slow
def test_the_streaming_benchmark_passes() -> None:
    from benchmarks.xarm_streaming import run

    result = run(quick=True)
    assert result["passed"], result["details"]
