"""What every source file keeps: it says what it holds, it is short, and it names no machine."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400  # lines
ABSOLUTE = re.compile(r"(?<![\w.~}])/(?:work|root|home/(?!me\b)\w+)/\w+")
ADDRESS = re.compile(r"https?://(?!localhost|127\.0\.0\.1|\{|\w+\.example)[\w.-]+")


def tracked_files(*patterns: str) -> list[Path]:
    """Return the files git knows (tracked, or new and not ignored) that match the patterns; all below the root outside of git."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]
    return sorted(ROOT / name for name in names if (ROOT / name).is_file())


SOURCES = [file for file in tracked_files("*.py") if "tests" not in file.relative_to(ROOT).parts]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_source_file_is_short_and_says_what_it_holds(file):
    text = file.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    tree = ast.parse(text)
    assert not tree.body or ast.get_docstring(tree), "no module docstring"
    missing = [node.name for node in public_definitions(tree) if not ast.get_docstring(node)]
    assert missing == [], "public definitions without a docstring"


def public_definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Return the public functions and classes on the top level of a module."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def test_no_file_names_a_folder_of_somebodys_machine():
    found = [
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in tracked_files("*.py", "*.md", "*.toml", "*.yaml", "*.yml", "*.sh", "*.txt", "Makefile", ".ci/run", "*.json")
        if file != Path(__file__)
        for match in ABSOLUTE.finditer(file.read_text())
    ]
    assert found == []


def test_the_set_up_names_no_host_so_that_the_machines_own_mirrors_are_used():
    files = tracked_files("scripts", "constraints", "Makefile", "pyproject.toml", ".ci/run", ".pre-commit-config.yaml")
    assert [f"{file.relative_to(ROOT)}: {match.group()}" for file in files for match in ADDRESS.finditer(file.read_text())] == []


def test_nothing_says_if_sim():
    pattern = re.compile(r"\bif\s+(?:not\s+)?(?:self\.)?(?:is_)?(?:sim|simulation|simulated)\b\s*:")
    assert [str(file) for file in SOURCES if pattern.search(file.read_text())] == []


def test_every_ros_executable_has_a_module_with_a_main_and_keeps_its_run_bit():
    launchers = sorted((ROOT / "ros2_ws" / "src" / "stage_nodes" / "libexec").iterdir())
    assert launchers
    for launcher in launchers:
        assert launcher.stat().st_mode & 0o111, f"{launcher.name} lost its run bit"
        assert f"-m stage_nodes.{launcher.name} " in launcher.read_text()
        module = ast.parse((ROOT / "ros2_ws" / "src" / "stage_nodes" / "stage_nodes" / f"{launcher.name}.py").read_text())
        assert "main" in [node.name for node in module.body if isinstance(node, ast.FunctionDef)], launcher.name
