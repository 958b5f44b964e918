from __future__ import annotations

import math

import numpy as np
import pytest

from robot_drivers.action_targets import Reference, absolute_target
from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.poses import pose_distance
from stage_core.errors import CommandRefusedError

HALF = math.sqrt(0.5)
# at (1, 2, 3), turned by 90 degrees about the base's z: the tool's x is the base's y
TURNED = Reference(joints=np.array([0.1, 0.2]), pose=np.array([1.0, 2.0, 3.0, 0.0, 0.0, HALF, HALF]))
MEASURED = Reference(joints=np.array([1.1, 1.2]), pose=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))


def target(space, values, *, commanded=TURNED, **changes):
    command = ArmCommand(stamp=0.0, action_space=space, values=np.array(values), valid_for=0.1, **changes)
    return absolute_target(command, commanded=commanded, measured=MEASURED, control_period_s=0.05)


def assert_pose(actual: np.ndarray, expected: list[float]) -> None:
    distance, angle = pose_distance(actual, np.array(expected))
    assert distance < 1e-12 and angle < 1e-9


def test_absolute_actions_pass_bit_for_bit() -> None:
    joints, pose = np.array([0.1, 1 / 3]), np.array([0.1, 0.2, 1 / 3, 0.0, 0.0, 0.0, 1.0])
    assert target(ActionSpace.JOINT_POSITION, joints)[1].tobytes() == joints.tobytes()
    assert target(ActionSpace.EE_POSE, pose)[1].tobytes() == pose.tobytes()


def test_a_delta_in_the_base_frame_moves_along_the_base_axes() -> None:
    space, values = target(ActionSpace.EE_DELTA_POSE, [0.1, 0, 0, 0, 0, 0])
    assert space is ActionSpace.EE_POSE
    assert_pose(values, [1.1, 2.0, 3.0, 0.0, 0.0, HALF, HALF])


def test_a_delta_in_the_tool_frame_moves_along_the_tool_axes() -> None:
    _, values = target(ActionSpace.EE_DELTA_POSE, [0.1, 0, 0, 0, 0, 0], frame="tool")
    assert_pose(values, [1.0, 2.1, 3.0, 0.0, 0.0, HALF, HALF])


def test_a_turn_in_the_base_frame_is_applied_before_the_orientation() -> None:
    # exp(90 deg about x) * Rz(90 deg): (q_x * q_z) with q_x = (s,0,0,s), q_z = (0,0,s,s), s^2 = 1/2
    _, values = target(ActionSpace.EE_DELTA_POSE, [0, 0, 0, math.pi / 2, 0, 0])
    assert_pose(values, [1.0, 2.0, 3.0, 0.5, -0.5, 0.5, 0.5])


def test_a_turn_in_the_tool_frame_is_applied_after_the_orientation() -> None:
    _, values = target(ActionSpace.EE_DELTA_POSE, [0, 0, 0, math.pi / 2, 0, 0], frame="tool")
    assert_pose(values, [1.0, 2.0, 3.0, 0.5, 0.5, 0.5, 0.5])


def test_the_reference_measured_starts_where_the_arm_is() -> None:
    _, values = target(ActionSpace.EE_DELTA_POSE, [0.1, 0, 0, 0, 0, 0], reference="measured")
    assert_pose(values, [0.1, 0, 0, 0, 0, 0, 1])


def test_without_a_commanded_target_deltas_start_where_the_arm_is() -> None:
    _, values = target(ActionSpace.JOINT_DELTA, [0.1, 0.0], commanded=None)
    assert values == pytest.approx([1.2, 1.2])


def test_joint_velocities_are_followed_for_one_control_period() -> None:
    space, values = target(ActionSpace.JOINT_VELOCITY, [1.0, -2.0])
    assert space is ActionSpace.JOINT_POSITION
    assert values == pytest.approx([0.15, 0.1])


@pytest.mark.parametrize("changes", [{"frame": "world"}, {"reference": "last"}])
def test_unknown_frames_and_references_are_refused(changes) -> None:
    with pytest.raises(CommandRefusedError, match="Correct the sender"):
        target(ActionSpace.EE_DELTA_POSE, np.zeros(6), **changes)


def test_ten_thousand_small_turns_stay_a_unit_quaternion() -> None:
    reference = MEASURED
    for _ in range(10_000):
        _, pose = target(ActionSpace.EE_DELTA_POSE, [0, 0, 0, 0.01, 0.02, -0.015], commanded=reference)
        reference = Reference(joints=MEASURED.joints, pose=pose)
    assert np.linalg.norm(reference.pose[3:]) == pytest.approx(1.0, abs=1e-12)
