"""Which system packages are missing, where backports comes from, and which commands install them."""

import pytest
from debian_packages import backports_line, find_mirror, install_commands, line_to_run, mesa_major, missing_packages, needed_packages
from machine import Machine
from report import SetupError

DEBIAN = Machine(system="debian-12", ros="wheels", ros_prefixes=(), python="3.11")
UBUNTU_JAZZY = Machine(system="ubuntu-24.04", ros="jazzy", ros_prefixes=("/opt/ros/jazzy",), python="3.12")
ONE_LINE = "deb-src http://mirror.example/debian bookworm main\ndeb [arch=amd64] http://mirror.example/debian bookworm main contrib\n"
DEB822 = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize(
    ("version", "major"), [("22.3.6-1+deb12u1", 22), ("25.0.7-2~bpo12+1", 25), ("1:24.2.8-1", 24), ("", 0), ("odd", 0)]
)
def test_the_major_version_of_mesa_is_read_from_debians_version(version, major):
    assert mesa_major(version) == major


def test_nothing_is_missing_when_all_is_installed():
    needed = needed_packages(DEBIAN)
    assert missing_packages(needed, dict.fromkeys(needed, "25.0")) == []


def test_debians_own_vulkan_driver_counts_as_missing_because_it_is_too_old():
    needed = needed_packages(DEBIAN)
    installed = dict.fromkeys(needed, "1.0") | {"mesa-vulkan-drivers": "22.3.6-1+deb12u1"}
    assert missing_packages(needed, installed) == ["mesa-vulkan-drivers"]


def test_a_machine_with_ros_needs_colcon_and_not_debians_ament():
    needed = needed_packages(UBUNTU_JAZZY)
    assert "python3-colcon-common-extensions" in needed
    assert not [name for name in needed if "ament" in name]


def test_the_mirror_is_the_machines_own_in_both_forms_of_sources():
    assert find_mirror(ONE_LINE) == ("http://mirror.example/debian", "[arch=amd64]")
    assert find_mirror(DEB822) == ("http://mirror.example/debian", "[signed-by=/usr/share/keyrings/archive.gpg]")


def test_backports_is_added_only_when_it_is_not_there():
    assert backports_line(DEB822).startswith(
        "deb [signed-by=/usr/share/keyrings/archive.gpg] http://mirror.example/debian bookworm-backports"
    )
    assert backports_line(ONE_LINE + "deb http://mirror.example/debian bookworm-backports main\n") is None
    assert backports_line(DEB822.replace("bookworm-updates", "bookworm-backports")) is None


def test_a_backports_line_that_is_commented_out_does_not_count():
    assert backports_line(ONE_LINE + "# deb http://mirror.example/debian bookworm-backports main\n") is not None


def test_sources_without_bookworm_are_refused_with_the_remedy():
    with pytest.raises(SetupError, match="add bookworm-backports by hand"):
        find_mirror("deb http://mirror.example/debian trixie main\n")


def test_the_vulkan_driver_comes_from_backports_and_the_rest_does_not():
    commands = install_commands(["cmake", "mesa-vulkan-drivers"], DEBIAN, DEB822)
    assert "bookworm-backports" in commands[0][-1]
    assert commands[1][-2:] == ["update", "-qq"]
    assert commands[2][-1] == "cmake"
    assert commands[3][-3:] == ["--target-release", "bookworm-backports", "mesa-vulkan-drivers"]


def test_ubuntu_gets_no_backports():
    commands = install_commands(["mesa-vulkan-drivers"], UBUNTU_JAZZY, "")
    assert not [word for command in commands for word in command if "backports" in word]


def test_a_user_who_cannot_become_root_gets_one_line_to_run():
    missing = ["cmake", "mesa-vulkan-drivers"]
    message, line = line_to_run(missing, install_commands(missing, DEBIAN, DEB822)).split("\n")
    assert "cmake mesa-vulkan-drivers" in message and "then `make setup` again" in message
    assert line.startswith("sudo sh -c") and line.count("sudo") == 4
