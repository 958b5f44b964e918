"""A slow plain version of the limits, looking only at what a controller took. Start at `ControllerJudge.look`."""

from __future__ import annotations

from collections import Counter

import numpy as np

from benchmarks.controller_rig import PAUSE_S, Record, Rig

WINDOW_S = 0.02  # over which the speed of the tool is measured
PLACE_SLACK = 3e-3  # m: between two lawful targets joints go straight and the tool in a shallow arc
SPEED_SLACK = 1.05
JOINT_SLACK = 1e-3  # rad


class ControllerJudge:
    """Gathers extremes of everything the workcell limits, and counts what lies beyond."""

    def __init__(self, rig: Rig) -> None:
        """Judge `rig` by its workcell file."""
        self._rig = rig
        description, limits = rig.driver.description, rig.limits
        self._lower, self._upper = description.joint_lower + limits.joint_margin_rad, description.joint_upper - limits.joint_margin_rad
        self._joint_speed = description.joint_velocity_limits * limits.joint_velocity_share
        self._box = np.array(limits.workspace_lower_m), np.array(limits.workspace_upper_m)
        self._spheres = limits.collision_spheres
        self._links = tuple(sphere.link for sphere in self._spheres)
        self._centers = np.array([sphere.center_m for sphere in self._spheres])
        self.beyond: Counter[str] = Counter()
        self.extremes: dict[str, float] = {}
        self.samples = 0
        rig.new_record()  # the way up to now is nobody's

    def look(self) -> None:
        """Judge what the controller took since the last look."""
        self.judge(self._rig.new_record())

    def judge(self, record: Record) -> None:
        """Judge what a controller took."""
        if not len(record.times):
            return
        self.samples += len(record.times)
        past = np.maximum(self._lower - record.joints, record.joints - self._upper).max()
        self._note("joint_past_its_limit_rad", past, JOINT_SLACK)
        share = (np.abs(record.speeds) / self._joint_speed).max()
        self._note("joint_speed_share_of_limit", share, SPEED_SLACK)
        self._look_at_places(record)

    def result(self) -> dict:
        """Return the figures of the whole run."""
        log = self._rig.fake.log
        return {
            "beyond_limits": sum(self.beyond.values()),
            "beyond": dict(self.beyond),
            "controller_violations": log.counts.get("violation", 0),
            "controller_stops": self._rig.reflexes(),
            "violations": [f"{entry['name']} {entry['value']:.4g}, limit {entry['limit']:.4g}" for entry in log.violations[:5]],
            "extremes_against_the_workcell": {name: round(value, 4) for name, value in self.extremes.items()},
            "extremes_by_the_controller": {name: round(value, 4) for name, value in log.extremes.items()},
            "controller_samples": self.samples,
        }

    def _look_at_places(self, record: Record) -> None:
        """Look at the tool and the spheres every 10 ms or so."""
        period = self._sample_period()
        joints = record.joints[:: max(1, round(0.01 / period))]
        tool = np.array([self._rig.kinematics.forward(entry)[:3] for entry in joints])
        outside = np.maximum(self._box[0] - tool, tool - self._box[1]).max()
        self._note("tool_out_of_the_workspace_m", outside, PLACE_SLACK)
        self._note("body_in_a_keep_out_m", -min(self._clearance(entry) for entry in joints), PLACE_SLACK)
        apart = max(1, round(WINDOW_S / period))
        if len(record.joints) > apart:
            ends = np.array([self._rig.kinematics.forward(entry)[:3] for entry in record.joints[::apart]])
            times = record.times[::apart]
            gaps = np.diff(times)
            lasted = np.where(gaps < PAUSE_S, np.maximum(gaps, apart * period), np.inf)
            speeds = np.linalg.norm(np.diff(ends, axis=0), axis=1) / lasted
            self._note("tool_speed_share_of_limit", float(speeds.max()) / self._rig.limits.ee_speed_m_s, SPEED_SLACK)

    def _sample_period(self) -> float:
        return 0.001 if self._rig.name == "franka" else 1.0 / self._rig.driver.description.control_rate_hz

    def _clearance(self, joints: np.ndarray) -> float:
        """Return the smallest distance, m, of any sphere from any plane or box; negative inside."""
        points = self._rig.kinematics.link_points(joints, self._links, self._centers)
        smallest = np.inf
        for point, sphere in zip(points, self._spheres, strict=True):
            for plane in self._rig.limits.keep_out_planes:
                smallest = min(smallest, float(point @ np.array(plane.normal)) - plane.offset_m - sphere.radius_m)
            for box in self._rig.limits.keep_out_boxes:
                out = np.maximum(np.array(box.lower_m) - point, point - np.array(box.upper_m))
                away = float(np.linalg.norm(np.maximum(out, 0.0))) if (out > 0.0).any() else float(out.max())
                smallest = min(smallest, away - sphere.radius_m)
        return smallest

    def _note(self, name: str, value: float, largest: float) -> None:
        self.extremes[name] = max(float(value), self.extremes.get(name, -np.inf))
        self.beyond[name] += int(value > largest)
