"""Taking samples: only good ones are kept, the operator is told why, and the arm is never commanded."""

from __future__ import annotations

import calibration_rig as rig
import numpy as np
import pytest

from robot_drivers.arm import ArmMode
from robot_drivers.calibration.samples import SampleFolder, SampleSetDescription
from robot_drivers.calibration.session import CalibrationSession, Key, run
from robot_drivers.calibration.stillness import Stillness
from stage_core.errors import ConfigurationError, DeadlineError

PERIOD = 0.2  # s between two looks, on the clock of these tests


class Desk:
    """A session on drawn images, with a clock that goes on by one period at every look."""

    def __init__(self, path, scene, joints):
        self.images = [rig.draw(rig.BOARD, scene.board_in_camera(i)) for i in range(len(joints))]
        self.arm = rig.HandGuidedArm(joints)
        self.time = 0.0
        self.looks = 0
        self.said: list[str] = []
        self.shown: list[str] = []
        self.looks_per_pose = 8
        self.follow = True
        description = SampleSetDescription(
            workcell="fake",
            camera="wrist",
            mount="hand",
            board=rig.BOARD,
            camera_model=rig.LENS,
            ee_link=self.arm.description.ee_link,
            flange_to_tool=self.arm.description.flange_to_tool,
        )
        self.folder = SampleFolder.create(path, description)
        self.session = CalibrationSession(self.arm, rig.StagedCamera(self.picture), self.folder, steady=lambda: self.time)

    def picture(self):
        self.time += PERIOD
        if self.follow:
            self.arm.index = min(self.looks // self.looks_per_pose, len(self.images) - 1)
        self.looks += 1
        return self.images[self.arm.index]

    def look_until_ready(self, most=8):
        for _ in range(most):
            look = self.session.look()
            if not look.problem:
                return look
        return look

    def run(self, **options):
        values = {"wanted": 3, "automatic": False, "read_key": lambda: Key.NONE, "idle_limit_s": 60.0}
        run(self.session, show=self.shown.append, tell=self.said.append, steady=lambda: self.time, **{**values, **options})


@pytest.fixture(scope="module")
def guided():
    return rig.reachable_scene(count=5, seed=1)


@pytest.fixture
def desk(tmp_path, guided):
    return Desk(tmp_path, *guided)


def test_automatic_takes_one_sample_at_every_pose_and_ends(desk):
    desk.run(automatic=True)
    assert desk.folder.names == ["0001", "0002", "0003"]
    assert [sample.ee_pose[:3] for sample in desk.folder] == [
        pytest.approx(desk.arm._kinematics.forward(joints)[:3]) for joints in desk.arm._joints[:3]
    ]
    assert desk.said[-1].startswith("sample 0003 taken; enough")


def test_enter_takes_a_sample_that_becomes_good_a_moment_later(desk):
    keys = iter([Key.TAKE, *[Key.NONE] * 4, Key.FINISH])
    desk.run(read_key=lambda: next(keys))
    assert desk.folder.names == ["0001"]


def test_without_a_key_nothing_is_taken(desk):
    keys = iter([*[Key.NONE] * 6, Key.FINISH])
    desk.run(read_key=lambda: next(keys))
    assert desk.folder.names == [] and "ready: press Enter" in desk.shown[-1]


def test_enter_at_an_old_pose_is_answered_with_the_reason(desk):
    desk.follow = False
    keys = iter([Key.TAKE, *[Key.NONE] * 4, Key.TAKE, *[Key.NONE] * 12, Key.FINISH])
    desk.run(read_key=lambda: next(keys))
    assert desk.folder.names == ["0001"]
    assert desk.said[-1].startswith("not taken: too near a sample there is already")


def test_undo_sets_the_last_sample_aside(desk):
    keys = iter([Key.TAKE, *[Key.NONE] * 4, Key.UNDO, Key.UNDO, Key.FINISH])
    desk.run(read_key=lambda: next(keys))
    assert desk.folder.names == [] and (desk.folder.path / "0001.png").exists()
    assert desk.said[-2:] == ["sample 0001 is set aside; 0 are left", "there is no sample to set aside"]


def test_a_session_that_takes_nothing_ends_and_says_what_was_wrong(desk):
    desk.images = [np.zeros((480, 640, 3), np.uint8)] * 5
    with pytest.raises(DeadlineError, match="no sample was taken for 5 s, last because: no board seen. 0 samples are in"):
        desk.run(automatic=True, idle_limit_s=5.0)


def test_a_session_goes_on_with_what_the_folder_holds(desk, guided):
    desk.run(automatic=True)
    again = Desk(desk.folder.path, *guided)
    assert again.session.taken == 3
    again.run(automatic=True, wanted=4)
    assert again.folder.names == ["0001", "0002", "0003", "0004"]


def test_a_moving_arm_gives_no_sample(desk):
    desk.looks_per_pose = 1
    assert "moves" in desk.look_until_ready(most=4).problem


def test_an_arm_in_fault_gives_no_sample(desk):
    desk.arm.mode = ArmMode.FAULT
    look = desk.look_until_ready()
    assert look.problem == "the arm is in fault: pushed"
    with pytest.raises(ConfigurationError, match="no sample was taken: the arm is in fault"):
        desk.session.take(look)


def test_a_camera_without_frames_is_told_and_waited_for(desk):
    from robot_drivers.fake_camera import FakeCamera

    silent = FakeCamera("wrist", width=64, height=48, rate_hz=30.0, tool_position=lambda: np.zeros(3), frame_count=lambda: -1)
    silent.connect()
    look = CalibrationSession(desk.arm, silent, desk.folder, steady=lambda: 0.0).look()
    assert look.problem == "no image" and "no new frame" in look.words


def test_words_say_corners_distance_and_count(desk):
    look = desk.look_until_ready()
    assert look.words.startswith("0 taken | 35 corners, 0.40") and look.words.endswith(" m away | ready: press Enter")


def test_missing_asks_for_number_first_and_then_for_turns(desk):
    assert desk.session.missing(2) == "2 more"
    pose = np.array([0.4, 0, 0.3, 0, 0, 0, 1.0])
    desk.session._poses = {f"{i}": pose + [0.1 * i, 0, 0, 0, 0, 0, 0] for i in range(4)}
    assert desk.session.missing(4).startswith("more turns about the tool's")


def test_stillness_needs_its_time_and_sees_both_kinds_of_motion():
    ids, still = np.arange(4), np.zeros((4, 2))
    watch = Stillness()
    for time_s in (0.0, 0.2, 0.4):
        watch.add(time_s, np.zeros(7), ids, still)
        assert watch.what_moves() == "hold still"
    watch.add(0.6, np.zeros(7), ids, still)
    assert watch.what_moves() == ""
    watch.add(0.8, np.full(7, 0.002), ids, still)
    assert watch.what_moves() == "the arm moves"
    watch.clear()
    watch.add(1.0, np.zeros(7), ids, still)
    watch.add(1.2, np.zeros(7), ids, still + 3.0)
    assert watch.what_moves() == "the board moves in the image"
    watch.clear()
    assert watch.what_moves() == "wait"
