"""`python -m robot_drivers.fake_controllers franka`: a controller to dry-run against, as a process of its own.

Every line on standard input injects a fault (`reflex`, `silence seconds=2`), `clear [FAULT]` ends one, `restart` cuts the power
for a moment, `help` lists them. It ends on Ctrl-C, SIGTERM, or when the supervisor that started it is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

CONTROLLERS = {
    "franka": "robot_drivers.fake_controllers.franka.controller:FakeFranka",
    "xarm": "robot_drivers.fake_controllers.xarm.controller:FakeXArm",
    "robotiq": "robot_drivers.fake_controllers.robotiq.controller:FakeRobotiq",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one controller until it is told to end. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m robot_drivers.fake_controllers", description=__doc__.splitlines()[0])
    parser.add_argument("controller", choices=sorted(CONTROLLERS))
    parser.add_argument("--address", default="127.0.0.1", help="a loopback address, 127.x.y.z")
    parser.add_argument("--log", type=Path, default=None, help="write what reaches the controller into this file (JSON lines)")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="a keyword of the controller, such as axes=6")
    options = parser.parse_args(arguments)
    if not options.address.startswith("127."):
        parser.error(f"--address is {options.address}; expected 127.x.y.z: a fake controller is reached from this machine alone")
    module, _, name = CONTROLLERS[options.controller].partition(":")
    controller = getattr(importlib.import_module(module), name)(options.address, log_path=options.log, **_options(options.option))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)  # a true controller has a computer of its own
    controller.start()
    print(f"fake {options.controller} controller listens on {options.address}", flush=True)
    threading.Thread(target=_obey, args=(controller,), name="faults", daemon=True).start()
    supervisor = os.environ.get("STAGE_SUPERVISOR_PID", "")
    try:
        while not ended.wait(0.5) and not (supervisor and str(os.getppid()) != supervisor):
            pass  # a controller that outlived its graph would keep the address
    finally:
        controller.stop()
    return 0


def _obey(controller: Any) -> None:
    """Do what each line of the input says; a mistake is told and changes nothing."""
    for line in sys.stdin:
        name, *rest = line.split() or [""]
        try:
            if name == "restart":
                controller.restart()
            elif name == "clear":
                controller.clear(*rest)
            elif name == "help":
                print("\n".join(f"{fault}: {words}" for fault, words in controller.FAULTS.items()), flush=True)
            elif name:
                controller.inject(name, **_options(rest))
                print(f"injected {name}", flush=True)
        except (ValueError, TypeError) as error:
            print(f"error: {error}", flush=True)


def _options(texts: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE texts as keywords; numbers become numbers, true and false bool, values with commas tuples."""
    return {name: _value(value) for name, _, value in (text.partition("=") for text in texts)}


def _value(text: str) -> Any:
    if "," in text:
        return tuple(_value(part) for part in text.split(","))
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


if __name__ == "__main__":
    raise SystemExit(main())
