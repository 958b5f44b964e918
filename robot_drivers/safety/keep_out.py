"""Spheres on links against keep-out planes and boxes: the arm's body is checked, not the tool centre alone."""

from __future__ import annotations

import numpy as np

from robot_drivers.kinematics import Kinematics
from robot_drivers.safety.limits import SafetyLimits
from stage_core.errors import ConfigurationError, nearest


class KeepOut:
    """The clearance of every collision sphere from every keep-out."""

    def __init__(self, limits: SafetyLimits, kinematics: Kinematics) -> None:
        """Take spheres and keep-outs from `limits`. Raises ConfigurationError for a link that the URDF lacks."""
        for sphere in limits.collision_spheres:
            if sphere.link not in kinematics.links:
                raise ConfigurationError(f'collision_spheres: there is no link "{sphere.link}". {nearest(sphere.link, kinematics.links)}')
        self._kinematics = kinematics
        self._links = tuple(sphere.link for sphere in limits.collision_spheres)
        self._centers = np.array([sphere.center_m for sphere in limits.collision_spheres], dtype=np.float64).reshape(-1, 3)
        self._radii = np.array([sphere.radius_m for sphere in limits.collision_spheres], dtype=np.float64)
        self._planes = limits.keep_out_planes
        self._normals = np.array([plane.normal for plane in limits.keep_out_planes], dtype=np.float64).reshape(-1, 3)
        self._offsets = np.array([plane.offset_m for plane in limits.keep_out_planes], dtype=np.float64)
        self._boxes = limits.keep_out_boxes
        self.active = bool(self._links) and bool(self._planes or self._boxes)

    def clearance(self, joints: np.ndarray) -> tuple[float, str]:
        """Return the smallest clearance in m (negative inside a keep-out) and its place in words.

        Args:
            joints: (n,) rad.
        """
        if not self.active:
            return float("inf"), ""
        points = self._kinematics.link_points(joints, self._links, self._centers)
        best, place = float("inf"), ""
        if len(self._planes):
            distances = points @ self._normals.T - self._offsets - self._radii[:, None]
            sphere, plane = np.unravel_index(int(np.argmin(distances)), distances.shape)
            best, place = float(distances[sphere, plane]), f"{self._links[sphere]} to {self._planes[plane].name}"
        for box in self._boxes:
            distances = _distance_to_box(points, np.array(box.lower_m), np.array(box.upper_m)) - self._radii
            sphere = int(np.argmin(distances))
            if distances[sphere] < best:
                best, place = float(distances[sphere]), f"{self._links[sphere]} to {box.name}"
        return best, place


def _distance_to_box(points: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return the signed distance (k,) m of points (k, 3) to a box, negative inside."""
    outside = np.maximum(lower - points, points - upper)
    away = np.linalg.norm(np.maximum(outside, 0.0), axis=1)
    return np.where((outside > 0.0).any(axis=1), away, outside.max(axis=1))
