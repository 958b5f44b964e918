"""Who may import whom: the contracts of pyproject.toml, and what really is loaded at run time."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "rclpy", "mani_skill", "sapien", "cv2", "transformers", "pinocchio", "matplotlib")


def loaded_by(statement: str) -> set[str]:
    """Return which heavy packages a fresh Python has loaded after a statement."""
    ask = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


def test_all_import_contracts_are_kept():
    result = subprocess.run([sys.executable, str(ROOT / "scripts" / "lint_imports.py")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import stage_core.monitor, stage_core.task, stage_core.builder, stage_core.episode, stage_core.statistics",
        "import policy_server.client, policy_server.wire_format, policy_server.contract",
        "import robot_drivers.workcell, robot_drivers.arm, robot_drivers.camera",
        "import stage_recorder.reader, stage_recorder.writer",
        "import sim_bridge",
    ],
)
def test_light_modules_load_nothing_heavy(statement):
    assert loaded_by(statement) == set()


def test_the_command_line_shows_its_help_without_loading_anything_heavy():
    assert loaded_by("from stage_bringup.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass") == set()
