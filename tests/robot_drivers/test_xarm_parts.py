"""Parts of the xArm driver on their own: units at the border, the approach to far targets, velocities, the stopper, the URDFs."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest

from robot_drivers.fake_controllers.xarm.kinematics import Kinematics as ControllerKinematics
from robot_drivers.fake_controllers.xarm.models import MODELS as CONTROLLER_MODELS
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import pose_distance
from robot_drivers.xarm import units
from robot_drivers.xarm.approach import Approach
from robot_drivers.xarm.models import BASE_LINK, MODELS
from robot_drivers.xarm.reports import ReportKeeper
from robot_drivers.xarm.silence import SilenceWatch
from robot_drivers.xarm.stopper import STOP_WAIT_S, Stopper

PERIOD = 0.01


def rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Return Rz(yaw) Ry(pitch) Rx(roll), written out."""
    cr, sr, cp, sp, cy, sy = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def matrix(quaternion: np.ndarray) -> np.ndarray:
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.mark.parametrize(
    "angles", [(0.3, -0.5, 1.2), (math.pi, 0.0, 0.0), (-2.0, 1.4, -3.0), (0.2, math.pi / 2, 0.0), (0.7, -math.pi / 2, 0)]
)
def test_a_pose_crosses_the_border_and_comes_back(angles) -> None:
    pose = units.pose_from_controller([206.0, -30.0, 120.5, *angles])
    assert pose[:3] == pytest.approx([0.206, -0.030, 0.1205])
    assert matrix(pose[3:]) == pytest.approx(rotation(*angles), abs=1e-9)
    back = units.pose_to_controller(pose)
    assert back[:3] == pytest.approx([206.0, -30.0, 120.5])
    assert rotation(*back[3:]) == pytest.approx(rotation(*angles), abs=1e-7)


def test_servo_poses_carry_rotation_vectors() -> None:
    half = math.sqrt(0.5)
    values = units.servo_pose_to_controller(np.array([0.1, 0.2, 0.3, 0.0, half, 0.0, half]))
    assert values == pytest.approx([100.0, 200.0, 300.0, 0.0, math.pi / 2, 0.0])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_urdf_puts_the_flange_where_the_makers_link_table_does(name) -> None:
    model = MODELS[name]
    ours = Kinematics(model.urdf, model.flange_link, model.joint_names, BASE_LINK)
    theirs = ControllerKinematics(CONTROLLER_MODELS[name])
    generator = np.random.default_rng(1)
    for _ in range(20):
        joints = generator.uniform(ours.lower, ours.upper)
        pose, expected = ours.forward(joints), theirs.tool(joints)
        assert pose[:3] == pytest.approx(expected[:3, 3] / 1000.0, abs=1e-6)
        assert matrix(pose[3:]) == pytest.approx(expected[:3, :3], abs=1e-6)


def test_the_urdf_never_allows_more_than_the_controller() -> None:
    for name, model in MODELS.items():
        ours = Kinematics(model.urdf, model.flange_link, model.joint_names, BASE_LINK)
        lowest, highest = np.array(CONTROLLER_MODELS[name].joint_ranges).T
        assert (ours.lower >= lowest - 1e-3).all(), name
        assert (ours.upper <= highest + 1e-3).all(), name


# ---- the approach


def make_approach(start: float = 0.0, **changes) -> Approach:
    values = {"speed": 0.6, "tool_speed": 1.0, "forward": lambda joints: np.array([joints[0], 0, 0, 0, 0, 0, 1.0]), "period_s": PERIOD}
    approach = Approach(**{**values, **changes})
    approach.start_at(np.array([start]))
    return approach


def test_a_stream_passes_unaltered() -> None:
    approach = make_approach()
    now, goal, speed = 0.0, 0.0, 0.0
    for _ in range(200):
        speed = min(0.5, speed + 5.0 * PERIOD)
        goal += speed * PERIOD
        now += PERIOD
        assert approach.next(np.array([goal]), now, now, pose=False)[0] == goal


FASTEST = 0.6  # rad/s, and m/s of the made-up tool
RAMP = np.cumsum(np.minimum(np.arange(0.05, 2.0, 0.05), FASTEST)) * PERIOD  # targets, one a period: 5 rad/s2, then steady


@pytest.mark.parametrize("limit", [{"speed": FASTEST}, {"speed": 9.0, "tool_speed": FASTEST}])
def test_a_target_after_one_that_was_left_out_is_no_faster_than_the_arm_may_go(limit) -> None:
    """The thread that sends was held up: target 20 was never sent, and 21 comes one period after the last that was."""
    approach = make_approach(**limit)
    goals = [*RAMP[:20], *RAMP[21:30], *[RAMP[29]] * 9]
    way = [float(approach.next(np.array([goal]), PERIOD * k, PERIOD * k, pose=False)[0]) for k, goal in enumerate(goals)]
    assert np.diff(way).max() <= 1.01 * FASTEST * PERIOD
    assert way[:20] == goals[:20] and way[-1] == RAMP[29]


def test_a_far_target_is_approached_with_bounded_speed_and_acceleration_and_reached() -> None:
    approach, goal, way = make_approach(), np.array([0.4]), [0.0]
    for k in range(200):
        way.append(float(approach.next(goal, 0.0, PERIOD * k, pose=False)[0]))
    speeds = np.diff(way) / PERIOD
    assert way[-1] == 0.4
    assert speeds.max() <= 0.6 + 1e-9
    assert speeds.min() >= 0.0
    assert np.abs(np.diff(speeds)).max() / PERIOD <= 8.0


def test_a_stream_that_ran_ahead_is_caught_up_with() -> None:
    approach, goal = make_approach(), 0.1
    for k in range(300):
        goal += 0.2 * PERIOD
        reached = approach.next(np.array([goal]), PERIOD * k, PERIOD * k, pose=False)[0]
    assert reached == pytest.approx(goal, abs=0.003)


def test_the_tool_keeps_its_speed_in_an_approach() -> None:
    approach = make_approach(tool_speed=0.25)
    way = [float(approach.next(np.array([1.0]), 0.0, PERIOD * k, pose=False)[0]) for k in range(200)]
    assert np.diff(way).max() <= 0.25 * PERIOD + 1e-9


def test_a_far_pose_is_approached_too() -> None:
    approach = make_approach()
    approach.start_at(np.array([0.3, 0, 0.3, 1, 0, 0, 0.0]))
    goal = np.array([0.35, 0, 0.3, 1, 0, 0, 0.0])
    way = [approach.next(goal, 0.0, PERIOD * k, pose=True) for k in range(200)]
    steps = [pose_distance(a, b)[0] for a, b in zip(way, way[1:], strict=False)]
    assert way[-1] == pytest.approx(goal)
    assert max(steps) <= 0.6 / 4.0 * PERIOD + 1e-9


# ---- reports


def test_velocities_survive_reports_that_come_in_bursts() -> None:
    now = [0.0]
    keeper = ReportKeeper(6, clock=lambda: now[0], steady=lambda: now[0])
    seen = []
    for burst in range(20):
        for k in range(3):
            now[0] = 0.03 * burst + 0.0001 * k  # three reports at once, where each stands for 10 ms
            joints = [0.5 * (0.03 * burst + 0.01 * k)] * 6
            keeper.take_quick(joints, [300, 0, 300, 0, 0, 0], [0] * 6, 1, 1)
            seen.append(keeper.quick.velocities[0])
    assert np.abs(np.array(seen[12:]) - 0.5).max() < 0.36
    assert min(seen[12:]) > 0.0


# ---- silence


def test_silence_is_counted_only_while_the_process_is_awake() -> None:
    asleep = [0.0]

    def steady() -> float:
        return time.monotonic() + asleep[0]

    watch = SilenceWatch(lambda: ("a mark that never changes",), steady=steady)
    time.sleep(0.05)
    asleep[0] = 5.0  # as if the whole process had slept
    time.sleep(0.05)
    assert watch.seconds[0] < 0.3
    time.sleep(0.3)
    assert watch.seconds[0] > 0.2
    watch.end()


# ---- the stopper


def test_a_stop_waits_for_its_answer_but_never_for_long() -> None:
    release, sent = threading.Event(), []

    def send() -> None:
        sent.append(time.monotonic())
        release.wait(2.0)

    stopper = Stopper(send)
    begin = time.monotonic()
    stopper.stop(stopper.announce())
    assert time.monotonic() - begin < STOP_WAIT_S + 0.05
    assert not stopper.idle
    release.set()
    stopper.stop(stopper.announce())
    assert len(sent) == 2
    assert stopper.idle
    stopper.end()
