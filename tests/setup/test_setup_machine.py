"""Which machines are accepted and how ROS 2 is found, from made-up os-release texts and variables."""

import pytest
from machine import describe_machine, keep_ros, parse_os_release
from report import SetupError

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
UBUNTU_OLD = 'NAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\n'
JAZZY = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/home/me/workspace/install:/opt/ros/jazzy"}


def test_quotes_and_comments_of_os_release_are_understood():
    assert parse_os_release('# a comment\nID="debian"\nVERSION_ID=12\n\nbroken line\n') == {"ID": "debian", "VERSION_ID": "12"}


def test_debian_without_ros_takes_the_wheels():
    machine = describe_machine(DEBIAN, {}, (3, 11))
    assert (machine.system, machine.ros, machine.python, machine.ros_prefixes) == ("debian-12", "wheels", "3.11", ())


def test_a_sourced_jazzy_is_used_instead_of_wheels():
    machine = describe_machine(UBUNTU, JAZZY, (3, 12))
    assert (machine.system, machine.ros) == ("ubuntu-24.04", "jazzy")
    assert machine.ros_prefixes == ("/home/me/workspace/install", "/opt/ros/jazzy")


def test_ubuntu_without_ros_sourced_takes_the_wheels_even_when_a_prefix_is_set():
    assert describe_machine(UBUNTU, {"AMENT_PREFIX_PATH": "/opt/ros/jazzy"}, (3, 12)).ros == "wheels"


def test_an_unknown_system_is_not_refused():
    assert describe_machine("ID=arch\n", {}, (3, 12)).system == "other"
    assert describe_machine("", {}, (3, 12)).system == "other"


def test_an_environment_made_with_an_installed_ros_keeps_it_in_a_shell_without_ros(tmp_path):
    made_with = {"ros": "jazzy", "ros_prefixes": [str(tmp_path)]}
    kept = keep_ros(describe_machine(UBUNTU, {}, (3, 12)), made_with)
    assert (kept.ros, kept.ros_prefixes) == ("jazzy", (str(tmp_path),))


def test_an_installed_ros_that_is_gone_is_not_kept(tmp_path):
    made_with = {"ros": "jazzy", "ros_prefixes": [str(tmp_path / "gone")]}
    assert keep_ros(describe_machine(UBUNTU, {}, (3, 12)), made_with).ros == "wheels"
    assert keep_ros(describe_machine(UBUNTU, {}, (3, 12)), {}).ros == "wheels"


@pytest.mark.parametrize(
    ("os_release", "environment", "python", "field", "remedy"),
    [
        (UBUNTU_OLD, {}, (3, 10), "22.04", "Ubuntu 24.04"),
        (UBUNTU, {"ROS_DISTRO": "humble", "AMENT_PREFIX_PATH": "/opt/ros/humble"}, (3, 12), "Humble", "Jazzy"),
        (UBUNTU, {"ROS_DISTRO": "rolling"}, (3, 12), "ROS_DISTRO is 'rolling'", "Source ROS 2 Jazzy"),
        (UBUNTU, {"ROS_DISTRO": "jazzy"}, (3, 12), "AMENT_PREFIX_PATH", "source the setup.bash"),
        (UBUNTU, JAZZY, (3, 11), "Python 3.12", "STAGE_PYTHON"),
        (DEBIAN, {}, (3, 10), "3.10", "STAGE_PYTHON"),
        (DEBIAN, {}, (3, 13), "3.13", "STAGE_PYTHON"),
    ],
)
def test_a_machine_that_cannot_run_stage_gets_one_line_with_the_remedy(os_release, environment, python, field, remedy):
    with pytest.raises(SetupError) as raised:
        describe_machine(os_release, environment, python)
    assert field in str(raised.value)
    assert remedy in str(raised.value)
    assert "\n" not in str(raised.value)
