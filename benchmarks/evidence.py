"""`make evidence`: measure every figure again and write it to docs/evidence, with commit and machine.

    python -m benchmarks.evidence              everything, hours
    python -m benchmarks.evidence monitor      only some entries; the others' files stay

One file per entry, and README.md with a table of all. Commit first: a figure of changed files names no commit anyone has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stage_bringup.benchmarking import ENTRIES, measure_apart, select
from stage_bringup.cli.output import jsonable, write_atomically
from stage_core.errors import StageError

DIRECTORY = Path(__file__).resolve().parents[1] / "docs" / "evidence"


def main(arguments: list[str]) -> int:
    """Measure and write; 1 where a limit was missed."""
    names = [argument for argument in arguments if not argument.startswith("-")] or list(ENTRIES)
    missed = []
    for entry in [entry for name in names for entry in select(name)]:
        print(f"{entry.name}: {entry.claim} ({entry.duration})", flush=True)
        result = measure_apart(entry, quick="--quick" in arguments)
        write_atomically(DIRECTORY / f"{entry.name}.json", json.dumps(jsonable(result), indent=2, ensure_ascii=False) + "\n")
        print(
            f"  {'passed' if result['passed'] else 'MISSED'}: {in_words(result['value'])} (limit {in_words(result['limit'])})", flush=True
        )
        missed += [] if result["passed"] else [entry.name]
        write_atomically(DIRECTORY / "README.md", overview())
    return 1 if missed else 0


def overview() -> str:
    """Return the table of all figures in docs/evidence as Markdown."""
    lines = [
        "# Evidence",
        "",
        "Every figure this project claims, as it was measured; `make evidence` measures them again, `stage bench NAME` one of them.",
        "Details, machine and commit are in the files.",
        "",
        "| figure | claim | measured | limit | passed | commit | machine |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ENTRIES:
        file = DIRECTORY / f"{name}.json"
        if file.is_file():
            lines.append(row(name, json.loads(file.read_text(encoding="utf-8"))))
    return "\n".join(lines) + "\n"


def row(name: str, result: dict[str, Any]) -> str:
    """Return one line of the table."""
    machine = result["machine"]
    commit = (machine.get("commit") or "")[:9] + (" with changes" if machine.get("dirty") else "")
    place = f"{machine['processors']} × {machine['processor']}"
    passed = ("yes" if result["passed"] else "**no**") + (", quick" if result.get("quick") else "")
    return f"| [{name}]({name}.json) | {result['claim']} | {in_words(result['value'])} | {in_words(result['limit'])} | {passed} | {commit} | {place} |"


def in_words(value: Any) -> str:
    """Return a figure as text: `p99_ms 4.2, ratio 1.9` for a mapping."""
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {in_words(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(in_words, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StageError as error:
        print(f"evidence: {error}", file=sys.stderr)
        sys.exit(1)
