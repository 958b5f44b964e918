"""episode.json: fields, validation, and the published JSON Schema."""

import dataclasses
import json
import typing
from pathlib import Path

import pytest

from stage_core.errors import ConfigurationError
from stage_recorder import schema

PUBLISHED = Path(__file__).resolve().parents[2] / "docs/schemas/episode.schema.json"


def valid(**changes):
    return {**schema.new_metadata("20260101T000000Z_PushCube_aaaaaa", task="PushCube"), **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operatr": "me"}, 'operatr is not a known key. Did you mean "operator"'),
        ({"seed": "one"}, "seed is 'one'; expected a whole number"),
        ({"outcome": {"value": "good"}}, "outcome.value is 'good'; expected one of success, failure"),
        ({"state": "done"}, "state is 'done'; expected one of recording, saved"),
        ({"schema_version": 2}, "schema_version is 2; this Stage reads up to 1. Update Stage"),
        ({"id": ""}, "id is ''"),
    ],
)
def test_a_wrong_field_gives_one_line_that_names_it(changes, words):
    with pytest.raises(ConfigurationError) as error:
        schema.validated(valid(**changes), source="episode.json")
    assert words in str(error.value)
    assert str(error.value).startswith("episode.json: ")
    assert "\n" not in str(error.value)


def test_an_unknown_key_in_the_file_is_rejected_on_reading(tmp_path):
    (tmp_path / "episode.json").write_text(json.dumps(valid(colour="red")))
    with pytest.raises(ConfigurationError, match="colour is not a known key"):
        schema.read_metadata(tmp_path)


def test_metadata_come_back_as_written(tmp_path):
    metadata = valid(seed=3, settings={"noise": 0.1}, cameras=[{"name": "base", "width": 8, "height": 6}])
    schema.write_metadata(tmp_path, metadata)
    again = schema.read_metadata(tmp_path)
    assert again["seed"] == 3
    assert again["settings"] == {"noise": 0.1}
    assert again["cameras"][0]["encoding"] == "rgb8"
    assert [path.name for path in tmp_path.iterdir()] == ["episode.json"]


def test_the_published_schema_has_the_fields_of_the_dataclass():
    published = json.loads(PUBLISHED.read_text())
    places = {"": schema.EpisodeMetadata, "outcome": schema.Outcome, "camera": schema.CameraDescription, "source": schema.SourceSegment}
    for name, kind in places.items():
        entry = published if not name else published["$defs"][name]
        fields = {field.name: field for field in dataclasses.fields(kind)}
        assert set(entry["properties"]) == set(fields)
        assert entry["additionalProperties"] is False
        required = {field.name for field in fields.values() if field.default is field.default_factory is dataclasses.MISSING}
        assert set(entry["required"]) == required
    hints = typing.get_type_hints(schema.Outcome)
    assert published["$defs"]["outcome"]["properties"]["value"]["enum"] == list(typing.get_args(hints["value"]))
