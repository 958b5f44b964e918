"""How colcon installs this package on a machine with ROS 2; without ROS the root's pyproject.toml installs all packages at once."""

from setuptools import find_packages, setup

setup(
    name="stage_core",
    version="0.1.0",
    packages=find_packages(include=["stage_core", "stage_core.*"]),
    package_data={"": ["*.yaml", "*.json", "*.xml", "*.html", "*.css", "*.js", "*.safetensors"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/stage_core"]),
        ("share/stage_core", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Stage maintainers",
    maintainer_email="maintainers@stage-robotics.org",
    description="Stages, costs and potentials of a task, the live monitor, and the data every other part agrees on. Pure numpy.",
    license="Apache-2.0",
)
