"""One wrong unit, sign, order or frame in the xArm driver fails the contract over the wire, by the claim that names it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from xarm_rig import make_fake, make_settings

from robot_drivers.arm import ActionSpace
from robot_drivers.checks import check_arm
from robot_drivers.poses import rotation_vector_to_quaternion
from robot_drivers.xarm import units
from robot_drivers.xarm.xarm_arm import XArm


class WrongState(XArm):
    """Tells what it measured with one mistake."""

    def read_state(self):
        return self.spoil(super().read_state())


class Millimetres(WrongState):
    def spoil(self, state):
        return replace(state, ee_position=1000.0 * state.ee_position)


class Degrees(WrongState):
    def spoil(self, state):
        return replace(state, joint_positions=np.degrees(state.joint_positions))


class Wxyz(WrongState):
    def spoil(self, state):
        return replace(state, ee_orientation=np.roll(state.ee_orientation, 1))


class OtherEulerOrder(WrongState):
    def spoil(self, state):
        roll, pitch, yaw = units._roll_pitch_yaw(state.ee_orientation)
        x, y, z = (rotation_vector_to_quaternion(axis) for axis in ((roll, 0, 0), (0, pitch, 0), (0, 0, yaw)))
        return replace(state, ee_orientation=_product(_product(x, y), z))  # about the moving axes instead of the fixed ones


class AnglesAsRotationVector(WrongState):
    def spoil(self, state):
        return replace(state, ee_orientation=np.array(rotation_vector_to_quaternion(units._roll_pitch_yaw(state.ee_orientation))))


class FlangeInsteadOfTool(WrongState):
    def spoil(self, state):
        return replace(state, ee_position=state.ee_position + np.array([0.0, 0.0, 0.172]))


class Mirrored(WrongState):
    def spoil(self, state):
        return replace(state, ee_position=state.ee_position * np.array([1.0, -1.0, 1.0]))


class FirstJointFlipped(WrongState):
    def spoil(self, state):
        joints = state.joint_positions
        joints[0] = -joints[0]
        return replace(state, joint_positions=joints)


class TableFrame(WrongState):
    def spoil(self, state):
        return replace(state, ee_position=state.ee_position + np.array([-0.3, 0.0, 0.02]))


class Milliseconds(WrongState):
    def spoil(self, state):
        return replace(state, stamp=1000.0 * state.stamp)


class AsksEachTime(WrongState):
    def spoil(self, state):
        for _ in range(400):  # the controller is asked over the network, as the SDK's get_... calls do
            self._session.main.read_codes()
        return state


class Stale(XArm):
    kept = None

    def read_state(self):
        self.kept = self.kept or super().read_state()
        return self.kept


class LimitsInDegrees(XArm):
    @property
    def description(self):
        described = super().description
        return replace(described, joint_lower=np.degrees(described.joint_lower), joint_upper=np.degrees(described.joint_upper))


class TakesDeltas(XArm):
    def command(self, command) -> None:
        if command.action_space is ActionSpace.JOINT_DELTA:
            joints = self.read_state().joint_positions
            command = replace(command, action_space=ActionSpace.JOINT_POSITION, values=joints + command.values)
        super().command(command)


class SilentAfterDisconnect(XArm):
    def disconnect(self) -> None:
        self.stop()


class VelocitySign(WrongState):
    def spoil(self, state):
        return replace(state, joint_velocities=-state.joint_velocities)


class DegreesCommanded(XArm):
    def command(self, command) -> None:
        if command.action_space is ActionSpace.JOINT_POSITION:
            command = replace(command, values=np.radians(command.values))
        super().command(command)


class PoseMillimetresCommanded(XArm):
    def command(self, command) -> None:
        if command.action_space is ActionSpace.EE_POSE:
            command = replace(command, values=np.concatenate([0.001 * command.values[:3], command.values[3:]]))
        super().command(command)


class PoseAnglesCommanded(XArm):
    def command(self, command) -> None:
        if command.action_space is ActionSpace.EE_POSE:  # roll, pitch, yaw where the controller expects a rotation vector
            turned = rotation_vector_to_quaternion(units._roll_pitch_yaw(command.values[3:]))
            command = replace(command, values=np.concatenate([command.values[:3], turned]))
        super().command(command)


class BlockingCommand(XArm):
    def command(self, command) -> None:
        super().command(command)
        time.sleep(0.05)  # until the arm is there


class LateStop(XArm):
    def stop(self) -> None:
        threading.Timer(0.3, super().stop).start()


class NoStop(XArm):
    def stop(self) -> None:
        pass


class StopBehindALock(XArm):
    lock = threading.Lock()

    def command(self, command) -> None:
        with self.lock:
            super().command(command)
            time.sleep(0.2 if threading.current_thread() is not threading.main_thread() else 0.0)

    def stop(self) -> None:
        with self.lock:
            super().stop()


class MovesAtRecover(XArm):
    def recover(self) -> None:
        super().recover()
        self._session.take(self.read_state().joint_positions + 0.03, pose=False)


def _product(first, second) -> np.ndarray:
    x, y, z, w = first
    a, b, c, d = second
    return np.array(
        [w * a + x * d + y * c - z * b, w * b - x * c + y * d + z * a, w * c + x * b - y * a + z * d, w * d - x * a - y * b - z * c]
    )


READING = [
    (Millimetres, "state_is_in_radians_and_metres"),
    (Degrees, "state_is_in_radians_and_metres"),
    (Wxyz, "quaternion_is_xyzw_of_length_1"),
    (OtherEulerOrder, "tool_centre_agrees_with_kinematics"),
    (AnglesAsRotationVector, "tool_centre_agrees_with_kinematics"),
    (FlangeInsteadOfTool, "tool_centre_agrees_with_kinematics"),
    (Mirrored, "tool_centre_agrees_with_kinematics"),
    (FirstJointFlipped, "tool_centre_agrees_with_kinematics"),
    (TableFrame, "tool_centre_agrees_with_kinematics"),
    (Stale, "state_is_fresh"),
    (Milliseconds, "state_is_fresh"),
    (AsksEachTime, "read_state_is_quick"),
    (LimitsInDegrees, "description_is_complete"),
    (TakesDeltas, "refuses_spaces_it_does_not_take"),
    (SilentAfterDisconnect, "read_after_disconnect_is_told"),
]
MOVING = [
    (PoseAnglesCommanded, "absolute_targets_are_reached"),
    (LateStop, "stop_brakes_in_time"),
]
MOVING_SLOWLY = [
    (VelocitySign, "velocities_have_the_sign_of_the_motion"),
    (DegreesCommanded, "absolute_targets_are_reached"),
    (PoseMillimetresCommanded, "absolute_targets_are_reached"),
    (BlockingCommand, "command_returns_at_once"),
    (NoStop, "stop_brakes_in_time"),
    (StopBehindALock, "stop_works_beside_a_busy_command"),
    (MovesAtRecover, "recover_moves_nothing"),
]


@pytest.fixture(scope="module")
def fake():
    with make_fake() as controller:
        yield controller


@pytest.mark.parametrize(("kind", "claim"), READING)
def test_a_driver_that_reads_with_a_mistake_fails_by_the_claim_that_names_it(fake, kind, claim) -> None:
    report = check_arm(kind(make_settings(fake.address)), allow_motion=False)
    assert claim in report.failed, str(report)


@pytest.mark.parametrize(
    ("kind", "claim"), [*MOVING, *(pytest.param(kind, claim, marks=pytest.mark.slow) for kind, claim in MOVING_SLOWLY)]
)
def test_a_driver_that_moves_with_a_mistake_fails_by_the_claim_that_names_it(kind, claim) -> None:
    with make_fake() as fake:
        report = check_arm(kind(make_settings(fake.address)))
    assert claim in report.failed, str(report)
