"""The two unknown poses of a calibration by least squares over all corners. Start at `Problem.solve`.

With B = ee -> base for a camera on the hand, and B = base -> ee for a camera that stands, one equation holds for both:
a corner q of the board is at inverse(X) B Y q in the camera, where X is the camera (in ee, or in base) and Y the board (in base, or in ee).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from robot_drivers.calibration.transforms import cross_matrices, exponential, invert, to_matrix

# What a view is expected to be wrong by. Only the proportions matter: an arm is less exact than a corner is, and its error moves all
# corners of a view together, so a view with many corners is no better than one with few.
CORNER_PIXELS = 0.3
ARM_METRES = 0.0007
ARM_RADIANS = 0.0015
NEAREST_DEPTH = 0.01  # m; what lies behind the camera in a bad start is drawn in front of it, with a large error
ITERATIONS = 60
ROUNDING = 1e-10  # of a covariance's trace, so that views far from any sense can still be weighted


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One sample, as the fit needs it.

    Attributes:
        name: For messages.
        ee_pose: (7,) m and xyzw, tool centre in the base frame.
        points: (k, 3) float64 m, corners in the board frame.
        pixels: (k, 2) float64, the same corners as an ideal pinhole camera sees them.
    """

    name: str
    ee_pose: np.ndarray
    points: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The unknowns.

    Attributes:
        camera: X, (4, 4): the camera in ee (mount "hand") or in base ("fixed").
        board: Y, (4, 4): the board in base ("hand") or in ee ("fixed").
        scale: Factor on the board's size; 1 where it was not asked for.
        cost: Half the weighted sum of squares.
    """

    camera: np.ndarray
    board: np.ndarray
    scale: float = 1.0
    cost: float = np.inf


class Problem:
    """Views of one camera, ready to be solved for any subset of them.

    Args:
        views: n of them.
        intrinsics: (3, 3) pixels.
        mount: "hand" or "fixed".
    """

    def __init__(self, views: Sequence[View], intrinsics: np.ndarray, mount: str) -> None:
        self.views = list(views)
        self.mount = mount
        self.links = np.array([_link(view.ee_pose, mount) for view in self.views])
        self._intrinsics = intrinsics
        # All corners of all views in one array, and which rows are whose: numpy is slow on many small arrays.
        ends = np.cumsum([len(view.points) for view in self.views])
        self._rows = [slice(end - len(view.points), end) for end, view in zip(ends, self.views, strict=True)]
        self._points = np.concatenate([view.points for view in self.views])
        self._pixels = np.concatenate([view.pixels for view in self.views])
        self._owner = np.repeat(np.arange(len(self.views)), [len(view.points) for view in self.views])

    def camera_from_board(self, solution: Solution) -> np.ndarray:
        """Return (n, 4, 4): the board in the camera, as the solution has it for every view."""
        return invert(solution.camera) @ self.links @ solution.board

    def solve(self, start: Solution, use: np.ndarray) -> Solution:
        """Return the solution with the least weighted squares over the views in `use` (indices), from `start`."""
        for _ in range(2):  # weights depend a little on the solution: once more with better ones
            start = self.refine(start, use, self.weights(start))
        return start

    def weights(self, solution: Solution) -> list[np.ndarray]:
        """Return for every view a (2k, 2k) matrix: its residuals times this have unit covariance under the errors that are expected."""
        slopes = self._project(solution)[1]
        covariances = [self._covariance(solution, i, slopes[rows]) for i, rows in enumerate(self._rows)]
        return [np.linalg.inv(np.linalg.cholesky(covariance)) for covariance in covariances]

    def refine(
        self, start: Solution, use: np.ndarray, weights: Sequence[np.ndarray], *, free_scale: bool = False, iterations: int = ITERATIONS
    ) -> Solution:
        """Return the solution for fixed `weights` (Levenberg-Marquardt); `free_scale` lets the board's size change as well."""
        solution, damping = start, 1e-4
        residual, jacobian = self._system(solution, use, weights, free_scale)
        solution = replace(solution, cost=0.5 * float(residual @ residual))
        for _ in range(iterations):
            square, gradient = jacobian.T @ jacobian, jacobian.T @ residual
            step = -np.linalg.solve(square + damping * np.diag(np.diag(square)) + 1e-12 * np.eye(len(square)), gradient)
            tried = _moved(solution, step)
            residual_tried, jacobian_tried = self._system(tried, use, weights, free_scale)
            cost = 0.5 * float(residual_tried @ residual_tried)
            settled = np.abs(step).max() < 1e-9 or abs(solution.cost - cost) < 1e-10 * solution.cost
            if cost <= solution.cost:
                solution, residual, jacobian, damping = (
                    replace(tried, cost=cost),
                    residual_tried,
                    jacobian_tried,
                    max(damping / 10.0, 1e-12),
                )
            else:
                damping *= 10.0
            if settled or damping > 1e12:
                break
        return solution

    def reprojection(self, solution: Solution) -> np.ndarray:
        """Return (n,) the root mean square distance between seen and expected corners of every view, pixels."""
        squares = np.sum(self._project(solution)[0] ** 2, axis=1)
        return np.array([np.sqrt(np.mean(squares[rows])) for rows in self._rows])

    def _project(self, solution: Solution) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return residuals (m, 2) pixels, slopes by the point in the camera (m, 2, 3), these points (m, 3), turns board to camera (m, 3, 3)."""
        poses = self.camera_from_board(solution)[self._owner]
        turns = poses[:, :3, :3]
        points = (turns @ (solution.scale * self._points)[:, :, None])[:, :, 0] + poses[:, :3, 3]
        depth = np.maximum(points[:, 2], NEAREST_DEPTH)
        fx, fy, skew = self._intrinsics[0, 0], self._intrinsics[1, 1], self._intrinsics[0, 1]
        x, y = points[:, 0] / depth, points[:, 1] / depth
        across, down = fx * x + skew * y, fy * y
        slopes = np.zeros((len(points), 2, 3))
        slopes[:, 0, 0], slopes[:, 0, 1], slopes[:, 1, 1] = fx / depth, skew / depth, fy / depth
        slopes[:, 0, 2], slopes[:, 1, 2] = -across / depth, -down / depth
        return np.stack([across, down], axis=1) + self._intrinsics[:2, 2] - self._pixels, slopes, points, turns

    def _covariance(self, solution: Solution, i: int, slopes: np.ndarray) -> np.ndarray:
        """Return (2k, 2k) pixels squared: how residuals of one view scatter together under the errors that are expected."""
        points_in_board = np.c_[solution.scale * self.views[i].points, np.ones(len(slopes))]
        if self.mount == "hand":
            turn = solution.camera[:3, :3].T
            points_in_ee = (points_in_board @ (self.links[i] @ solution.board).T)[:, :3]
        else:
            turn = solution.camera[:3, :3].T @ self.links[i][:3, :3]
            points_in_ee = (points_in_board @ solution.board.T)[:, :3]
        moved = (slopes @ turn).reshape(-1, 3)
        turned = (slopes @ turn @ cross_matrices(points_in_ee)).reshape(-1, 3)
        covariance = ARM_METRES**2 * moved @ moved.T + ARM_RADIANS**2 * turned @ turned.T + CORNER_PIXELS**2 * np.eye(len(moved))
        return covariance + ROUNDING * np.trace(covariance) * np.eye(len(moved))

    def _system(
        self, solution: Solution, use: np.ndarray, weights: Sequence[np.ndarray], free_scale: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the whitened residuals (m,) and their derivative (m, 12 or 13) by twists of X and Y in their own frames, and the scale."""
        residuals, slopes, points, turns = self._project(solution)
        by_board = slopes @ turns
        size = solution.scale * self._points
        columns = [-slopes, slopes @ cross_matrices(points), by_board, -by_board @ cross_matrices(size)]
        if free_scale:
            columns.append(by_board @ self._points[:, :, None])
        jacobian = np.concatenate(columns, axis=2)
        parts = [(weights[i], self._rows[i]) for i in use]
        return (
            np.concatenate([weight @ residuals[rows].ravel() for weight, rows in parts]),
            np.concatenate([weight @ jacobian[rows].reshape(-1, jacobian.shape[2]) for weight, rows in parts]),
        )


def _link(ee_pose: np.ndarray, mount: str) -> np.ndarray:
    """Return B of the module's equation, (4, 4)."""
    matrix = to_matrix(ee_pose)
    return invert(matrix) if mount == "hand" else matrix


def _moved(solution: Solution, step: np.ndarray) -> Solution:
    scale = solution.scale + (float(step[12]) if step.size > 12 else 0.0)
    return Solution(
        camera=solution.camera @ exponential(step[:6]), board=solution.board @ exponential(step[6:12]), scale=min(max(scale, 0.2), 5.0)
    )
