"""`stage`: finds the chosen command, imports that module alone, and turns errors into one line.

A command is a module with `Options` (a frozen dataclass whose docstrings become `--help`) and `run(options) -> int`,
or with `main(arguments) -> int` where it parses by itself. Start at `main`.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType

from stage_core.errors import ConfigurationError, StageError, nearest

# Command -> (module in stage_bringup.cli, what it does). The order is the order of `stage --help`.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "run a task in ManiSkill through the real nodes, live, and leave a report"),
    "up": ("up", "start a graph (fake, maniskill, franka, xarm) and keep it until Ctrl-C"),
    "operator": ("operator", "an operator's keys for a running graph: space stops the arm"),
    "home": ("home", "bring the arm or the gripper home, slowly, after asking"),
    "serve": ("serve", "serve a policy over openpi's websocket protocol"),
    "evaluate": ("evaluate", "success with intervals, per task and condition"),
    "collect": ("collect", "record demonstrations through the nodes"),
    "train": ("train", "train a policy from episodes"),
    "episodes": ("episodes", "list, show, repair and export recorded episodes"),
    "label": ("label", "label recorded episodes again, keep the labels beside the logs, compare with the live ones"),
    "stages": ("stages", "pictures and tables of the stages of recorded episodes"),
    "replay": ("replay", "play a recorded episode into a live stage monitor, which shows the same labels"),
    "tasks": ("tasks", "list tasks, check a task file at file:line, or write a first one of your own"),
    "teach": ("teach", "drive the arm to the goal once, and write it into a task file"),
    "doctor": ("doctor", "check this machine and what a robot needs of it, with a remedy for what is missing"),
    "env": ("env", "print the variables another shell needs to see the graph"),
    "check-arm": ("check_arm", "run the Arm contract on a driver, yours included"),
    "check-camera": ("check_camera", "run the Camera contract on a driver, yours included"),
    "cameras": ("cameras", "list the cameras of this machine with a thumbnail each, and write them into a workcell"),
    "calibrate": ("calibrate", "find where a camera is, with a ChArUco board"),
    "bench": ("bench", "measure the figures this project claims"),
    "support-bundle": ("support_bundle", "pack what a bug report needs into one zip"),
}


def overview() -> str:
    """Return the text of `stage --help`."""
    width = max(map(len, COMMANDS)) + 2
    lines = ["usage: stage COMMAND [options]        stage COMMAND --help for the options of one", ""]
    lines += [f"  {name:<{width}}{summary}" for name, (_, summary) in COMMANDS.items()]
    lines += ["", "  --debug shows the traceback of an error. Start with: stage doctor, then stage demo"]
    return "\n".join(lines)


def load_command(name: str) -> ModuleType:
    """Return the module of a command.

    Raises:
        ConfigurationError: If there is no such command, with the nearest one.
    """
    if name not in COMMANDS:
        raise ConfigurationError(f'stage has no command "{name}". {nearest(name, COMMANDS)}')
    return importlib.import_module(f"stage_bringup.cli.{COMMANDS[name][0]}")


def dispatch(arguments: list[str]) -> int:
    """Run one command and return its exit code. Errors pass through; `main` prints them."""
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(overview())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(version("stage-robotics"))
        return 0
    name, rest = arguments[0], arguments[1:]
    command = load_command(name)
    if hasattr(command, "main"):
        return int(command.main([argument for argument in rest if argument != "--debug"]) or 0)
    import tyro

    options = tyro.cli(
        command.Options,
        prog=f"stage {name}",
        args=rest,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    return int(command.run(options) or 0)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `stage`: 0 on success, 1 with one line on stderr after an error, 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    if arguments[:1] == ["--debug"]:  # also in front of the command, where users of git and docker expect it
        arguments = arguments[1:]
    try:
        return dispatch(arguments)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `stage episodes list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except StageError as error:
        if debug:
            traceback.print_exc()
        else:
            print(f"stage: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        else:
            words = " ".join(str(error).split()) or "no message"
            print(f"stage: {type(error).__name__}: {words}. Run again with --debug for where it happened.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
