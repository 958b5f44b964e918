"""The fit: where the camera is, and how far that can be trusted. Pure arrays; start at `fit`.

Residuals are honest: every view is predicted from the other views alone, and the prediction is compared with where the camera saw the board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_drivers.calibration.least_squares import Problem, Solution, View
from robot_drivers.calibration.linear_start import board_in_camera, linear_starts
from robot_drivers.calibration.transforms import difference, mean_rotation, rotation_vector, to_matrix, to_pose
from stage_core.errors import ConfigurationError

MOUNTS = ("hand", "fixed")
FEWEST_VIEWS = 12
LEAST_VARIETY_DEG = 8.0
# A view is an outlier where it is this many times worse than the median view, and worse than what a good arm leaves.
OUTLIER_FACTOR = 4.0
OUTLIER_FLOOR_M = 0.002
OUTLIER_FLOOR_RAD = np.radians(0.5)
MOST_OUTLIERS = 0.2  # share of the views
NEAR = 8  # iterations from the solution of all views to that of all but one; 3 do where the data fit


@dataclass(frozen=True, kw_only=True)
class ViewResidual:
    """How far one view is from what the others predict.

    Attributes:
        name: Of the view.
        position_m: Distance between the board's middle as predicted and as seen, m.
        angle_rad: Angle between the board as predicted and as seen, rad.
        reprojection_px: Root mean square over its corners in the fit, pixels.
        outlier: True where the fit left it out.
    """

    name: str
    position_m: float
    angle_rad: float
    reprojection_px: float
    outlier: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class HandEyeFit:
    """What came out.

    Attributes:
        mount: "hand" or "fixed".
        camera_pose: (7,) m and xyzw, camera optical frame in ee ("hand") or in base ("fixed").
        board_pose: (7,) board in base ("hand") or in ee ("fixed").
        residuals: One per view, in the order of the views.
        position_rms_m: Root mean square of `position_m` over the views that were used.
        angle_rms_rad: The same of `angle_rad`.
        position_error_m: Standard error of the camera's position (jackknife), m.
        angle_error_rad: Standard error of the camera's orientation (jackknife), rad.
        scale: Board size that fits best, over the size that was given; 1 where they agree.
        scale_error: Standard error of `scale`.
    """

    mount: str
    camera_pose: np.ndarray
    board_pose: np.ndarray
    residuals: tuple[ViewResidual, ...]
    position_rms_m: float
    angle_rms_rad: float
    position_error_m: float
    angle_error_rad: float
    scale: float
    scale_error: float

    @property
    def outliers(self) -> tuple[str, ...]:
        """Names of the views that were left out."""
        return tuple(entry.name for entry in self.residuals if entry.outlier)

    @property
    def used(self) -> int:
        """Number of views that were used."""
        return len(self.residuals) - len(self.outliers)


def fit(views: Sequence[View], intrinsics: np.ndarray, *, mount: str, board_center: np.ndarray, fewest: int = FEWEST_VIEWS) -> HandEyeFit:
    """Return the camera's pose from views of one board.

    Args:
        views: n >= `fewest` samples: ee poses in the base frame, corners in the board frame (m) and in the image (ideal pinhole pixels).
        intrinsics: (3, 3) pixels.
        mount: "hand": the camera hangs on the hand and the board lies still. "fixed": the camera stands and the hand holds the board.
        board_center: (3,) m in the board frame; where position residuals are taken.
        fewest: Fewest views, after outliers are left out.

    Raises:
        ConfigurationError: If there are too few views, or their orientations are too alike for a fit, in words.

    Source: start by Park and Martin 1994 and Daniilidis 1999 as in OpenCV; refined over all corners with the arm's error taken into account.
    """
    if mount not in MOUNTS:
        raise ConfigurationError(f'mount is "{mount}"; expected hand (the camera hangs on the hand) or fixed (it stands).')
    if len(views) < fewest:
        raise ConfigurationError(f"{len(views)} samples; expected at least {fewest}. Take more, from orientations that differ.")
    check_variety([view.ee_pose for view in views])
    problem = Problem(views, intrinsics, mount)
    seen = np.array([board_in_camera(view.points, view.pixels, intrinsics) for view in views])
    use = np.arange(len(views))
    solution = min((problem.solve(start, use) for start in linear_starts(problem.links, seen)), key=lambda found: found.cost)
    for _ in range(int(MOST_OUTLIERS * len(views)) + 1):
        weights = problem.weights(solution)
        without = [problem.refine(solution, use[use != i], weights, iterations=NEAR) for i in use]
        errors = _held_out(problem, seen, board_center, without, use, solution)
        worst = _worst_outlier(errors, use)
        if worst is None or len(views) - len(use) >= int(MOST_OUTLIERS * len(views)):
            break
        use = use[use != worst]
        solution = problem.solve(solution, use)
    if len(use) < fewest:
        names = ", ".join(view.name for i, view in enumerate(views) if i not in use)
        raise ConfigurationError(f"{len(use)} samples are left without {names}, which do not fit; expected at least {fewest}. Take more.")
    check_variety([views[i].ee_pose for i in use])
    return _summary(problem, solution, without, errors, use)


def check_variety(ee_poses: Sequence[np.ndarray]) -> None:
    """Raise ConfigurationError, in words, where orientations are too alike for hand-eye calibration.

    The camera's position follows only from turns about two axes at least; `variety_deg` measures the second-best.
    """
    spread, axes = variety(ee_poses)
    if spread[1] >= LEAST_VARIETY_DEG:
        return
    told = f"by {spread[0]:.1f} degrees about one axis and by {spread[1]:.1f} about the next (root mean square)"
    lacking = "xyz"[int(np.argmax(np.abs(axes[:, 1])))] if spread[0] >= LEAST_VARIETY_DEG else "x and its y"
    raise ConfigurationError(
        f"the orientations of the hand are too alike: they vary {told}; expected {LEAST_VARIETY_DEG:g} about two axes."
        f" Turn the tool about its {lacking} by 20 to 30 degrees both ways; moving without turning tells nothing."
    )


def variety(ee_poses: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return how orientations (7,) spread: (3,) degrees root mean square, largest first, and their axes (3, 3) in ee, as columns."""
    if len(ee_poses) < 2:
        return np.zeros(3), np.eye(3)
    rotations = np.array([to_matrix(pose)[:3, :3] for pose in ee_poses])
    mean = mean_rotation(rotations)
    turns = np.array([rotation_vector(mean.T @ rotation) for rotation in rotations])
    values, axes = np.linalg.eigh(turns.T @ turns / len(turns))
    return np.degrees(np.sqrt(np.maximum(values[::-1], 0.0))), axes[:, ::-1]


def _held_out(
    problem: Problem, seen: np.ndarray, center: np.ndarray, without: list[Solution], use: np.ndarray, solution: Solution
) -> np.ndarray:
    """Return (n, 2): distance (m) and angle (rad) of every view from what the others predict."""
    chosen = {int(i): found for i, found in zip(use, without, strict=True)}
    errors = np.empty((len(problem.views), 2))
    for i in range(len(problem.views)):
        predicted = problem.camera_from_board(chosen.get(i, solution))[i]
        middle = (predicted[:3, :3] - seen[i, :3, :3]) @ center + predicted[:3, 3] - seen[i, :3, 3]
        errors[i] = np.linalg.norm(middle), difference(predicted, seen[i])[1]
    return errors


def _worst_outlier(errors: np.ndarray, use: np.ndarray) -> int | None:
    """Return the view that is far worse than the median one, or None."""
    limits = np.maximum(OUTLIER_FACTOR * np.median(errors[use], axis=0), [OUTLIER_FLOOR_M, OUTLIER_FLOOR_RAD])
    scores = (errors[use] / limits).max(axis=1)
    return int(use[np.argmax(scores)]) if scores.max() > 1.0 else None


def _summary(problem: Problem, solution: Solution, without: list[Solution], errors: np.ndarray, use: np.ndarray) -> HandEyeFit:
    used = set(use.tolist())
    pixels = problem.reprojection(solution)
    weights = problem.weights(solution)
    scaled = problem.refine(solution, use, weights, free_scale=True)
    scales = [problem.refine(scaled, use[use != i], weights, free_scale=True, iterations=NEAR).scale for i in use]
    spread = np.array([difference(solution.camera, found.camera) for found in without])
    jackknife = np.sqrt((len(use) - 1) / len(use))
    rms = np.sqrt(np.mean(errors[use] ** 2, axis=0))
    return HandEyeFit(
        mount=problem.mount,
        camera_pose=to_pose(solution.camera),
        board_pose=to_pose(solution.board),
        residuals=tuple(
            ViewResidual(
                name=view.name,
                position_m=float(errors[i, 0]),
                angle_rad=float(errors[i, 1]),
                reprojection_px=float(pixels[i]),
                outlier=i not in used,
            )
            for i, view in enumerate(problem.views)
        ),
        position_rms_m=float(rms[0]),
        angle_rms_rad=float(rms[1]),
        position_error_m=float(jackknife * np.sqrt(np.sum(spread[:, 0] ** 2))),
        angle_error_rad=float(jackknife * np.sqrt(np.sum(spread[:, 1] ** 2))),
        scale=scaled.scale,
        scale_error=float(jackknife * np.sqrt(np.sum((np.array(scales) - scaled.scale) ** 2))),
    )
