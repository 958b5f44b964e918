"""10,000 hostile commands of which none reaches the driver outside the limits; 10,000 lawful ones pass unaltered."""

from __future__ import annotations

import numpy as np
import pytest
from driver_rig import PERIOD, Rig

from robot_drivers.arm import ActionSpace
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from stage_core.geometry import quaternion_multiply

HOSTILE = 10_000  # in all, over three kinds of arms
LAWFUL = 10_000
ABSOLUTE = {
    "joints": (ActionSpace.JOINT_POSITION,),
    "poses": (ActionSpace.EE_POSE,),
    "both": (ActionSpace.JOINT_POSITION, ActionSpace.EE_POSE),
}


class Judge:
    """A slow plain version of the limits, looking only at what reached the driver."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.limits = rig.safe_arm._limits
        description = rig.arm.description
        self.kinematics = Kinematics.from_description(description)
        self.lower = description.joint_lower + self.limits.joint_margin_rad
        self.upper = description.joint_upper - self.limits.joint_margin_rad
        self.speed = description.joint_velocity_limits * self.limits.joint_velocity_share
        state = rig.arm.read_state()
        self.joints, self.pose = state.joint_positions, make_pose(state.ee_position, state.ee_orientation)

    def judge(self, command, period: float, slack: float = 1e-6, tolerance: float = 1e-5) -> None:
        assert np.isfinite(command.values).all()
        pose = command.values if command.action_space is ActionSpace.EE_POSE else self.kinematics.forward(command.values)
        assert (pose[:3] >= np.array(self.limits.workspace_lower_m) - slack).all(), pose[:3]
        assert (pose[:3] <= np.array(self.limits.workspace_upper_m) + slack).all(), pose[:3]
        distance, angle = pose_distance(self.pose, pose)
        assert distance / period <= self.limits.ee_speed_m_s * (1.0 + tolerance)
        assert angle / period <= self.limits.ee_angular_speed_rad_s * (1.0 + tolerance)
        if command.action_space is ActionSpace.JOINT_POSITION:
            assert (command.values >= self.lower - 1e-9).all() and (command.values <= self.upper + 1e-9).all()
            assert (np.abs(command.values - self.joints) / period <= self.speed * (1.0 + tolerance)).all()
            self.joints = command.values
        else:
            self.joints = self.rig.arm.read_state().joint_positions  # the driver's own solution
        for sphere in self.limits.collision_spheres:
            z = self.kinematics.link_points(self.joints, (sphere.link,), np.array([sphere.center_m]))[0, 2]
            assert z - sphere.radius_m >= -slack
        self.pose = pose


def hostile(rig: Rig, random: np.random.Generator):
    """Return one command that is wrong, wild, or at least odd."""
    space = list(ActionSpace)[random.integers(len(ActionSpace))]
    dimension = space.dimension(7)
    scale = 10.0 ** random.uniform(-3, 3)
    values = random.normal(size=dimension) * scale
    if space is ActionSpace.EE_POSE and random.random() < 0.7:
        state = rig.arm.read_state()
        values = np.concatenate([state.ee_position + random.normal(size=3) * scale * 0.1, state.ee_orientation])
    if space is ActionSpace.JOINT_POSITION and random.random() < 0.7:
        values = rig.arm.read_state().joint_positions + values * 0.1
    changes = {}
    match random.integers(12):
        case 0 if dimension:
            values[random.integers(dimension)] = np.nan
        case 1 if dimension:
            values[random.integers(dimension)] = random.choice([np.inf, -np.inf])
        case 2:
            values = np.resize(values if dimension else np.ones(1), random.integers(0, 12))
        case 3:
            changes["stamp"] = rig.clock.now() + random.normal() * scale
        case 4:
            changes["token"] = int(random.integers(0, 2**62))
        case 5:
            changes["source"] = str(random.choice(["teleop", "none", "", "script"]))
        case 6:
            changes["valid_for"] = float(random.choice([0.0, -1.0, np.nan, np.inf, 1e9]))
        case 7:
            changes["gripper"] = float(random.choice([np.nan, np.inf, -3.0, 7.0, 0.5]))
        case 8:
            changes["frame"] = str(random.choice(["tool", "world", ""]))
        case 9:
            changes["reference"] = str(random.choice(["measured", "", "last"]))
    return rig.command(space, values, **changes)


@pytest.mark.parametrize(("kind", "count"), [("poses", HOSTILE // 2), ("joints", 3 * HOSTILE // 10), ("both", HOSTILE // 5)])
def test_no_hostile_command_reaches_the_driver_outside_the_limits(kind: str, count: int) -> None:
    rig = Rig(spaces=ABSOLUTE[kind], first_target_distance_m=0.05, first_target_angle_rad=0.3)
    judge, random = Judge(rig), np.random.default_rng(3)
    for _ in range(count):
        if random.random() < 0.02:
            rig.token = rig.safe_arm.switch_source("policy", "the test")
            state = rig.arm.read_state()
            judge.joints, judge.pose = state.joint_positions, make_pose(state.ee_position, state.ee_orientation)
        rig.safe_arm.submit(hostile(rig, random))
        before = len(rig.arm.reached)
        rig.step()
        for command in rig.arm.reached[before:]:
            judge.judge(command, PERIOD)
    assert len(rig.arm.reached) > count / 50, "the test must also let something through"
    assert all(0.0 <= opening <= 1.0 for opening in rig.gripper.reached)
    assert {"refused_not_finite", "refused_token", "refused_stale", "refused_length", "refused_jump"} <= set(
        rig.safe_arm.status().interventions
    )


def test_no_hostile_command_passes_the_limits_between_targets_either() -> None:
    rig = Rig(step_driven=False, first_target_distance_m=0.05, first_target_angle_rad=0.3)
    judge, random = Judge(rig), np.random.default_rng(4)
    for _ in range(1000):
        rig.safe_arm.submit(hostile(rig, random))
        before = len(rig.arm.reached)
        rig.run(PERIOD)
        for command in rig.arm.reached[before:]:
            # Between two lawful targets the joints go straight, the tool in a shallow arc: 2 mm.
            judge.judge(command, 0.01, slack=2e-3, tolerance=1e-3)
    assert len(rig.arm.reached) > 500


def lawful_pose(judge: Judge, random: np.random.Generator, start: np.ndarray) -> np.ndarray:
    """Return a pose that one control period may ask for: 60 % of every speed, inside the box, still pointing down."""
    while True:
        direction = random.normal(size=3)
        step = direction / np.linalg.norm(direction) * random.uniform(0.0, 0.6) * judge.limits.ee_speed_m_s * PERIOD
        position = start[:3] + step
        home = np.array([1.0, 0.0, 0.0, 0.0])
        angle = random.uniform(-0.02, 0.02)
        orientation = quaternion_multiply((0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2)), home.tolist())
        if (position > np.array([0.3, -0.15, 0.15])).all() and (position < np.array([0.45, 0.15, 0.35])).all():
            return np.array([*position, *orientation])


@pytest.mark.parametrize("kind", ["poses", "both"])
def test_lawful_poses_pass_unaltered(kind: str) -> None:
    rig = Rig(spaces=ABSOLUTE[kind], interpolates=True, joint_acceleration_rad_s2=200.0, joint_velocity_share=1.0)
    judge, random = Judge(rig), np.random.default_rng(5)
    pose, count = judge.pose, LAWFUL // 2 if kind == "poses" else LAWFUL // 10
    for _ in range(count):
        pose = lawful_pose(judge, random, pose)
        verdict = rig.submit(ActionSpace.EE_POSE, pose)
        assert verdict.accepted, verdict.reason
        rig.step()
        assert rig.arm.reached[-1].action_space is ActionSpace.EE_POSE
        assert rig.arm.reached[-1].values.tobytes() == pose.tobytes()
    assert len(rig.arm.reached) == count
    assert rig.safe_arm.status().interventions == {}


def test_lawful_joint_positions_pass_unaltered() -> None:
    rig = Rig(ee_speed_m_s=1.0, joint_acceleration_rad_s2=200.0)
    judge, random = Judge(rig), np.random.default_rng(6)
    home = judge.joints
    joints = home
    for _ in range(4 * LAWFUL // 10):
        joints = np.clip(joints + random.uniform(-0.015, 0.015, size=7), home - 0.15, home + 0.15)
        verdict = rig.submit(ActionSpace.JOINT_POSITION, joints)
        assert verdict.accepted, verdict.reason
        rig.step()
        assert rig.arm.reached[-1].values.tobytes() == joints.tobytes()
    assert rig.safe_arm.status().interventions == {}
