"""`stage doctor`: every finding that is not ok says what to do."""

from __future__ import annotations

import socket

from stage_bringup import doctor


def test_an_old_python_is_refused_with_a_remedy():
    finding = doctor.check_python((3, 9))
    assert finding.required and not finding.ok
    assert "3.11" in finding.remedy


def test_a_missing_module_is_named():
    finding = doctor.check_import("thing", "import no_such_module_at_all", required=True, remedy="install it")
    assert not finding.ok
    assert "no_such_module_at_all" in finding.found
    assert finding.remedy == "install it"


def test_a_crashing_import_does_not_take_doctor_with_it():
    finding = doctor.check_import("thing", "import os; os.kill(os.getpid(), 11)", required=True, remedy="mend it")
    assert not finding.ok
    assert "-11" in finding.found


def test_a_taken_port_is_named_with_another_to_use():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        finding = doctor.check_port(port)
    assert not finding.ok
    assert str(port) in finding.found and str(port + 1) in finding.remedy


def test_a_full_disk_is_refused(tmp_path):
    finding = doctor.check_disk(tmp_path / "not" / "yet" / "there", minimum_gb=1e9)
    assert finding.required and not finding.ok and finding.remedy


def test_a_disk_that_is_soon_full_of_pictures_is_noted_where_cameras_are_real(tmp_path):
    finding = doctor.check_disk(tmp_path, 0.0, real_cameras=True, recording_gb=1e9)
    assert not finding.ok and not finding.required and "minutes of recording" in finding.found
    assert doctor.check_disk(tmp_path, 0.0, recording_gb=1e9).ok


def test_missing_shared_memory_is_refused(tmp_path):
    finding = doctor.check_shared_memory(tmp_path / "shm")
    assert finding.required and not finding.ok and "--shm-size" in finding.remedy


def test_a_profile_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/no/such/profile.xml")
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    finding = doctor.check_middleware()
    assert finding.required and not finding.ok and "stage env" in finding.remedy


def test_another_middleware_is_left_as_it_is(monkeypatch):
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert doctor.check_middleware().ok
