"""Writes constraints/constraints-<version>.txt: the exact version of every package that the extras need.

Usage: PYTHON scripts/pin_versions.py [--keep FILE], with a Python of the version to pin for; nothing is installed. `--keep` holds the
versions of an existing constraints file wherever they still fit. Run it after a change of the requirements, look at the difference,
and set up again from nothing before committing it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "setup"))

from environment import EXTRAS, WHEELS_EXTRA, collect_requirements  # noqa: E402

HEADER = "# Every version that `make setup` installs on Python {version}; written by scripts/pin_versions.py, do not edit by hand.\n"


def resolve(requirements: list[str], keep: Path | None) -> list[str]:
    """Ask this Python's pip which versions it would install; return sorted `name==version` lines.

    A local version such as torch's +cpu is dropped: the pin then admits the build that the machine's pip configuration offers.
    """
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.json"
        pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
        subprocess.run([*pip, *(["--constraint", str(keep)] if keep else []), *requirements], check=True, cwd=work)
        items = json.loads(report.read_text())["install"]
    for name in sorted(item["metadata"]["name"] for item in items if not item["download_info"]["url"].endswith(".whl")):
        print(f"{name} has no wheel for this Python: every set-up would compile it", file=sys.stderr)
    found = [item["metadata"] for item in items]
    return sorted(f"{package['name'].lower().replace('_', '-')}=={package['version'].split('+')[0]}" for package in found)


def main() -> None:
    """Resolve for the running Python and write its constraints file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="constraints file whose versions stay wherever they fit")
    keep = parser.parse_args().keep
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = resolve(collect_requirements(ROOT / "pyproject.toml", (*EXTRAS, WHEELS_EXTRA)), keep.resolve() if keep else None)
    target = ROOT / "constraints" / f"constraints-{version}.txt"
    target.write_text(HEADER.format(version=version) + "\n".join(pins) + "\n")
    print(f"{target.relative_to(ROOT)}: {len(pins)} versions")


if __name__ == "__main__":
    main()
