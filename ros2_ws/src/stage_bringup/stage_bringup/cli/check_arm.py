"""`stage check-arm`: the Arm interface's contract on any driver; the same functions are the project's own tests."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from stage_bringup.cli import names, output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Run the Arm contract on a driver. It moves the arm by millimetres: stand clear, the hardware stop in reach."""

    arm: tyro.conf.Positional[str]
    """A bundled workcell (fake, maniskill), a workcell file, or module:Class of your own Arm."""
    read_only: bool = False
    """Only read: nothing moves."""


def run(options: Options) -> int:
    """Check and print one line per clause. Raises StageError naming the first clause that failed."""
    output.check_writable(options.json, "--json")
    target = options.arm if ":" in options.arm else str(names.resolve_workcell(options.arm, "arm"))
    from robot_drivers import checks

    return report(checks.check_arm(target, allow_motion=not options.read_only), options)


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
