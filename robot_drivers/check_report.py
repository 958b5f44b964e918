"""What a contract check found: one named claim after the other, with pass or fail and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class CheckFailure(Exception):
    """A claim does not hold; the text says what was seen and what was expected."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One claim: `name`, whether it `passed`, and what was seen in `detail`."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """All claims that were checked, in order."""

    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """True when every claim holds."""
        return all(result.passed for result in self.results)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the claims that do not hold."""
        return tuple(result.name for result in self.results if not result.passed)

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __add__(self, other: CheckReport) -> CheckReport:
        return CheckReport(results=self.results + other.results)

    def __str__(self) -> str:
        return "\n".join(f"{'ok  ' if result.passed else 'FAIL'} {result.name}: {result.detail}" for result in self.results)


class Checklist:
    """Collects results; a claim that raises is a claim that failed."""

    def __init__(self) -> None:
        self._results: list[CheckResult] = []

    def check(self, name: str, claim: Callable[[], str]) -> bool:
        """Run one claim, which returns what it saw or raises, and return whether it holds."""
        try:
            detail, passed = claim(), True
        except CheckFailure as failure:
            detail, passed = str(failure), False
        except Exception as error:  # a stranger's driver may raise anything; the report must still come
            detail, passed = f"{type(error).__name__}: {error}", False
        self._results.append(CheckResult(name=name, passed=passed, detail=detail))
        return passed

    def report(self) -> CheckReport:
        """Return what was found so far."""
        return CheckReport(results=tuple(self._results))


def expect(condition: bool, words: str) -> None:
    """Raise CheckFailure with `words` unless `condition` holds."""
    if not condition:
        raise CheckFailure(words)
