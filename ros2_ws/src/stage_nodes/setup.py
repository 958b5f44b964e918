"""How colcon installs this package on a machine with ROS 2; without ROS the root's pyproject.toml installs all packages at once."""

from setuptools import find_packages, setup

NODES = (
    "arm_node",
    "camera_node",
    "object_pose_node",
    "policy_node",
    "stage_monitor_node",
    "stage_replay_node",
    "recorder_node",
    "demonstrator_node",
    "episode_runner_node",
    "operator_node",
)

setup(
    name="stage_nodes",
    version="0.1.0",
    packages=find_packages(include=["stage_nodes", "stage_nodes.*"]),
    package_data={"": ["*.yaml", "*.json", "*.xml", "*.html", "*.css", "*.js", "*.safetensors"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/stage_nodes"]),
        ("share/stage_nodes", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Stage maintainers",
    maintainer_email="maintainers@stage-robotics.org",
    description="The ROS 2 nodes of Stage: arm, camera, policy, stage monitor, recorder, demonstrator and episode runner.",
    license="Apache-2.0",
    entry_points={"console_scripts": [f"{node} = stage_nodes.{node}:main" for node in NODES]},
)
