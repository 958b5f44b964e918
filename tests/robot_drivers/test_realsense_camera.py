"""The RealSense driver over the real librealsense: software devices, recordings, faults and wrong drivers."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import wrong_cameras as wrong
from camera_reading import read_until_frame, read_until_told
from realsense_rig import CENTER, DEPTH_M, FOCAL, HEIGHT, PICTURE, RATE_HZ, SERIAL, WIDTH, RealSenseRig, number_of

from robot_drivers.camera_checks import CameraChecks, CameraTruth
from robot_drivers.camera_lens import camera_matrix, turn_image
from robot_drivers.checks import check_camera
from robot_drivers.device_context import DeviceContext
from robot_drivers.realsense_camera import RealSenseCamera, RealSenseSettings
from stage_core.errors import ConfigurationError, DeadlineError, DeviceError

SETTINGS = RealSenseSettings(serial=SERIAL, width_px=WIDTH, height_px=HEIGHT, rate_hz=RATE_HZ, depth=True, warm_up_s=0.0)
TRUTH = CameraTruth(picture=PICTURE, intrinsics=camera_matrix(FOCAL, FOCAL, *CENTER), depth_m=DEPTH_M, moving=True)


@pytest.fixture
def rig():
    rig = RealSenseRig()
    yield rig
    rig.close()


@pytest.fixture
def camera(rig):
    """Makes cameras on the rig and disconnects them at the end."""
    made = []

    def make(kind: type = RealSenseCamera, *, configure: bool = True, **changes) -> RealSenseCamera:
        made.append(kind("wrist", replace(SETTINGS, **changes), context=rig.context, configure=configure))
        return made[-1]

    yield make
    for device in made:
        device.disconnect()


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> str:
    """A second of both streams, recorded by librealsense itself."""
    path = str(tmp_path_factory.mktemp("recordings") / "second.db3")
    rig = RealSenseRig()
    rig.plug_in()
    library = rig.library
    configuration, pipeline = library.config(), library.pipeline(rig.context)
    configuration.enable_device(SERIAL)
    configuration.enable_stream(library.stream.color, WIDTH, HEIGHT, library.format.rgb8, RATE_HZ)
    configuration.enable_stream(library.stream.depth, WIDTH, HEIGHT, library.format.z16, RATE_HZ)
    configuration.enable_record_to_file(path)
    pipeline.start(configuration)
    for _ in range(RATE_HZ):
        assert pipeline.try_wait_for_frames(2000)[0]
    pipeline.stop()
    rig.close()
    return path


@pytest.mark.parametrize(("domain", "offset_s"), [("global_time", 0.0), ("hardware_clock", -1.7e9), ("system_time", 0.0)])
def test_colour_and_aligned_depth_keep_the_contract_whatever_clock_stamps_them(rig, camera, domain, offset_s):
    rig.plug_in(domain=domain, offset_s=offset_s)
    report = CameraChecks(camera(), advance=None, truth=TRUTH).run()
    assert report.passed, str(report)


def test_a_recording_keeps_the_contract_and_begins_anew_at_its_end(recording):
    settings = replace(SETTINGS, serial="", file=recording)
    report = CameraChecks(RealSenseCamera("wrist", settings), advance=None, truth=TRUTH).run()
    assert report.passed, str(report)
    playing = RealSenseCamera("wrist", settings)
    playing.connect()
    frames = [playing.read(timeout=2.0) for _ in range(int(1.5 * RATE_HZ))]  # longer than the recording
    playing.disconnect()
    stamps = np.array([frame.stamp for frame in frames])
    assert (np.diff(stamps) > 0.0).all()
    assert abs(frames[-1].stamp - time.time()) < 0.5
    shown = [number_of(frame.image) for frame in frames]
    assert all(a != b for a, b in zip(shown, shown[1:], strict=False))  # the SDK pairs one colour image with several depth images


def test_colour_alone_has_no_depth(rig, camera):
    rig.plug_in()
    assert check_camera(camera(depth=False)).passed


@pytest.mark.parametrize(("mistake", "claim"), [*wrong.MISTAKES.items(), *wrong.DEPTH_MISTAKES.items()])
def test_a_driver_with_a_mistake_fails_by_the_claim_that_names_it(rig, camera, mistake, claim):
    rig.plug_in()
    report = CameraChecks(camera(wrong.wrong(RealSenseCamera, mistake)), advance=None, truth=TRUTH).run()
    assert claim in report.failed, str(report)


def test_bgr_is_told_in_words(rig, camera):
    rig.plug_in()
    report = CameraChecks(camera(wrong.wrong(RealSenseCamera, "bgr")), advance=None, truth=TRUTH).run()
    assert "BGR instead of RGB?" in str(report)


def test_a_frame_belongs_to_its_reader_and_holds_nothing_of_the_sdks_pool(rig, camera):
    rig.plug_in()
    device = camera()
    device.connect()
    frame = device.read(timeout=2.0)
    assert frame.image.flags.owndata and frame.depth.flags.owndata


@pytest.mark.parametrize(("domain", "offset_s", "tolerance_s"), [("global_time", 0.0, 1e-4), ("hardware_clock", -1e6, 0.02)])
def test_a_stamp_is_the_moment_of_capture(rig, camera, domain, offset_s, tolerance_s):
    source = rig.plug_in(domain=domain, offset_s=offset_s)
    device = camera()
    device.connect()
    frames = [device.read(timeout=2.0) for _ in range(20)][5:]  # the offset settles over the first frames
    apart = []
    for frame in frames:
        captured = [moment for number, moment in dict(source.captured).items() if number % 40 == number_of(frame.image)]
        apart.append(min(abs(frame.stamp - moment) for moment in captured))
    assert np.median(apart) < tolerance_s


def test_two_cameras_are_told_apart_by_their_serial_numbers(rig, camera):
    first, second = rig.plug_in("111"), rig.plug_in("222")
    first.picture, second.picture = np.full_like(PICTURE, 60), np.full_like(PICTURE, 180)
    devices = {serial: camera(serial=serial) for serial in ("222", "111")}
    for device in devices.values():
        device.connect()
    means = {serial: device.read(timeout=2.0).image[:100].mean() for serial, device in devices.items()}
    assert means == {"111": 60.0, "222": 180.0}


def test_an_empty_serial_is_refused_with_those_that_are_connected(rig, camera):
    rig.plug_in("111")
    rig.plug_in("222")
    with pytest.raises(ConfigurationError, match=r"serial is empty.*111 \(Software RealSense\), 222"):
        camera(serial="").connect()


def test_a_serial_that_is_not_there_is_named_beside_those_that_are(rig, camera):
    rig.plug_in("111")
    with pytest.raises(DeviceError, match="no RealSense with serial 999. Connected: 111"):
        camera(serial="999").connect()


def test_nothing_connected_is_told_with_what_to_check(rig, camera):
    with pytest.raises(DeviceError, match="No RealSense is connected: check the USB 3 cable"):
        camera().connect()


def test_a_size_that_the_camera_lacks_is_refused_with_those_it_has(rig, camera):
    rig.plug_in()
    with pytest.raises(DeviceError, match="does not offer 640 x 480 at 30 Hz.*160 x 120 at 30 Hz"):
        camera(width_px=640, height_px=480, depth=False).connect()


def test_usb_2_is_warned_of(rig, camera, caplog):
    rig.plug_in(usb="2.1")
    with caplog.at_level(logging.WARNING):
        camera().connect()
    assert "is on USB 2.1; expected USB 3" in caplog.text


def test_exposure_and_white_balance_are_held_as_the_automatic_left_them(rig, camera):
    source = rig.plug_in()
    camera(lock_exposure=True, warm_up_s=0.2).connect()
    assert (source.option("enable_auto_exposure"), source.option("enable_auto_white_balance")) == (0.0, 0.0)
    # The frames tell 8300 us; the colour sensor counts 100 us.
    assert (source.option("exposure"), source.option("gain"), source.option("white_balance")) == (83.0, 80.0, 5000.0)


def test_a_fixed_exposure_is_set_in_the_sensors_own_unit_and_told_in_seconds(rig, camera):
    source = rig.plug_in()
    device = camera(exposure_s=0.01, white_balance_k=4000.0)
    device.connect()
    assert (source.option("exposure"), source.option("enable_auto_exposure")) == (100.0, 0.0)
    assert source.option("white_balance") == 4000.0
    assert device.read(timeout=2.0).exposure == pytest.approx(0.0083)  # what the frame says of itself


def test_an_exposure_out_of_the_sensors_range_is_refused_with_the_range(rig, camera):
    rig.plug_in()
    with pytest.raises(ConfigurationError, match=r"exposure_s is 1e-05 s; this camera takes 0.0001 to 1 s"):
        camera(exposure_s=1e-5).connect()


def test_read_only_leaves_the_cameras_options_alone(rig, camera):
    source = rig.plug_in()
    camera(configure=False, exposure_s=0.01, lock_exposure=True).connect()
    assert (source.option("exposure"), source.option("enable_auto_exposure")) == (166.0, 1.0)


def test_a_picture_is_turned_with_its_lens(rig, camera):
    rig.plug_in()
    device = camera(turn_deg=90, depth=True)
    assert (device.description.width, device.description.height) == (HEIGHT, WIDTH)
    truth = CameraTruth(picture=turn_image(PICTURE, 90), intrinsics=camera_matrix(FOCAL, FOCAL, HEIGHT - 1 - CENTER[1], CENTER[0]))
    report = CameraChecks(device, advance=None, truth=truth).run()
    assert report.passed, str(report)


def test_a_silent_camera_is_a_deadline_and_frames_come_again_without_a_new_connect(rig, camera):
    source = rig.plug_in()
    device = camera()
    device.connect()
    device.read(timeout=2.0)
    source.silent.set()
    with pytest.raises(DeadlineError, match=r'camera "wrist" \(serial 012345678901\) has no new frame after 0.3 s'):
        for _ in range(3):
            device.read(timeout=0.3)
    source.silent.clear()
    assert device.read(timeout=5.0).image.shape == (HEIGHT, WIDTH, 3)


def test_a_camera_that_is_unplugged_is_told_in_words_and_comes_back_by_itself(rig, camera, caplog):
    rig.plug_in()
    device = camera(reconnect_s=20.0)
    device.connect()
    before = device.read(timeout=2.0)
    rig.unplug_all()
    words = read_until_told(device, "there is no RealSense with serial 012345678901", seconds=8.0)
    assert "is tried again for up to 20 s" in words
    rig.plug_in()
    with caplog.at_level(logging.INFO):
        after = read_until_frame(device, seconds=10.0)
    assert after.stamp > before.stamp
    assert after.sequence > before.sequence
    assert "is back after" in caplog.text


def test_a_camera_that_stays_away_is_given_up_within_its_bound(rig, camera):
    rig.plug_in()
    device = camera(reconnect_s=0.5)
    device.connect()
    device.read(timeout=2.0)
    rig.unplug_all()
    read_until_told(device, "is gone and did not come back within 0.5 s", seconds=8.0)
    rig.plug_in()
    device.connect()
    assert device.read(timeout=2.0).depth is not None


def test_disconnect_wakes_a_reader(rig, camera):
    source = rig.plug_in()
    device = camera()
    device.connect()
    source.silent.set()
    heard = []

    def wait() -> None:
        try:
            while True:
                device.read(timeout=20.0)
        except DeviceError as error:
            heard.append(str(error))

    reader = threading.Thread(target=wait)
    reader.start()
    device.disconnect()
    reader.join(timeout=5.0)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("serial", 12345, "serial is 12345; expected text"),
        ("width_px", 5, "expected 16 to 8192 pixels"),
        ("rate_hz", 0.033, "Hertz, not a period"),
        ("exposure_s", 8300, "Seconds, not microseconds"),
        ("warm_up_s", 30, "Seconds, not frames"),
        ("turn_deg", 45, "0, 90, 180 or 270"),
        ("serail", "1", 'Did you mean "serial"'),
        ("extrinsics", {"parent_frame": "base"}, "extrinsics.position_m is missing"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_before_anything_is_opened(key, value, words):
    settings = {"serial": "1", "width_px": 640, "height_px": 480, "rate_hz": 30.0, key: value}
    with pytest.raises(ConfigurationError, match=words):
        RealSenseCamera.from_settings(settings, DeviceContext(name="wrist", source="cell: cameras.wrist", control_rate_hz=20.0))
