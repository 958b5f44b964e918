"""The environment: what is installed at which version, and that doing it again does nothing."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from environment import EXTRAS, WHEELS_EXTRA, collect_requirements, selected_extras
from machine import Machine
from messages import remove_previous, repair_wheel_cmake_files
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from report import SetupError, clean_environment, run
from stamp import content_hash, is_current, write_stamp

ROOT = Path(__file__).resolve().parents[2]


def pins(version: str) -> dict[str, str]:
    """Return the constraints of a Python version, canonical name → version."""
    lines = (ROOT / "constraints" / f"constraints-{version}.txt").read_text().splitlines()
    return {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines if not line.startswith("#"))}


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_every_requirement_is_pinned_to_a_version_that_it_allows(version):
    pinned = pins(version)
    for text in collect_requirements(ROOT / "pyproject.toml", (*EXTRAS, WHEELS_EXTRA)):
        requirement = Requirement(text)
        assert canonicalize_name(requirement.name) in pinned, f"{text} is not pinned for {version}: run `make constraints`"
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_both_pythons_get_the_same_versions():
    older, newer = pins("3.11"), pins("3.12")
    assert {name: (older[name], newer[name]) for name in older.keys() & newer.keys() if older[name] != newer[name]} == {}


def test_torch_is_pinned_without_a_local_version_so_that_a_cpu_build_may_serve():
    assert "+" not in pins("3.11")["torch"]


def test_the_running_environment_holds_what_is_pinned():
    from importlib.metadata import PackageNotFoundError, version

    different = {}
    for name, pin in pins(f"{sys.version_info.major}.{sys.version_info.minor}").items():
        try:
            if version(name).split("+")[0] != pin:
                different[name] = (version(name), pin)
        except PackageNotFoundError:
            if not name.startswith(("ros-", "nvidia-", "cuda-", "triton")):  # absent with ROS 2 installed, and with torch for the CPU
                different[name] = (None, pin)
    assert different == {}


def test_a_machine_with_ros_installs_no_ros_wheels():
    jazzy = Machine(system="ubuntu-24.04", ros="jazzy", ros_prefixes=("/opt/ros/jazzy",), python="3.12")
    assert WHEELS_EXTRA not in selected_extras(jazzy)
    requirements = collect_requirements(ROOT / "pyproject.toml", selected_extras(jazzy))
    assert not [requirement for requirement in requirements if requirement.startswith("ros-")]


def test_a_hash_changes_with_content_and_name_and_not_with_the_order(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    before = content_hash([tmp_path / "one", tmp_path / "two"], "3.11")
    assert content_hash([tmp_path / "two", tmp_path / "one"], "3.11") == before
    assert content_hash([tmp_path / "one", tmp_path / "two"], "3.12") != before
    (tmp_path / "two").write_text("changed")
    assert content_hash([tmp_path / "one", tmp_path / "two"], "3.11") != before


def test_an_interrupted_step_is_not_current(tmp_path):
    stamp = tmp_path / "folder" / "stamp"
    assert not is_current(stamp, "abc")
    write_stamp(stamp, "abc")
    assert is_current(stamp, "abc")


def test_variables_of_another_environment_do_not_reach_the_new_one():
    inherited = {"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1", "LD_LIBRARY_PATH": "/other/lib", "VIRTUAL_ENV": "/other", "HOME": "/home/me"}
    assert clean_environment(inherited) == {"HOME": "/home/me"}
    assert clean_environment({"LD_LIBRARY_PATH": "/opt/mine"}) == {"LD_LIBRARY_PATH": "/opt/mine"}


def test_a_failed_command_gives_its_last_lines_and_a_remedy(capsys):
    with pytest.raises(SetupError, match="code 3; free some space"):
        run([sys.executable, "-c", "print('no space left'); raise SystemExit(3)"], remedy="free some space.")
    assert "no space left" in capsys.readouterr().err


def test_a_missing_program_is_named():
    with pytest.raises(SetupError, match="no-such-program cannot be started"):
        run(["no-such-program"], remedy="install it.")


def test_include_folders_of_the_build_machine_are_replaced_once(tmp_path):
    file = tmp_path / "share" / "std_msgs" / "cmake" / "export.cmake"
    file.parent.mkdir(parents=True)
    file.write_text('"/opt/python/cp311-cp311/include/python3.11;/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"')
    assert repair_wheel_cmake_files(tmp_path, python_include="/a b/include", numpy_include="/a b/numpy") == 1
    assert file.read_text() == '"/a b/include;/a b/numpy"'
    assert repair_wheel_cmake_files(tmp_path, python_include="/a b/include", numpy_include="/a b/numpy") == 0


def test_a_message_that_was_deleted_leaves_no_file_behind(tmp_path):
    record = tmp_path / "share" / "stage_msgs" / "installed_files.txt"
    record.parent.mkdir(parents=True)
    for name in ("kept.h", "deleted.h"):
        (tmp_path / name).write_text("")
    record.write_text("deleted.h\nkept.h\n")
    remove_previous(tmp_path, ["kept.h"])
    assert (tmp_path / "kept.h").exists() and not (tmp_path / "deleted.h").exists()


@pytest.mark.skipif(not (ROOT / ".venv" / "stage_dependencies.sha256").is_file(), reason="this checkout was not set up by `make setup`")
def test_setting_up_again_does_nothing_in_under_three_seconds():
    command = ["sh", str(ROOT / "scripts" / "setup.sh")]
    subprocess.run(command, env=clean_environment(), check=True, capture_output=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    again = subprocess.run(command, env=clean_environment(), check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert again.stdout == ""
    # Computing time, which is the same on a busy machine; on an idle one it is the time on the wall.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 3.0


def test_ros_humble_gets_one_clear_line(tmp_path):
    python = tmp_path / "python3.11"
    python.symlink_to(sys.executable)
    environment = clean_environment() | {"ROS_DISTRO": "humble", "AMENT_PREFIX_PATH": "/opt/ros/humble"}
    command = [sys.executable, str(ROOT / "scripts" / "setup")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "Jazzy" in result.stderr
    assert result.stdout == ""


def test_a_python_that_does_not_fit_is_named_with_the_remedy(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$2" in *platform*) echo 3.9.2;; *) exit 1;; esac\n')
    old.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}/usr/bin", "STAGE_PYTHON": str(old)}
    result = subprocess.run(["sh", str(ROOT / "scripts" / "setup.sh")], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "STAGE_PYTHON" in result.stderr and "3.11 or 3.12" in result.stderr
