"""Lockstep through the nodes against bare `env.step`: how many control steps per second each makes.

With a camera: arm, policy, policy server, stage monitor, recorder and runner, one rendered 128×128 image per step going
to policy and recorder. State-only: the scripted demonstrator in the policy's place. The bare loop is the same
ManiSkill environment with the same controller and rates, rendering the same camera. Start at `run`.
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
    rates: dict[str, list[float]] = {name: [] for name in ("nodes_camera", "bare_camera", "nodes_state", "bare_state")}
    with tempfile.TemporaryDirectory(prefix="stage_steps_") as folder:
        for index in range(rounds):
            rates["bare_camera"].append(bare_rate(steps, camera=True))
            rates["nodes_camera"].append(nodes_rate(steps, Path(folder) / f"camera{index}", camera=True))
            rates["bare_state"].append(bare_rate(steps, camera=False))
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


def bare_rate(steps: int, *, camera: bool) -> float:
    """Return the steps per second of ManiSkill alone, in the controller, rates and camera of the workcell."""
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
        control_mode="pd_joint_pos",
        sim_backend="physx_cpu",
        render_backend="cpu" if camera else "none",
        sim_config={"sim_freq": 100, "control_freq": 20},
        sensor_configs={"width": 128, "height": 128, "shader_pack": "minimal"},
        max_episode_steps=10**9,
    )
    environment.reset(seed=0)
    action = np.append(environment.unwrapped.agent.robot.get_qpos()[0, :7].numpy(), 1.0)
    for _ in range(WARM_UP):
        environment.step(action)
    start = time.perf_counter()
    for _ in range(steps):
        environment.step(action)
    rate = steps / (time.perf_counter() - start)
    environment.close()
    return rate
