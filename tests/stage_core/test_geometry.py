import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage_core import geometry

HALF_TURN_ABOUT_Z = (0.0, 0.0, 1.0, 0.0)
QUARTER_TURN_ABOUT_Z = (0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5))
numbers = st.floats(-2.0, 2.0)
quaternions = st.tuples(numbers, numbers, numbers, numbers).filter(lambda q: math.hypot(*q) > 0.1).map(geometry.normalise)
points = st.tuples(numbers, numbers, numbers)


def matrix(q) -> np.ndarray:
    """The slow plain version of a rotation."""
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_quarter_turn_about_z_brings_x_to_y():
    assert geometry.rotate(QUARTER_TURN_ABOUT_Z, (1.0, 0.0, 0.0)) == pytest.approx((0.0, 1.0, 0.0))


@given(quaternions, points)
def test_rotation_equals_the_matrix_form(q, p):
    assert geometry.rotate(q, p) == pytest.approx(tuple(matrix(q) @ p), abs=1e-9)


@given(quaternions, quaternions)
def test_product_of_quaternions_is_the_product_of_matrices(a, b):
    np.testing.assert_allclose(matrix(geometry.quaternion_multiply(a, b)), matrix(a) @ matrix(b), atol=1e-9)


@given(quaternions)
def test_a_quaternion_and_its_negative_are_the_same_orientation(q):
    assert geometry.rotation_angle(q, tuple(-value for value in q)) == pytest.approx(0.0, abs=1e-6)
    assert geometry.alignment(q, tuple(-value for value in q)) == pytest.approx(1.0)


def test_half_a_turn_is_pi_and_no_alignment():
    assert geometry.rotation_angle((0, 0, 0, 1), HALF_TURN_ABOUT_Z) == pytest.approx(math.pi)
    assert geometry.alignment((0, 0, 0, 1), HALF_TURN_ABOUT_Z) == pytest.approx(0.0)


@given(quaternions, st.integers(0, 2))
def test_vertical_cosine_is_the_height_of_the_turned_axis(q, axis):
    assert geometry.vertical_cosine(q, axis) == pytest.approx(min(1.0, abs(matrix(q)[2, axis])), abs=1e-9)


@given(st.floats(allow_nan=False))
def test_sigmoid_never_overflows(value):
    assert 0.0 <= geometry.sigmoid(value) <= 1.0


@given(points, points, points, points)
def test_distance_to_a_polyline_equals_dense_sampling(p, a, b, c):
    shares = np.linspace(0.0, 1.0, 2001)[:, None]
    samples = np.vstack([np.add(a, shares * np.subtract(b, a)), np.add(b, shares * np.subtract(c, b))])
    sampled = np.linalg.norm(samples - np.asarray(p), axis=1).min()
    exact = geometry.point_to_polyline(p, (a, b, c))
    assert exact <= sampled + 1e-9
    assert sampled - exact < 4e-3


def test_degenerate_lines_are_points():
    assert geometry.point_to_segment((3.0, 4.0, 0.0), (0, 0, 0), (0, 0, 0)) == pytest.approx(5.0)
    assert geometry.horizontal_distance_to_line((3.0, 4.0, 9.0), (0, 0, 0), (0, 0, 5.0)) == pytest.approx(5.0)


def test_zero_quaternion_becomes_the_identity():
    assert geometry.normalise((0.0, 0.0, 0.0, 0.0)) == (0.0, 0.0, 0.0, 1.0)
