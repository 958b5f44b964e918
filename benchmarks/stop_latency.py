"""How long a stop takes to reach the controller: from `stop()` to the first command that brakes, by the controller's own log.

Every driver is measured bare and behind SafeArm, in mid-motion; then while the controller has fallen silent and a call hangs
in the vendor's library, where `stop()` must return in time and nothing may move afterwards. The limit is each driver's own
`description.max_stop_latency`.

Run: python benchmarks/stop_latency.py [--quick] [fake] [franka] [xarm]
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.controller_rig import ARMS, Rig
from robot_drivers.arm import ActionSpace, Arm, ArmCommand
from robot_drivers.fake_devices import FakeArm
from robot_drivers.workcell import load_workcell_config, open_workcell
from stage_core.errors import DeviceError

RATE_HZ = 20.0
SPEED = 0.3  # rad/s of the last joint, which sweeps the least
RAMP_S, CRUISE_S = 0.3, (0.8, 1.2)  # to get up to speed, and until the stop
REST_S = 3.0  # longest wait for an arm to come to rest
STOPS_PER_SILENCE = 10
FAKE = Path(__file__).parents[1] / "ros2_ws/src/stage_bringup/config/workcells/fake.yaml"


class StopTrials:
    """Trials on one driver with a controller."""

    def __init__(self, name: str, *, seed: int = 5) -> None:
        """Measure the driver `name` of `Rig`."""
        self._name, self._random = name, np.random.default_rng(seed)
        self.rest_after: list[float] = []  # s, from each stop until the arm rested

    def bare(self, count: int) -> list[float]:
        """Return the latency of the driver's own stop, s, of `count` trials."""
        with Rig(self._name, rate_hz=RATE_HZ, loop=False) as rig:
            return [self._stop_once(rig, rig.driver.stop, self._stream_to_the_driver) for _ in range(count)]

    def safe(self, count: int) -> list[float]:
        """Return the latency of SafeArm's stop in the middle of a stream of targets, s."""
        with Rig(self._name, rate_hz=RATE_HZ) as rig:
            return [self._stop_once(rig, lambda: rig.safe_arm.stop("the benchmark"), self._stream_to_safe_arm) for _ in range(count)]

    def stuck(self, count: int) -> dict:
        """Return how long stop takes while calls hang, s, and whether anything moved after it."""
        took: list[float] = []
        moved = 0.0
        while len(took) < count:
            with Rig(self._name, rate_hz=RATE_HZ, loop=False) as rig:
                self._stream_to_the_driver(rig)
                rig.fake.inject("silence", seconds=0.0)
                with contextlib.suppress(DeviceError):  # the driver may have noticed: that is its right
                    self._stream_to_the_driver(rig)
                took += [_timed(rig.driver.stop) for _ in range(STOPS_PER_SILENCE)]
                rig.new_record()
                rig.fake.clear("silence")
                time.sleep(0.5)
                record = rig.new_record()
                if len(record.joints) > 1:
                    moved = max(moved, float(np.abs(np.diff(record.joints, axis=0)).sum(axis=0).max()))
        return {"took": took[:count], "moved_rad": moved}

    # ---- one trial

    def _stop_once(self, rig: Rig, stop: Callable[[], None], move: Callable[[Rig], None]) -> float:
        move(rig)
        rig.new_record()
        asked = time.monotonic()
        stop()
        rests = rig.wait_for(rig.at_rest, REST_S)
        self.rest_after.append(time.monotonic() - asked)
        latency = self._braking_began(rig, asked) - asked if rests else np.inf
        if rig.safe_arm.status().mode.value == "stopped":
            rig.safe_arm.clear_stop()
            rig.safe_arm.resume()
        return latency

    def _braking_began(self, rig: Rig, asked: float) -> float:
        """Return when the controller was told to brake, steady clock; infinity where it never was.

        A Franka controller gets a stop of the motion, or set-points that slow down; a control box gets its state 4. Both then brake.
        """
        entries = rig.fake.log.entries("stop_move" if rig.name == "franka" else "set_state")
        told = [entry["time"] for entry in entries if entry["time"] >= asked and entry.get("state", 4) == 4]
        return min(told, default=np.inf)

    def _stream_to_the_driver(self, rig: Rig) -> None:
        """Send the bare driver targets as its kind gets them from SafeArm: the policy's own, or set-points between."""
        rate = RATE_HZ if rig.driver.description.interpolates else rig.driver.description.control_rate_hz
        self._stream(rig, rate, lambda joints, k: rig.driver.command(_command(joints, sequence=k)))

    def _stream_to_safe_arm(self, rig: Rig) -> None:
        token = rig.safe_arm.switch_source("policy", "benchmark")
        rig.safe_arm.resume()
        self._stream(rig, RATE_HZ, lambda joints, k: rig.safe_arm.submit(_command(joints, token=token, valid_for=0.1, sequence=k)))

    def _stream(self, rig: Rig, rate: float, send: Callable[[np.ndarray, int], object]) -> None:
        """Send targets of a steady speed towards the middle and beyond, for a while that is not always the same."""
        joints = rig.driver.read_state().joint_positions.copy()
        direction = -1.0 if joints[-1] > rig.home[-1] else 1.0
        begun, lasts = time.monotonic(), self._random.uniform(*CRUISE_S)
        for k in range(round(lasts * rate)):
            # From rest to the steady speed in RAMP_S.
            joints[-1] += direction * SPEED * min(1.0, (k + 1) / (RAMP_S * rate)) / rate
            send(joints, k)
            time.sleep(max(0.0, begun + (k + 1) / rate - time.monotonic()))
        time.sleep(self._random.uniform(0.0, 0.6 / rate))  # not always at the same place between two targets


def _command(joints: np.ndarray, *, token: int = 0, valid_for: float = 2.0, sequence: int = 0) -> ArmCommand:
    return ArmCommand(
        stamp=time.time(),
        action_space=ActionSpace.JOINT_POSITION,
        values=joints.copy(),
        valid_for=valid_for,
        token=token,
        sequence=sequence,
    )


def _timed(call: Callable[[], None]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _fake_arm(count: int) -> tuple[list[float], list[float], float]:
    """Return the latencies of the fake arm, bare and behind SafeArm, s, and its limit; its stop is over when it returns."""
    arm = FakeArm()
    arm.connect()
    start = arm.read_state().joint_positions

    def until_still(arm: Arm, stop: Callable[[], None]) -> float:
        begun = time.monotonic()
        stop()
        while np.abs(arm.read_state().joint_velocities).max() > 0.0:
            time.sleep(0.0005)
        return time.monotonic() - begun

    bare = []
    for k in range(count):
        arm.command(_command(start + np.eye(7)[6] * (0.3 if k % 2 else -0.3)))
        time.sleep(0.01)
        bare.append(until_still(arm, arm.stop))
    workcell = open_workcell(replace(load_workcell_config(FAKE), cameras={}))
    safe_arm, safe = workcell.safe_arm, []
    safe_arm.connect()
    safe_arm.start_loop()
    for _ in range(count):
        token = safe_arm.switch_source("policy", "benchmark")
        joints = safe_arm.read_state().joint_positions.copy()
        joints[-1] += 0.02
        safe_arm.submit(_command(joints, token=token, valid_for=0.05))
        time.sleep(0.02)
        safe.append(until_still(workcell.arm, lambda: safe_arm.stop("the benchmark")))
        safe_arm.clear_stop()
        safe_arm.resume()
    workcell.close()
    return bare, safe, arm.description.max_stop_latency


def _figures(latencies: list[float]) -> dict:
    values = 1000.0 * np.array(latencies)
    names = {"p50_ms": np.percentile(values, 50), "p99_ms": np.percentile(values, 99), "max_ms": values.max()}
    return {name: round(float(value), 2) for name, value in names.items()} | {"trials": len(latencies)}


def run(quick: bool, arms: tuple[str, ...] = ("fake", *ARMS)) -> dict:
    """Return the figure: the largest latency of any trial as a share of its driver's max_stop_latency.

    Args:
        quick: 10 trials of each kind instead of 50.
        arms: Which drivers.
    """
    count = 10 if quick else 50
    details: dict[str, dict] = {}
    for name in arms:
        if name == "fake":
            bare, safe, limit = _fake_arm(count)
            details[name] = {"driver": _figures(bare), "safe_arm": _figures(safe), "limit_ms": 1000.0 * limit}
            continue
        trials = StopTrials(name)
        with Rig(name, rate_hz=RATE_HZ, loop=False) as rig:
            limit = rig.driver.description.max_stop_latency
        stuck = trials.stuck(count)
        details[name] = {
            "driver": _figures(trials.bare(count)),
            "safe_arm": _figures(trials.safe(count)),
            "while_a_call_is_stuck": _figures(stuck["took"]) | {"moved_after_it_rad": round(stuck["moved_rad"], 6)},
            "at_rest_after": _figures(trials.rest_after),
            "limit_ms": 1000.0 * limit,
        }
    kinds = ("driver", "safe_arm", "while_a_call_is_stuck")
    shares = [entry[kind]["max_ms"] / entry["limit_ms"] for entry in details.values() for kind in kinds if kind in entry]
    still = all(entry.get("while_a_call_is_stuck", {}).get("moved_after_it_rad", 0.0) < 0.02 for entry in details.values())
    return {
        "name": "stop-latency",
        "claim": "every stop reaches the controller within its driver's max_stop_latency, and returns in time while a call is stuck",
        "value": round(max(shares), 3),
        "limit": 1.0,
        "passed": max(shares) <= 1.0 and still,
        "details": details | {"unit": "share of max_stop_latency"},
    }


if __name__ == "__main__":
    chosen = tuple(name for name in ("fake", *ARMS) if name in sys.argv[1:]) or ("fake", *ARMS)
    result = run("--quick" in sys.argv[1:], chosen)
    for name, entry in result["details"].items():
        print(f"{name}: {entry}")
    print(f"{result['claim']}: {result['value']} of the limit, {'passed' if result['passed'] else 'FAILED'}")
    sys.exit(0 if result["passed"] else 1)
