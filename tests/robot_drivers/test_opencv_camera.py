"""The UVC driver: files and image sequences through OpenCV itself, a device as OpenCV shows it, faults and wrong drivers."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import wrong_cameras as wrong
from camera_reading import read_until_frame, read_until_told
from uvc_rig import HEIGHT, PICTURE, RATE_HZ, WIDTH, UvcRig, bgr_frame, write_video

from robot_drivers.camera_checks import CameraChecks, CameraTruth
from robot_drivers.camera_lens import camera_matrix
from robot_drivers.device_context import DeviceContext
from robot_drivers.opencv_camera import OpenCVCamera, OpenCVSettings
from stage_core.errors import ConfigurationError, DeviceError

LENS = {"fx": 150.0, "fy": 151.0, "cx": 80.0, "cy": 60.0}
TRUTH = CameraTruth(picture=PICTURE, intrinsics=camera_matrix(**LENS), moving=True)
SETTINGS = OpenCVSettings(path="/dev/v4l/by-id/usb-test", width_px=WIDTH, height_px=HEIGHT, rate_hz=RATE_HZ, warm_up_s=0.0, **LENS)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> str:
    return write_video(str(tmp_path_factory.mktemp("videos") / "second.avi"))


@pytest.fixture
def on_device():
    """Makes cameras on a UVC rig and disconnects them at the end."""
    made = []

    def make(rig: UvcRig, kind: type = OpenCVCamera, *, configure: bool = True, **changes) -> OpenCVCamera:
        made.append(kind("side", replace(SETTINGS, **changes), open_capture=rig.open, configure=configure))
        return made[-1]

    yield make
    for device in made:
        device.disconnect()


def test_a_video_file_keeps_the_contract(video):
    report = CameraChecks(OpenCVCamera("side", replace(SETTINGS, path=video)), advance=None, truth=TRUTH).run()
    assert report.passed, str(report)


@pytest.mark.parametrize("stamps", [True, False])
def test_a_device_keeps_the_contract_with_and_without_stamps_of_its_own(on_device, stamps):
    report = CameraChecks(on_device(UvcRig(stamps=stamps)), advance=None, truth=TRUTH).run()
    assert report.passed, str(report)


def test_a_sequence_of_images_keeps_the_contract(tmp_path):
    for number in range(8):
        cv2.imwrite(str(tmp_path / f"{number:04d}.png"), bgr_frame(number))
    report = CameraChecks(OpenCVCamera("side", replace(SETTINGS, path=str(tmp_path / "%04d.png"))), advance=None, truth=TRUTH).run()
    assert report.passed, str(report)


@pytest.mark.parametrize(("mistake", "claim"), wrong.MISTAKES.items())
def test_a_driver_with_a_mistake_fails_by_the_claim_that_names_it(on_device, mistake, claim):
    report = CameraChecks(on_device(UvcRig(), wrong.wrong(OpenCVCamera, mistake)), advance=None, truth=TRUTH).run()
    assert claim in report.failed, str(report)


def test_a_file_plays_at_its_rate_and_begins_anew_at_its_end(video):
    camera = OpenCVCamera("side", replace(SETTINGS, path=video))
    camera.connect()
    begin = time.monotonic()
    frames = [camera.read(timeout=1.0) for _ in range(30)]  # the file has 20
    took = time.monotonic() - begin
    camera.disconnect()
    assert took > 0.9 * 28 / RATE_HZ
    assert np.abs(frames[2].image.astype(int) - frames[22].image.astype(int)).mean() < 1.0


def test_a_stamp_is_the_drivers_own_moment_of_capture_not_of_arrival(on_device):
    rig = UvcRig()
    camera = on_device(rig)
    camera.connect()
    frames = [camera.read(timeout=1.0) for _ in range(9)]
    apart = [min(abs(frame.stamp - moment) for _, moment in rig.captured) for frame in frames]
    assert np.median(apart) < 0.002  # they arrive 4 ms later


def test_the_device_is_set_up_as_asked_and_keeps_one_buffer_and_its_focus(on_device):
    rig = UvcRig()
    on_device(rig, exposure_s=0.01, white_balance_k=4500.0).connect()
    asked = rig.set_properties
    assert int(asked[cv2.CAP_PROP_FOURCC]) == cv2.VideoWriter_fourcc(*"MJPG")
    assert (asked[cv2.CAP_PROP_FRAME_WIDTH], asked[cv2.CAP_PROP_FRAME_HEIGHT], asked[cv2.CAP_PROP_FPS]) == (WIDTH, HEIGHT, RATE_HZ)
    assert (asked[cv2.CAP_PROP_BUFFERSIZE], asked[cv2.CAP_PROP_AUTOFOCUS]) == (1, 0.0)
    # V4L2 counts exposure in 100 us; 1 is manual.
    assert (asked[cv2.CAP_PROP_AUTO_EXPOSURE], asked[cv2.CAP_PROP_EXPOSURE]) == (1, 100.0)
    assert (asked[cv2.CAP_PROP_AUTO_WB], asked[cv2.CAP_PROP_WB_TEMPERATURE]) == (0.0, 4500.0)


def test_read_only_leaves_exposure_and_focus_alone(on_device):
    rig = UvcRig()
    on_device(rig, configure=False, exposure_s=0.01).connect()
    assert not {cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_AUTOFOCUS} & set(rig.set_properties)


def test_an_exposure_that_the_device_does_not_take_is_refused(on_device):
    with pytest.raises(ConfigurationError, match="exposure_s is 0.01, but /dev/v4l/by-id/usb-test does not take it"):
        on_device(UvcRig(refuses=(cv2.CAP_PROP_EXPOSURE,)), exposure_s=0.01).connect()


def test_a_size_that_the_device_lacks_is_refused_with_both_sizes(on_device):
    with pytest.raises(ConfigurationError, match="gives 160 x 120; width_px and height_px are 640 x 480"):
        on_device(UvcRig(), width_px=640, height_px=480, cx=320.0, cy=240.0).connect()


def test_a_rate_that_a_file_does_not_have_is_refused_with_both_rates(video):
    with pytest.raises(ConfigurationError, match="gives 30 frames per second; rate_hz is 15"):
        OpenCVCamera("side", replace(SETTINGS, path=video, rate_hz=15.0)).connect()


def test_a_device_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(DeviceError, match="there is no device /dev/v4l/by-id/none"):
        OpenCVCamera("side", replace(SETTINGS, path="/dev/v4l/by-id/none")).connect()


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(ConfigurationError, match="path is nowhere.avi, which does not exist"):
        OpenCVCamera("side", replace(SETTINGS, path="nowhere.avi")).connect()


def test_a_file_that_is_no_video_is_told(tmp_path):
    path = tmp_path / "broken.avi"
    path.write_bytes(b"RIFF and no more")
    with pytest.raises(DeviceError, match="cannot be opened"):
        OpenCVCamera("side", replace(SETTINGS, path=str(path))).connect()


def test_an_uncalibrated_lens_must_be_said_and_is_warned_of(on_device, caplog):
    none = {"fx": None, "fy": None, "cx": None, "cy": None}
    with pytest.raises(ConfigurationError, match="uncalibrated: true"):
        replace(SETTINGS, **none)
    with pytest.raises(ConfigurationError, match="uncalibrated is True"):
        replace(SETTINGS, uncalibrated=True)
    camera = on_device(UvcRig(), uncalibrated=True, **none)
    with caplog.at_level(logging.WARNING):
        camera.connect()
    assert "is not calibrated; a field of view of 60 degrees is assumed" in caplog.text
    # 60 degrees across 160 pixels: 80 / tan(30 degrees)
    assert camera.description.intrinsics[0, 0] == pytest.approx(138.56, abs=0.01)


def test_a_camera_that_is_unplugged_is_told_and_comes_back_by_itself(on_device):
    rig = UvcRig()
    camera = on_device(rig)
    camera.connect()
    before = camera.read(timeout=1.0)
    rig.plugged.clear()
    words = read_until_told(camera, "cannot be opened", seconds=6.0)
    assert "is tried again for up to 60 s" in words
    rig.plugged.set()
    after = read_until_frame(camera, seconds=8.0)
    assert (after.stamp > before.stamp, after.sequence > before.sequence, rig.opened) == (True, True, 2)


def test_a_camera_that_stays_away_is_given_up_within_its_bound(on_device):
    rig = UvcRig()
    camera = on_device(rig, reconnect_s=0.4)
    camera.connect()
    camera.read(timeout=1.0)
    rig.plugged.clear()
    assert "list cameras with: stage cameras" in read_until_told(camera, "is gone and did not come back within 0.4 s", seconds=6.0)
    with pytest.raises(DeviceError, match="is gone"):
        camera.read(timeout=1.0)  # at once, and every time
    rig.plugged.set()
    camera.connect()
    assert camera.read(timeout=1.0).image.shape == (HEIGHT, WIDTH, 3)


def test_a_workcell_entry_becomes_a_camera_and_a_wrong_key_is_named(video):
    context = DeviceContext(name="side", source="cell: cameras.side", control_rate_hz=20.0)
    entry = {"path": video, "width_px": WIDTH, "height_px": HEIGHT, "rate_hz": 30, **LENS, "distortion": [0.1, 0.0, 0.0, 0.0, 0.0]}
    camera = OpenCVCamera.from_settings(entry, context)
    assert camera.description.optical_frame == "camera_side_optical_frame"
    np.testing.assert_array_equal(camera.description.distortion, (0.1, 0.0, 0.0, 0.0, 0.0))
    with pytest.raises(ConfigurationError, match='cell: cameras.side: fourc is not a known key. Did you mean "fourcc"'):
        OpenCVCamera.from_settings({**entry, "fourc": "MJPG"}, context)
