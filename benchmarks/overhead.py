"""Observation -> action through ROS against the bare openpi client: one server, one observation, in turn.

This process stands where arm and cameras stand: it publishes a state and two 224×224 images and waits for the command
of the real policy node, which runs in a process of its own and asks the real policy server for every step. Between two
such steps openpi's own client asks the same server with the same observation. The policy costs nothing, so that
nothing hides the way. Start at `run`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any

import numpy as np

from benchmarks.echo_policy import JOINTS, SIZE
from benchmarks.processes import milliseconds, running, wait_for_line

RATIO_LIMIT, P99_LIMIT_MS = 3.0, 10.0
CAMERAS = ("base", "wrist")
INSTRUCTION = "do nothing, quickly"


def run(quick: bool) -> dict[str, Any]:
    """Return the ratio of the medians and where the time goes."""
    from stage_bringup.graph import graph_environment
    from stage_bringup.isolation import free_port, lease_domain

    rounds, warm_up = (80, 20) if quick else (1000, 50)
    port, lease = free_port(), lease_domain()
    environment = graph_environment(lease.domain_id)
    os.environ.update(environment)  # this process is part of the graph
    try:
        with running("policy_server", "--policy", "benchmarks.echo_policy:EchoPolicy", "--port", str(port)) as server:
            wait_for_line(server, "policy server ready")
            with running("stage_nodes.policy_node", *policy_arguments(port), environment=environment):
                samples = measure(port, rounds, warm_up)
    finally:
        lease.close()
    through_ros, bare = milliseconds(samples["ros"]), milliseconds(samples["bare"])
    ratio = through_ros["median"] / bare["median"]
    return {
        "value": {"ratio_of_medians": round(ratio, 2), "p99_ms": through_ros["p99"]},
        "limit": {"ratio_of_medians": RATIO_LIMIT, "p99_ms": P99_LIMIT_MS},
        "passed": ratio <= RATIO_LIMIT and through_ros["p99"] <= P99_LIMIT_MS,
        "details": {
            "rounds": rounds,
            "observation": f"2 images {SIZE}×{SIZE}×3 and 8 numbers",
            "through_ros_ms": through_ros,
            "bare_openpi_client_ms": bare,
            "where_the_time_goes_median_ms": breakdown(samples, through_ros["median"]),
        },
    }


def policy_arguments(port: int) -> list[str]:
    """Return the command line of the policy node."""
    parameters = {
        "host": "127.0.0.1",
        "port": port,
        "instruction": INSTRUCTION,
        "control_rate_hz": 20.0,
        "robot_model": "benchmark",
        "max_chunk_age_s": 0.4,
        "lockstep": "true",
    }
    arguments = ["--ros-args", "--log-level", "warn"]
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={value}"]
    return arguments


def breakdown(samples: dict[str, list[float]], total_ms: float) -> dict[str, float]:
    """Return the medians of the parts of the way through ROS, in ms."""
    publish, round_trip = milliseconds(samples["publish"])["median"], milliseconds(samples["round_trip"])["median"]
    return {
        "making and publishing state and images": publish,
        "policy client: pack, server, unpack": round_trip,
        "of it inference in the server": milliseconds(samples["inference"])["median"],
        "of it decoding the reply": milliseconds(samples["decode"])["median"],
        "DDS both ways, joining, command": round(total_ms - publish - round_trip, 3),
    }


def measure(port: int, rounds: int, warm_up: int) -> dict[str, list[float]]:
    """Return the samples in s: `ros`, `bare` and the parts of the way through ROS, warm-up left out."""
    import rclpy
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    from stage_nodes.node_process import make_executor

    rclpy.init(args=[])
    node = make_stand_in()
    executor = make_executor()
    executor.add_node(node)
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        node.connect()
        bare = WebsocketClientPolicy("127.0.0.1", port)
        random = np.random.default_rng(0)
        samples: dict[str, list[float]] = {name: [] for name in ("ros", "bare", "publish", "round_trip", "inference", "decode")}
        for step in range(warm_up + rounds):
            images = {name: random.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8) for name in CAMERAS}
            joints = random.uniform(-1, 1, 7)
            taken = node.ask(step, joints, images)
            start = time.perf_counter()
            bare.infer(
                {
                    "observation/base_image": images["base"],
                    "observation/wrist_image": images["wrist"],
                    "observation/state": np.append(joints, 1.0).astype(np.float32),
                    "prompt": INSTRUCTION,
                }
            )
            taken["bare"] = time.perf_counter() - start
            if step >= warm_up:
                for name, value in taken.items():
                    samples[name].append(value)
        return samples
    finally:
        stop.set()
        thread.join()
        with contextlib.suppress(Exception):
            node.destroy_node()
        rclpy.try_shutdown()


def make_stand_in() -> Any:
    """Return the node that stands where arm and cameras stand. rclpy is imported only here."""
    from rclpy.node import Node
    from sensor_msgs.msg import Image
    from stage_msgs.msg import ArmCommand, ArmState, PolicyStatus
    from stage_msgs.srv import SetCommandSource
    from std_srvs.srv import SetBool

    from robot_drivers.camera import CameraDescription, CameraFrame
    from stage_core.errors import DeadlineError
    from stage_nodes.conversions import image_to_message, to_time
    from stage_nodes.topics import (
        ARM_STATE,
        COMMAND_PREFIX,
        POLICY_RUN,
        POLICY_STATUS,
        SET_COMMAND_SOURCE,
        STATE_DEPTH,
        camera_topic,
        reliable,
    )

    descriptions = {
        name: CameraDescription(name=name, width=SIZE, height=SIZE, rate_hz=20.0, optical_frame=f"{name}_optical", intrinsics=np.eye(3))
        for name in CAMERAS
    }

    class StandIn(Node):
        """Publishes what arm_node publishes in one control step, as it does, and waits for the answer."""

        def __init__(self) -> None:
            super().__init__("arm")
            self._answered, self._reported, self._status, self._sequence = threading.Event(), threading.Event(), None, -1
            self._states = self.create_publisher(ArmState, ARM_STATE, reliable(STATE_DEPTH))
            self._images = {name: self.create_publisher(Image, camera_topic(name, "image_raw"), reliable(10)) for name in CAMERAS}
            self.create_subscription(ArmCommand, COMMAND_PREFIX + "policy", self._on_command, reliable(STATE_DEPTH))
            self.create_subscription(PolicyStatus, POLICY_STATUS, self._on_status, reliable(STATE_DEPTH))
            self.create_service(SetCommandSource, SET_COMMAND_SOURCE, self._give)
            self._run = self.create_client(SetBool, POLICY_RUN)

        def connect(self, timeout_s: float = 60.0) -> None:
            """Wait until the policy node listens and has the arm."""
            until = time.monotonic() + timeout_s
            self._given = threading.Event()
            while not (self._run.service_is_ready() and all(p.get_subscription_count() for p in (self._states, *self._images.values()))):
                if time.monotonic() > until:
                    raise DeadlineError(f"the policy node did not come up within {timeout_s:g} s.")
                time.sleep(0.05)
            while not self._given.is_set():  # it may not have found our service yet
                self._run.call_async(SetBool.Request(data=True))
                if self._given.wait(0.5):
                    break
                if time.monotonic() > until:
                    raise DeadlineError("the policy node did not ask for the arm.")
            time.sleep(0.3)

        def ask(self, step: int, joints: np.ndarray, images: dict[str, np.ndarray]) -> dict[str, float]:
            """Publish step `step`, wait for its command, and return how long it took, in s."""
            stamp = 1.0 + 0.05 * step
            self._sequence = step
            self._answered.clear()
            self._reported.clear()
            start = time.perf_counter()
            state = ArmState(sequence=step, episode=1, joint_names=list(JOINTS), gripper_opening=1.0, gripper_width=0.08)
            state.header.stamp = to_time(stamp)
            state.joint_positions, state.joint_velocities = joints.tolist(), [0.0] * 7
            self._states.publish(state)
            for name, image in images.items():
                frame = CameraFrame(stamp=stamp, sequence=step, image=image)
                self._images[name].publish(image_to_message(frame, descriptions[name]))
            published = time.perf_counter()
            if not self._answered.wait(5.0) or not self._reported.wait(5.0):
                raise DeadlineError(f"no command for step {step} within 5 s.")
            status = self._status
            return {
                "ros": self._received - start,
                "publish": published - start,
                "round_trip": status.round_trip,
                "inference": status.server_inference,
                "decode": status.decode,
            }

        def _on_command(self, message: Any) -> None:
            if message.sequence == self._sequence:
                self._received = time.perf_counter()
                self._answered.set()

        def _on_status(self, message: Any) -> None:
            if message.sequence == self._sequence:
                self._status = message
                self._reported.set()

        def _give(self, request: Any, answer: Any) -> Any:
            answer.accepted, answer.token = True, 1
            self._given.set()
            return answer

    return StandIn()
