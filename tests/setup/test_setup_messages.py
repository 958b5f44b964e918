"""The ROS messages are built from nothing into an environment whose path holds a space. Slow: downloads wheels and compiles."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from messages import build_messages
from report import clean_environment

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = ROOT / "ros2_ws" / "src" / "stage_msgs"


@pytest.mark.slow
def test_messages_are_built_from_nothing_below_a_folder_with_a_space(tmp_path):
    home = tmp_path / "my projects" / ".venv"
    python = home / "bin" / "python"
    wheels = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["ros"]
    constraints = ROOT / "constraints" / f"constraints-{sys.version_info.major}.{sys.version_info.minor}.txt"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), "numpy", *wheels]
    subprocess.run([sys.executable, "-m", "venv", str(home)], env=clean_environment(), check=True)
    subprocess.run(pip, env=clean_environment(), check=True)

    assert build_messages(MESSAGES, python)
    assert not build_messages(MESSAGES, python), "nothing changed, so there is nothing to build"

    # A program that knows nothing of variables: the message goes through serialisation and back.
    program = """
from rclpy.serialization import deserialize_message, serialize_message
from stage_msgs.msg import ArmCommand
command = ArmCommand(sequence=7, values=[0.25, -1.5])
assert deserialize_message(serialize_message(command), ArmCommand) == command
"""
    subprocess.run([str(python), "-c", program], env=clean_environment(), check=True, cwd=tmp_path)
