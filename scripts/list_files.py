"""Writes the file list of docs/architecture.md from the first line of every module's docstring, so that the two never differ.

Usage: python scripts/list_files.py [--check]; `--check` changes nothing and returns 1 when the list is out of date.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- files: written by scripts/list_files.py -->", "<!-- end of files -->"
# Folder -> heading, in reading order.
FOLDERS = {
    "ros2_ws/src/stage_core/stage_core": "stage_core: what every part agrees on; numpy alone",
    "ros2_ws/src/stage_recorder/stage_recorder": "stage_recorder: the episode log",
    "robot_drivers": "robot_drivers: arms, grippers, cameras, and the one place with limits",
    "policy_server": "policy_server: policies behind openpi's protocol, and the robot's client",
    "offline_rl": "offline_rl: learning from the logs",
    "sim_bridge": "sim_bridge: ManiSkill3 as a workcell",
    "ros2_ws/src/stage_nodes/stage_nodes": "stage_nodes: thin ROS 2 shells",
    "ros2_ws/src/stage_bringup/launch": "stage_bringup/launch: for `ros2 launch`",
    "ros2_ws/src/stage_bringup/stage_bringup": "stage_bringup: graphs, sessions and the command line",
    "benchmarks": "benchmarks: every figure the project claims",
    "examples": "examples",
    "scripts": "scripts: set-up and upkeep",
}


def first_line(file: Path) -> str:
    """Return the first line of a module's docstring, empty when there is none."""
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return docstring.split("\n\n")[0].replace("\n", " ").strip()


def source_files(folder: Path) -> list[Path]:
    """Return the Python files of a folder that hold code: empty `__init__.py` files carry no idea."""
    files = sorted(folder.rglob("*.py"))
    return [file for file in files if "__pycache__" not in file.parts and (file.name != "__init__.py" or len(file.read_text()) > 200)]


def render() -> str:
    """Return the generated section, without its markers."""
    parts = []
    for name, heading in FOLDERS.items():
        folder = ROOT / name
        lines = [
            f"| `{file.relative_to(folder).as_posix()}` | {first_line(file).replace('|', chr(92) + '|')} |" for file in source_files(folder)
        ]
        if lines:
            parts.append(f"### {heading}\n\n`{name}/`\n\n| file | what it holds |\n|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def updated(page: str) -> str:
    """Return the page with its generated section replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{render()}\n{END}{after}"


def main() -> int:
    """Update the page, or only check it."""
    page = PAGE.read_text()
    if "--check" in sys.argv[1:]:
        if updated(page) == page:
            return 0
        print("docs/architecture.md: the list of files is out of date; run `make docs`", file=sys.stderr)
        return 1
    PAGE.write_text(updated(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
