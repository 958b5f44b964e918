"""`stage bench`: measure again every figure this project claims."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from stage_bringup.cli import output
from stage_bringup.cli.options import FigureOptions
from stage_core.errors import StageError


@dataclass(frozen=True, kw_only=True)
class Options(FigureOptions):
    """Measure figures: `stage bench list`, `stage bench NAME`, `stage bench all`. Exits with 1 when a limit is missed."""

    name: tyro.conf.Positional[str] = "list"
    """list, all, or the name of an entry."""
    quick: bool = False
    """Fewer repetitions: under a minute per entry after imports; says whether it runs, not how well."""


def run(options: Options) -> int:
    """Measure and print one line per entry."""
    from stage_bringup import benchmarking

    output.check_writable(options.json, "--json")
    if options.name == "list":
        rows = [(entry.name, entry.claim, entry.duration) for entry in benchmarking.ENTRIES.values()]
        print(output.table(("name", "claim", "takes"), rows))
        output.write_json(options.json, [entry.describe() for entry in benchmarking.ENTRIES.values()])
        return 0
    entries = benchmarking.select(options.name)
    results = []
    for entry in entries:
        print(f"{entry.name}: {entry.claim} ({entry.duration})", flush=True)
        measure = benchmarking.measure_apart if len(entries) > 1 else benchmarking.measure
        result = measure(entry, quick=options.quick)
        results.append(result)
        print(f"  {'passed' if result['passed'] else 'MISSED'}: {result['value']} (limit {result['limit']})", flush=True)
        # Written after every entry: an hour of measuring is not lost to the last one.
        output.write_json(options.json, results if options.name == "all" else result)
    missed = [result["name"] for result in results if not result["passed"]]
    if missed:
        raise StageError(
            f"{len(missed)} of {len(results)} entries missed their limit: {', '.join(missed)}. Details are in the JSON (--json PATH)."
        )
    return 0
