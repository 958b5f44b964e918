"""Lockstep through the nodes against bare `env.step`: how many control steps per second each makes.

With a camera: arm, policy, policy server, stage monitor, recorder and runner, one rendered 128×128 image per step going
to policy and recorder. State-only: the scripted demonstrator in the policy's place. The bare loop is the same
ManiSkill environment at the same rates and with the same camera, given actions in the same space (`pd_ee_delta_pose`,
with ManiSkill's own inverse kinematics, as the nodes solve theirs). A bare loop that is handed joint targets and so
solves nothing is measured beside and stands in the details. Start at `run`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.observer import Observer
from stage_bringup.cli.workcells import state_only
from stage_bringup.session import SessionRequest, run_session

CAMERA_LIMIT, STATE_LIMIT = 0.7, 0.5
TASK = "PushCube"
WARM_UP = 20


def run(quick: bool) -> dict[str, Any]:
    """Return both ratios; bare and through the nodes in turn, the best of the rounds of each."""
    steps, rounds = (80, 1) if quick else (400, 3)
    rates: dict[str, list[float]] = {name: [] for name in ("nodes_camera", "bare_camera", "nodes_state", "bare_state", "bare_state_joints")}
    with tempfile.TemporaryDirectory(prefix="stage_steps_") as folder:
        for index in range(rounds):
            rates["bare_camera"].append(bare_rate(steps, camera=True))
            rates["nodes_camera"].append(nodes_rate(steps, Path(folder) / f"camera{index}", camera=True))
            rates["bare_state"].append(bare_rate(steps, camera=False))
            rates["bare_state_joints"].append(bare_rate(steps, camera=False, control_mode="pd_joint_pos"))
            rates["nodes_state"].append(nodes_rate(steps, Path(folder) / f"state{index}", camera=False))
    best = {name: max(values) for name, values in rates.items()}
    camera, state = best["nodes_camera"] / best["bare_camera"], best["nodes_state"] / best["bare_state"]
    periods = {name: round(1e3 / rate, 2) for name, rate in best.items()}
    return {
        "value": {"with_camera": round(camera, 3), "state_only": round(state, 3)},
        "limit": {"with_camera": CAMERA_LIMIT, "state_only": STATE_LIMIT},
        "passed": camera >= CAMERA_LIMIT and state >= STATE_LIMIT,
        "details": {
            "steps": steps,
            "steps_per_second": {name: round(rate, 1) for name, rate in best.items()},
            "ms_per_step": periods,
            "state_only_against_joint_targets": round(best["nodes_state"] / best["bare_state_joints"], 3),
            "where_the_time_goes_ms": {
                "simulation and rendering": periods["bare_camera"],
                "nodes and wire with a camera": round(periods["nodes_camera"] - periods["bare_camera"], 2),
                "nodes and wire state-only": round(periods["nodes_state"] - periods["bare_state"], 2),
            },
        },
    }


def nodes_rate(steps: int, root: Path, *, camera: bool) -> float:
    """Return the control steps per second of a lockstep session, seen by an onlooker."""
    observers: list[Observer] = []

    def watch(supervisor: Any) -> None:
        observers.append(Observer(supervisor.domain_id).__enter__())

    acting = {"source": "policy", "policy": "scripted"} if camera else {"source": "script", "demonstrator_failures": ("miss",)}
    try:
        run_session(
            SessionRequest(
                workcell="maniskill" if camera else state_only("maniskill", root),
                task=TASK,
                episodes=1,
                seed=0,
                lockstep=True,
                episode_root=root,
                horizon_steps=steps,
                quiet=True,
                on_start=watch,
                **acting,
            )
        )
    finally:
        for observer in observers:
            observer.__exit__()
    times = [state.time for state in observers[0].states if state.sequence >= WARM_UP]
    return (len(times) - 1) / (times[-1] - times[0])


def bare_rate(steps: int, *, camera: bool, control_mode: str = "pd_ee_delta_pose") -> float:
    """Return the steps per second of ManiSkill alone, at the rates and with the camera of the workcell, the arm moving."""
    import gymnasium
    import mani_skill.envs  # noqa: F401  registers the tasks
    import torch

    torch.set_num_threads(1)
    environment = gymnasium.make(
        f"{TASK}-v1",
        num_envs=1,
        robot_uids="panda",
        obs_mode="rgb" if camera else "state",
        reward_mode="none",
        control_mode=control_mode,
        sim_backend="physx_cpu",
        render_backend="cpu" if camera else "none",
        sim_config={"sim_freq": 100, "control_freq": 20},
        sensor_configs={"width": 128, "height": 128, "shader_pack": "minimal"},
        max_episode_steps=10**9,
    )
    environment.reset(seed=0)
    rest = np.append(environment.unwrapped.agent.robot.get_qpos()[0, :7].numpy(), 1.0)

    def action(step: int) -> np.ndarray:
        swing = 0.2 * np.array([np.sin(step / 10.0), np.cos(step / 10.0)])
        if control_mode == "pd_joint_pos":
            return np.concatenate([rest[:1] + 0.1 * swing[:1], rest[1:]])
        return np.array([*swing, 0.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32)  # shares of 0.1 m: at most 2 cm per step

    for step in range(WARM_UP):
        environment.step(action(step))
    start = time.perf_counter()
    for step in range(steps):
        environment.step(action(step))
    rate = steps / (time.perf_counter() - start)
    environment.close()
    return rate
