"""Rows of test_bad_inputs: what reaches the arm. None of them may move it: the joints are compared before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.workcell import Workcell, load_workcell_config, open_workcell
from stage_bringup.configuration_files import find_configuration
from stage_core.errors import CommandRefusedError

TURNS = 20  # of the SafeArm loop after the command: a motion would show


def with_arm(act: Callable[[Workcell, int], None]) -> Callable[[Path], object]:
    """Return a call that connects the fake arm, gives it to the policy, acts, and checks that no joint moved."""

    def call(here: Path) -> None:
        workcell = open_workcell(load_workcell_config(find_configuration("workcells", "fake")), task="PushCube")
        safe_arm = workcell.safe_arm
        safe_arm.connect()
        try:
            before = safe_arm.read_state().joint_positions.copy()
            token = safe_arm.switch_source("policy", "policy")
            try:
                act(workcell, token)
            finally:
                for _ in range(TURNS):
                    safe_arm.tick()
                    workcell.step()
                assert np.array_equal(safe_arm.read_state().joint_positions, before), "the arm moved"
        finally:
            workcell.close()

    return call


def command(**changes: Any) -> Callable[[Path], object]:
    """Return a call that sends one command, lawful but for the changes; `token` and `stamp` may be functions of the right one."""

    def act(workcell: Workcell, token: int) -> None:
        values: dict[str, Any] = {
            "stamp": workcell.now(),
            "action_space": ActionSpace.EE_DELTA_POSE,
            "values": np.zeros(6),
            "valid_for": 0.08,
            "token": token,
        }
        for name, change in changes.items():
            values[name] = change(values[name]) if callable(change) else change
        verdict = workcell.safe_arm.submit(ArmCommand(**values))
        if not verdict.accepted:
            raise CommandRefusedError(verdict.reason)

    return with_arm(act)


def while_stopped(workcell: Workcell, token: int) -> None:
    workcell.safe_arm.stop("operator pressed stop")
    workcell.safe_arm.resume()


def far_away() -> np.ndarray:
    return np.array([0.5, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0])


NAN = np.array([0, 0, np.nan, 0, 0, 0])

ARM_ROWS = [
    ("NaN action", command(values=NAN), ("ee_delta_pose holds NaN or infinity at [2]", "nothing moved")),
    ("infinite action", command(values=np.full(6, np.inf)), ("NaN or infinity",)),
    ("action of seven values", command(values=np.zeros(7)), ("shape (7,)", "expected (6,)", "contract")),
    (
        "quaternion not normalised",
        command(action_space=ActionSpace.EE_POSE, values=2 * far_away()),
        ("quaternion has length 2", "Normalise it"),
    ),
    ("target far away", command(action_space=ActionSpace.EE_POSE, values=far_away()), ("first",)),
    ("gripper NaN", command(gripper=float("nan")), ("gripper is nan", "opening in [0, 1]")),
    ("action that never ends", command(valid_for=60.0), ("valid_for is 60.0 s", "longest_valid_for_s")),
    ("action too old", command(stamp=lambda stamp: stamp - 5.0), ("5.0", "s old", "too slow")),
    ("action of the future", command(stamp=lambda stamp: stamp + 5.0), ("ahead of the workcell clock", "Compare the clocks")),
    ("second commander", command(token=lambda token: token + 1), ("token", "a second commander?", "Ask for the arm")),
    ("source without the arm", command(source="teleop"), ('source "teleop" does not command the arm', '"policy" does', "Ask for the arm")),
    (
        "unknown command source",
        with_arm(lambda cell, token: cell.safe_arm.switch_source("telop", "me")),
        ('"telop"', 'Did you mean "teleop"?'),
    ),
    ("resume while stopped", with_arm(while_stopped), ("the arm is stopped (operator pressed stop)", "Clear the stop")),
]
