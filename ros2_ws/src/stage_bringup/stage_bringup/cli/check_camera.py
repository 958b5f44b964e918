"""`stage check-camera`: the Camera interface's contract on any driver."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from stage_bringup.cli import names, output
from stage_bringup.cli.check_arm import report
from stage_bringup.cli.options import FigureOptions


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Run the Camera contract on a driver: frames come, in shape, in time, with rising stamps."""

    camera: tyro.conf.Positional[str]
    """A bundled workcell (all its cameras), a workcell file, or module:Class of your own Camera."""


def run(options: Options) -> int:
    """Check and print one line per clause. Raises StageError naming the first clause that failed."""
    output.check_writable(options.json, "--json")
    target = options.camera if ":" in options.camera else str(names.resolve_workcell(options.camera, "camera"))
    from robot_drivers import checks

    return report(checks.check_camera(target), options)
