from __future__ import annotations

import numpy as np
import pytest

from robot_drivers.fake_devices import HOME, URDF, FakeArm
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import pose_distance
from stage_core.errors import ConfigurationError


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics.from_description(FakeArm().description)


def test_the_upright_arm_is_as_high_as_its_links_are_long(kinematics) -> None:
    # 0.14 + 0.20 + 0.16 + 0.16 + 0.19 + 0.19 + 0.04 + 0.07 + 0.10 m, all frames parallel, the hand turned by pi about z
    assert kinematics.forward(np.zeros(7)) == pytest.approx([0, 0, 1.25, 0, 0, 1, 0], abs=1e-9)


def test_the_home_pose_points_straight_down(kinematics) -> None:
    # elbow at 0.32 along 0.2 rad, wrist 0.38 further along 2.2 rad, tool 0.21 straight down
    x = 0.32 * np.sin(0.2) + 0.38 * np.sin(2.2)
    z = 0.34 + 0.32 * np.cos(0.2) + 0.38 * np.cos(2.2) - 0.21
    pose = kinematics.forward(np.array(HOME))
    assert pose[:3] == pytest.approx([x, 0.0, z], abs=1e-9)
    assert np.abs(pose[3:]) == pytest.approx([1, 0, 0, 0], abs=1e-9), "z down, x ahead"


def test_the_jacobian_is_the_derivative_of_the_pose(kinematics) -> None:
    joints, step = np.array(HOME) + 0.1, 1e-6
    for index in range(7):
        after = joints.copy()
        after[index] += step
        slope = (kinematics.forward(after)[:3] - kinematics.forward(joints)[:3]) / step
        assert kinematics.jacobian(joints)[:3, index] == pytest.approx(slope, abs=1e-5)


def test_inverse_kinematics_finds_poses_to_1e_5(kinematics) -> None:
    random = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        goal_joints = np.clip(np.array(HOME) + random.uniform(-0.5, 0.5, size=7), kinematics.lower, kinematics.upper)
        goal = kinematics.forward(goal_joints)
        joints = kinematics.inverse(goal, np.array(HOME))
        if joints is not None:
            distance, angle = pose_distance(kinematics.forward(joints), goal)
            assert distance < 1e-5 and angle < 1e-5
            assert (joints >= kinematics.lower).all() and (joints <= kinematics.upper).all()
            found += 1
    assert found >= 196


def test_a_pose_out_of_reach_has_no_joints(kinematics) -> None:
    assert kinematics.inverse(np.array([2.0, 0, 0.3, 1, 0, 0, 0]), np.array(HOME)) is None


def test_other_joints_of_a_urdf_are_fixed(tmp_path) -> None:
    text = URDF.read_text().replace(
        "</robot>",
        '<joint name="finger" type="prismatic"><parent link="fake_hand"/><child link="finger"/><axis xyz="0 1 0"/>'
        '<limit lower="0" upper="0.04" velocity="1" effort="1"/></joint><link name="finger"/></robot>',
    )
    path = tmp_path / "with_fingers.urdf"
    path.write_text(text)
    chain = Kinematics(path, "fake_tool", FakeArm().description.joint_names)
    assert len(chain.lower) == 7
    assert chain.forward(np.zeros(7))[2] == pytest.approx(1.25)


def test_poses_are_given_in_the_base_frame_of_the_description(tmp_path) -> None:
    text = URDF.read_text().replace(
        '<link name="fake_base"/>',
        '<link name="table"/><link name="fake_base"/><joint name="mount" type="fixed"><parent link="table"/><child link="fake_base"/>'
        '<origin xyz="0.5 0 0.2" rpy="0 0 1.5707963267948966"/></joint>',
    )
    path = tmp_path / "mounted.urdf"
    path.write_text(text)
    names = FakeArm().description.joint_names
    inside, outside = Kinematics(path, "fake_tool", names, "fake_base"), Kinematics(path, "fake_tool", names, "table")
    home = np.array(HOME)
    plain = Kinematics(URDF, "fake_tool", names)
    assert inside.forward(home) == pytest.approx(plain.forward(home), abs=1e-12)
    assert inside.jacobian(home) == pytest.approx(plain.jacobian(home), abs=1e-12)
    x, _, z = plain.forward(home)[:3]
    assert outside.forward(home)[:3] == pytest.approx([0.5, x, 0.2 + z], abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"urdf": "nowhere.urdf"}, "nowhere.urdf does not exist"),
        ({"ee_link": "fake_tol"}, 'Did you mean "fake_tool"'),
        ({"joint_names": ("fake_joint1", "fake_jont2")}, 'Did you mean "fake_joint2"'),
    ],
)
def test_what_the_urdf_lacks_is_named(changes, words) -> None:
    arguments = {"urdf": URDF, "ee_link": "fake_tool", "joint_names": FakeArm().description.joint_names, **changes}
    with pytest.raises(ConfigurationError, match=words):
        Kinematics(**arguments)
