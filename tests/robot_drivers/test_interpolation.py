from __future__ import annotations

import numpy as np
import pytest
from driver_rig import PERIOD, Rig

from robot_drivers.arm import ActionSpace

LOOP = 0.01


def speeds_of(rig: Rig, targets: int, step: float) -> np.ndarray:
    """Return the tool's speed in m/s in every turn of the loop while targets come `step` m apart."""
    positions = [rig.position[0]]
    for _ in range(targets):
        assert rig.delta(x=step).accepted
        for _ in range(round(PERIOD / LOOP)):
            rig.run(LOOP)
            positions.append(rig.position[0])
    return np.diff(positions) / LOOP


def test_steady_targets_give_steady_motion_and_not_stop_and_go() -> None:
    rig = Rig(step_driven=False)
    steady = speeds_of(rig, 14, 0.01)[25:]
    assert steady == pytest.approx(np.full(len(steady), 0.2), abs=0.02)


def test_the_tool_never_outruns_its_speed_limit_between_targets() -> None:
    rig = Rig(step_driven=False, ee_speed_m_s=0.15)
    speeds = speeds_of(rig, 12, 0.012)  # asks for 0.24 m/s
    assert speeds.max() <= 0.15 * (1.0 + 1e-3)
    assert speeds.max() > 0.14
    assert rig.safe_arm.status().interventions["ee_speed"] > 5


def test_the_set_point_never_passes_a_last_target() -> None:
    rig = Rig(step_driven=False)
    speeds_of(rig, 8, 0.012)
    target = rig.safe_arm.commanded_pose()[0]
    farthest = rig.position[0]
    for _ in range(12):
        rig.submit(ActionSpace.HOLD, [])
        for _ in range(5):
            rig.run(LOOP)
            farthest = max(farthest, rig.position[0])
    assert farthest <= target + 1e-6
    assert rig.position[0] == pytest.approx(target, abs=1e-6)


def test_motion_begins_without_a_jump_where_the_arm_is() -> None:
    rig = Rig(step_driven=False)
    start = rig.arm.read_state().joint_positions
    rig.delta(x=0.015)
    rig.run(LOOP)
    first = rig.arm.reached[0].values - start
    assert np.abs(first).max() <= 0.5 * 30.0 * LOOP**2 * 1.01  # half a t squared
