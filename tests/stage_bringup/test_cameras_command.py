"""`stage cameras`: lists, pictures, the workcell file, and words where nothing is connected. Real librealsense, software devices."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "robot_drivers"))
from realsense_rig import PICTURE, RealSenseRig
from uvc_rig import write_video

from robot_drivers.camera_discovery import Discovery, FoundCamera, choose_mode, find_cameras
from robot_drivers.camera_v4l import find_video_devices
from robot_drivers.realsense_camera import RealSenseCamera
from robot_drivers.workcell import load_workcell_config
from stage_bringup.cli import cameras
from stage_bringup.configuration_files import find_configuration
from stage_core.errors import ConfigurationError, DeviceError

SERIAL = "012345678901"


@pytest.fixture
def rig():
    rig = RealSenseRig()
    yield rig
    rig.close()


@pytest.fixture
def cell(tmp_path) -> Path:
    path = tmp_path / "my_cell.yaml"
    path.write_text(find_configuration("workcells", "fake").read_text())
    return path


def never(question: str) -> str:
    raise AssertionError(f"asked: {question}")


def run(rig, tmp_path, *, ask=never, **changes) -> tuple[int, dict]:
    options = cameras.Options(thumbnails=tmp_path / "pictures", json=tmp_path / "found.json", **changes)
    code = cameras.run(options, context=rig.context, ask=ask)
    return code, json.loads(options.json.read_text()) if options.json.is_file() else {}


def test_every_realsense_is_listed_with_model_firmware_link_lens_and_a_picture_of_what_it_sees(rig, tmp_path, capsys):
    rig.plug_in(SERIAL)
    rig.plug_in("222", usb="2.1")
    code, told = run(rig, tmp_path)
    first, second = (camera for camera in told["cameras"] if camera["driver"] == "realsense")
    assert (code, first["device"], first["name"], first["firmware"], first["usb"]) == (0, SERIAL, "Software RealSense", "5.16.0.1", "3.2")
    assert first["intrinsics"][0][0] == 150.0
    seen = cv2.cvtColor(cv2.imread(first["thumbnail"]), cv2.COLOR_BGR2RGB)
    assert np.abs(seen.astype(int)[:100] - PICTURE[:100]).max() == 0
    assert second["note"] == "on USB 2.1: use a USB 3 port and cable"
    assert SERIAL in capsys.readouterr().out


def test_a_camera_in_use_is_told_and_does_not_hide_the_others(rig, tmp_path):
    rig.plug_in(SERIAL).silent.set()
    rig.plug_in("222")
    _, told = run(rig, tmp_path)
    problems = {camera["device"]: camera.get("problem", "") for camera in told["cameras"]}
    assert "sent no frame within 5 s" in problems[SERIAL]
    assert problems["222"] == ""


def test_nothing_connected_is_told_with_what_to_check(tmp_path, capsys):
    options = cameras.Options(thumbnails=tmp_path / "pictures")
    assert cameras.run(options, find=lambda: Discovery(cameras=(), problems=())) == 0
    said = capsys.readouterr().out
    assert said.startswith("No camera is connected. Check: the cable")
    assert not options.thumbnails.exists()


def test_a_list_without_thumbnails_opens_no_camera(rig, tmp_path):
    rig.plug_in(SERIAL).silent.set()  # opening it would take 5 s and fail
    _, told = run(rig, tmp_path, no_thumbnails=True)
    assert "problem" not in told["cameras"][0]


def test_a_camera_is_written_after_a_yes_and_can_be_opened_from_the_file(rig, cell, tmp_path):
    rig.plug_in(SERIAL)
    questions = []
    code, told = run(rig, tmp_path, write=cell, name="wrist", device=SERIAL, ask=lambda question: questions.append(question) or "y")
    entry = load_workcell_config(cell).cameras["wrist"]
    assert (code, len(questions)) == (0, 1)
    assert entry == {"driver": "realsense", "serial": SERIAL, "width_px": 160, "height_px": 120, "rate_hz": 30, "depth": False}
    assert told["entry"] == entry
    from robot_drivers.device_context import DeviceContext, settings_without_driver

    RealSenseCamera.from_settings(settings_without_driver(entry), DeviceContext(name="wrist", source="cell", control_rate_hz=20.0))


@pytest.mark.parametrize("answer", ["", "n", "no", "what"])
def test_anything_but_yes_writes_nothing(rig, cell, tmp_path, answer):
    rig.plug_in(SERIAL)
    before = cell.read_bytes()
    assert run(rig, tmp_path, write=cell, name="wrist", device=SERIAL, ask=lambda question: answer)[0] == 1
    assert cell.read_bytes() == before


def test_without_a_terminal_it_is_refused_unless_yes_is_given(rig, cell, tmp_path, monkeypatch):
    rig.plug_in(SERIAL)
    with open("/dev/null") as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(ConfigurationError, match="or --yes"):
            run(rig, tmp_path, write=cell, name="wrist", device=SERIAL, ask=None)
        assert run(rig, tmp_path, write=cell, name="wrist", device=SERIAL, ask=None, yes=True)[0] == 0


def test_another_camera_in_the_same_place_keeps_the_settings_and_loses_the_measured_pose(rig, cell, tmp_path):
    rig.plug_in("222")
    pose = (
        "{parent_frame: ee, position_m: [0, 0, 0.1], orientation_xyzw: [0, 0, 0, 1], residual_mm: 1, residual_deg: 0.1, date: a, method: b}"
    )
    entry = f"  wrist: {{driver: realsense, serial: '1', width_px: 160, height_px: 120, rate_hz: 15, lock_exposure: true, extrinsics: {pose}}}\n"
    cell.write_text(cell.read_text().replace("cameras:\n", "cameras:\n" + entry))
    run(rig, tmp_path, write=cell, name="wrist", device="222", yes=True)
    written = load_workcell_config(cell).cameras["wrist"]
    assert (written["serial"], written["rate_hz"], written["lock_exposure"]) == ("222", 15, True)
    assert "extrinsics" not in written


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": SERIAL}, "--name is missing"),
        ({"name": "wrist"}, "--device is missing"),
        ({"name": "wrist", "device": "012345678902"}, f'"{SERIAL}"'),
        ({"name": "Wrist 1", "device": SERIAL, "yes": True}, "lower-case"),
        ({"name": "wrist", "device": SERIAL, "write": Path("nowhere.yaml")}, "nowhere.yaml does not exist"),
        ({"name": "wrist", "device": SERIAL, "write": find_configuration("workcells", "fake")}, "Copy it first"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_line(rig, cell, tmp_path, changes, words):
    rig.plug_in(SERIAL)
    before = cell.read_bytes()
    with pytest.raises(ConfigurationError, match=words):
        run(rig, tmp_path, **{"write": cell, **changes})
    assert cell.read_bytes() == before


def test_a_name_without_a_file_is_refused(rig, tmp_path):
    with pytest.raises(ConfigurationError, match="--write is missing"):
        run(rig, tmp_path, name="wrist")


def test_a_uvc_camera_is_listed_pictured_and_written_as_uncalibrated(cell, tmp_path, capsys):
    path = write_video(str(tmp_path / "scene.avi"))  # a file in the device's place: OpenCV opens both alike
    found = Discovery(cameras=(FoundCamera(driver="opencv", device=path, name="Webcam", formats=("MJPG", "YUYV")),), problems=())
    options = cameras.Options(thumbnails=tmp_path / "pictures", json=tmp_path / "found.json")
    cameras.run(options, find=lambda: found)
    told = json.loads(options.json.read_text())["cameras"][0]
    assert (told["formats"], told["width_px"]) == (["MJPG", "YUYV"], 160)
    assert Path(told["thumbnail"]).is_file()
    assert "intrinsics" not in told
    assert cameras.run(cameras.Options(write=cell, name="side", device=path, yes=True), find=lambda: found) == 0
    assert load_workcell_config(cell).cameras["side"]["uncalibrated"] is True
    assert "not calibrated" in capsys.readouterr().out


def test_a_missing_udev_or_package_is_a_note_and_no_end(tmp_path, capsys):
    discovery = Discovery(cameras=(), problems=("pyrealsense2 is not installed",))
    assert cameras.run(cameras.Options(thumbnails=tmp_path / "p"), find=lambda: discovery) == 0
    assert "note: pyrealsense2 is not installed" in capsys.readouterr().err


def test_video_devices_are_named_by_the_path_that_lasts_and_realsense_nodes_are_left_out(tmp_path):
    devices, system = tmp_path / "dev", tmp_path / "sys"
    for number, name in ((0, "HD Webcam: HD Webcam"), (2, "Intel(R) RealSense(TM) Depth Ca"), (10, "Capture card")):
        (devices / "v4l" / "by-id").mkdir(parents=True, exist_ok=True)
        (devices / f"video{number}").write_bytes(b"")
        place = system / "class" / "video4linux" / f"video{number}"
        place.mkdir(parents=True)
        (place / "name").write_text(name + "\n")
    link = devices / "v4l" / "by-id" / "usb-046d_HD_Webcam-video-index0"
    link.symlink_to("../../video0")
    found = find_video_devices(devices, system)
    assert [(device.path, device.name) for device in found] == [
        (str(link), "HD Webcam: HD Webcam"),
        (str(devices / "video10"), "Capture card"),
    ]


def test_the_mode_nearest_to_640_by_480_at_30_is_chosen():
    assert choose_mode(((1280, 720, 30), (640, 480, 15), (640, 480, 30), (640, 480, 60))) == (640, 480, 30)
    assert choose_mode(((1280, 720, 30), (848, 480, 60))) == (848, 480, 60)
    with pytest.raises(DeviceError, match="no colour stream"):
        choose_mode(())


def test_a_context_without_a_realsense_gives_none_and_no_problem(rig):
    found = find_cameras(rig.context)
    assert [camera for camera in found.cameras if camera.driver == "realsense"] == []
    assert found.problems == ()
