"""The Robotiq driver over the wire: units, activation, stop, faults. pymodbus talks to a fake gripper on both lines."""

from __future__ import annotations

import threading
import time

import pytest
from robotiq_rig import Rig, until

from robot_drivers.checks import check_gripper
from stage_core.errors import DeviceError


@pytest.fixture(params=["tcp", "rtu"])
def rig(request):
    made = Rig(request.param)
    yield made
    made.close()


@pytest.fixture
def raw_rig():
    """A gripper that nobody activated."""
    made = Rig(activated=False)
    yield made
    made.close()


@pytest.mark.parametrize(("transport", "activated"), [("tcp", True), ("rtu", False)])
def test_the_driver_keeps_the_gripper_contract_over_the_wire(transport, activated) -> None:
    """A gripper that nobody activated says so and is homed by the check, once."""
    rig = Rig(transport, activated=activated)
    try:
        report = check_gripper(rig.gripper)
        assert report.passed, str(report)
        obeys = next(result.detail for result in report if result.name == "gripper_obeys_or_says_what_it_needs")
        assert ("homed" in obeys) is not activated
        assert len(rig.fake.log.entries("activation")) == (0 if activated else 1)
        assert rig.fake.log.entries("automatic_release") == []
        assert rig.fake.log.entries("protocol_error") == []
    finally:
        rig.close()


def test_connect_writes_nothing_and_says_that_the_gripper_is_not_activated(raw_rig, caplog) -> None:
    raw_rig.gripper.connect()
    assert raw_rig.gripper.read().opening == 1.0
    assert raw_rig.requests == []
    assert "not activated" in caplog.text
    with pytest.raises(DeviceError, match="Home it"):
        raw_rig.gripper.command(0.0)
    raw_rig.gripper.stop()
    raw_rig.gripper.disconnect()
    assert raw_rig.requests == []


def test_home_activates_by_a_rising_edge_and_tells_the_ends_of_the_travel(raw_rig, caplog) -> None:
    raw_rig.gripper.connect()
    raw_rig.gripper.home()
    assert [(entry["active"], entry["follows"]) for entry in raw_rig.requests] in ([(True, False)], [(False, False), (True, False)])
    assert "closed_count" in caplog.text
    raw_rig.go(0.0)
    assert raw_rig.fake.width == pytest.approx(0.0, abs=1e-3)


def test_home_again_activates_again(rig) -> None:
    rig.gripper.connect()
    rig.gripper.home()
    assert [(entry["active"], entry["follows"]) for entry in rig.requests] == [(False, False), (True, False)]


@pytest.mark.parametrize(("opening", "width"), [(0.0, 0.0), (0.25, 0.02125), (0.5, 0.0425), (1.0, 0.085)])
def test_the_fingers_go_to_the_width_of_the_opening_and_it_is_read_back(rig, opening, width) -> None:
    rig.gripper.connect()
    rig.go(1.0 - opening)
    rig.go(opening)
    assert rig.fake.width == pytest.approx(width, abs=4e-4)  # a count is 0.33 mm
    assert until(lambda: abs(rig.gripper.read().width - width) < 4e-4)
    assert rig.gripper.read().opening == pytest.approx(opening, abs=4e-3)


def test_a_held_object_shows_as_width_and_effort(rig) -> None:
    rig.gripper.connect()
    assert rig.gripper.read().effort == 0.0
    rig.fake.inject("object", width=0.04)
    rig.go(0.0)
    assert until(lambda: rig.gripper.read().effort == 60.0)
    assert rig.gripper.read().width == pytest.approx(0.04, abs=5e-4)
    rig.go(1.0)
    assert until(lambda: rig.gripper.read().effort == 0.0)


def test_speed_and_force_are_those_of_the_settings() -> None:
    """2F-85: 20 to 150 mm/s and 20 to 235 N over a byte: 0.085 m/s is half, 127.5 N is half."""
    rig = Rig(speed_m_s=0.085, force_n=127.5)
    try:
        rig.gripper.connect()
        rig.go(0.0)
        assert (rig.requests[-1]["speed"], rig.requests[-1]["force"]) == (128, 128)
    finally:
        rig.close()


def test_without_full_speed_the_fingers_keep_to_a_fifth_of_their_range() -> None:
    rig = Rig(full_speed=False)
    try:
        rig.gripper.connect()
        rig.go(0.0)
        assert rig.requests[-1]["speed"] == 51
    finally:
        rig.close()


def test_command_and_stop_return_at_once_while_the_gripper_is_slow_and_the_newest_wish_wins(rig) -> None:
    rig.gripper.connect()
    rig.fake.inject("slow", seconds=0.15)
    begin = time.perf_counter()
    for opening in (0.0, 0.9, 0.1, 0.8, 0.2, 0.7, 0.5):
        rig.gripper.command(opening)
    took = time.perf_counter() - begin
    rig.fake.clear("slow")
    assert took < 0.05
    assert until(lambda: rig.requests and rig.requests[-1]["position"] == 128)
    assert len(rig.requests) <= 2
    assert until(lambda: abs(rig.fake.width - 0.0425) < 4e-4)


def test_stop_halts_the_fingers_where_they_are(rig) -> None:
    rig.gripper.connect()
    rig.gripper.command(0.0)
    assert until(lambda: rig.fake.width < 0.07)
    rig.gripper.stop()
    assert until(lambda: not rig.fake.moving)
    width = rig.fake.width
    assert 0.02 < width < 0.07
    assert rig.requests[-1]["active"] and not rig.requests[-1]["follows"]


def test_a_stop_right_after_a_command_lets_nothing_move(rig) -> None:
    rig.gripper.connect()
    for _ in range(5):
        rig.gripper.command(0.0)
        rig.gripper.stop()
    assert not until(lambda: rig.fake.moving, timeout=0.3)
    assert rig.fake.width == pytest.approx(0.085)


def test_stop_leaves_a_held_object_with_the_force_it_has(rig) -> None:
    rig.gripper.connect()
    rig.fake.inject("object", width=0.04)
    rig.go(0.0)
    assert until(lambda: rig.gripper.read().effort == 60.0)
    before = len(rig.requests)
    rig.gripper.stop()
    rig.gripper.stop()
    assert not until(lambda: len(rig.requests) > before, timeout=0.2)
    assert rig.gripper.read().effort == 60.0


def test_disconnecting_writes_nothing(rig) -> None:
    rig.gripper.connect()
    rig.go(0.3)
    before = len(rig.requests)
    rig.gripper.disconnect()
    assert len(rig.requests) == before
    assert rig.fake.width == pytest.approx(0.3 * 0.085, abs=5e-4)


def test_a_stop_ends_the_homing_and_it_does_not_go_on(raw_rig) -> None:
    raw_rig.gripper.connect()
    words: list[str] = []

    def home() -> None:
        try:
            raw_rig.gripper.home()
        except DeviceError as error:
            words.append(str(error))

    thread = threading.Thread(target=home)
    thread.start()
    assert until(lambda: raw_rig.fake.moving)
    with pytest.raises(DeviceError, match="being homed"):
        raw_rig.gripper.command(0.0)
    raw_rig.gripper.stop()
    thread.join(timeout=3.0)
    assert "stopped while it was homed" in words[0]
    assert until(lambda: not raw_rig.fake.moving)
    assert raw_rig.requests[-1]["active"] is False
    assert len(raw_rig.fake.log.entries("activation")) == 1


def test_a_read_only_gripper_is_never_written_to() -> None:
    rig = Rig(read_only=True)
    try:
        rig.gripper.connect()
        assert rig.gripper.read().width == pytest.approx(0.085)
        for call in (lambda: rig.gripper.command(0.0), rig.gripper.home):
            with pytest.raises(DeviceError, match="read-only"):
                call()
        rig.gripper.stop()
        rig.gripper.disconnect()
        assert rig.requests == []
    finally:
        rig.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("over_temperature", "0x08.*hot"),
        ("under_voltage", "0x0A.*voltage"),
        ("internal_fault", "0x0C"),
        ("over_current", "0x0E.*current"),
        ("not_activated", "not activated"),
    ],
)
def test_a_fault_is_told_in_words_and_homing_ends_it(fault, words) -> None:
    rig = Rig()
    try:
        rig.gripper.connect()
        rig.gripper.command(0.0)
        assert until(lambda: rig.fake.width < 0.07)
        rig.fake.inject(fault)
        assert until(lambda: raises(rig.gripper.read))
        with pytest.raises(DeviceError, match=words):
            rig.gripper.read()
        with pytest.raises(DeviceError, match=words):
            rig.gripper.command(1.0)
        assert len(rig.requests) == 1
        rig.gripper.home()
        rig.go(0.5)
        assert rig.gripper.read().width > 0.0
    finally:
        rig.close()


def test_an_activation_that_fails_is_told_in_words(raw_rig) -> None:
    raw_rig.gripper.connect()
    raw_rig.fake.inject("activation_fault")
    with pytest.raises(DeviceError, match="0x0D.*Free the fingers"):
        raw_rig.gripper.home()
    raw_rig.fake.clear("activation_fault")
    raw_rig.gripper.home()
    raw_rig.go(0.0)


def test_a_fault_that_was_there_at_connect_does_not_keep_an_operator_from_homing() -> None:
    rig = Rig()
    try:
        rig.fake.inject("over_current")
        rig.gripper.connect()
        assert rig.gripper.read().opening == 1.0
        with pytest.raises(DeviceError, match="0x0E"):
            rig.gripper.command(0.0)
        rig.gripper.home()
        rig.go(0.0)
    finally:
        rig.close()


def raises(call) -> bool:
    try:
        call()
    except DeviceError:
        return True
    return False
