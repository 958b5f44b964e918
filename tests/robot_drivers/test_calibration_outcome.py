"""From samples on disk to the workcell file: nothing recorded is lost, a bad fit is refused with its likely cause, comments survive."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import calibration_rig as rig
import numpy as np
import pytest

from robot_drivers.calibration.outcome import fit_samples, judge_views, require_good, write_extrinsics
from robot_drivers.calibration.samples import Sample, SampleFolder, SampleSetDescription, nearest_pose
from robot_drivers.calibration.transforms import difference, exponential, to_matrix, to_pose
from robot_drivers.camera_extrinsics import extrinsics_of
from robot_drivers.workcell import load_workcell_config
from stage_core.errors import ConfigurationError

FAKE = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config/workcells/fake.yaml"
DATE = datetime.date(2026, 5, 4)
TOOL = np.array([0.0, 0.0, 0.1, 0.0, 0.0, 1.0, 0.0])


def describe(mount="hand", **changes):
    values = {
        "workcell": "fake",
        "camera": "base",
        "mount": mount,
        "board": rig.BOARD,
        "camera_model": rig.LENS,
        "ee_link": "fake_tool",
        "flange_to_tool": TOOL,
    }
    return SampleSetDescription(**{**values, **changes})


IMAGES: dict[tuple[str, int], list[np.ndarray]] = {}


def record(path, mount="hand", *, change=lambda matrix: matrix, count=13, description=None):
    """Write drawn samples of a scene; `change` is what is wrong with the arm's poses. Images are drawn once for all tests."""
    scene = rig.make_scene(mount, count=count, seed=3)
    if (mount, count) not in IMAGES:
        IMAGES[mount, count] = [rig.draw(rig.BOARD, scene.board_in_camera(i), noise=2.0, seed=i) for i in range(count)]
    folder = SampleFolder.create(path, description or describe(mount))
    for image, ee in zip(IMAGES[mount, count], scene.ee_poses, strict=True):
        pose = to_pose(change(ee))
        sample = Sample(name=folder.next_name(), image=image, ee_pose=pose, joint_positions=np.zeros(7), image_stamp=1.0, arm_stamp=1.0)
        folder.add(sample)
    return folder, scene


@pytest.mark.parametrize("mount", ["hand", "fixed"])
def test_drawn_images_give_the_true_pose(tmp_path, mount):
    folder, scene = record(tmp_path, mount)
    outcome = fit_samples(SampleFolder.open(folder.path))
    distance, angle = difference(to_matrix(outcome.fit.camera_pose), scene.camera)
    assert 1e3 * distance < 0.5 and np.degrees(angle) < 0.1
    assert outcome.problems == () and outcome.left_out == {}
    require_good(outcome)


def test_samples_survive_the_way_to_disk_and_back(tmp_path):
    folder, scene = record(tmp_path)
    samples = list(SampleFolder.open(tmp_path))
    assert [sample.name for sample in samples] == [f"{i:04d}" for i in range(1, 14)]
    assert np.array_equal(samples[4].image, IMAGES["hand", 13][4])
    assert samples[4].ee_pose == pytest.approx(to_pose(scene.ee_poses[4]))
    assert json.loads((tmp_path / "calibration.json").read_text())["flange_to_tool"] == TOOL.tolist()


def test_a_sample_without_its_json_does_not_count_and_its_name_is_not_used_again(tmp_path):
    folder, _ = record(tmp_path)
    (tmp_path / "0013.json").unlink()
    again = SampleFolder.open(tmp_path)
    assert again.names[-1] == "0012" and again.next_name() == "0014"


def test_a_sample_set_aside_stays_on_disk(tmp_path):
    folder, _ = record(tmp_path)
    folder.set_aside("0013")
    assert folder.names[-1] == "0012" and (tmp_path / "0013.json.unused").exists() and (tmp_path / "0013.png").exists()


def test_a_folder_of_another_camera_is_not_mixed(tmp_path):
    record(tmp_path)
    assert SampleFolder.create(tmp_path, describe()).names
    with pytest.raises(ConfigurationError, match="Name another folder"):
        SampleFolder.create(tmp_path, describe(camera="side"))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("calibration.json", "{}", "schema_version is None"),
        ("calibration.json", '{"schema_version": 1}', "incomplete"),
        ("calibration.json", "[", "cannot be read"),
        ("0002.json", '{"ee_pose": [1, 2]}', "0002.json cannot be used"),
        ("0002.json", '{"ee_pose": [NaN, 0, 0, 0, 0, 0, 1], "joint_positions": []}', "0002.json cannot be used"),
        ("0002.png", "no image", "0002.png is missing or no image"),
    ],
)
def test_a_damaged_folder_is_named(tmp_path, file, content, words):
    record(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        fit_samples(SampleFolder.open(tmp_path))


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="expected a folder that stage calibrate camera wrote"):
        SampleFolder.open(tmp_path)


def quaternion_order_mistaken(matrix):
    x, y, z, w = to_pose(matrix)[3:]
    return to_matrix(np.array([*matrix[:3, 3], w, x, y, z]))


def rotation_transposed(matrix):
    wrong = matrix.copy()
    wrong[:3, :3] = matrix[:3, :3].T
    return wrong


def millimetres(matrix):
    wrong = matrix.copy()
    wrong[:3, 3] *= 1000.0
    return wrong


@pytest.mark.parametrize("mount", ["hand", "fixed"])
@pytest.mark.parametrize("mistake", [np.linalg.inv, quaternion_order_mistaken, rotation_transposed, millimetres])
def test_a_driver_with_a_wrong_pose_is_refused(mount, mistake):
    views = rig.make_scene(mount, count=13, seed=3).views(pixel_noise=0.1)
    views = [replace(view, ee_pose=to_pose(mistake(to_matrix(view.ee_pose)))) for view in views]
    outcome = judge_views(views, describe(mount))
    with pytest.raises(ConfigurationError, match="refused: its residual is .* expected at most 3 mm and 0.5 degrees. Worst samples: 00"):
        require_good(outcome)
    assert ("fit --mount" in outcome.problems[-1]) == (mistake is np.linalg.inv)


def test_the_wrong_mount_is_refused_and_named():
    views = rig.make_scene("hand", count=13, seed=3).views(pixel_noise=0.1)
    with pytest.raises(ConfigurationError, match="The samples fit --mount hand"):
        require_good(judge_views(views, describe("fixed")))


def test_a_wrong_square_size_is_refused_and_the_right_one_named(tmp_path):
    folder, _ = record(tmp_path)
    outcome = fit_samples(folder, board=replace(rig.BOARD, square_m=0.0282, marker_m=0.0282 * 22 / 30))
    with pytest.raises(ConfigurationError, match=r"Squares of (29\.9|30\.0)\d mm would fit, not 28.2 mm"):
        require_good(outcome)
    assert fit_samples(folder, board=rig.BOARD).problems == ()


def test_a_slightly_wrong_square_size_is_told():
    views = rig.make_scene("hand", count=13, seed=3).views(pixel_noise=0.1)
    outcome = judge_views([replace(view, points=view.points * 0.994) for view in views], describe())
    assert outcome.problems == () and any("larger than stated" in note for note in outcome.notes)


def test_an_outlier_is_told_and_counted_out():
    views = rig.make_scene("hand", count=14, seed=3).views(pixel_noise=0.1)
    views[5] = replace(views[5], ee_pose=to_pose(to_matrix(views[5].ee_pose) @ exponential(np.array([0.02, 0, 0, 0.1, 0, 0]))))
    outcome = judge_views(views, describe())
    assert outcome.fit.outliers == ("0006",) and outcome.problems == ()
    assert any("0006" in note for note in outcome.notes)


def test_a_tool_that_is_wrong_by_a_constant_stands_in_the_pose_and_not_in_the_residual():
    """No residual can show it, which is why connecting compares the tool centre with the URDF and the controller's tool."""
    scene = rig.make_scene("hand", count=13, seed=3)
    wrong = exponential(np.array([0.0, 0.0, 0.05, 0.0, 0.0, np.pi / 4]))
    views = [replace(view, ee_pose=to_pose(to_matrix(view.ee_pose) @ wrong)) for view in scene.views()]
    outcome = judge_views(views, describe())
    assert outcome.problems == ()
    assert np.allclose(wrong @ to_matrix(outcome.fit.camera_pose), scene.camera, atol=1e-5)


def test_images_without_a_board_are_left_out_by_name_and_too_few_are_refused(tmp_path):
    folder, _ = record(tmp_path)
    blank = Sample(
        name="0014",
        image=np.zeros((480, 640, 3), np.uint8),
        ee_pose=np.array([0, 0, 0, 0, 0, 0, 1.0]),
        joint_positions=np.zeros(7),
        image_stamp=1.0,
        arm_stamp=1.0,
    )
    folder.add(blank)
    assert fit_samples(folder).left_out == {"0014": "no board seen"}
    for name in ("0001", "0002"):
        folder.set_aside(name)
    with pytest.raises(ConfigurationError, match="11 samples can be used and 1 cannot, first 0014: no board seen"):
        fit_samples(folder)


def test_the_result_goes_into_the_file_and_comments_survive(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(FAKE.read_text())
    folder, scene = record(tmp_path / "samples")
    write_extrinsics(file, fit_samples(folder), date=DATE)
    kept = [line for line in FAKE.read_text().splitlines() if "#" in line]
    assert kept and all(line in file.read_text().splitlines() for line in kept)
    read = extrinsics_of(load_workcell_config(file), "base")
    assert read is not None and (read.parent_frame, read.date, read.poses) == ("ee", "2026-05-04", 13)
    assert read.intrinsics_sha256 == rig.LENS.sha256 and read.flange_to_tool == tuple(TOOL)
    assert 0.0 < read.residual_mm < 1.0 and 0.0 < read.residual_deg < 0.3
    distance, angle = difference(to_matrix(np.r_[read.position, read.orientation]), scene.camera)
    assert distance < 0.0005 and np.degrees(angle) < 0.1


def test_a_fixed_camera_is_written_in_the_base_frame(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(FAKE.read_text())
    folder, _ = record(tmp_path / "samples", "fixed")
    assert write_extrinsics(file, fit_samples(folder), date=DATE).parent_frame == "base"


def test_a_refused_fit_writes_nothing(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(FAKE.read_text())
    folder, _ = record(tmp_path / "samples", change=np.linalg.inv)
    with pytest.raises(ConfigurationError, match="refused"):
        write_extrinsics(file, fit_samples(folder), date=DATE)
    assert file.read_text() == FAKE.read_text()


def test_a_bundled_file_is_not_changed(tmp_path):
    folder, _ = record(tmp_path)
    before = FAKE.read_text()
    with pytest.raises(ConfigurationError, match="comes with Stage"):
        write_extrinsics(FAKE, fit_samples(folder), date=DATE)
    assert FAKE.read_text() == before


def test_a_pose_near_another_is_no_news():
    pose = np.array([0.4, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0])
    near = to_pose(to_matrix(pose) @ exponential(np.array([0.01, 0, 0, 0.02, 0, 0])))
    turned = to_pose(to_matrix(pose) @ exponential(np.array([0.0, 0, 0, 0.2, 0, 0])))
    assert "10 mm, 1.1 degrees" in nearest_pose(near, [turned, pose])
    assert nearest_pose(turned, [pose]) == "" and nearest_pose(pose, []) == ""
