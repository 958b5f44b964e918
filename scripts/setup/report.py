"""What the set-up says: one line per step on standard output, one line per error, and the log of a failed command."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path


class SetupError(Exception):
    """The set-up cannot go on; the message is one line that ends with the next step."""


def say(text: str) -> None:
    """Print one progress line at once (pipes buffer otherwise)."""
    print(f"stage set-up: {text}", flush=True)


def run(
    command: list[str], *, remedy: str, environment: dict[str, str] | None = None, directory: Path | None = None, quiet: bool = True
) -> str:
    """Run a command and return its output.

    Args:
        command: Program and arguments; never goes through a shell, so paths with spaces are safe.
        remedy: What the user can do when it fails; ends the error line.
        environment: Complete environment, default the process's own.
        directory: Working directory, default the current one.
        quiet: True keeps the output and shows its last lines only when the command fails; False passes it through.

    Raises:
        SetupError: If the command cannot be started or returns non-zero.
    """
    pipe = subprocess.PIPE if quiet else None
    try:
        result = subprocess.run(
            command, env=environment, cwd=directory, stdout=pipe, stderr=subprocess.STDOUT if quiet else None, text=True, check=False
        )
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be started ({error.strerror}); {remedy}") from error
    if result.returncode != 0:
        if quiet:
            sys.stderr.write("\n".join(result.stdout.splitlines()[-40:]) + "\n")
        raise SetupError(f"`{shlex.join(command)[:200]}` ended with code {result.returncode}; {remedy}")
    return result.stdout or ""


def clean_environment(base: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment without what another Python environment left in it.

    The ROS wheels re-execute Python once with their library path and mark that in a variable; inherited from a parent it would
    make the new environment's Python believe that its own libraries are set.
    """
    environment = dict(os.environ if base is None else base)
    if environment.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None):
        environment.pop("LD_LIBRARY_PATH", None)
    for name in ("PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    return environment
