"""`stage doctor --robot franka`: kernel, NVIDIA driver, limits, clock rates, on trees of files as /sys and /proc hold them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from stage_bringup.doctor import realtime

NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    return path


def card(root: Path, slot: str, vendor: str, kind: str) -> None:
    write(root / slot / "vendor", vendor)
    write(root / slot / "class", kind)


def test_the_kernels_own_file_tells_a_real_time_kernel(tmp_path):
    assert realtime.is_realtime(write(tmp_path / "realtime", "1"), version="#1 SMP")
    assert not realtime.is_realtime(write(tmp_path / "other", "0"), version="#1 SMP")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("#9 SMP PREEMPT_RT Thu Jan 1", True),
        ("#9 SMP PREEMPT RT Thu Jan 1", True),
        ("#9 SMP PREEMPT_DYNAMIC Thu Jan 1", False),
        ("#9 SMP PREEMPT Thu Jan 1", False),
    ],
)
def test_without_that_file_the_version_tells_it(tmp_path, version, expected):
    assert realtime.is_realtime(tmp_path / "not there", version=version) is expected


def test_an_ordinary_kernel_fails_with_the_packages_to_install():
    finding = realtime.check_kernel(realtime=False, has_nvidia=False, release="6.8.0-generic")
    assert finding.required and not finding.ok
    assert "6.8.0-generic" in finding.found and "realtime-kernel" in finding.remedy and "linux-image-rt-amd64" in finding.remedy
    assert "NVIDIA" not in finding.remedy


def test_an_ordinary_kernel_beside_an_nvidia_card_says_what_the_change_costs():
    finding = realtime.check_kernel(realtime=False, has_nvidia=True, release="6.8.0-generic")
    assert "IGNORE_PREEMPT_RT_PRESENCE=1" in finding.remedy and "second PC" in finding.remedy


def test_a_driver_told_to_ignore_the_kernel_gets_a_note_instead():
    finding = realtime.check_kernel(realtime=False, has_nvidia=False, enforced=False)
    assert not finding.ok and not finding.required and finding.remedy


def test_a_real_time_kernel_is_good():
    assert realtime.check_kernel(realtime=True, has_nvidia=True).ok


def test_an_nvidia_display_controller_is_found_on_the_bus(tmp_path):
    card(tmp_path, "0000:00:02.0", "0x8086", "0x030000")
    card(tmp_path, "0000:00:1f.3", "0x10de", "0x040300")  # its sound function alone is no card
    assert not realtime.has_nvidia_card(tmp_path)
    card(tmp_path, "0000:01:00.0", "0x10de", "0x030000")
    assert realtime.has_nvidia_card(tmp_path)


def test_a_machine_without_a_pci_bus_has_no_nvidia_card(tmp_path):
    assert not realtime.has_nvidia_card(tmp_path / "not there")


def test_a_missing_nvidia_driver_on_a_real_time_kernel_names_the_variable(tmp_path):
    finding = realtime.check_nvidia(realtime=True, has_card=True, driver=tmp_path / "version")
    assert not finding.ok and "refuses" in finding.found
    assert "IGNORE_PREEMPT_RT_PRESENCE=1" in finding.remedy


def test_a_loaded_nvidia_driver_on_a_real_time_kernel_is_noted_as_not_supported(tmp_path):
    driver = write(tmp_path / "version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22")
    finding = realtime.check_nvidia(realtime=True, has_card=True, driver=driver)
    assert "550.54.14" in finding.found and "second PC" in finding.remedy and not finding.required


@pytest.mark.parametrize(("is_realtime", "has_card"), [(False, True), (True, False)])
def test_the_nvidia_line_is_left_out_where_it_does_not_apply(tmp_path, is_realtime, has_card):
    assert realtime.check_nvidia(realtime=is_realtime, has_card=has_card, driver=tmp_path / "version") is None


def test_a_user_without_real_time_priority_is_told_the_group_and_the_file():
    finding = realtime.check_rtprio((0, 0), capabilities=0)
    assert finding.required and not finding.ok
    for words in ("groupadd", "usermod", "rtprio 99", "limits.d", "--ulimit rtprio=99"):
        assert words in finding.remedy


@pytest.mark.parametrize("limits", [(99, 99), NO_LIMIT])
def test_the_limit_of_99_or_none_grants_real_time_priority(limits):
    assert realtime.check_rtprio(limits, capabilities=0).ok


def test_the_capability_grants_what_the_limit_does_not():
    assert realtime.check_rtprio((0, 0), capabilities=1 << 23).ok
    assert realtime.check_memlock((65536, 65536), capabilities=1 << 14).ok
    assert not realtime.check_rtprio((0, 0), capabilities=1 << 14).ok


def test_locked_memory_is_judged_in_bytes():
    assert realtime.check_memlock((102400 * 1024, 102400 * 1024), capabilities=0).ok
    assert realtime.check_memlock(NO_LIMIT, capabilities=0).ok
    finding = realtime.check_memlock((8192 * 1024, 8192 * 1024), capabilities=0)
    assert not finding.ok and "8 MiB" in finding.found and "memlock" in finding.remedy


def test_this_processes_own_limits_are_read_where_none_are_given():
    assert realtime.check_rtprio().found and realtime.check_memlock().found


def test_one_cpu_that_saves_power_is_counted(tmp_path):
    write(tmp_path / "cpu0/cpufreq/scaling_governor", "performance")
    write(tmp_path / "cpu1/cpufreq/scaling_governor", "powersave")
    (tmp_path / "cpufreq").mkdir()
    finding = realtime.check_governor(tmp_path)
    assert not finding.ok and "powersave on 1 of 2" in finding.found and "performance" in finding.remedy
    write(tmp_path / "cpu1/cpufreq/scaling_governor", "performance")
    assert realtime.check_governor(tmp_path).ok


def test_a_machine_that_governs_nothing_has_no_line_for_it(tmp_path):
    (tmp_path / "cpu0").mkdir()
    assert realtime.check_governor(tmp_path) is None


def test_cpus_set_apart_are_named_and_none_is_a_hint(tmp_path):
    assert "2-3" in realtime.check_isolation(write(tmp_path / "isolated", "2-3"), count=8).found
    finding = realtime.check_isolation(write(tmp_path / "isolated", ""), count=8)
    assert not finding.required and "isolcpus=7" in finding.remedy
    assert realtime.check_isolation(write(tmp_path / "isolated", ""), count=2) is None
