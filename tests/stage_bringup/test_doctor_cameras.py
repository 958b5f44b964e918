"""`stage doctor --cameras`: USB speed and access rights, and a gripper's serial line, on trees of files as /sys and /dev hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stage_bringup.doctor import cameras
from stage_bringup.doctor.serial_port import check_serial_port

NAME = "Intel(R) RealSense(TM) Depth Camera 435"
REALSENSE = ("Intel RealSense D435", "913522070103", "3.2")


def device(root: Path, port: str = "2-1", *, vendor: str = "8086", speed: str = "5000", kind: str = "0e", serial: str = "913") -> Path:
    """Write one USB device below root/sys, and its device files below root/dev; return the bus file."""
    folder = root / "sys" / port
    interface = folder / f"{port}:1.0"
    (interface / "video4linux" / "video0").mkdir(parents=True)
    facts = {"idVendor": vendor, "speed": speed, "product": NAME, "serial": serial, "busnum": "2", "devnum": "7"}
    for file, text in facts.items():
        (folder / file).write_text(text + "\n")
    (interface / "bInterfaceClass").write_text(kind + "\n")
    bus = root / "dev" / "bus/usb/002/007"
    bus.parent.mkdir(parents=True, exist_ok=True)
    bus.touch()
    (root / "dev" / "video0").touch()
    return bus


def found(root: Path) -> list[cameras.UsbCamera]:
    return cameras.find_usb_cameras(root / "sys", root / "dev")


def test_a_usb_device_with_a_video_function_is_a_camera(tmp_path):
    bus = device(tmp_path)
    (camera,) = found(tmp_path)
    assert (camera.name, camera.serial, camera.vendor, camera.speed_mbit_s) == (NAME, "913", "8086", 5000)
    assert camera.files == (bus, tmp_path / "dev" / "video0")


def test_a_keyboard_is_no_camera(tmp_path):
    device(tmp_path, kind="03")
    assert found(tmp_path) == []


def test_a_machine_without_usb_has_no_camera_and_says_so(tmp_path):
    (finding,) = cameras.check_cameras(None, found(tmp_path))
    assert not finding.ok and not finding.required and "stage cameras" in finding.remedy


@pytest.mark.parametrize(("speed", "ok"), [("480", False), ("5000", True), ("10000", True)])
def test_a_realsense_at_usb_2_is_refused(tmp_path, speed, ok):
    device(tmp_path, speed=speed)
    finding = cameras.check_usb_speed(found(tmp_path)[0])
    assert finding.ok is ok and (ok or "USB 3" in finding.remedy)


def test_an_ordinary_camera_may_run_at_usb_2(tmp_path):
    device(tmp_path, vendor="046d", speed="480")
    assert cameras.check_usb_speed(found(tmp_path)[0]).ok


def test_librealsenses_own_word_on_the_speed_counts_first(tmp_path):
    device(tmp_path)
    assert [finding.ok for finding in cameras.check_cameras([REALSENSE], found(tmp_path))] == [True]
    (finding,) = cameras.check_cameras([(*REALSENSE[:2], "2.1")], found(tmp_path))
    assert finding.required and not finding.ok and "USB 2.1" in finding.found


def test_device_files_that_are_not_there_are_told_as_in_a_container_without_them(tmp_path):
    device(tmp_path).unlink()
    (tmp_path / "dev" / "video0").unlink()
    finding = cameras.check_access(found(tmp_path)[0])
    assert not finding.ok and "not there" in finding.found and "container" in finding.remedy


def test_a_device_file_this_user_may_not_open_is_told(tmp_path):
    bus = device(tmp_path)
    bus.chmod(0o600)
    anybody = lambda file: bool(file.stat().st_mode & 0o006)  # noqa: E731  the tests may run as root, who may open every file
    (tmp_path / "dev" / "video0").chmod(0o666)
    finding = cameras.check_access(found(tmp_path)[0], anybody)
    assert finding.required and not finding.ok and str(bus) in finding.found and "udev" in finding.remedy
    assert str(tmp_path / "dev" / "video0") not in finding.found


def test_open_device_files_need_no_line(tmp_path):
    device(tmp_path)
    assert cameras.check_access(found(tmp_path)[0]) is None


def test_a_camera_that_the_workcell_names_is_looked_for_by_serial():
    wanted = {"wrist": {"driver": "realsense", "serial": "913522070103"}, "front": {"driver": "realsense", "serial": "1"}}
    wrist, front = cameras.check_cameras([REALSENSE], [], wanted)[1:]
    assert wrist.ok and wrist.name == "cameras.wrist"
    assert front.required and not front.ok and "913522070103" in front.found and "stage cameras" in front.remedy


def test_a_realsense_is_missing_where_librealsense_is(tmp_path):
    (finding,) = cameras.check_cameras(None, [], {"wrist": {"driver": "realsense", "serial": "1"}})
    assert not finding.ok and "stage-robotics[cameras]" in finding.remedy


def test_a_camera_by_path_is_looked_for_there():
    assert cameras.check_wanted("front", {"driver": "opencv", "path": "/dev/null"}, []).ok
    finding = cameras.check_wanted("front", {"driver": "opencv", "path": "/dev/v4l/by-id/no-such-camera"}, [])
    assert finding.required and not finding.ok


def test_a_file_in_a_cameras_place_needs_no_line():
    assert cameras.check_wanted("front", {"driver": "opencv", "path": "frames/%04d.png"}, []) is None
    assert cameras.check_wanted("front", {"driver": "realsense", "serial": "1", "file": "a.db3"}, None) is None


def test_another_intel_camera_is_no_realsense(tmp_path):
    device(tmp_path, speed="480")
    (tmp_path / "sys" / "2-1" / "product").write_text("Integrated Webcam\n")
    assert cameras.check_usb_speed(found(tmp_path)[0]).ok


def test_a_fake_camera_needs_no_line():
    assert cameras.check_wanted("front", {"driver": "fake"}, []) is None
    assert cameras.check_cameras(None, [], {"front": {"driver": "fake"}}) == []


def test_librealsense_is_asked_in_a_process_of_its_own():
    assert cameras.list_realsense() == []  # installed, and this machine has none


def test_a_serial_line_that_is_not_there_or_closed_is_refused(tmp_path):
    port = tmp_path / "ttyUSB0"
    finding = check_serial_port(port, tmp_path / "drivers")
    assert finding.required and not finding.ok and "by-id" in finding.remedy
    port.touch()
    finding = check_serial_port(port, tmp_path / "drivers", lambda _: False)
    assert finding.required and not finding.ok and "dialout" in finding.remedy


def test_a_serial_adapter_that_holds_answers_back_is_noted(tmp_path):
    port, timer = tmp_path / "ttyUSB0", tmp_path / "drivers" / "ttyUSB0" / "latency_timer"
    port.touch()
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n")
    by_id = tmp_path / "usb-adapter"
    by_id.symlink_to(port)
    finding = check_serial_port(by_id, tmp_path / "drivers")
    assert not finding.ok and not finding.required and "16 ms" in finding.found
    timer.write_text("1\n")
    assert check_serial_port(by_id, tmp_path / "drivers").ok
