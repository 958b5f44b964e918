"""What `ManiSkillWorkcell.step` costs beyond `env.step`, in one process and without ROS.

Both drive the same moving arm: the workcell with `ee_delta_pose` commands through SafeArm, with its state, truth and
image read at every step; the bare loop with the joint targets that came of them, in the same controller. Times are of
the processor, over all threads, so that other work on the machine does not count. Start at `run`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

WORKCELL_FILE = Path(__file__).resolve().parents[1] / "ros2_ws/src/stage_bringup/config/workcells/maniskill.yaml"
TASK = "PushCube"
CAMERA_LIMIT, STATE_LIMIT = 1.2, 4.0  # times the bare loop


def run(quick: bool) -> dict[str, Any]:
    """Return the ratio of the times, workcell to bare, with one 128x128 camera and state-only.

    Measured in a process of its own with one thread, as every process of a graph runs: numpy's threads make a 6x6 solve slower.
    """
    steps = 60 if quick else 300
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.sim_step", "measure", str(steps)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=WORKCELL_FILE.parents[5],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    details = json.loads(answer.stdout.splitlines()[-1])
    ratios = {name: round(entry["workcell_ms"] / entry["bare_ms"], 3) for name, entry in details.items()}
    return {
        "value": ratios,
        "limit": {"state": STATE_LIMIT, "camera": CAMERA_LIMIT},
        "passed": ratios["state"] <= STATE_LIMIT and ratios["camera"] <= CAMERA_LIMIT,
        "details": {"task": TASK, "steps": steps, **details},
    }


def measure(steps: int, *, camera: bool) -> dict[str, float]:
    """Return processor milliseconds per control step of the workcell's parts and of the bare loop."""
    from robot_drivers.arm import ActionSpace, ArmCommand
    from robot_drivers.workcell import load_workcell_config, open_workcell
    from sim_bridge.rollouts import connect

    config = load_workcell_config(WORKCELL_FILE)
    workcell = connect(open_workcell(config if camera else dataclasses.replace(config, cameras={}), task=TASK))
    simulation, safe_arm = workcell.simulation, workcell.safe_arm
    workcell.reset(0)
    token = safe_arm.switch_source("script", "sim_step")
    taken: dict[str, list[float]] = {"step": [], "read": [], "submit": [], "image": []}
    targets = []
    for step in range(steps):
        times = [time.process_time()]
        for entry in workcell.cameras.values():
            entry.read()
        times.append(time.process_time())
        safe_arm.read_state()
        safe_arm.read_gripper()
        workcell.read_truth()
        times.append(time.process_time())
        command = ArmCommand(
            stamp=workcell.now(),
            action_space=ActionSpace.EE_DELTA_POSE,
            values=0.008 * np.array([np.cos(step / 8), np.sin(step / 8), 0.0, 0.0, 0.0, 0.0]),
            valid_for=0.09,
            gripper=0.0,
            source="script",
            token=token,
        )
        safe_arm.submit(command)
        times.append(time.process_time())
        workcell.step()
        times.append(time.process_time())
        targets.append(simulation.joint_target.copy())
        for name, part in zip(("image", "read", "submit", "step"), np.diff(times), strict=True):
            taken[name].append(part)
    bare = time_bare(simulation, targets, camera=camera)
    workcell.close()
    parts = {f"{name}_ms": milliseconds(values) for name, values in taken.items()}
    return {"workcell_ms": milliseconds(np.sum(list(taken.values()), axis=0)), "bare_ms": milliseconds(bare), **parts}


def time_bare(simulation: Any, targets: list[np.ndarray], *, camera: bool) -> list[float]:
    """Return the seconds of each `env.step` (and of rendering) with the same targets, in the same environment."""
    environment = simulation.environment
    environment.reset(seed=0)
    taken = []
    for target in targets:
        action = np.append(target, -1.0).astype(np.float32)
        start = time.process_time()
        environment.step(action)
        if camera:
            environment.scene.update_render(update_sensors=True, update_human_render_cameras=False)
            sensor = environment.scene.sensors["base_camera"]
            sensor.capture()
            sensor.get_obs(rgb=True, depth=False, position=False, segmentation=False)["rgb"].numpy()
        taken.append(time.process_time() - start)
    return taken


def milliseconds(seconds: Any) -> float:
    """Return the median in milliseconds, without the first steps, which compile shaders."""
    return round(1e3 * float(np.median(np.asarray(seconds)[10:])), 3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps({name: measure(int(sys.argv[2]), camera=name == "camera") for name in ("state", "camera")}))
    else:
        print(json.dumps(run("--quick" in sys.argv), indent=2))
