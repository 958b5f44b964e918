"""How smooth a Franka arm moves on targets at 10, 20 and 50 Hz, judged by the controller's own recording.

SafeArm and the real driver (franky, libfranka) stream to the fake controller over loopback at reduced speed. The way is
a swing of four joints and a straight run of one joint at constant speed. The policy is paced by the controller's clock,
so that a busy machine, where the fake controller's clock lags, measures the same. No real arm was ever part of this.

Run: python benchmarks/franka_streaming.py [--quick]
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.device_context import settings_without_driver
from robot_drivers.fake_controllers.franka.controller import FakeFranka
from robot_drivers.franka.franka_arm import FrankaArm
from robot_drivers.franka.settings import FrankaSettings
from robot_drivers.safety import SafeArm, reduced
from robot_drivers.workcell import load_workcell_config
from stage_core.configuration import from_mapping

WORKCELL = Path(__file__).parents[1] / "ros2_ws/src/stage_bringup/config/workcells/franka.yaml"
SMALLEST_SHARE = 0.7  # of the asked speed, that the controller must never fall below in steady motion
LARGEST_ERROR_RAD = 0.01  # beside a constant lag
LARGEST_LAG_S = 0.35
START = (-0.5, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785)  # rad; the tool 0.5 m ahead, room on all sides
SPEED = 0.25  # rad/s of the straight run
RAMP_S = 0.6
VELOCITY_STEP, ACCELERATION_STEP = 10.0e-3, 5.0  # rad/s and rad/s2 within 1 ms: the published limits of a FR3


def _way(times: np.ndarray, swing_s: float, run_s: float) -> np.ndarray:
    """Return (k, 7) rad from the start: a swing that begins and ends at rest, then joint 1 out and back at constant speed."""
    joints = np.zeros((len(times), 7))
    phase = np.clip(times / swing_s, 0.0, 1.0)
    swing = np.sin(np.pi * phase) ** 2 * np.sin(2.0 * np.pi * times / 4.0)
    joints[:, [1, 3, 4, 5]] = 0.12 * swing[:, None] * np.array([0.6, -1.0, 1.0, 0.8])
    since = times - swing_s
    there, back = _trapezoid(since, run_s), _trapezoid(since - run_s - RAMP_S, run_s)
    joints[:, 0] = there - back
    return joints


def _trapezoid(since: np.ndarray, run_s: float) -> np.ndarray:
    """Return the distance after a run with ramps at both ends, rad."""
    grid = np.linspace(0.0, run_s, 2001)
    speed = SPEED * np.clip(np.minimum(grid, run_s - grid) / RAMP_S, 0.0, 1.0)
    return np.interp(since, grid, np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1])) * (grid[1] - grid[0])]))


def _stream(rate_hz: float, swing_s: float, run_s: float) -> dict:
    """Return what the controller saw of one run at this rate."""
    address = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.{int(rate_hz) + 1}"
    config, period = load_workcell_config(WORKCELL), 1.0 / rate_hz
    limits = replace(reduced(config.safety), longest_valid_for_s=max(config.safety.longest_valid_for_s, 2.0 * period))
    entry = settings_without_driver(config.settings["arm"]) | {"address": address, "realtime": "ignore"}
    with FakeFranka(address, start_joints=START) as fake:

        def clock() -> float:
            return 1e-3 * fake.robot.message_id

        settings = from_mapping(FrankaSettings, entry, source=str(WORKCELL), field="settings.arm")
        arm = FrankaArm(settings, control_rate_hz=rate_hz, clock=clock, steady=clock)
        safe_arm = SafeArm(arm, None, limits, control_period_s=period, auto_resume_s=0.0, clock=clock, steady=clock)
        try:
            safe_arm.connect()
            token = safe_arm.switch_source("policy", "benchmark")
            safe_arm.resume()
            start = safe_arm.read_state().joint_positions
            duration = swing_s + 2.0 * run_s + RAMP_S + 0.5
            refused, begun = 0, fake.robot.message_id
            for k in range(int(duration * rate_hz)):
                target = start + _way(np.array([k * period]), swing_s, run_s)[0]
                command = ArmCommand(
                    stamp=clock(), action_space=ActionSpace.JOINT_POSITION, values=target, valid_for=2.0 * period, sequence=k, token=token
                )
                refused += not safe_arm.submit(command).accepted
                ticked = -1.0
                while clock() < 1e-3 * begun + (k + 1) * period:
                    if clock() - ticked >= 1.0 / arm.description.control_rate_hz:  # SafeArm's loop, on the controller's clock
                        ticked = clock()
                        safe_arm.tick()
                    time.sleep(0.0005)
            interventions, samples = dict(safe_arm.status().interventions), fake.recording()
        finally:
            safe_arm.disconnect()
        return _judge(samples, start, begun, swing_s, run_s) | {
            "motions": fake.log.counts.get("move", 0),
            "reflexes": fake.log.counts.get("reflex", 0),
            "lost_commands": fake.log.counts.get("lost_command", 0),
            "limits_broken": fake.log.counts.get("violation", 0),
            "refused": refused,
            "interventions": interventions,
        }


def _judge(samples: np.ndarray, start: np.ndarray, begun: int, swing_s: float, run_s: float) -> dict:
    times = 1e-3 * (samples["message_id"].astype(np.int64) - begun)
    lags = np.arange(0.0, 0.5, 0.005)
    swing = times < swing_s + 0.3
    errors = [np.abs(samples["joints"][swing] - start - _way(times[swing] - lag, swing_s, run_s)).max() for lag in lags]
    lag = float(lags[int(np.argmin(errors))])
    since = times - swing_s - lag
    steady = (since > 2.0 * RAMP_S) & (since < run_s - 2.0 * RAMP_S)
    speeds = samples["velocity"][steady, 0]
    following = np.diff(samples["message_id"]) == 1
    velocity_step = np.abs(np.diff(samples["velocity"], axis=0))[following].max()
    acceleration_step = np.abs(np.diff(samples["acceleration"], axis=0))[following].max()
    return {
        "lag_s": round(lag, 3),
        "largest_error_rad": round(float(min(errors)), 5),
        "smallest_speed_share": round(float(speeds.min() / SPEED), 3),
        "largest_speed_share": round(float(speeds.max() / SPEED), 3),
        "largest_velocity_rad_s": round(float(np.abs(samples["velocity"]).max()), 3),
        "largest_acceleration_rad_s2": round(float(np.abs(samples["acceleration"]).max()), 2),
        "largest_velocity_step_rad_s_per_ms": round(float(velocity_step), 5),
        "largest_acceleration_step_rad_s2_per_ms": round(float(acceleration_step), 2),
        "commands": len(samples),
    }


def run(quick: bool) -> dict:
    """Return the figure: the smallest speed between targets in steady motion at 20 Hz, as a share of the asked speed.

    Args:
        quick: 20 Hz alone, and a shorter way.
    """
    swing_s, run_s = (4.0, 3.6) if quick else (12.0, 5.0)
    details = {f"{rate:g}_hz": _stream(rate, swing_s, run_s) for rate in ((20.0,) if quick else (10.0, 20.0, 50.0))}
    passed = all(
        entry["motions"] == 1
        and not (entry["reflexes"] or entry["limits_broken"] or entry["refused"])
        and entry["smallest_speed_share"] >= SMALLEST_SHARE
        and entry["largest_error_rad"] <= LARGEST_ERROR_RAD
        and entry["lag_s"] <= LARGEST_LAG_S
        and entry["largest_velocity_step_rad_s_per_ms"] <= VELOCITY_STEP * 1.05
        and entry["largest_acceleration_step_rad_s2_per_ms"] <= ACCELERATION_STEP * 1.2
        for entry in details.values()
    )
    return {
        "name": "franka-streaming",
        "claim": f"a Franka arm keeps at least {SMALLEST_SHARE} of its speed between policy targets, in one motion inside every published limit",
        "value": details["20_hz"]["smallest_speed_share"],
        "limit": SMALLEST_SHARE,
        "passed": passed,
        "details": details,
    }


if __name__ == "__main__":
    result = run("--quick" in sys.argv[1:])
    for name, entry in result["details"].items():
        print(f"{name}: {entry}")
    print(f"{result['claim']}: {result['value']}, limit {result['limit']}, {'passed' if result['passed'] else 'FAILED'}")
    sys.exit(0 if result["passed"] else 1)
