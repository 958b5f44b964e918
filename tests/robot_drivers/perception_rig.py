"""Pictures of tags and of coloured boxes at known poses: a camera of our own, ray by ray, with lens, blur and noise."""

from __future__ import annotations

import cv2
import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.transforms import exponential

OVERSAMPLING = 4  # rays per pixel and axis
CELL = 40  # texture pixels per cell of a tag


def camera(width: int = 640, height: int = 480, focal: float = 600.0, distortion=(0.0,) * 5) -> CameraModel:
    """Return a camera whose optical axis meets the picture a little off its middle."""
    matrix = np.array([[focal, 0.0, width / 2 - 3.2], [0.0, focal, height / 2 + 5.7], [0.0, 0.0, 1.0]])
    return CameraModel(width=width, height=height, intrinsics=matrix, distortion=np.array(distortion, dtype=np.float64))


def facing(distance: float, tilt: float = 0.0, turn: float = 0.0, spin: float = 0.0, aside=(0.0, 0.0)) -> np.ndarray:
    """Return the (4, 4) pose in the optical frame of a tag whose face looks at the camera, tilted by angles in rad."""
    flipped = exponential(np.array([0, 0, 0, np.pi, 0, 0]))  # x right, y up, z out of the face: towards the camera
    turned = (
        exponential(np.array([0, 0, 0, tilt, 0, 0]))
        @ exponential(np.array([0, 0, 0, 0, turn, 0]))
        @ exponential(np.array([0, 0, 0, 0, 0, spin]))
    )
    pose = flipped @ turned
    pose[:3, 3] = (aside[0], aside[1], distance)
    return pose


def draw_tag(
    model: CameraModel, pose: np.ndarray, *, number: int = 7, size: float = 0.03, dictionary=cv2.aruco.DICT_APRILTAG_36h11, background=90
) -> np.ndarray:
    """Return (H, W) float64 grey values of a tag of `size` m (black border edge to edge) at `pose` in the optical frame."""
    found = cv2.aruco.getPredefinedDictionary(dictionary)
    cells = found.markerSize + 2
    texture = np.full((CELL * (cells + 2),) * 2, 255, np.uint8)
    texture[CELL:-CELL, CELL:-CELL] = cv2.aruco.generateImageMarker(found, number, CELL * cells)
    edge = size / cells  # of a cell, m
    picture = np.full((model.height, model.width), float(background))
    return paint_plane(model, pose, texture.astype(np.float64), edge / CELL, picture)


def paint_plane(model: CameraModel, pose: np.ndarray, texture: np.ndarray, pixel_m: float, picture: np.ndarray) -> np.ndarray:
    """Return `picture` with a flat texture painted in: centred on the pose's origin, rows along -y, columns along x."""
    half = np.array([texture.shape[1], texture.shape[0]]) * pixel_m / 2.0
    corners = np.array([[-half[0], -half[1], 0], [half[0], -half[1], 0], [half[0], half[1], 0], [-half[0], half[1], 0]])
    seen, _ = cv2.projectPoints(corners @ pose[:3, :3].T + pose[:3, 3], np.zeros(3), np.zeros(3), model.intrinsics, model.distortion)
    low = np.clip(np.floor(seen.min(axis=(0, 1))).astype(int) - 3, 0, (model.width, model.height))
    high = np.clip(np.ceil(seen.max(axis=(0, 1))).astype(int) + 4, 0, (model.width, model.height))
    if (high <= low).any():
        return picture
    columns = low[0] + (np.arange((high[0] - low[0]) * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    rows = low[1] + (np.arange((high[1] - low[1]) * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(pixels, model.intrinsics, model.distortion).reshape(-1, 2)
    rays = np.column_stack([rays, np.ones(len(rays))])
    scale = (pose[:3, 2] @ pose[:3, 3]) / (rays @ pose[:3, 2])
    here = (rays * scale[:, None] - pose[:3, 3]) @ pose[:3, :2] / pixel_m  # texture pixels from its centre
    shape = (len(rows), len(columns))
    across = (here[:, 0] + texture.shape[1] / 2 - 0.5).reshape(shape).astype(np.float32)
    down = (texture.shape[0] / 2 - 0.5 - here[:, 1]).reshape(shape).astype(np.float32)
    layered = np.dstack([texture, np.ones(texture.shape[:2]) * 255.0]).astype(np.float32)
    drawn = cv2.remap(layered, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    drawn = cv2.resize(drawn, (high[0] - low[0], high[1] - low[1]), interpolation=cv2.INTER_AREA)
    cover = drawn[..., -1:] / 255.0
    result = picture.copy()
    region = result[low[1] : high[1], low[0] : high[0]]
    under = region.reshape(*region.shape[:2], -1)
    under[:] = under * (1.0 - cover) + drawn[..., :-1]
    return result


def photograph(picture: np.ndarray, *, noise: float = 0.0, blur: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of a drawn picture: blurred (pixels, standard deviation), then with noise (grey values)."""
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    noisy = picture + noise * np.random.default_rng(seed).standard_normal(picture.shape)
    grey = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    return grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
