"""One line of `stage doctor`, and how checks that only ask and import are run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        ok: True where nothing has to be done.
        required: False where Stage runs without it, with less.
        found: What there is, in words, with units.
        remedy: What to do; empty where `ok`.
    """

    name: str
    ok: bool
    required: bool
    found: str
    remedy: str = ""


def good(name: str, found: str, *, required: bool = False) -> Finding:
    """Return a finding where nothing has to be done."""
    return Finding(name=name, ok=True, required=required, found=found)


def failed(name: str, found: str, remedy: str) -> Finding:
    """Return a finding that has to be mended before Stage runs (or before this robot does)."""
    return Finding(name=name, ok=False, required=True, found=found, remedy=remedy)


def noted(name: str, found: str, remedy: str) -> Finding:
    """Return a finding that Stage runs with, less well."""
    return Finding(name=name, ok=False, required=False, found=found, remedy=remedy)


Check = Callable[[], Finding | None]  # None: the check does not apply here and is left out


def run_side_by_side(checks: Iterable[Check], workers: int = 3) -> list[Finding]:
    """Return the findings of checks that only ask and import, in the order of `checks`."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return [finding for finding in pool.map(lambda check: check(), checks) if finding is not None]
