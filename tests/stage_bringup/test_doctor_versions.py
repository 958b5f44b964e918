"""The version matrix: which system image, libfranka, wheel, firmware and SDK belong together."""

from __future__ import annotations

import pytest

from robot_drivers.franka import compatibility
from stage_bringup.doctor import versions


def test_the_table_goes_down_without_a_gap():
    assert [release.interface for release in versions.FRANKA_RELEASES] == list(range(10, 2, -1))
    for field in ("first_system", "first_libfranka", "wheel_libfranka"):
        numbers = [versions.parse_version(getattr(release, field)) for release in versions.FRANKA_RELEASES]
        assert numbers == sorted(numbers, reverse=True)


def test_doctor_and_the_driver_name_the_same_wheels():
    driver = {row.interface: (row.robot[:3], row.system, row.wheel) for row in compatibility.MATRIX}
    doctor = {release.interface: (release.robot, release.first_system, release.wheel_libfranka) for release in versions.FRANKA_RELEASES}
    assert driver == doctor


@pytest.mark.parametrize(
    ("libfranka", "interface"),
    [("0.21.2", 10), ("0.18.0", 10), ("0.17.0", 9), ("0.14.2", 8), ("0.13.5", 7), ("0.13.2", 6), ("0.9.2", 5), ("0.1.0", None), ("", None)],
)
def test_a_libfranka_speaks_one_interface(libfranka, interface):
    assert versions.interface_of(libfranka) == interface


def test_every_wheel_speaks_the_interface_it_is_listed_for():
    assert all(versions.interface_of(release.wheel_libfranka) == release.interface for release in versions.FRANKA_RELEASES)


def test_the_installed_franky_is_the_tested_one():
    installed = versions.installed_libfranka()
    assert installed is not None and versions.check_franky(installed).ok
    assert versions.interface_of(installed[1]) == versions.TESTED_INTERFACE


def test_a_franky_that_is_not_installed_is_missing():
    assert versions.installed_libfranka("no-such-distribution-at-all") is None
    finding = versions.check_franky(None)
    assert finding.required and not finding.ok and "stage-robotics[franka]" in finding.remedy


def test_another_franky_is_noted():
    finding = versions.check_franky(("1.1.4", "0.17.0"))
    assert not finding.ok and not finding.required and "interface 9" in finding.found


def test_a_robot_that_fits_the_wheel_is_good():
    assert versions.check_franka_versions(10, ("2.0.0", "0.21.2")).ok


@pytest.mark.parametrize("interface", [1, 2, 3, 4, 5])
def test_a_panda_is_refused_in_plain_words_whatever_is_installed(interface):
    finding = versions.check_franka_versions(interface, ("2.0.0", "0.9.2"))
    assert finding.required and not finding.ok
    assert "Panda" in finding.found and "not supported by this build" in finding.remedy


def test_an_older_fr3_is_told_to_update_first_and_the_wheel_second():
    finding = versions.check_franka_versions(9, ("2.0.0", "0.21.2"))
    assert finding.required and not finding.ok
    assert "5.7.2 up to, not including, 5.9.0" in finding.found
    assert finding.remedy.index("5.9.0") < finding.remedy.index("0.17.0")


def test_an_older_fr3_with_its_wheel_is_noted_as_not_tested():
    finding = versions.check_franka_versions(9, ("2.0.0", "0.17.0"))
    assert not finding.ok and not finding.required and "tested with interface 10" in finding.remedy


def test_a_new_robot_with_an_old_wheel_is_told_what_to_install():
    finding = versions.check_franka_versions(10, ("2.0.0", "0.17.0"))
    assert finding.required and not finding.ok and "stage-robotics[franka]" in finding.remedy
    assert not versions.check_franka_versions(10, None).ok


def test_a_robot_newer_than_the_table_is_refused():
    finding = versions.check_franka_versions(11, ("2.0.0", "0.21.2"))
    assert finding.required and not finding.ok and "newer" in finding.remedy


def test_the_installed_sdk_is_the_tested_one():
    assert versions.check_xarm_sdk(versions.installed_xarm_sdk()).ok
    assert versions.installed_xarm_sdk("no-such-distribution-at-all") is None
    assert "stage-robotics[xarm]" in versions.check_xarm_sdk(None).remedy
    assert not versions.check_xarm_sdk("1.14.0").ok


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        ("6,6,XI1300000000,AC1300000000,v2.7.103", True),
        ("7,7,XF1300000000,AC1300000000,v3.0.0", True),
        ("v2.0.102", True),
        ("6,6,XI1300000000,AC1300000000,v1.12.10", False),
        ("nonsense", False),
    ],
)
def test_firmware_is_read_from_the_version_register(answer, ok):
    finding = versions.check_xarm_firmware(answer)
    assert finding.ok is ok and (ok or finding.remedy)
