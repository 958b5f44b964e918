"""Lens numbers of turned images and of RealSense's inverse model agree with OpenCV; clocks map as they should."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from robot_drivers.camera_clock import ClockMapping
from robot_drivers.camera_lens import camera_matrix, distort, plumb_bob_from_inverse, turn_image, turn_lens
from robot_drivers.device_context import DeviceContext
from robot_drivers.fake_camera import FakeCamera
from stage_core.errors import ConfigurationError

MATRIX = camera_matrix(150.0, 140.0, 70.0, 50.0)
DISTORTION = np.array([0.12, -0.05, 0.01, -0.02, 0.01])
WIDTH, HEIGHT = 160, 120


def project(points: np.ndarray, matrix: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Return (N, 2) pixels of (N, 3) points, by OpenCV."""
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, distortion)[0][:, 0]


def test_distortion_is_opencvs():
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2))
    seen = distort(points, DISTORTION)
    expected = project(np.hstack([points, np.ones((50, 1))]), np.eye(3), DISTORTION)
    np.testing.assert_allclose(seen, expected, atol=1e-12)


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
def test_a_turned_lens_shows_a_point_where_the_turned_image_has_it(turn_deg):
    turned_matrix, turned_distortion, width, height = turn_lens(MATRIX, DISTORTION, WIDTH, HEIGHT, turn_deg)
    image = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    assert turn_image(image, turn_deg).shape == (height, width)
    # The camera turns the other way round its axis, clockwise in the image: x right goes to y down.
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    rotation = np.linalg.matrix_power(quarter, turn_deg // 90)
    for point in np.array([[0.1, 0.2, 1.0], [-0.3, 0.1, 1.0], [0.2, -0.25, 1.0]]):
        u, v = np.round(project(point[None], MATRIX, DISTORTION)[0]).astype(int)
        image[:] = 0
        image[v, u] = 255
        v_turned, u_turned = np.argwhere(turn_image(image, turn_deg))[0]
        expected = project((rotation @ point)[None], turned_matrix, turned_distortion)[0]
        assert np.abs(expected - (u_turned, v_turned)).max() <= 0.5 + 1e-9  # the pixel that was rounded to


def test_an_inverse_lens_becomes_plumb_bob_within_a_tenth_of_a_pixel():
    inverse = np.array([-0.055, 0.066, 0.0005, -0.0007, -0.021])  # of the size that colour cameras have
    matrix = camera_matrix(610.0, 610.0, 320.0, 240.0)
    found, left = plumb_bob_from_inverse(inverse, matrix, 640, 480)
    assert left < 0.1
    shown = np.array([[0.45, -0.3]])
    straight = distort(shown, inverse)  # the inverse model leads from the picture to the straight point
    np.testing.assert_allclose(distort(straight, found), shown, atol=0.1 / 610.0)


def test_a_clock_that_drifts_is_followed_to_a_millisecond_over_an_hour():
    generator, mapping, worst = np.random.default_rng(0), ClockMapping(), 0.0
    for k in range(30 * 3600):
        capture = 1000.0 + k / 30.0
        device = 5.0 + (capture - 1000.0) * (1.0 - 50e-6)  # slow by 50 parts per million: 0.18 s in an hour
        delay = 0.004 + generator.exponential(0.006)
        stamp = mapping.measured(device, capture + delay)
        if k > 300:
            worst = max(worst, abs(stamp - 0.004 - capture))
    assert worst < 0.002


def test_stamps_increase_when_the_device_begins_anew_and_when_two_frames_have_one_stamp():
    mapping = ClockMapping()
    stamps = [mapping.measured(device, arrival) for device, arrival in ((10.0, 100.0), (10.0, 100.1), (0.0, 100.2), (0.1, 100.3))]
    assert all(b > a for a, b in zip(stamps, stamps[1:], strict=False))
    assert stamps[-1] == pytest.approx(100.3)


def test_a_recordings_old_stamps_are_brought_to_now():
    mapping = ClockMapping()
    assert mapping.known(1_000_000.0, 1_700_000_000.0, 1_700_000_000.0) == pytest.approx(1_700_000_000.0)
    assert mapping.known(1_000_000.5, 1_700_000_000.51, 1_700_000_000.51) == pytest.approx(1_700_000_000.5, abs=0.02)


def test_a_stamp_of_this_computers_clock_is_kept():
    mapping = ClockMapping()
    assert mapping.known(50.0, 1000.02, 50.02) == pytest.approx(1000.0)


def test_a_fake_camera_stands_for_a_real_one_and_asks_for_what_it_needs():
    context = DeviceContext(name="wrist", source="cell: cameras.wrist", control_rate_hz=20.0, dry_run=True)
    camera = FakeCamera.from_settings({"width_px": 64, "height_px": 48, "rate_hz": 60.0}, context)
    camera.connect()
    assert camera.read(timeout=1.0).image.shape == (48, 64, 3)
    camera.disconnect()
    with pytest.raises(ConfigurationError, match="cameras.wrist.rate_hz is missing"):
        FakeCamera.from_settings({"width_px": 64, "height_px": 48}, context)
