"""What goes wrong with a real robot, in mid-motion, through the whole graph: said in words, nothing moves by itself, no relaunch.

The true SDKs talk to controllers that speak the robots' wire protocols; each test drives one arm through a list of mishaps.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest
import yaml
from conftest import wait_until
from operator_rig import OperatorRig

from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.fake_controllers.xarm.controller import FakeXArm
from stage_bringup.configuration_files import find_configuration
from stage_nodes.topics import ARM_RECOVER, ARM_RESUME
from stage_recorder.reader import read_episode

pytestmark = pytest.mark.slow

_numbers = itertools.count(1)


def own_address() -> str:
    return f"127.{100 + os.getpid() // 250 % 100}.{os.getpid() % 250 + 1}.{next(_numbers) % 250 + 1}"


def own_workcell(folder: Path, robot: str, address: str, **arm) -> Path:
    """Write a workcell file for a controller that runs already: no cameras but one that is made up."""
    content = yaml.safe_load(find_configuration("workcells", robot).read_text())
    content["settings"]["arm"] |= {"address": address, **arm}
    content["cameras"] = {"base": {"driver": "fake", "width_px": 128, "height_px": 128, "rate_hz": 20.0}}
    path = folder / f"{robot}_here.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def go_through(controller, graph, lines, tmp_path, workcell, mishaps) -> None:
    """Run one long episode; for each mishap: words, stand still, recover, stand still, resume, move again."""
    supervisor = graph(workcell=str(workcell), policy="scripted", episodes=1, horizon_steps=100_000)
    with OperatorRig(supervisor.domain_id) as operator:
        lines.wait_for("runner", "episode 1", timeout=90.0)
        operator.keep_moving(0.6)
        for mishap, options, words, mend in mishaps:
            controller.inject(mishap, **options) if mishap != "restart" else controller.restart()
            operator.wait(lambda: operator.safety.mode == "fault", f"{mishap} is a fault", 10.0)
            assert re.search(words, operator.safety.reason.lower()), (mishap, operator.safety.reason)
            assert operator.travelled(0.3) < 0.02, f"the arm moved after {mishap}"
            if mend is not None:
                refused = operator.call(ARM_RECOVER)
                mend(controller)
                assert not refused.success or "under way" in refused.message, (mishap, refused.message)
            wait_until(lambda: recovered(operator), f"{mishap} can be recovered", 60.0, lines)
            assert operator.travelled(0.5) < 0.002, f"recovery after {mishap} moved the arm"
            assert operator.safety.mode == "hold" and "recovered from" in operator.safety.reason
            operator.call(ARM_RESUME)
            operator.keep_moving(0.6)
    supervisor.shut_down()
    episode = read_episode(next(path.parent for path in (tmp_path / "episodes").glob("*/*.mcap")))
    assert "arm_fault" in episode.metadata["flags"] and episode.metadata["state"] == "saved"
    assert len(episode.stamps) > 40
    assert controller.log.violations == []


def recovered(operator: OperatorRig) -> bool:
    if operator.safety.mode == "fault":
        operator.call(ARM_RECOVER)
    return operator.safety.mode == "hold"


def test_a_franka_goes_through_reflex_user_stop_lost_cable_and_restart_without_a_relaunch(graph, lines, tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE_STATE_DIR", str(tmp_path / "state"))
    address = own_address()
    with FakeFranka(address) as controller:
        workcell = own_workcell(tmp_path, "franka", address, realtime="ignore")
        mishaps = [
            ("reflex", {}, "reflex", None),
            ("user_stop", {}, "user stop", lambda fake: fake.clear("user_stop")),
            ("communication_loss", {"what": "tcp"}, "connection|link", None),
            ("restart", {}, "connection|link", None),
        ]
        go_through(controller, graph, lines, tmp_path, workcell, mishaps)


def test_an_xarm_goes_through_collision_emergency_stop_lost_cable_and_restart_without_a_relaunch(graph, lines, tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE_STATE_DIR", str(tmp_path / "state"))
    address = own_address()
    with FakeXArm(address, control_port=50502, robot_type="xarm7", joints=(0.0, -0.35, 0.0, 0.75, 0.0, 1.1, 0.0)) as controller:
        workcell = own_workcell(tmp_path, "xarm", address, control_port=50502)
        mishaps = [
            ("error", {"code": 31}, "31", None),
            ("user_stop", {}, "emergency", lambda fake: fake.clear("user_stop")),
            ("mode_switched", {}, "another client", None),
            ("communication_loss", {"seconds": 1.0}, "connection|link", None),
            ("restart", {}, "connection|link", None),
        ]
        go_through(controller, graph, lines, tmp_path, workcell, mishaps)


def test_a_franka_whose_arm_node_is_killed_in_mid_motion_stops_by_itself_and_waits_for_an_operator(graph, lines, tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE_STATE_DIR", str(tmp_path / "state"))
    address = own_address()
    with FakeFranka(address) as controller:
        workcell = own_workcell(tmp_path, "franka", address, realtime="ignore")
        kill_in_mid_motion(lambda: controller.joints, graph, lines, workcell)


def test_an_xarm_whose_arm_node_is_killed_in_mid_motion_stops_by_itself_and_waits_for_an_operator(graph, lines, tmp_path, monkeypatch):
    monkeypatch.setenv("STAGE_STATE_DIR", str(tmp_path / "state"))
    address = own_address()
    with FakeXArm(address, control_port=50502, robot_type="xarm7", joints=(0.0, -0.35, 0.0, 0.75, 0.0, 1.1, 0.0)) as controller:
        workcell = own_workcell(tmp_path, "xarm", address, control_port=50502)
        kill_in_mid_motion(lambda: controller.machine.motion.joints.copy(), graph, lines, workcell)


def kill_in_mid_motion(joints, graph, lines, workcell) -> None:
    """Kill the arm node while a policy moves the arm; look at the controller; then let an operator go on, in the same graph."""
    supervisor = graph(workcell=str(workcell), policy="scripted")
    with OperatorRig(supervisor.domain_id) as operator:
        lines.wait_for("arm", "workcell", timeout=60.0)
        lines.wait_for("policy", "policy scripted", timeout=60.0)
        assert operator.run_policy().success
        operator.keep_moving(0.6)
        next(process for process in supervisor.processes if process.name == "arm").interrupt(signal.SIGKILL)
        assert supervisor.wait(timeout=1.0) is None  # the graph goes on
        resting = joints()
        time.sleep(0.5)  # what is looked at is that nothing happens meanwhile
        assert float(abs(joints() - resting).max()) < 1e-3, "the controller went on without its client"
        operator.wait(
            lambda: operator.states and operator.safety.mode in ("hold", "fault") and operator.states[-1][1].sequence > 5,
            "the arm node is back and waits",
            60.0,
        )
        assert operator.travelled(0.5) < 1e-3
        wait_until(lambda: recovered(operator), "the arm is out of its reflex", 30.0, lines)
        assert operator.travelled(0.3) < 1e-3
        operator.call(ARM_RESUME)
        assert operator.run_policy().success
        operator.keep_moving(0.6)
    assert any("it is started again" in line for line in lines.of("arm"))
