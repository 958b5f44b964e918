"""Brings the arm to its home joints, slowly, on a way that was checked before anything moved. Start at `Homing.start`.

The way is a straight line in joint space. It goes through SafeArm like every other command, so each limit, the stop
latch and the watchdog hold on it too.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.kinematics import Kinematics
from robot_drivers.safety.keep_out import KeepOut
from robot_drivers.safety.limits import SafetyLimits
from stage_core.errors import CommandRefusedError

if TYPE_CHECKING:
    from robot_drivers.safety.safe_arm import SafeArm

logger = logging.getLogger(__name__)

SOURCE = "home"
SPEED_SHARE = 0.1  # of the joint velocity limits and of the tool's speed limit (DESIGN 9.8)
RAMP_S = 0.6  # to get up to speed and down again
CHECK_STEP = 0.02  # rad between two places of the way that are looked at
ARRIVED = 1e-3  # rad


class Homing:
    """Runs one homing motion at a time, in a thread of its own."""

    def __init__(self, safe_arm: SafeArm, limits: SafetyLimits, home_joints: np.ndarray | None, *, control_period_s: float) -> None:
        """Prepare; nothing moves.

        Args:
            safe_arm: The arm.
            limits: Of the workcell: its keep-outs and workspace.
            home_joints: (n,) rad; None where the workcell has no home.
            control_period_s: Time between two targets, s.
        """
        self._safe_arm, self._limits, self._period = safe_arm, limits, control_period_s
        self._home = None if home_joints is None else np.asarray(home_joints, dtype=np.float64)
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """True while the arm is on its way home."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> str:
        """Check the way and set out; return in words how long it takes. Any stop, hold or switch of sources ends it.

        Raises:
            CommandRefusedError: If there is no home, a source has the arm, or the way breaks a limit; nothing moved then.
        """
        if self._home is None:
            raise CommandRefusedError("the workcell has no home; expected settings.home_joints_rad. Write it into the workcell file.")
        description = self._safe_arm.description
        if self._home.shape != (len(description.joint_names),):
            raise CommandRefusedError(
                f"settings.home_joints_rad has {self._home.size} numbers; expected {len(description.joint_names)}, rad."
            )
        if self.running:
            raise CommandRefusedError("the arm is on its way home already. Wait, or stop it.")
        if self._safe_arm.source != "none":
            raise CommandRefusedError(f"{self._safe_arm.source} commands the arm; expected none. Stop it first.")
        start = self._safe_arm.read_state().joint_positions
        targets = self._way(start)
        self._check(start)
        token = self._safe_arm.switch_source(SOURCE, SOURCE)
        self._thread = threading.Thread(target=self._follow, args=(targets, token), name="homing", daemon=True)
        self._thread.start()
        return f"going home in {len(targets) * self._period:.1f} s, at a tenth of the speed limits; any stop ends it"

    def wait(self, timeout: float) -> bool:
        """Return True once the motion is over."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.running

    def _way(self, start: np.ndarray) -> np.ndarray:
        """Return the targets (k, n) rad, one per control period, with a gentle beginning and end."""
        distance = self._home - start
        speeds = SPEED_SHARE * self._safe_arm.description.joint_velocity_limits
        seconds = float(np.max(np.abs(distance) / speeds))
        kinematics = Kinematics.from_description(self._safe_arm.description)
        path = start + np.linspace(0.0, 1.0, 51)[:, None] * distance
        places = np.array([kinematics.forward(joints)[:3] for joints in path])
        longest = float(np.linalg.norm(np.diff(places, axis=0), axis=1).max()) * 50.0  # m per unit of the way, where the tool is fastest
        seconds = max(seconds, longest / (SPEED_SHARE * self._limits.ee_speed_m_s), 1e-9)
        ramp = min(RAMP_S, seconds)
        count = max(1, math.ceil((seconds + ramp) / self._period))
        times = np.minimum(self._period * np.arange(1, count + 1), seconds + ramp)
        shares = np.where(
            times < ramp,
            0.5 * times**2 / ramp,
            np.where(times > seconds, seconds - 0.5 * (seconds + ramp - times) ** 2 / ramp, times - 0.5 * ramp),
        )
        return start + np.clip(shares / seconds, 0.0, 1.0)[:, None] * distance

    def _check(self, start: np.ndarray) -> None:
        """Raise CommandRefusedError where the way leads into a keep-out, over a joint limit or further out of the workspace."""
        description = self._safe_arm.description
        kinematics = Kinematics.from_description(description)
        keep_out = KeepOut(self._limits, kinematics)
        lower, upper = description.joint_lower + self._limits.joint_margin_rad, description.joint_upper - self._limits.joint_margin_rad
        if ((self._home < lower) | (self._home > upper)).any():
            raise CommandRefusedError(
                "settings.home_joints_rad lies outside the joint limits; expected within them. Correct the workcell file."
            )
        steps = max(2, math.ceil(float(np.abs(self._home - start).max()) / CHECK_STEP))
        allowed = min(0.0, keep_out.clearance(start)[0])
        outside = self._outside(kinematics.forward(start)[:3])
        for share in np.linspace(0.0, 1.0, steps + 1)[1:]:
            joints = start + share * (self._home - start)
            clearance, place = keep_out.clearance(joints)
            if clearance < allowed - 1e-6:
                raise CommandRefusedError(
                    f"the way home would bring {place} to {clearance:.3f} m; expected >= 0. Move the arm by hand to a place from where it is free."
                )
            out = self._outside(kinematics.forward(joints)[:3])
            if out > max(outside, 0.0) + 1e-6:
                raise CommandRefusedError(
                    f"the way home leaves the workspace by {out:.3f} m; expected to stay inside. Move the arm by hand, or widen the workspace."
                )

    def _outside(self, position: np.ndarray) -> float:
        """Return how far a place (3,) m lies outside the workspace, m; 0 inside."""
        lower, upper = np.array(self._limits.workspace_lower_m), np.array(self._limits.workspace_upper_m)
        return float(np.maximum(np.maximum(lower - position, position - upper), 0.0).max())

    def _follow(self, targets: np.ndarray, token: int) -> None:
        """Send one target per control period; then give the arm back. Ends at the first refusal."""
        due, words = time.monotonic(), "the arm is at home"
        clock = self._safe_arm.clock
        for sequence, joints in enumerate([*targets, targets[-1], targets[-1]]):
            verdict = self._safe_arm.submit(
                ArmCommand(
                    stamp=clock(),
                    action_space=ActionSpace.JOINT_POSITION,
                    values=joints,
                    valid_for=min(2.0 * self._period, self._limits.longest_valid_for_s),
                    source=SOURCE,
                    sequence=sequence,
                    token=token,
                )
            )
            if not verdict.accepted:
                words = f"the way home ended early: {verdict.reason}"
                break
            due += self._period
            time.sleep(max(0.0, due - time.monotonic()))
        logger.warning("%s", words)
        if self._safe_arm.source == SOURCE:
            self._safe_arm.switch_source("none", SOURCE)
