"""The version matrix as data: robot system image, libfranka, wheel; xArm firmware and SDK. Start at `FRANKA_RELEASES`.

Sources: libfranka's compatibility matrix and CHANGELOG as of 0.21.2, the versions franky builds wheels against as of 2.0.0, and the
firmware versions that xarm-python-sdk 1.18.4 asks for in its own code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

from stage_bringup.doctor.finding import Finding, failed, good, noted

Version = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FrankaRelease:
    """What belongs together for one version of the robot interface, the number a controller answers with.

    Attributes:
        interface: Version of the robot interface.
        gripper_interface: Version of the hand's interface, the newest of the release.
        robot: `FR3`, or `FER` (sold as Panda).
        first_system: First robot system image with it; the last one is before the next release's first.
        first_libfranka: First libfranka that speaks it.
        wheel_libfranka: The libfranka in franky's wheel for it.
    """

    interface: int
    gripper_interface: int
    robot: str
    first_system: str
    first_libfranka: str
    wheel_libfranka: str


FRANKA_RELEASES = (  # newest first
    FrankaRelease(interface=10, gripper_interface=3, robot="FR3", first_system="5.9.0", first_libfranka="0.18.0", wheel_libfranka="0.21.2"),
    FrankaRelease(interface=9, gripper_interface=3, robot="FR3", first_system="5.7.2", first_libfranka="0.15.0", wheel_libfranka="0.17.0"),
    FrankaRelease(interface=8, gripper_interface=3, robot="FR3", first_system="5.7.0", first_libfranka="0.14.1", wheel_libfranka="0.14.2"),
    FrankaRelease(interface=7, gripper_interface=3, robot="FR3", first_system="5.5.0", first_libfranka="0.13.3", wheel_libfranka="0.13.3"),
    FrankaRelease(interface=6, gripper_interface=3, robot="FR3", first_system="5.2.0", first_libfranka="0.10.0", wheel_libfranka="0.12.1"),
    FrankaRelease(interface=5, gripper_interface=3, robot="FER", first_system="4.2.1", first_libfranka="0.9.1", wheel_libfranka="0.9.2"),
    FrankaRelease(interface=4, gripper_interface=3, robot="FER", first_system="4.0.0", first_libfranka="0.8.0", wheel_libfranka="0.8.0"),
    FrankaRelease(interface=3, gripper_interface=3, robot="FER", first_system="3.0.0", first_libfranka="0.7.1", wheel_libfranka="0.7.1"),
)
LAST_FER_INTERFACE = 5  # everything above is a FR3
TESTED_INTERFACE = 10  # the one that the driver and the fake controller are tested with
TESTED_FRANKY = "2.0.0"
INSTALL_FRANKY = "pip install 'stage-robotics[franka]'"

OLDEST_XARM_FIRMWARE: Version = (2, 0, 102)  # from here on the controller says when a motion has ended
NEWEST_XARM_FIRMWARE: Version = (2, 7, 103)  # the newest that SDK 1.18.4 knows of; newer ones are expected to work
TESTED_XARM_SDK = "1.18.4"
INSTALL_XARM = "pip install 'stage-robotics[xarm]'"


def franka_release(interface: int) -> FrankaRelease | None:
    """Return the release of an interface version, None for one that is not in the table (newer than this version of Stage)."""
    return next((release for release in FRANKA_RELEASES if release.interface == interface), None)


def franka_systems(release: FrankaRelease) -> str:
    """Return the robot system images of a release in words."""
    newer = [other for other in FRANKA_RELEASES if other.interface == release.interface + 1]
    if not newer:
        return f"{release.first_system} or newer"
    if newer[0].robot != release.robot:
        return f"{release.first_system} to the last for the {release.robot}"
    return f"{release.first_system} up to, not including, {newer[0].first_system}"


def wheel_to_install(release: FrankaRelease) -> str:
    """Return in words which franky wheel speaks a release."""
    if release.interface == TESTED_INTERFACE:
        return f"{INSTALL_FRANKY} (franky-control {TESTED_FRANKY} with libfranka {release.wheel_libfranka})"
    return (
        f"franky-control {TESTED_FRANKY} built for robot server version {release.interface} (libfranka {release.wheel_libfranka}),"
        f" from franky's own wheel index: whl/by-robot-server-version/{release.interface}"
    )


def installed_libfranka(name: str = "franky-control") -> tuple[str, str] | None:
    """Return the versions (franky, its libfranka) of the installed wheel, None where it is not installed.

    The libfranka version is read from the name of the library in the wheel; "" where a build keeps it elsewhere.
    """
    try:
        wheel = distribution(name)
    except PackageNotFoundError:
        return None
    names = " ".join(str(file) for file in wheel.files or ())
    found = re.search(r"libfranka[^/ ]*\.so\.(\d+\.\d+\.\d+)", names) or re.search(r"libfranka\.(\d+\.\d+\.\d+)", wheel.version)
    return wheel.version, found.group(1) if found else ""


def interface_of(libfranka: str) -> int | None:
    """Return the interface version that a libfranka speaks, None where it is older than the table or unreadable."""
    version = parse_version(libfranka)
    return next((release.interface for release in FRANKA_RELEASES if version and version >= parse_version(release.first_libfranka)), None)


def parse_version(text: str) -> Version:
    """Return (2, 7, 103) for `v2.7.103`, () where there is no such number."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def check_franky(installed: tuple[str, str] | None) -> Finding:
    """franky and the libfranka inside it: which robots this PC can talk to.

    Args:
        installed: From `installed_libfranka`.
    """
    if installed is None:
        return failed("franky", "not installed", INSTALL_FRANKY)
    franky, libfranka = installed
    interface = interface_of(libfranka)
    found = f"{franky}, libfranka {libfranka or 'of an unknown version'}" + (f", robot interface {interface}" if interface else "")
    if interface != TESTED_INTERFACE or parse_version(franky)[:2] != parse_version(TESTED_FRANKY)[:2]:
        return noted("franky", found, f"tested is franky-control {TESTED_FRANKY} with robot interface {TESTED_INTERFACE}: {INSTALL_FRANKY}")
    return good("franky", found, required=True)


def check_franka_versions(interface: int, installed: tuple[str, str] | None) -> Finding:
    """Whether the robot's system image and the installed wheel speak the same interface.

    Args:
        interface: What the controller answered.
        installed: From `installed_libfranka`.
    """
    name = "robot system image"
    release = franka_release(interface)
    if interface <= LAST_FER_INTERFACE:
        system = f", system {franka_systems(release)}" if release else ""
        remedy = "FER (Panda) is not supported by this build, and no wheel changes that: limits and model are the FR3's"
        return failed(name, f"robot interface {interface}: FER (Panda){system}", remedy)
    if release is None:
        newest = FRANKA_RELEASES[0].interface
        remedy = f"this version knows interfaces up to {newest}: look for a newer franky wheel and a newer Stage"
        return failed(name, f"robot interface {interface}, not in the table", remedy)
    found = f"robot interface {interface}: {release.robot}, system {franka_systems(release)}"
    speaks = interface_of(installed[1]) if installed else None
    if interface != TESTED_INTERFACE and speaks != interface:
        first = franka_release(TESTED_INTERFACE).first_system
        remedy = f"update the robot to system {first} or newer in its web page; or, not tested with Stage: {wheel_to_install(release)}"
        return failed(name, found, remedy)
    if speaks != interface:
        return failed(name, f"{found}; the installed libfranka speaks {speaks or 'none'}", wheel_to_install(release))
    if interface != TESTED_INTERFACE:
        return noted(name, found, f"Stage is tested with interface {TESTED_INTERFACE}; update the robot when you can")
    return good(name, f"{found}; the installed wheel fits", required=True)


def installed_xarm_sdk(name: str = "xarm-python-sdk") -> str | None:
    """Return the version of the installed SDK, None where there is none."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def check_xarm_sdk(installed: str | None) -> Finding:
    """The xArm SDK, as pinned.

    Args:
        installed: From `installed_xarm_sdk`.
    """
    if installed is None:
        return failed("xArm SDK", "not installed", INSTALL_XARM)
    if parse_version(installed) != parse_version(TESTED_XARM_SDK):
        return noted("xArm SDK", installed, f"tested is {TESTED_XARM_SDK}: {INSTALL_XARM}")
    return good("xArm SDK", installed, required=True)


def check_xarm_firmware(answer: str) -> Finding:
    """Whether the control box's firmware has what the driver and the SDK use.

    Args:
        answer: The text of the version register, such as `6,6,XI1300...,AC1300...,v2.7.103`.
    """
    name = "xArm firmware"
    version = parse_version(answer.rpartition(",")[2]) or parse_version(answer)
    words = ".".join(map(str, version))
    if not version:
        return noted(name, f'"{answer}" names no version', "look into UFACTORY Studio, Settings, About; tell us what the box answers")
    if version < OLDEST_XARM_FIRMWARE:
        oldest = ".".join(map(str, OLDEST_XARM_FIRMWARE))
        remedy = f"update it in UFACTORY Studio to {oldest} or newer: before it the box does not say when a motion has ended"
        return failed(name, words, remedy)
    newest = " (newer than the SDK knows; expected to work)" if version > NEWEST_XARM_FIRMWARE else ""
    return good(name, f"{words}, for SDK {TESTED_XARM_SDK}{newest}", required=True)
