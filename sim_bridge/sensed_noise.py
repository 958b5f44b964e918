"""What lies between the simulator's exact numbers and a real robot's sensors. Start at `SensorNoise`.

Every amount is named and in one place; every draw comes from the generator that is passed, so that a seed gives the same noise again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from robot_drivers.calibration.transforms import exponential
from sim_bridge.sensed_recording import SensorLog


@dataclass(frozen=True, kw_only=True)
class SensorNoise:
    """How far sensors are from the truth; standard deviations where nothing else is said.

    Attributes:
        position_m: Of the hand's position, each axis.
        width_m: Of the finger width.
        effort_n: Of the finger force.
        force_n: Of each component of the wrist's force.
        force_bias_n: Of each component's constant offset, drawn once per episode.
        pixel: Of each colour value, of 255.
        depth_share: Of depth, as a share of its square in m: 0.002 is 1 mm at 0.7 m.
        depth_holes: Share of pixels without depth.
        extrinsic_m: Least and greatest length of the error of the camera's calibrated position, once per episode.
        extrinsic_rad: Angle of the error of its calibrated orientation, once per episode.
        latency_steps: Fewest and most control steps from the capture of an image to its pose.
        taught_m: Of each axis of a goal that was taught by driving the arm there.
    """

    position_m: float = 0.0005
    width_m: float = 0.0001
    effort_n: float = 1.0
    force_n: float = 0.3
    force_bias_n: float = 1.0
    pixel: float = 5.0
    depth_share: float = 0.002
    depth_holes: float = 0.02
    extrinsic_m: tuple[float, float] = (0.002, 0.005)
    extrinsic_rad: float = math.radians(0.5)
    latency_steps: tuple[int, int] = (1, 2)
    taught_m: float = 0.002

    def sensors(self, log: SensorLog, generator: np.random.Generator) -> SensorLog:
        """Return the log as sensors would have it."""
        steps = len(log)
        return replace(
            log,
            ee_positions=log.ee_positions + generator.normal(0.0, self.position_m, (steps, 3)),
            widths=np.clip(log.widths + generator.normal(0.0, self.width_m, steps), 0.0, None),
            efforts=log.efforts + generator.normal(0.0, self.effort_n, steps),
            wrenches=log.wrenches + generator.normal(0.0, self.force_n, (steps, 3)) + generator.normal(0.0, self.force_bias_n, 3),
        )

    def colours(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return noisy (F, H, W, 3) uint8 images."""
        noisy = np.empty_like(images)
        for index, image in enumerate(images):  # one at a time: noise in float64 is eight times the image
            noisy[index] = np.clip(np.rint(image + generator.normal(0.0, self.pixel, image.shape)), 0, 255)
        return noisy

    def depths(self, depths: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return noisy (F, H, W) uint16 mm depths; 0 where nothing was measured."""
        noisy = np.empty_like(depths)
        for index, depth in enumerate(depths):
            metres = depth / 1000.0
            measured = metres + self.depth_share * metres**2 * generator.normal(0.0, 1.0, depth.shape)
            unknown = (depth == 0) | (generator.random(depth.shape) < self.depth_holes)
            noisy[index] = np.where(unknown, 0, np.clip(np.rint(1000.0 * measured), 0, 65535))
        return noisy

    def extrinsics(self, camera_in_base: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return (4, 4): where calibration believes the camera to be."""
        shift = generator.uniform(*self.extrinsic_m) * _direction(generator)
        return camera_in_base @ exponential(np.concatenate([shift, self.extrinsic_rad * _direction(generator)]))

    def latencies(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Return (count,) control steps from capture to pose."""
        low, high = self.latency_steps
        return generator.integers(low, high + 1, count)

    def taught(self, position: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return (3,) m: a goal as an operator taught it."""
        return position + generator.normal(0.0, self.taught_m, 3)


def _direction(generator: np.random.Generator) -> np.ndarray:
    vector = generator.normal(size=3)
    return vector / np.linalg.norm(vector)
