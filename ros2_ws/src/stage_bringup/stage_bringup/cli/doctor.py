"""`stage doctor`: what this machine has and lacks, each line ok or with a remedy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from stage_bringup.cli import output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Check this machine. Exits with 1 where something required is missing."""

    episode_root: Path = Path("episodes")
    """Directory where episodes will be written."""
    port: int = 8000
    """Port of the policy server."""


def run(options: Options) -> int:
    """Run the checks and print them."""
    if not 1 <= options.port <= 65535:
        raise ConfigurationError(f"--port is {options.port}; expected 1 to 65535.")
    output.check_writable(options.json, "--json")
    from stage_bringup.doctor import run_checks

    findings = run_checks(options.episode_root.absolute(), options.port)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
        remedy = f"  -> {finding.remedy}" if finding.remedy else ""
        print(f"{mark}  {finding.name:<{width}}  {finding.found}{remedy}")
    missing = [finding.name for finding in findings if finding.required and not finding.ok]
    print(f"{', '.join(missing)}: needed before Stage runs" if missing else "this machine can run Stage")
    output.write_json(options.json, {"ok": not missing, "findings": [dataclasses.asdict(finding) for finding in findings]})
    return 1 if missing else 0
