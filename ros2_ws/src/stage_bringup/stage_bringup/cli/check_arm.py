"""`stage check-arm`: the Arm interface's contract on any driver; the same functions are the project's own tests."""

from __future__ import annotations

import re
from dataclasses import dataclass

import tyro

from stage_bringup.cli import names, output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Run the Arm contract on a driver. It moves the arm by millimetres: stand clear, the hardware stop in reach."""

    arm: tyro.conf.Positional[str]
    """A bundled workcell (fake, maniskill, franka, xarm), a workcell file, or module:Class of your own Arm."""
    address: str = ""
    """IP address of the arm's controller; empty takes the workcell file's."""
    read_only: bool = False
    """Only read: nothing moves, nothing is configured."""


def run(options: Options) -> int:
    """Check and print one line per clause. Raises StageError naming the first clause that failed."""
    output.check_writable(options.json, "--json")
    if ":" in options.arm:
        from robot_drivers import checks

        return report(checks.check_arm(options.arm, allow_motion=not options.read_only), options)
    workcell = names.resolve_workcell(options.arm, "arm")
    from robot_drivers import checks
    from robot_drivers.launch_choices import LaunchChoices, apply
    from robot_drivers.workcell import load_workcell_config

    # A controller on this machine is no robot: it is reached as in a dry run, on the ports of the true one.
    choices = LaunchChoices(robot_address=options.address, dry_run=options.address.startswith("127."), read_only=options.read_only)
    config = apply(load_workcell_config(workcell), choices, controller_runs=True)
    results = list(checks.check_arm(config, allow_motion=not options.read_only))
    if workcell.stem == options.arm and (model := told_model(results)):
        # The bundled file must name one model; whose arm it is, the controller knows better.
        print(f"the controller drives the model {model}; it is checked as that. Set settings.arm.model in your own workcell file.")
        config.settings["arm"]["model"] = model
        results = list(checks.check_arm(config, allow_motion=not options.read_only))
    return report(results, options)


def told_model(results: list) -> str:
    """Return the model that a controller told of where the check failed because the file names another, else ""."""
    words = next((result.detail for result in results if result.name == "connects" and not result.passed), "")
    found = re.search(r"settings\.arm\.model is \S+; the controller at \S+ drives .*\((\w+)\)", words)
    return found.group(1) if found else ""


def report(results: list, options: FigureOptions) -> int:
    """Print the clauses of a contract, write them as JSON, and raise where one failed."""
    rows = [("ok" if result.passed else "FAIL", result.name, result.detail) for result in results]
    print(output.table(("", "clause", "seen"), rows))
    figures = [{"name": result.name, "passed": result.passed, "detail": result.detail} for result in results]
    output.write_json(options.json, {"passed": all(result.passed for result in results), "clauses": figures})
    failed = [result for result in results if not result.passed]
    if failed:
        raise StageError(f'{len(failed)} of {len(results)} clauses failed, first "{failed[0].name}": {failed[0].detail}')
    return 0
