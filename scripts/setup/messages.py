"""Builds the ROS interfaces of `stage_msgs` into the environment, on a machine whose ROS 2 comes from wheels.

The wheels hold the rosidl generators, headers and CMake files; ament's build macros come from the system's packages. Three things
stand in between, each a small function here: the wheels' CMake files name the folders of the machine they were built on,
`ament_package` lives where the environment's Python does not look, and the generators load the wheels' own libraries.
Start at `build_messages`. On a machine with ROS 2 installed colcon does all this (`ros_machine.py`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from report import SetupError, clean_environment, run, say
from stamp import content_hash, is_current, write_stamp

PACKAGE = "stage_msgs"
RECIPE = "1"  # raise it when a change in this file must build the messages again
BUILD_MACHINE_INCLUDE = re.compile(
    r"/opt/python/cp3\d+-cp3\d+/(?:include/python3\.\d+|lib/python3\.\d+/site-packages/numpy/_?core/include)"
)
ASK_PYTHON = """
import json, sysconfig, numpy
print(json.dumps({"python_include": sysconfig.get_paths()["include"], "numpy_include": numpy.get_include()}))
"""


def build_messages(source: Path, python: Path) -> bool:
    """Build and install the package unless the environment already holds exactly this version of it.

    Args:
        source: The folder of `stage_msgs` (package.xml, CMakeLists.txt, msg/, srv/).
        python: Python of the environment to install into.

    Returns:
        True when it was built, False when it was up to date.

    Raises:
        SetupError: If a tool is missing or the build fails.
    """
    prefix = python.parent.parent
    site = next(prefix.glob("lib/python3.*/site-packages"), prefix)
    # Names of installed packages instead of asking Python: the common case, nothing to do, then costs no start of an interpreter.
    generators = sorted(path.name for path in site.glob("ros_rosidl*.dist-info"))
    numpy = sorted(path.name for path in site.glob("numpy-*.dist-info"))
    expected = content_hash([source], RECIPE, site.parent.name, *numpy, *generators)
    stamp = prefix / "share" / PACKAGE / "stage_build.sha256"
    if is_current(stamp, expected):
        return False
    if not generators:
        raise SetupError(f"the environment {prefix} holds no rosidl generators; run `make setup`, which installs them.")
    say(f"building {PACKAGE} into the environment (about 20 s)")
    stamp.unlink(missing_ok=True)
    facts = json.loads(run([str(python), "-c", ASK_PYTHON], environment=clean_environment(), remedy="remove .venv and run `make setup`."))
    repair_wheel_cmake_files(prefix, **facts)
    with tempfile.TemporaryDirectory(prefix="stage_msgs_") as work:
        manifest = _configure_build_install(source, python, prefix, site, Path(work))
        remove_previous(prefix, manifest)
    write_stamp(stamp, expected)
    run([str(python), "-c", f"import {PACKAGE}.msg, {PACKAGE}.srv"], environment=clean_environment(), remedy="report this as a bug.")
    return True


def repair_wheel_cmake_files(prefix: Path, *, python_include: str, numpy_include: str) -> int:
    """Replace the build machine's include folders in the wheels' CMake files by this environment's; return how many files changed."""
    changed = 0
    for file in (prefix / "share").glob("*/cmake/*.cmake"):
        text = file.read_text()
        repaired = BUILD_MACHINE_INCLUDE.sub(lambda match: numpy_include if "numpy" in match.group() else python_include, text)
        if repaired != text:
            file.write_text(repaired)
            changed += 1
    return changed


def remove_previous(prefix: Path, manifest: list[str]) -> None:
    """Remove files of the build before that this one did not install, so that a deleted message is gone, and keep the new list."""
    record = prefix / "share" / PACKAGE / "installed_files.txt"
    before = record.read_text().splitlines() if record.is_file() else []
    for name in set(before) - set(manifest):
        (prefix / name).unlink(missing_ok=True)
    record.write_text("\n".join(manifest) + "\n")


def find_ament_package() -> Path:
    """Return the folder that holds the system's `ament_package` (Debian puts it where only the system's Python looks).

    Raises:
        SetupError: If it is not installed.
    """
    for folder in (Path("/usr/lib/python3/dist-packages"), *map(Path, sys.path)):
        if (folder / "ament_package").is_dir():
            return folder / "ament_package"
    raise SetupError("ament_package is not installed; run `make setup`, which installs python3-ament-package.")


def build_environment(prefix: Path, site: Path, python_path: Path) -> dict[str, str]:
    """Return the variables the generators need: the ament prefix, the wheels' libraries, and `ament_package`."""
    environment = clean_environment()
    libraries = [str(prefix / "lib"), *sorted(str(path) for path in site.glob("ros_*.libs"))]
    environment |= {
        "VIRTUAL_ENV": str(prefix),
        "AMENT_PREFIX_PATH": str(prefix),
        "CMAKE_PREFIX_PATH": str(prefix),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PYTHONPATH": str(python_path),
        "PATH": os.pathsep.join([str(prefix / "bin"), environment.get("PATH", os.defpath)]),
    }
    return environment


def _configure_build_install(source: Path, python: Path, prefix: Path, site: Path, work: Path) -> list[str]:
    """Run cmake's three steps and return the installed files, relative to the prefix."""
    for tool in ("cmake", "g++"):
        if shutil.which(tool) is None:
            raise SetupError(f"{tool} is not installed; run `make setup`, which installs it.")
    python_path, build = work / "python", work / "build"
    python_path.mkdir()
    # Only this one package: the whole of the system's dist-packages would put its numpy before the environment's.
    (python_path / "ament_package").symlink_to(find_ament_package())
    environment = build_environment(prefix, site, python_path)
    remedy = "the lines above say why; after a change of compiler or Python remove .venv and run `make setup`."
    run(
        [
            *("cmake", "-S", str(source), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
            *(f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DCMAKE_PREFIX_PATH={prefix}"),
            *(f"-DPython3_EXECUTABLE={python}", f"-DPYTHON_EXECUTABLE={python}"),
        ],
        environment=environment,
        remedy=remedy,
    )
    run(["cmake", "--build", str(build), "--parallel", str(os.cpu_count() or 1)], environment=environment, remedy=remedy)
    run(["cmake", "--install", str(build)], environment=environment, remedy=remedy)
    installed = (build / "install_manifest.txt").read_text().splitlines()
    return sorted(
        os.path.relpath(os.path.realpath(os.path.dirname(name)) + "/" + os.path.basename(name), os.path.realpath(prefix))
        for name in installed
    )
