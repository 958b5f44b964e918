"""The Franka driver with one mistake each: check_arm must name every one, over the wire, and pass the true driver."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from franka_rig import arm_for, own_address

from robot_drivers.arm import ActionSpace, ArmState
from robot_drivers.checks import check_arm
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.franka.franka_arm import FrankaArm
from robot_drivers.franka.tool import matrix_from_pose, pose_from_matrix
from robot_drivers.poses import make_pose


class _WrongState(FrankaArm):
    def read_state(self) -> ArmState:
        return self.spoil(super().read_state())

    def spoil(self, state: ArmState) -> ArmState:
        raise NotImplementedError


class Degrees(_WrongState):
    def spoil(self, state):
        return replace(state, joint_positions=np.degrees(state.joint_positions), joint_velocities=np.degrees(state.joint_velocities))


class Millimetres(_WrongState):
    def spoil(self, state):
        return replace(state, ee_position=1000.0 * state.ee_position)


class Wxyz(_WrongState):
    def spoil(self, state):
        return replace(state, ee_orientation=np.roll(state.ee_orientation, 1))


class RowsForColumns(_WrongState):
    """Reads libfranka's 16 numbers row by row: the rotation is transposed, the position lost."""

    def spoil(self, state):
        pose = pose_from_matrix(matrix_from_pose(make_pose(state.ee_position, state.ee_orientation)).T)
        return replace(state, ee_position=pose[:3], ee_orientation=pose[3:])


class FlangeForTool(_WrongState):
    def spoil(self, state):
        pose = matrix_from_pose(make_pose(state.ee_position, state.ee_orientation))
        flange = pose_from_matrix(pose @ np.linalg.inv(matrix_from_pose(self.description.flange_to_tool)))
        return replace(state, ee_position=flange[:3], ee_orientation=flange[3:])


class HandNotTurned(_WrongState):
    """Forgets that the hand is turned by -45 degrees on the flange."""

    def spoil(self, state):
        turned = matrix_from_pose(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.38268343, 0.92387953]))
        pose = pose_from_matrix(matrix_from_pose(make_pose(state.ee_position, state.ee_orientation)) @ turned)
        return replace(state, ee_orientation=pose[3:])


class Milliseconds(_WrongState):
    def spoil(self, state):
        return replace(state, stamp=1000.0 * state.stamp)


class OldStamp(_WrongState):
    kept: ArmState | None = None

    def spoil(self, state):
        self.kept = self.kept or state
        return replace(state, stamp=self.kept.stamp)


class SharedArrays(FrankaArm):
    def read_state(self):
        super().read_state()
        reading = self._link.newest
        self.buffer = getattr(self, "buffer", reading.joint_positions)
        self.buffer[:] = reading.joint_positions
        return replace(super().read_state(), joint_positions=self.buffer)


class SlowRead(FrankaArm):
    def read_state(self):
        time.sleep(0.02)
        return super().read_state()


class ReadsAfterDisconnect(FrankaArm):
    kept: ArmState | None = None

    def read_state(self):
        if self._link is not None:
            self.kept = super().read_state()
        return self.kept


class TakesEverything(FrankaArm):
    def command(self, command):
        super().command(replace(command, action_space=ActionSpace.JOINT_POSITION, values=self.read_state().joint_positions))


class VelocitySign(_WrongState):
    def spoil(self, state):
        return replace(state, joint_velocities=-state.joint_velocities)


class StaleState(_WrongState):
    """The first state for ever, with a fresh stamp."""

    kept: ArmState | None = None

    def spoil(self, state):
        self.kept = self.kept or state
        return replace(self.kept, stamp=state.stamp, joint_positions=self.kept.joint_positions.copy())


class OtherSign(FrankaArm):
    def command(self, command):
        there = self.read_state().joint_positions
        super().command(replace(command, values=there - (command.values - there)))


class DegreesCommanded(FrankaArm):
    """Takes the way to a target for degrees."""

    def command(self, command):
        there = self.read_state().joint_positions
        super().command(replace(command, values=there + np.radians(command.values - there)))


class BlockingCommand(FrankaArm):
    def command(self, command):
        super().command(command)
        time.sleep(0.06)


class LateStop(FrankaArm):
    def stop(self):
        threading.Timer(0.4, super().stop).start()


class SharedLock(FrankaArm):
    """`stop` waits for a lock that `command` holds while it does something long."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.lock = threading.Lock()
        self.calls = 0

    def command(self, command):
        with self.lock:
            self.calls += 1
            super().command(command)
            if self.calls > 30 and threading.current_thread() is not threading.main_thread():
                time.sleep(0.2)

    def stop(self):
        with self.lock:
            super().stop()


class RecoverMoves(FrankaArm):
    def recover(self):
        super().recover()
        target = super().read_state().joint_positions
        target[6] -= 0.03
        from franka_rig import send

        send(self, target)
        time.sleep(0.2)


READING = [
    (Degrees, "state_is_in_radians_and_metres"),
    (Millimetres, "state_is_in_radians_and_metres"),
    (Wxyz, "quaternion_is_xyzw_of_length_1"),
    (RowsForColumns, "tool_centre_agrees_with_kinematics"),
    (FlangeForTool, "tool_centre_agrees_with_kinematics"),
    (HandNotTurned, "tool_centre_agrees_with_kinematics"),
    (Milliseconds, "state_is_fresh"),
    (OldStamp, "state_is_fresh"),
    (SharedArrays, "state_is_well_formed"),
    (SlowRead, "read_state_is_quick"),
    (ReadsAfterDisconnect, "read_after_disconnect_is_told"),
    (TakesEverything, "refuses_spaces_it_does_not_take"),
]
MOVING = [
    (VelocitySign, "velocities_have_the_sign_of_the_motion"),
    pytest.param(StaleState, "velocities_have_the_sign_of_the_motion", marks=pytest.mark.slow),
    (OtherSign, "absolute_targets_are_reached"),
    pytest.param(DegreesCommanded, "absolute_targets_are_reached", marks=pytest.mark.slow),
    (BlockingCommand, "command_returns_at_once"),
    (LateStop, "stop_brakes_in_time"),
    pytest.param(SharedLock, "stop_works_beside_a_busy_command", marks=pytest.mark.slow),
    pytest.param(RecoverMoves, "recover_moves_nothing", marks=pytest.mark.slow),
]


def check(kind: type[FrankaArm], *, allow_motion: bool):
    with FakeFranka(own_address()) as fake:
        arm = arm_for(fake, kind=kind)
        try:
            return check_arm(arm, allow_motion=allow_motion), fake.log
        finally:
            arm.disconnect()


def test_the_driver_keeps_every_claim_and_every_limit_over_the_wire():
    report, log = check(FrankaArm, allow_motion=True)
    assert report.passed, str(report)
    assert not log.violations
    assert "protocol_error" not in log.counts


@pytest.mark.parametrize(("kind", "claim"), READING, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_reading_is_named(kind, claim):
    report, _ = check(kind, allow_motion=False)
    assert claim in report.failed, str(report)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the check's own thread meets the mistake too
@pytest.mark.parametrize(("kind", "claim"), MOVING, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_motion_is_named(kind, claim):
    report, _ = check(kind, allow_motion=True)
    assert claim in report.failed, str(report)


@pytest.mark.slow
def test_the_streaming_figure_holds_at_20_hz():
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[2]))
    from benchmarks import franka_streaming

    result = franka_streaming.run(quick=True)
    assert result["passed"], str(result["details"])
