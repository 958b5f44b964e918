"""A camera's lens as numbers: the camera matrix, plumb-bob distortion, and both for an image that is turned."""

from __future__ import annotations

import numpy as np

TURNS_DEG = (0, 90, 180, 270)


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Return the (3, 3) float64 camera matrix, pixels."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def turn_image(image: np.ndarray, turn_deg: int) -> np.ndarray:
    """Return (H, W, ...) turned clockwise by a multiple of 90 degrees, contiguous; the same array for 0."""
    return image if turn_deg == 0 else np.ascontiguousarray(np.rot90(image, k=-turn_deg // 90))


def turn_lens(
    matrix: np.ndarray, distortion: np.ndarray, width: int, height: int, turn_deg: int
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return camera matrix, distortion, width and height of an image that `turn_image` turned.

    Args:
        matrix: (3, 3) pixels, of the image as it was.
        distortion: (5,) plumb-bob k1 k2 p1 p2 k3.
        width: Pixels, of the image as it was.
        height: Pixels.
        turn_deg: Clockwise, one of TURNS_DEG.
    """
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    k1, k2, p1, p2, k3 = distortion
    for _ in range(turn_deg // 90):
        # A pixel (u, v) goes to (height - 1 - v, u). The tangential part is 2 (p.x) x + r^2 p with p = (p2, p1): p turns as x does.
        fx, fy, cx, cy = fy, fx, height - 1 - cy, cx
        p2, p1 = -p1, p2
        width, height = height, width
    return camera_matrix(fx, fy, cx, cy), np.array([k1, k2, p1, p2, k3]), width, height


def distort(points: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Return (N, 2) normalised image points as the lens shows them.

    Args:
        points: (N, 2) x/z and y/z in the optical frame.
        distortion: (5,) plumb-bob k1 k2 p1 p2 k3.
    """
    return points + _distortion_terms(points) @ distortion


def plumb_bob_from_inverse(coefficients: np.ndarray, matrix: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """Return (5,) plumb-bob coefficients for a lens whose coefficients undo the distortion instead.

    Args:
        coefficients: (5,) k1 k2 p1 p2 k3 of the inverse: they lead from the picture to the undistorted point.
        matrix: (3, 3) pixels.
        width: Pixels.
        height: Pixels.

    Returns:
        The coefficients, and the largest error that they leave, pixels. The fit is linear, over a grid on the picture.
    """
    u, v = np.meshgrid(np.linspace(0, width - 1, 24), np.linspace(0, height - 1, 18))
    shown = np.stack([(u.ravel() - matrix[0, 2]) / matrix[0, 0], (v.ravel() - matrix[1, 2]) / matrix[1, 1]], axis=1)
    straight = distort(shown, np.asarray(coefficients, dtype=np.float64))
    terms = _distortion_terms(straight)
    found = np.linalg.lstsq(terms.reshape(-1, 5), (shown - straight).ravel(), rcond=None)[0]
    left = (straight + terms @ found - shown) * (matrix[0, 0], matrix[1, 1])
    return found, float(np.abs(left).max())


def _distortion_terms(points: np.ndarray) -> np.ndarray:
    """Return (N, 2, 5): what each coefficient adds to each point. Plumb-bob is linear in its coefficients."""
    x, y = points[:, 0], points[:, 1]
    square = x * x + y * y
    radial = np.stack([square, square**2, np.zeros_like(x), np.zeros_like(x), square**3], axis=1)
    terms = points[:, :, None] * radial[:, None, :]
    terms[:, 0, 2], terms[:, 0, 3] = 2.0 * x * y, square + 2.0 * x * x
    terms[:, 1, 2], terms[:, 1, 3] = square + 2.0 * y * y, 2.0 * x * y
    return terms
