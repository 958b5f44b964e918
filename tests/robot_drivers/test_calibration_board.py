"""The board: found to a fraction of a pixel, printed in its true size, and refused in words where it cannot be used."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import calibration_rig as rig
import cv2
import numpy as np
import pytest

from robot_drivers.calibration.board import BoardDescription, BoardDetector
from robot_drivers.calibration.board_print import board_cells, board_image, render_board
from robot_drivers.calibration.camera_model import CameraModel
from stage_core.errors import ConfigurationError


@pytest.fixture(scope="module")
def detector():
    return BoardDetector(rig.BOARD)


@pytest.fixture(scope="module")
def scene():
    return rig.make_scene("hand", count=6, seed=1)


def expected_pixels(scene, i, ids):
    pose = scene.board_in_camera(i)
    points = (rig.BOARD.corners[ids] @ pose[:3, :3].T + pose[:3, 3]) @ rig.LENS.intrinsics.T
    return points[:, :2] / points[:, 2:]


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_corners_are_where_they_were_drawn(detector, scene, noise):
    for i in range(6):
        found = detector.detect(rig.draw(rig.BOARD, scene.board_in_camera(i), noise=noise, seed=i))
        assert found.problem == "" and found.ids.size >= 25
        error = found.pixels - expected_pixels(scene, i, found.ids)
        assert np.abs(error.mean(axis=0)).max() < 0.05, "all corners are shifted: another pixel convention?"
        assert np.sqrt((error**2).sum(axis=1).mean()) < 0.12


def test_a_grey_image_gives_the_same_corners_as_one_in_colour(detector, scene):
    image = rig.draw(rig.BOARD, scene.board_in_camera(0))
    assert np.array_equal(detector.detect(image).pixels, detector.detect(image[:, :, 0].copy()).pixels)


def test_a_blurred_image_is_refused(detector, scene):
    image = rig.draw(rig.BOARD, scene.board_in_camera(0))
    assert detector.detect(image).edge_width < 3.0
    assert "blurred" in detector.detect(cv2.GaussianBlur(image, (0, 0), 2.2)).problem
    assert detector.detect(cv2.GaussianBlur(image, (0, 0), 4.0)).problem != ""


def test_a_mirrored_image_is_named(detector, scene):
    image = rig.draw(rig.BOARD, scene.board_in_camera(0))
    assert "mirrored" in detector.detect(image[:, ::-1].copy()).problem


def test_another_board_is_named(scene):
    other = BoardDetector(BoardDescription(square_m=0.03, marker_m=0.022, columns=4, rows=6))
    problem = other.detect(rig.draw(rig.BOARD, scene.board_in_camera(0))).problem
    assert "another board" in problem or "corners seen" in problem


def test_an_empty_image_and_a_part_of_a_board_are_told(detector, scene):
    assert detector.detect(np.full((480, 640, 3), 90, np.uint8)).problem == "no board seen"
    image = rig.draw(rig.BOARD, scene.board_in_camera(0))
    center = expected_pixels(scene, 0, np.array([17]))[0]
    image[:, int(center[0]) :] = 120
    image[int(center[1]) :] = 120
    found = detector.detect(image)
    assert 0 < found.ids.size < 10 and "bring the whole board" in found.problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"square_m": 30.0}, "Millimetres, not metres"),
        ({"marker_m": 0.03}, "0.4 to 0.9"),
        ({"columns": 3}, "4 to 30"),
        ({"dictionary": "DICT_4X4_5"}, "Did you mean"),
        ({"columns": 20}, "has fewer"),
    ],
)
def test_a_board_that_cannot_be_is_refused(change, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        BoardDescription(**{"square_m": 0.03, "marker_m": 0.022, **change})


def test_the_printed_rectangles_are_opencvs_board():
    pixels = 300  # of a square, so 220 of a marker and 36.7 of its cells
    picture = board_image(rig.BOARD, pixels_per_square=pixels, margin=0)
    drawn = np.full_like(picture, 255)
    origins, sizes = board_cells(rig.BOARD)
    scale = pixels / rig.BOARD.square_m
    for (x, y), size in zip(origins * scale, sizes * scale, strict=True):
        drawn[round(y) : round(y + size), round(x) : round(x + size)] = 0
    # Cells end between pixels: the outermost pixels of each may differ, what is left after thinning must not.
    different = cv2.erode((drawn != picture).astype(np.uint8), np.ones((7, 7), np.uint8))
    assert different.sum() == 0


def test_the_pdf_has_the_true_size():
    data = render_board(rig.BOARD, Path("board.pdf"))
    text = data.decode("latin-1")
    box = [float(value) for value in re.search(r"/MediaBox \[([^\]]+)\]", text).group(1).split()]
    assert box[2:] == pytest.approx([297 / 25.4 * 72, 210 / 25.4 * 72], abs=1e-2)
    assert float(re.search(r"^([\d.]+) 0 0 [\d.]+ 0 0 cm", text, re.MULTILINE).group(1)) == pytest.approx(72 / 25.4, abs=1e-6)
    squares = [[float(value) for value in line.split()[:4]] for line in text.splitlines() if line.endswith(" re f")]
    wide = [square for square in squares if square[2] > 20]
    assert len(wide) == 24 and all(square[2] == pytest.approx(30.0, abs=0.02) for square in wide)
    assert max(s[0] + s[2] for s in wide) - min(s[0] for s in wide) == pytest.approx(240.0, abs=0.02)
    table = int(re.search(r"startxref\n(\d+)", text).group(1))
    assert data[table:].startswith(b"xref")
    for number, place in enumerate(re.findall(r"^(\d{10}) 00000 n", text, re.MULTILINE), start=1):
        assert data[int(place) :].startswith(b"%d 0 obj" % number)


def test_the_png_says_its_resolution_and_holds_the_board():
    data = render_board(rig.BOARD, Path("board.png"))
    place = data.index(b"pHYs")
    across, down, unit = struct.unpack(">IIB", data[place + 4 : place + 13])
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert (across, down, unit) == (20000, 20000, 1)
    assert image.shape == (6 * 600 + 600, 8 * 600 + 600)
    assert BoardDetector(rig.BOARD).detect(cv2.resize(image, None, fx=0.15, fy=0.15)).ids.size == len(rig.BOARD.corners)


@pytest.mark.parametrize(
    ("board", "path", "words"),
    [
        (BoardDescription(square_m=0.04, marker_m=0.03), "board.pdf", "does not fit on a4"),
        (rig.BOARD, "board.jpg", "ends in .pdf or .png"),
    ],
)
def test_what_cannot_be_printed_is_refused(board, path, words):
    with pytest.raises(ConfigurationError, match=words):
        render_board(board, Path(path))


def test_distortion_is_taken_out_of_corners():
    lens = CameraModel(width=640, height=480, intrinsics=rig.LENS.intrinsics, distortion=np.array([0.08, -0.12, 0.001, -0.002, 0.01]))
    points = np.array([[0.0, 0.0, 1.0], [0.3, -0.2, 1.0], [-0.4, 0.3, 1.0]])
    shown = cv2.projectPoints(points, np.zeros(3), np.zeros(3), lens.intrinsics, lens.distortion)[0].reshape(-1, 2)
    ideal = points @ lens.intrinsics.T
    assert lens.undistort(shown) == pytest.approx(ideal[:, :2] / ideal[:, 2:], abs=0.01)


def test_the_hash_of_intrinsics_changes_with_them_and_with_nothing_else():
    again = CameraModel(width=640, height=480, intrinsics=rig.LENS.intrinsics + 1e-9, distortion=np.zeros(5))
    other = CameraModel(width=640, height=480, intrinsics=rig.LENS.intrinsics + 0.1, distortion=np.zeros(5))
    assert again.sha256 == rig.LENS.sha256 != other.sha256


def test_a_camera_without_intrinsics_is_refused():
    with pytest.raises(ConfigurationError, match="3x3 matrix with focal lengths"):
        CameraModel(width=640, height=480, intrinsics=np.full((3, 3), np.nan), distortion=np.zeros(5))
