import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from stage_core import task as task_module
from stage_core.errors import ConfigurationError
from stage_core.task import load_task, task_from_mapping
from stage_core.task_schema import task_schema

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "ros2_ws/src/stage_bringup/config/tasks"


@pytest.fixture
def mapping():
    return yaml.safe_load((TASKS / "stack_cube.yaml").read_text())


def test_every_bundled_task_loads_with_its_canonical_instruction(tasks):
    assert {name: task.instruction for name, task in tasks.items()} == {
        "PushCube": "push the cube to the goal",
        "PullCube": "pull the cube to the goal",
        "PickCube": "pick up the cube and hold it at the goal",
        "StackCube": "stack the red cube on the green cube",
        "LiftPegUpright": "lift the peg upright",
    }
    assert {name: task.timeout_s for name, task in tasks.items()} == {
        "PushCube": 5.0,
        "PullCube": 5.0,
        "PickCube": 5.0,
        "StackCube": 8.0,
        "LiftPegUpright": 8.0,
    }
    assert all(len(task.stages) == 4 and 2 <= len(task.instructions) <= 4 for task in tasks.values())


def test_centimetres_are_answered_with_the_range_and_a_guess(mapping):
    mapping["thresholds"]["place_distance_m"] = 2.0
    with pytest.raises(ConfigurationError) as error:
        task_from_mapping(mapping, source="tasks/stack_cube.yaml")
    assert str(error.value) == (
        "tasks/stack_cube.yaml: thresholds.place_distance_m is 2.0 m; expected 0 < value <= 0.5. Metres, not centimetres?"
    )


def test_an_unknown_key_is_answered_with_the_nearest_one(mapping):
    mapping["thresholds"]["place_distanse_m"] = 0.03
    with pytest.raises(ConfigurationError, match='thresholds.place_distanse_m is not a known key. Did you mean "place_distance_m"'):
        task_from_mapping(mapping, source="x.yaml")


def test_a_threshold_of_another_family_is_unknown(mapping):
    mapping["thresholds"]["goal_radius_m"] = 0.1
    with pytest.raises(ConfigurationError, match="goal_radius_m is not a known key"):
        task_from_mapping(mapping, source="x.yaml")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("thresholds", "lift_height_m"), 0.0, "lift_height_m is 0.0 m; expected 0 < value"),
        (("potentials",), {"reach_distance_m": 0}, "potentials.reach_distance_m is 0.0 m"),
        (("potentials",), {"grasp_weight": 0.9}, "expected <= 1"),
        (("potentials",), {"disabled_stages": ["grap"]}, 'Did you mean "grasp"'),
        (("family",), "stak", 'Did you mean "stack"'),
        (("schema_version",), 2, "schema_version is 2; expected 1"),
        (("instructions",), [], "instructions is empty"),
        (("timeout_s",), 8000.0, "Seconds, not milliseconds"),
        (("goal",), {"source": "none"}, "needs a goal"),
        (("objects", "half_size_m"), [2.0, 2.0, 2.0], "half_size_m is 2.0 m"),
    ],
)
def test_a_value_out_of_range_is_one_clear_line(mapping, path, value, words):
    place = mapping
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ConfigurationError, match=words) as error:
        task_from_mapping(mapping, source="x.yaml")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("x.yaml: ")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_task(tmp_path / "none.yaml")


def test_the_published_schema_is_the_one_that_the_dataclasses_give():
    published = json.loads((ROOT / "docs/schemas/task.schema.json").read_text())
    assert published == task_schema(), "run: python -m stage_core.task_schema > docs/schemas/task.schema.json"


def test_the_schema_names_the_thresholds_of_every_family_and_no_others():
    schema = task_schema()
    told = {rule["if"]["properties"]["family"]["const"]: rule["then"]["properties"]["thresholds"]["$ref"] for rule in schema["allOf"]}
    assert told == {name: f"#/$defs/{family.thresholds.__name__}" for name, family in task_module.FAMILIES.items()}
    assert set(schema["properties"]["family"]["enum"]) == set(task_module.FAMILIES)
    assert "goal_radius_m" not in schema["$defs"]["StackThresholds"]["properties"]


def test_a_taught_goal_has_its_place_in_the_file_and_no_other_kind_has(mapping):
    mapping["goal"] = {"source": "taught", "position_m": [0.5, -0.1, 0.02], "orientation_xyzw": [0.0, 0.0, 0.0, 1.0]}
    assert task_from_mapping(mapping, source="x.yaml").goal.position_m == (0.5, -0.1, 0.02)
    mapping["goal"]["source"] = "tag"
    with pytest.raises(ConfigurationError, match="goal.position_m is given, but source is tag; expected a pose for a taught goal alone"):
        task_from_mapping(mapping, source="x.yaml")
    mapping["goal"] = {"source": "taught", "position_m": [50, -10, 2]}
    with pytest.raises(ConfigurationError, match="goal.position_m is .* expected three numbers below 10 m"):
        task_from_mapping(mapping, source="x.yaml")
    mapping["goal"] = {"source": "taught", "orientation_xyzw": [1.0, 0.0, 0.0, 1.0]}
    with pytest.raises(ConfigurationError, match="goal.orientation_xyzw has length 1.4142; expected 1"):
        task_from_mapping(mapping, source="x.yaml")


@pytest.mark.parametrize(("block", "key"), [("goal", "offset_m"), ("objects", "grasp_offset_m")])
@pytest.mark.parametrize("value", [4.0, float("inf"), -4.0])
def test_an_offset_in_centimetres_or_without_end_is_refused(mapping, block, key, value):
    mapping[block][key] = [0.0, 0.0, value]
    with pytest.raises(ConfigurationError, match=f"{block}.{key} has {value} m; .* Metres, not centimetres"):
        task_from_mapping(mapping, source="x.yaml")


def test_the_schema_knows_exactly_the_keys_that_the_loader_knows():
    from stage_core.estimators_settings import SensingConfig

    kinds = {"SensingConfig": SensingConfig}
    schema = json.loads((ROOT / "docs/schemas/task.schema.json").read_text())
    assert set(schema["properties"]) == {entry.name for entry in dataclasses.fields(task_module.TaskConfig)}
    for name, definition in schema["$defs"].items():
        fields = dataclasses.fields(kinds.get(name) or getattr(task_module, name))
        assert set(definition["properties"]) == {entry.name for entry in fields}
        assert definition["additionalProperties"] is False
        for entry in fields:
            if "maximum" in entry.metadata:
                assert definition["properties"][entry.name]["maximum"] == entry.metadata["maximum"]
                assert definition["properties"][entry.name].get("default") == entry.default


def test_key_names_carry_their_unit():
    suffixes = {"m": "_m", "s": "_s", "N": "_n", "m/s": "_m_s", "rad": "_rad", "rad/s": "_rad_s", "1/m": "_per_m"}
    for kind in (*{family.thresholds for family in task_module.FAMILIES.values()}, task_module.CostsConfig, task_module.PotentialsConfig):
        for entry in dataclasses.fields(kind):
            unit = entry.metadata.get("unit", "")
            if unit:
                assert entry.name.endswith(suffixes[unit])
