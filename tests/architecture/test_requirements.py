"""Every package that the code imports is a requirement of pyproject.toml, and not only there by chance through another one."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {
    *("stage_core", "stage_recorder", "stage_nodes", "stage_bringup", "stage_msgs", "robot_drivers", "policy_server", "offline_rl"),
    *("sim_bridge", "benchmarks"),
}
# Import name → requirement, where the installed metadata cannot tell: the ROS wheels share their folders.
ROS = {
    "rclpy",
    "sensor_msgs",
    "geometry_msgs",
    "std_msgs",
    "std_srvs",
    "diagnostic_msgs",
    "lifecycle_msgs",
    "rosgraph_msgs",
    "builtin_interfaces",
    "rcl_interfaces",
}
ONLY_WHERE_ROS_IS_INSTALLED = {"launch", "launch_ros", "tf2_msgs", "visualization_msgs", "ament_index_python", "setuptools"}
BROUGHT_BY_ANOTHER = {
    "gymnasium": "mani-skill",
    "sapien": "mani-skill",
    "pinocchio": "pin",
    "packaging": "pytest",
    "cv2": "mani-skill",
    "ruckig": "ruckig",
}


def imported_packages() -> dict[str, str]:
    """Return the third-party packages that source files import, package → first file that does."""
    found: dict[str, str] = {}
    folders = ["ros2_ws/src", "robot_drivers", "policy_server", "offline_rl", "sim_bridge", "benchmarks", "examples"]
    for file in sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], str(file.relative_to(ROOT)))
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names and name not in OURS}


def test_every_import_is_a_requirement():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    required = {re.split(r"[\[<>=!~ ]", text)[0].lower().replace("_", "-") for text in requirements}
    distributions = packages_distributions()
    missing = {}
    for name, file in imported_packages().items():
        if name in ROS | ONLY_WHERE_ROS_IS_INSTALLED:
            continue
        candidates = {BROUGHT_BY_ANOTHER.get(name, ""), *(found.lower().replace("_", "-") for found in distributions.get(name, []))}
        if not candidates & required:
            missing[name] = file
    assert missing == {}
