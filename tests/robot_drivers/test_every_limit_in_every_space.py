"""Each limit holds in each action space, and is told by name, value and limit (DESIGN 9.1)."""

from __future__ import annotations

import numpy as np
import pytest
from driver_rig import PERIOD, Rig

from robot_drivers.arm import ActionSpace
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import add_twist, make_pose

WIDE = {
    "workspace_lower_m": (-1.0, -1.0, -1.0),
    "workspace_upper_m": (1.0, 1.0, 1.0),
    "ee_speed_m_s": 3.0,
    "ee_angular_speed_rad_s": 10.0,
    "joint_velocity_share": 1.0,
    "joint_acceleration_rad_s2": 500.0,
    "jump_distance_m": 0.5,
    "jump_angle_rad": 3.0,
    "jump_joint_rad": 3.0,
    "first_target_distance_m": 0.2,
    "first_target_angle_rad": 1.0,
    "keep_out_planes": (),
    "collision_spheres": (),
}
SPACES = [space for space in ActionSpace if space is not ActionSpace.HOLD]


def ask(rig: Rig, space: ActionSpace, twist) -> None:
    """Ask for the tool motion `twist` (6,) m and rad within one control period, in the words of an action space."""
    state = rig.arm.read_state()
    here = make_pose(state.ee_position, state.ee_orientation)
    pose = add_twist(here, np.asarray(twist, dtype=np.float64))
    kinematics = Kinematics.from_description(rig.arm.description)
    joints = kinematics.inverse(pose, state.joint_positions)
    assert joints is not None
    step = joints - state.joint_positions
    values = {
        ActionSpace.JOINT_POSITION: joints,
        ActionSpace.JOINT_DELTA: step,
        ActionSpace.JOINT_VELOCITY: step / PERIOD,
        ActionSpace.EE_POSE: pose,
        ActionSpace.EE_DELTA_POSE: np.asarray(twist, dtype=np.float64),
    }[space]
    verdict = rig.submit(space, values)
    assert verdict.accepted, verdict.reason
    rig.safe_arm.tick()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("limit", "changes", "twist"),
    [
        ("workspace", {"workspace_upper_m": (0.375, 0.5, 0.5)}, (0.03, 0, 0, 0, 0, 0)),
        ("ee_speed", {"ee_speed_m_s": 0.1}, (0.03, 0, 0, 0, 0, 0)),
        ("ee_angular_speed", {"ee_angular_speed_rad_s": 0.2}, (0, 0, 0, 0, 0, 0.06)),
        ("joint_velocity", {"joint_velocity_share": 0.02}, (0, 0, 0, 0, 0, 0.05)),
        ("joint_acceleration", {"joint_acceleration_rad_s2": 8.0}, (0, 0, 0, 0, 0, 0.06)),
        ("joint_position", {"joint_margin_rad": 0.5}, (0, 0, 0, 0, 0.08, 0)),
        ("keep_out", {}, (0, 0, -0.05, 0, 0, 0)),
    ],
)
def test_a_limit_is_applied_and_told_by_name_value_and_limit(limit, changes, twist, space) -> None:
    entries = {**WIDE, "stop_time_s": 2.0, **changes}
    if limit == "keep_out":
        from robot_drivers.safety import CollisionSphere, KeepOutPlane

        entries["collision_spheres"] = (CollisionSphere(link="fake_tool", center_m=(0.0, 0.0, 0.0), radius_m=0.015),)
        entries["keep_out_planes"] = (KeepOutPlane(name="box", normal=(0.0, 0.0, 1.0), offset_m=0.17),)
    rig = Rig(**entries)
    for _ in range(8):  # a joint limit takes some steps to come to
        try:
            ask(rig, space, twist)
        except AssertionError as refused:  # no joints within their limits bring the tool there: a pose is refused as a whole
            assert limit == "joint_position" and "within the limits" in str(refused) and space.value.startswith("ee_")
            return
        rig.pass_time(PERIOD)
        status = rig.safe_arm.status()
        if limit in status.interventions:
            break
    assert status.interventions.get(limit, 0) >= 1, status
    words = next(words for words in status.last_limits if words.startswith(limit))
    assert " limited to " in words and words.split()[-1] in ("m", "m/s", "rad/s", "rad/s2", "rad")


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("limit", "changes", "twist"),
    [
        ("jump", {"jump_distance_m": 0.02}, (0.03, 0, 0, 0, 0, 0)),
        ("jump", {"jump_angle_rad": 0.05}, (0, 0, 0, 0, 0, 0.1)),
        ("first_target", {"first_target_distance_m": 0.02}, (0.03, 0, 0, 0, 0, 0)),
        ("first_target", {"first_target_angle_rad": 0.05}, (0, 0, 0, 0, 0, 0.1)),
    ],
)
def test_a_target_too_far_away_is_refused_in_every_space(limit, changes, twist, space) -> None:
    rig = Rig(**{**WIDE, "stop_time_s": 2.0, **changes})
    if limit == "jump":
        ask(rig, space, np.zeros(6))
        rig.pass_time(PERIOD)
    before = rig.arm.read_state().joint_positions
    with pytest.raises(AssertionError, match="expected"):
        ask(rig, space, twist)
    assert rig.safe_arm.status().interventions == {f"refused_{limit}": 1}
    assert np.array_equal(rig.arm.read_state().joint_positions, before)
