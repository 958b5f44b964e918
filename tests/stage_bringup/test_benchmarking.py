"""The registry of figures."""

from __future__ import annotations

import json

import pytest

from stage_bringup import benchmarking
from stage_bringup.cli.output import jsonable
from stage_core.errors import ConfigurationError, DeviceError


def test_every_entry_has_its_module():
    missing = [entry.name for entry in benchmarking.ENTRIES.values() if not hasattr(benchmarking.load(entry), "run")]
    assert missing == []


def test_all_selects_every_entry():
    assert len(benchmarking.select("all")) == len(benchmarking.ENTRIES)


def test_an_unknown_figure_gives_the_nearest():
    with pytest.raises(ConfigurationError, match='Did you mean "overhead"'):
        benchmarking.select("overheat")


ENTRY = benchmarking.Entry(name="one", claim="one is one", module="one_figure", duration="1 s")
KEYS = {"name", "claim", "value", "limit", "passed", "machine", "details"}


def test_a_result_has_the_promised_keys():
    result = benchmarking.measure(
        ENTRY, quick=True, run=lambda quick: {"value": 1.5, "limit": 3, "passed": True, "details": {"quick": quick}}
    )
    assert set(result) >= KEYS and result["passed"] and result["details"] == {"quick": True}
    assert json.loads(json.dumps(jsonable(result)))["machine"]["processors"] >= 1


def test_what_could_not_be_measured_is_missed_with_its_reason():
    def run(quick: bool) -> dict:
        raise DeviceError("no arm")

    result = benchmarking.measure(ENTRY, quick=True, run=run)
    assert set(result) >= KEYS and not result["passed"] and result["details"]["error"] == "no arm"
