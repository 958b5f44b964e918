"""What the Robotiq driver does when the line fails: told in words, mended by itself, and nothing moves because of it."""

from __future__ import annotations

import sys
import time

import pytest
from robotiq_rig import Rig, own_address, settings_for, until

from robot_drivers.device_context import DeviceContext
from robot_drivers.fake_controllers.robotiq.controller import FakeRobotiq
from robot_drivers.grippers.no_gripper import no_gripper
from robot_drivers.grippers.robotiq import RobotiqGripper
from robot_drivers.grippers.robotiq_registers import Request
from robot_drivers.grippers.robotiq_settings import RobotiqSettings
from robot_drivers.grippers.robotiq_transport import RobotiqTransport
from robot_drivers.grippers.robotiq_worker import Kind, RobotiqWorker, Wish
from stage_core.errors import ConfigurationError, DeviceError, MissingDependencyError


@pytest.fixture(params=["tcp", "rtu"])
def rig(request):
    made = Rig(request.param, answer_timeout_s=0.1)
    made.gripper.connect()
    yield made
    made.close()


def fails(rig: Rig) -> bool:
    try:
        rig.gripper.read()
    except DeviceError:
        return True
    return False


@pytest.mark.parametrize("fault", ["silence", "communication_loss", "busy"])
def test_a_lost_link_is_told_and_comes_back_by_itself_without_moving(rig, fault) -> None:
    rig.go(0.5)
    rig.fake.inject(fault)
    assert until(lambda: fails(rig))
    with pytest.raises(DeviceError, match="gripper at"):
        rig.gripper.command(0.0)
    written = len(rig.requests)
    rig.fake.clear(fault)
    assert until(lambda: not fails(rig))
    assert rig.fake.width == pytest.approx(0.0425, abs=4e-4)
    assert len(rig.requests) == written
    rig.go(0.0)
    assert rig.fake.width == pytest.approx(0.0, abs=4e-4)


def test_a_wrong_checksum_is_a_lost_link() -> None:
    rig = Rig("rtu", answer_timeout_s=0.1)
    try:
        rig.gripper.connect()
        rig.fake.inject("wrong_checksum")
        assert until(lambda: fails(rig))
        rig.fake.clear("wrong_checksum")
        assert until(lambda: not fails(rig))
    finally:
        rig.close()


def test_a_wish_from_before_the_link_was_lost_is_forgotten(rig) -> None:
    rig.fake.inject("silence")
    rig.gripper.command(0.0)  # nobody knows yet that the link is lost
    assert until(lambda: fails(rig))
    rig.fake.clear("silence")
    assert until(lambda: not fails(rig))
    assert not until(lambda: rig.fake.moving or rig.requests, timeout=0.2)


def test_a_stop_from_while_the_link_was_lost_is_obeyed_once_it_is_back() -> None:
    rig = Rig(answer_timeout_s=0.1, speed_m_s=0.02)  # the whole way takes 4 s
    try:
        rig.gripper.connect()
        rig.gripper.command(0.0)
        assert until(lambda: rig.fake.moving)
        rig.fake.inject("silence")
        rig.gripper.stop()
        assert until(lambda: fails(rig))
        rig.fake.clear("silence")
        assert until(lambda: not rig.fake.moving, timeout=2.0)
        assert rig.fake.width > 0.03
    finally:
        rig.close()


def test_a_gripper_that_lost_its_power_in_mid_motion_is_not_activated_by_itself(rig) -> None:
    rig.gripper.command(0.0)
    assert until(lambda: rig.fake.width < 0.07)
    rig.fake.restart()
    assert until(lambda: fails(rig))
    written = len(rig.requests)

    def told() -> bool:
        try:
            rig.gripper.read()
        except DeviceError as error:
            return "not activated" in str(error)
        return False

    assert until(told)
    rig.gripper.stop()
    assert not until(lambda: len(rig.requests) > written or rig.fake.moving, timeout=0.2)
    rig.gripper.home()
    rig.go(0.0)


def test_disconnect_does_not_wait_for_a_dead_line(rig) -> None:
    rig.fake.inject("communication_loss")
    assert until(lambda: fails(rig))
    begin = time.monotonic()
    rig.gripper.disconnect()
    assert time.monotonic() - begin < 1.5


def test_a_gripper_that_is_not_there_is_told_in_words() -> None:
    with FakeRobotiq(own_address(), port=0) as fake:
        nowhere = {"tcp": {"tcp_port": fake.port, "address": own_address()}, "rtu": {"port": fake.rtu_path + "_not_there"}}
        for transport, place in nowhere.items():
            gripper = RobotiqGripper.from_settings(settings_for(fake, transport, **place), context())
            with pytest.raises(DeviceError, match="no Robotiq gripper at .*Check"):
                gripper.connect()
        for wrong, words in (({"unit": 5}, "unit and cable"), ({"input_register": 0}, "input_register")):
            gripper = RobotiqGripper.from_settings(settings_for(fake, **wrong), context())
            with pytest.raises(DeviceError, match=words):
                gripper.connect()


def test_without_pymodbus_the_extra_to_install_is_named(monkeypatch) -> None:
    with FakeRobotiq(own_address(), port=0) as fake:
        monkeypatch.setitem(sys.modules, "pymodbus.client", None)
        with pytest.raises(MissingDependencyError, match=r"stage-robotics\[grippers\]"):
            RobotiqGripper.from_settings(settings_for(fake), context()).connect()


def context(**changes) -> DeviceContext:
    return DeviceContext(**{"name": "gripper", "source": "lab.yaml: settings.gripper", "control_rate_hz": 20.0, **changes})


VALUES = {"transport": "tcp", "model": "2f_85", "max_width_m": 0.085, "speed_m_s": 0.1, "force_n": 60.0, "address": "192.168.1.11"}


@pytest.mark.parametrize("missing", ["transport", "model", "max_width_m", "speed_m_s", "force_n"])
def test_what_moves_metal_has_no_default(missing) -> None:
    with pytest.raises(ConfigurationError, match=f"lab.yaml.*{missing} is missing"):
        RobotiqGripper.from_settings({key: value for key, value in VALUES.items() if key != missing}, context())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"speed_m_s": 150.0}, "speed_m_s is 150.0; expected 0.02 to 0.15 m/s"),
        ({"force_n": 5.0}, "force_n is 5.0; expected 20 to 235 N"),
        ({"max_width_m": 85.0}, "Metres, not millimetres"),
        ({"model": "3f"}, "2f_85, 2f_140"),
        ({"sped_m_s": 0.1}, 'Did you mean "speed_m_s"'),
        ({"address": ""}, "address is empty"),
        ({"transport": "rtu"}, "port is empty"),
        ({"unit": 0}, "unit is 0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_was_expected(changes, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        RobotiqGripper.from_settings({**VALUES, **changes}, context())


def test_a_dry_run_reaches_nothing_but_this_machine(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="dry run"):
        RobotiqGripper.from_settings(VALUES, context(dry_run=True))
    RobotiqGripper.from_settings({**VALUES, "address": "127.0.0.1"}, context(dry_run=True))
    serial = {**VALUES, "transport": "rtu", "port": "/dev/ttyUSB0"}
    with pytest.raises(ConfigurationError, match="dry run"):
        RobotiqGripper.from_settings(serial, context(dry_run=True))
    with FakeRobotiq(own_address(), port=0) as fake:
        RobotiqGripper.from_settings({**serial, "port": fake.rtu_path}, context(dry_run=True))


def test_no_gripper_is_none_and_takes_no_settings() -> None:
    assert no_gripper.from_settings({}, context()) is None
    with pytest.raises(ConfigurationError, match="force_n"):
        no_gripper.from_settings({"force_n": 3.0}, context())


@pytest.mark.parametrize("kind", [Kind.MOVE, Kind.ACTIVATE, Kind.RESET])
def test_the_worker_itself_refuses_to_move_what_nobody_activated_or_what_was_stopped_since(kind) -> None:
    with FakeRobotiq(own_address(), port=0) as fake:
        settings = RobotiqSettings(**settings_for(fake))
        worker = RobotiqWorker(RobotiqTransport(settings), poll_s=0.01, answer_timeout_s=0.2, clock=time.time)
        worker.start()
        permit = worker.permit
        worker.halt()
        worker.want(Wish(kind=kind, request=Request(active=True, follows=True, position=255), permit=permit))
        assert not until(lambda: bool(fake.log.entries("request")), timeout=0.2)
        worker.end()
