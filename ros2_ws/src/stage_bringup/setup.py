"""How colcon installs this package on a machine with ROS 2; without ROS the root's pyproject.toml installs all packages at once."""

from pathlib import Path

from setuptools import find_packages, setup


def folder(name: str) -> list[tuple[str, list[str]]]:
    """Return the files below a folder as colcon's data files, grouped by the folder they install into."""
    files = sorted(path for path in Path(name).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [(f"share/stage_bringup/{path.parent.as_posix()}", [path.as_posix()]) for path in files]


setup(
    name="stage_bringup",
    version="0.1.0",
    packages=find_packages(include=["stage_bringup", "stage_bringup.*"]),
    package_data={"": ["*.yaml", "*.json", "*.xml", "*.html", "*.css", "*.js", "*.safetensors"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/stage_bringup"]),
        ("share/stage_bringup", ["package.xml"]),
        *folder("launch"),
        *folder("config"),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Stage maintainers",
    maintainer_email="maintainers@stage-robotics.org",
    description="Launch files, configuration and the command line of Stage.",
    license="Apache-2.0",
)
