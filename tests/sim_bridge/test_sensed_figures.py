"""The figures of `stage bench stage-labels`, in short: from the simulator to the table of every tier."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import stage_labels
from sim_bridge.sensed_recording import TRUTH
from stage_core.errors import StageError


@pytest.mark.slow
def test_privileged_labels_agree_with_the_truth_and_every_tier_has_its_table() -> None:
    result = stage_labels.run(quick=True)
    assert result["passed"], result["value"]
    assert len(json.dumps(result)) < 200_000
    for task in stage_labels.QUICK_TASKS:
        tables = result["details"]["tables"][task]
        assert set(tables) == set(stage_labels.TIERS)
        assert tables["tier2"]["episodes"] == stage_labels.QUICK_WITH_CAMERA
        # Without an object in sight nothing can be known of success: not a guess either way.
        for tier in ("tier0", "tier1"):
            success = tables[tier]["success"]
            assert success["false_success"]["count"] == 0 and success["missed_success"]["count"] == success["missed_success"]["of"]
        modes = result["details"]["literal_against_cumulative"][task]["punished"]
        assert modes["literal"]["count"] > 0 and modes["cumulative"]["count"] == 0


def test_privileged_state_in_the_folder_of_the_other_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "PushCube" / "1").mkdir(parents=True)
    (tmp_path / "PushCube" / "1" / TRUTH).touch()
    with pytest.raises(StageError, match="expected measurements alone"):
        stage_labels.label_apart(tmp_path)
