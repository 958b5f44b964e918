"""What lies between exact numbers and sensors: as large as it says, and the same again for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robot_drivers.calibration.transforms import difference
from sim_bridge.sensed_noise import SensorNoise
from sim_bridge.sensed_recording import SensorLog

NOISE = SensorNoise()


def still_log(steps: int = 400) -> SensorLog:
    return SensorLog(
        stamps=0.05 * np.arange(steps),
        ee_positions=np.tile([0.5, 0.0, 0.2], (steps, 1)),
        ee_orientations=np.tile([1.0, 0.0, 0.0, 0.0], (steps, 1)),
        widths=np.full(steps, 0.04),
        efforts=np.full(steps, 20.0),
        wrenches=np.zeros((steps, 3)),
        openings=np.zeros(steps),
    )


def test_the_same_seed_gives_the_same_sensors_and_another_does_not() -> None:
    first, again, other = (NOISE.sensors(still_log(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(again, name))
    assert not np.array_equal(first.widths, other.widths)


def test_the_noise_of_each_sensor_is_as_large_as_it_says() -> None:
    noisy = NOISE.sensors(still_log(), np.random.default_rng(3))
    assert noisy.widths.std() == pytest.approx(NOISE.width_m, rel=0.2)
    assert noisy.efforts.std() == pytest.approx(NOISE.effort_n, rel=0.2)
    assert noisy.wrenches.std(axis=0) == pytest.approx([NOISE.force_n] * 3, rel=0.2)  # the offset is the episode's, not noise
    assert noisy.ee_positions.std(axis=0) == pytest.approx([NOISE.position_m] * 3, rel=0.2)


def test_the_log_that_was_given_stays_exact() -> None:
    log = still_log()
    NOISE.sensors(log, np.random.default_rng(4))
    np.testing.assert_array_equal(log.widths, 0.04)


@pytest.mark.parametrize("seed", range(20))
def test_extrinsics_are_wrong_by_2_to_5_mm_and_half_a_degree(seed: int) -> None:
    camera = np.eye(4)
    camera[:3, 3] = [1.0, 0.4, 0.5]
    moved, turned = difference(camera, NOISE.extrinsics(camera, np.random.default_rng(seed)))
    assert 0.002 <= moved <= 0.005
    assert turned == pytest.approx(math.radians(0.5), abs=1e-6)


def test_every_image_is_known_one_or_two_steps_late() -> None:
    assert set(NOISE.latencies(100, np.random.default_rng(5)).tolist()) == {1, 2}


def test_depth_has_holes_and_errors_that_grow_with_distance() -> None:
    near, far = (NOISE.depths(np.full((2, 60, 80), depth, np.uint16), np.random.default_rng(6)) for depth in (500, 2000))
    assert (near == 0).mean() == pytest.approx(NOISE.depth_holes, rel=0.3)
    # 0.002 · 2² m is 8 mm; at half a metre 0.5 mm, beside which the rounding to whole mm counts, 0.29 mm.
    assert far[far > 0].std() == pytest.approx(8.0, rel=0.1)
    assert near[near > 0].std() == pytest.approx(math.hypot(0.5, 0.29), rel=0.15)


def test_images_stay_images() -> None:
    images = np.random.default_rng(7).choice(np.array([0, 128, 255], np.uint8), size=(1, 40, 40, 3))
    noisy = NOISE.colours(images, np.random.default_rng(8))
    assert noisy.dtype == np.uint8 and noisy.shape == images.shape
    middle = noisy[images == 128].astype(float)
    assert middle.std() == pytest.approx(NOISE.pixel, rel=0.1)
