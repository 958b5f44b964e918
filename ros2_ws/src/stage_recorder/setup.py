"""How colcon installs this package on a machine with ROS 2; without ROS the root's pyproject.toml installs all packages at once."""

from setuptools import find_packages, setup

setup(
    name="stage_recorder",
    version="0.1.0",
    packages=find_packages(include=["stage_recorder", "stage_recorder.*"]),
    package_data={"": ["*.yaml", "*.json", "*.xml", "*.html", "*.css", "*.js", "*.safetensors"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/stage_recorder"]),
        ("share/stage_recorder", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Stage maintainers",
    maintainer_email="maintainers@stage-robotics.org",
    description="Episode logs: one crash-safe MCAP per episode, its writer, reader, repair and export.",
    license="Apache-2.0",
)
