"""Coloured boxes with depth at known places, and the settings file of all objects."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import perception_rig as rig
import pytest

from robot_drivers.perception.colour_pose import colour_mask, locate_by_colour
from robot_drivers.perception.locator import make_locator
from robot_drivers.perception.settings import ColourObject, Tag, TagObject, load_perception, perception_from_mapping
from robot_drivers.perception.tag_detector import FAMILIES
from stage_core.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
RED = ColourObject(
    method="colour", camera="base", hue_deg=(340.0, 20.0), saturation=(0.5, 1.0), value=(0.2, 1.0), size_m=0.04, surface_to_centre_m=0.02
)
SIDE = 0.04
BACKGROUND_M = 0.9


def scene(model, pose, *, colour=(200.0, 30.0, 30.0), hole=None, seed=0, noise=5.0, depth_noise=0.002):
    """Return image and depth of a face `SIDE` m wide at `pose`, before a grey wall; `hole` is a slice of columns hidden by a finger."""
    texture = np.full((80, 80, 3), colour)
    picture = rig.paint_plane(model, pose, texture, SIDE / 80, np.full((model.height, model.width, 3), 110.0))
    cover = rig.paint_plane(model, pose, np.full((80, 80), 255.0), SIDE / 80, np.zeros((model.height, model.width)))
    rows, columns = np.mgrid[: model.height, : model.width]
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(model.intrinsics).T
    plane = (pose[:3, 2] @ pose[:3, 3]) / (rays @ pose[:3, 2])
    depth = np.where(cover > 128, plane, BACKGROUND_M)
    if hole is not None:
        picture[:, hole], depth[:, hole] = 60.0, 0.2
    depth = depth + depth_noise * np.random.default_rng(seed).standard_normal(depth.shape)
    return rig.photograph(picture, noise=noise, blur=0.8, seed=seed), depth.astype(np.float32)


def centre(pose) -> np.ndarray:
    return pose[:3, 3] + 0.02 * pose[:3, 3] / np.linalg.norm(pose[:3, 3])


def test_a_box_is_located_to_two_millimetres():
    model = rig.camera()
    for seed, aside in enumerate([(0.0, 0.0), (0.1, -0.05), (-0.12, 0.08)]):
        pose = rig.facing(0.5, 0.2, -0.1, 0.3, aside)
        seen = locate_by_colour(*scene(model, pose, seed=seed), model, RED)
        assert np.linalg.norm(seen.position - centre(pose)) < 0.002
        assert seen.confidence > 0.8
        assert seen.orientation is None


def test_holes_and_flying_pixels_in_the_depth_do_not_move_it():
    model, pose = rig.camera(), rig.facing(0.5)
    image, depth = scene(model, pose)
    random = np.random.default_rng(1)
    depth[random.random(depth.shape) < 0.2] = np.nan
    depth[random.random(depth.shape) < 0.1] = 0.0
    depth[random.random(depth.shape) < 0.1] = 3.0
    seen = locate_by_colour(image, depth, model, RED)
    assert np.linalg.norm(seen.position - centre(pose)) < 0.003
    assert 0.4 < seen.confidence < 0.8


def test_a_half_hidden_box_is_half_as_sure():
    model, pose = rig.camera(), rig.facing(0.5)
    column = int(model.intrinsics[0, 2])
    clear = locate_by_colour(*scene(model, pose), model, RED)
    hidden = locate_by_colour(*scene(model, pose, hole=slice(column, column + 40)), model, RED)
    assert hidden.confidence == pytest.approx(clear.confidence / 2, abs=0.1)
    assert np.linalg.norm(hidden.position - centre(pose)) < 0.015


def test_a_hidden_box_or_one_of_another_colour_is_not_seen():
    model, pose = rig.camera(), rig.facing(0.5)
    assert locate_by_colour(*scene(model, pose, hole=slice(200, 420)), model, RED) is None
    assert locate_by_colour(*scene(model, pose, colour=(30.0, 180.0, 40.0)), model, RED) is None


def test_a_box_without_any_depth_is_not_seen():
    model, pose = rig.camera(), rig.facing(0.5)
    image, depth = scene(model, pose)
    assert locate_by_colour(image, np.full_like(depth, np.nan), model, RED) is None


def test_more_of_the_colour_than_the_object_can_show_is_trusted_with_nothing():
    model = rig.camera()
    image, depth = scene(model, rig.facing(0.5))
    assert locate_by_colour(image, depth, model, dataclasses.replace(RED, size_m=0.015)).confidence == 0.0


def test_a_box_cut_by_the_edge_of_the_picture_is_less_sure():
    model = rig.camera()
    cut = locate_by_colour(*scene(model, rig.facing(0.5, aside=(0.26, 0.0))), model, RED)
    assert cut.confidence < 0.5


def test_hues_wrap_over_red_and_do_not_elsewhere():
    image = np.zeros((1, 4, 3), np.uint8)
    image[0] = [(255, 0, 20), (255, 30, 0), (0, 255, 0), (0, 0, 255)]
    assert colour_mask(image, RED).tolist() == [[True, True, False, False]]
    assert colour_mask(image, dataclasses.replace(RED, hue_deg=(100.0, 140.0))).tolist() == [[False, False, True, False]]


def test_depth_of_another_size_is_refused():
    model = rig.camera()
    with pytest.raises(ValueError, match="expected depth aligned"):
        locate_by_colour(np.zeros((480, 640, 3), np.uint8), np.zeros((240, 320), np.float32), model, RED)
    with pytest.raises(ValueError, match="depth is None"):
        make_locator(RED).locate(np.zeros((480, 640, 3), np.uint8), None, model)


TAG_ENTRY = {
    "method": "tag",
    "camera": "base",
    "family": "tag36h11",
    "tags": [{"id": 7, "size_m": 0.03, "object_position_m": [0, 0, -0.02], "object_orientation_xyzw": [0, 0, 0, 1]}],
}


def file_with(**changes) -> dict:
    return {"schema_version": 1, "objects": {"cube": {**TAG_ENTRY, **changes}}}


def test_a_file_gives_its_objects():
    found = perception_from_mapping(file_with(), source="here.yaml")
    assert isinstance(found["cube"], TagObject)
    assert found["cube"].tags[0].object_in_tag[2, 3] == -0.02


@pytest.mark.parametrize("field", ["id", "size_m", "object_position_m", "object_orientation_xyzw"])
def test_nothing_of_a_tag_is_guessed(field):
    tag = {key: value for key, value in TAG_ENTRY["tags"][0].items() if key != field}
    with pytest.raises(ConfigurationError, match=rf"here.yaml: objects.cube.tags\[0\].{field} is missing"):
        perception_from_mapping(file_with(tags=[tag]), source="here.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "tags"}, 'Did you mean "tag"'),
        ({"familee": "tag36h11"}, 'objects.cube.familee is not a known key. Did you mean "family"'),
        ({"family": "tag36h12"}, 'Did you mean "tag36h11"'),
        ({"tags": []}, "expected at least one"),
        ({"tags": [{**TAG_ENTRY["tags"][0], "size_m": 30.0}]}, "Metres, not millimetres"),
        ({"tags": TAG_ENTRY["tags"] * 2}, "each once"),
    ],
)
def test_a_wrong_entry_is_told_with_its_place(changes, words):
    with pytest.raises(ConfigurationError, match="here.yaml: objects.cube") as caught:
        perception_from_mapping(file_with(**changes), source="here.yaml")
    assert words in str(caught.value)


def test_opencvs_own_units_of_colour_are_told_apart():
    colour = {"method": "colour", "camera": "base", "hue_deg": [0, 20], "saturation": [120, 255], "value": [0.2, 1.0]}
    entry = {**colour, "size_m": 0.04, "surface_to_centre_m": 0.02}
    with pytest.raises(ConfigurationError, match="Divide OpenCV's values by 255"):
        perception_from_mapping({"schema_version": 1, "objects": {"cube": entry}}, source="here.yaml")


def test_an_object_whose_name_is_no_topic_is_refused():
    with pytest.raises(ConfigurationError, match="Red Cube"):
        perception_from_mapping({"schema_version": 1, "objects": {"Red Cube": TAG_ENTRY}}, source="here.yaml")


def test_a_file_of_another_version_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("schema_version: 2\nobjects: {}\n")
    with pytest.raises(ConfigurationError, match="mine.yaml: schema_version is 2"):
        load_perception(path)


def test_the_schema_knows_exactly_the_keys_and_the_families_that_the_loader_knows():
    schema = json.loads((ROOT / "docs/schemas/perception.schema.json").read_text())
    for kind in (Tag, TagObject, ColourObject):
        definition, fields = schema["$defs"][kind.__name__], dataclasses.fields(kind)
        assert set(definition["properties"]) == {entry.name for entry in fields}
        assert set(definition["required"]) == {entry.name for entry in fields if entry.default is dataclasses.MISSING}
    pattern = schema["$defs"]["TagObject"]["properties"]["family"]["pattern"]
    assert [family for family in FAMILIES if not re.fullmatch(pattern, family)] == []
