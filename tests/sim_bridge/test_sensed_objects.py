"""From painted pictures to poses: cubes by their colour, the peg by its halves, and what is not said when it cannot be known."""

from __future__ import annotations

import numpy as np
import pytest

from robot_drivers.calibration.camera_model import CameraModel
from sim_bridge.sensed_objects import GOAL, LOOKS, OBJECT, Sight, look, peg_of_halves
from stage_core.geometry import rotate

FOCAL, WIDTH, HEIGHT, DISTANCE = 260.0, 320, 240, 0.8
MODEL = CameraModel(
    width=WIDTH,
    height=HEIGHT,
    intrinsics=np.array([[FOCAL, 0.0, 159.5], [0.0, FOCAL, 119.5], [0.0, 0.0, 1.0]]),
    distortion=np.zeros(5),
)
WOOD, BLUE, RED, GREEN = (220, 130, 85), (45, 85, 150), (180, 10, 10), (10, 180, 10)


def picture(*squares: tuple[tuple[int, int, int], int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return colour and depth of coloured rectangles (colour, row, column, rows, columns) on wood, all 0.8 m away."""
    colour = np.full((HEIGHT, WIDTH, 3), WOOD, np.uint8)
    for paint, row, column, rows, columns in squares:
        colour[row : row + rows, column : column + columns] = paint
    return colour, np.full((HEIGHT, WIDTH), DISTANCE, np.float32)


def test_a_blue_cube_is_found_where_it_was_painted() -> None:
    (seen,) = look("PushCube", *picture((BLUE, 90, 180, 14, 14)), MODEL, np.eye(4))
    assert seen.name == OBJECT and seen.orientation is None and seen.confidence > 0.6
    # Columns 180 to 193 have their middle at 186.5: (186.5 - 159.5) / 260 of the distance; rows alike.
    ray = np.array([(186.5 - 159.5) / FOCAL, (96.5 - 119.5) / FOCAL, 1.0])
    centre = DISTANCE * ray + LOOKS["PushCube"]["cube"].surface_to_centre_m * ray / np.linalg.norm(ray)
    np.testing.assert_allclose(seen.position, centre, atol=1e-3)


def test_the_camera_pose_carries_the_position_into_the_base_frame() -> None:
    camera = np.eye(4)
    camera[:3, 3] = [1.0, 2.0, 3.0]
    image = picture((BLUE, 90, 180, 14, 14))
    (here,), (there,) = look("PullCube", *image, MODEL, np.eye(4)), look("PullCube", *image, MODEL, camera)
    np.testing.assert_allclose(there.position, here.position + [1.0, 2.0, 3.0], atol=1e-9)


def test_without_a_blue_thing_it_says_that_it_looked_and_saw_nothing() -> None:
    (seen,) = look("PushCube", *picture(), MODEL, np.eye(4))
    assert seen.position is None and seen.confidence == 0.0


def test_a_half_hidden_lower_cube_is_no_goal() -> None:
    whole = look("StackCube", *picture((RED, 60, 100, 14, 14), (GREEN, 100, 200, 15, 15)), MODEL, np.eye(4))
    hidden = look("StackCube", *picture((RED, 60, 100, 14, 14), (GREEN, 100, 200, 11, 15)), MODEL, np.eye(4))
    assert [sight.name for sight in whole] == [OBJECT, GOAL]
    assert [sight.name for sight in hidden] == [OBJECT]


def sight(x: float, y: float, z: float, confidence: float = 1.0) -> Sight:
    return Sight(name="half", position=np.array([x, y, z]), confidence=confidence)


@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.6, -0.8), (-0.6, 0.8, 0.0)])
def test_the_peg_lies_from_one_half_to_the_other(axis: tuple[float, float, float]) -> None:
    middle, direction = np.array([0.6, 0.1, 0.05]), np.array(axis)
    peg = peg_of_halves(sight(*(middle - 0.06 * direction)), sight(*(middle + 0.06 * direction), 0.8))
    np.testing.assert_allclose(peg.position, middle, atol=1e-12)
    np.testing.assert_allclose(rotate(peg.orientation, (1.0, 0.0, 0.0)), axis, atol=1e-9)
    assert peg.confidence == 0.8  # the less sure half's


def test_halves_too_near_to_one_another_are_not_believed() -> None:
    assert peg_of_halves(sight(0.0, 0.0, 0.0), sight(0.07, 0.0, 0.0)).confidence == 0.0


def test_a_peg_of_which_one_half_is_hidden_is_not_seen() -> None:
    assert peg_of_halves(Sight(name="near", position=None), sight(0.0, 0.0, 0.0)).position is None
