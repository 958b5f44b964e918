"""The container files name only what exists. They cannot be built here, so this is what is known of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from stage_bringup.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "containers"
DOCKERFILE = FOLDER / "robot_pc.Dockerfile"
INSTRUCTIONS = {"FROM", "SHELL", "RUN", "WORKDIR", "COPY", "ENV", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
SERVICE_KEYS = {  # of the compose specification, those that are used here
    "image", "build", "network_mode", "shm_size", "init", "tty", "stdin_open", "stop_grace_period", "cap_add", "ulimits",
    "device_cgroup_rules", "volumes", "environment", "entrypoint", "command",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, its text) of the container file, continuation lines joined and comments dropped."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def compose() -> dict:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


def texts(instruction: str) -> list[str]:
    return [text for name, text in instructions() if name == instruction]


def test_the_container_file_holds_known_instructions_alone_and_begins_with_the_base_image():
    assert {name for name, _ in instructions()} <= INSTRUCTIONS
    assert instructions()[0] == ("FROM", "ros:jazzy-ros-base")  # the public name; the set-up supports this system and this ROS


def test_every_command_of_the_build_can_be_split_by_a_shell():
    assert all(shlex.split(text) for text in texts("RUN"))


def test_apt_leaves_no_lists_behind_in_any_layer():
    assert all("rm -rf /var/lib/apt/lists/*" in text for text in texts("RUN") if "apt-get update" in text)


def test_everything_that_is_copied_exists_and_make_knows_the_target():
    for text in texts("COPY"):
        *sources, _ = text.split()
        assert all((ROOT / source).exists() for source in sources)
    targets = {target for text in texts("RUN") for target in re.findall(r"&& make ([a-z-]+)", text)}
    known = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets == {"setup"} and targets <= known


def test_the_environment_on_the_path_is_where_the_set_up_makes_it():
    assert "/opt/stage" in texts("WORKDIR") and any("/opt/stage/.venv/bin" in text for text in texts("ENV"))


def test_the_container_is_told_to_end_the_way_the_nodes_hold():
    assert texts("STOPSIGNAL") == ["SIGINT"]


def test_another_machines_build_and_the_history_stay_out_of_the_image():
    ignored = set((FOLDER / "robot_pc.Dockerfile.dockerignore").read_text().split("\n"))
    assert {".git", ".venv", "episodes", "checkpoints"} <= ignored


@pytest.mark.parametrize("service", ["stage", "doctor"])
def test_each_service_gets_what_an_arm_needs_and_no_more(service):
    settings = compose()["services"][service]
    assert set(settings) <= SERVICE_KEYS
    assert settings["network_mode"] == "host" and settings["shm_size"] == "1g" and settings["init"] is True
    assert settings["ulimits"] == {"rtprio": 99, "memlock": -1} and settings["cap_add"] == ["SYS_NICE"]
    assert "privileged" not in settings


def test_the_services_run_commands_that_exist():
    for settings in compose()["services"].values():
        program, *command = settings["entrypoint"]
        assert program == "stage" and all(word in COMMANDS for word in command)


def test_the_build_finds_its_file_and_its_root():
    build = compose()["x-robot-pc"]["build"]
    root = (FOLDER / build["context"]).resolve()
    assert root == ROOT and (root / build["dockerfile"]) == DOCKERFILE


def test_what_is_recorded_outlives_the_container():
    mounted = dict(entry.split(":")[:2] for entry in compose()["x-robot-pc"]["volumes"])
    for place in ("episodes", "workcells"):
        assert mounted[f"../{place}"] == f"/data/{place}" and f"/data/{place}" in texts("VOLUME")[0]


def test_every_option_of_the_compose_file_is_explained():
    page = (ROOT / "docs" / "containers.md").read_text()
    for words in ("--network host", "--shm-size 1g", "--ulimit rtprio=99", "SYS_NICE", "c 81:*", "c 189:*", "/run/udev", "--init", "30s"):
        assert words in page
    assert "has been built" in page  # and says so that it was not
