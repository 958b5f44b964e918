"""Runs import-linter's contracts (pyproject.toml). A file, because its own script breaks when the checkout's path holds a space."""

import os
import sys
from pathlib import Path

from importlinter.cli import lint_imports

os.chdir(Path(__file__).resolve().parents[1])
sys.exit(lint_imports(config_filename="pyproject.toml", no_logo=True))
