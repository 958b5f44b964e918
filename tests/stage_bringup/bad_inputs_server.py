"""Rows of test_bad_inputs: policies, contracts, servers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from policy_server.client import PolicyClient
from policy_server.contract import ActionEntry, CameraEntry, PolicyContract, StateEntry, check_contract
from policy_server.loading import load_policy
from policy_server.wire_format import pack


def contract(**changes: Any) -> PolicyContract:
    """Return a contract of the demo's kind: one 128×128 camera, joints, 20 Hz."""
    values: dict[str, Any] = {
        "policy_name": "test",
        "cameras": (CameraEntry(name="base", key="observation/base_image", width=128, height=128, resize="none"),),
        "state": (StateEntry(key="observation/state", fields=("ee_position",), unit="m"),),
        "action": ActionEntry(space="ee_delta_pose", dim=7),
        "control_rate_hz": 20.0,
        "horizon": 8,
        "execute": 4,
    }
    return PolicyContract(**(values | changes))


def checked(policy: dict[str, Any] | None = None, **workcell: Any) -> Callable[[Path], object]:
    """Return a comparison of a contract with a workcell that fits but for the changes."""
    offer: dict[str, Any] = {
        "cameras": {"base": (128, 128)},
        "joint_names": ("joint1",),
        "control_rate_hz": 20.0,
        "action_spaces": ("ee_delta_pose", "joint_position"),
        "state_fields": ("ee_position", "joint_positions"),
        "robot_model": "panda",
    }
    return lambda here: check_contract(contract(**(policy or {})), **(offer | workcell))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect_to_nobody(here: Path) -> object:
    return PolicyClient("127.0.0.1", unused_port(), connect_timeout_s=2.0).connect()


def connect_to_a_silent_program(here: Path) -> object:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        return PolicyClient("127.0.0.1", server.getsockname()[1], connect_timeout_s=0.3).connect()


SERVER_ROWS = [
    ("unknown policy to serve", lambda here: load_policy("scriptet"), ('policy "scriptet"', 'Did you mean "scripted"?')),
    ("server not running", connect_to_nobody, ("is not running", "Start it")),
    ("another program on the port", connect_to_a_silent_program, ("did not answer within 0.3 s",)),
    ("port of the client", lambda here: PolicyClient(port=0), ("policy_port is 0", "expected 1 to 65535")),
    ("observation that cannot be sent", lambda here: pack({"x": np.array([object()])}), ("cannot be sent",)),
    ("wrong camera name", checked(cameras={"front": (128, 128)}), ('policy "test" does not fit', "camera base", "Nothing moves")),
    ("wrong image size", checked(cameras={"base": (480, 640)}), ("camera base", "Nothing moves")),
    ("wrong rate", checked(control_rate_hz=30.0), ("control rate", "Nothing moves")),
    ("wrong robot", checked({"robot_models": ("xarm7",)}), ("robot model", "choose another workcell")),
    ("wrong action space", checked(action_spaces=("joint_position",)), ("action space", "Serve another policy")),
    ("state the arm lacks", checked(state_fields=("joint_positions",)), ("state ee_position", "Nothing moves")),
    ("action of a wrong size", lambda here: ActionEntry(space="ee_delta_pose", dim=6), ("dim is 6", "expected 7", "and the gripper")),
    ("more actions than the chunk has", lambda here: contract(execute=9), ("execute is 9", "1 to horizon (8)")),
    ("key given twice", lambda here: contract(prompt_key="observation/state"), ("'observation/state' is given twice",)),
]
