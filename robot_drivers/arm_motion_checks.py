"""The part of the Arm contract that moves the arm: one joint by `STEP` and back. Start at `ArmMotionChecks.run`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmState
from robot_drivers.check_report import Checklist, expect
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from stage_core.errors import StageError

STEP = 0.04  # rad: enough to be measured, little enough for any place the arm may be in
REACHED = (2e-3, 2e-3)  # m and rad


def timed(call: Callable[[], object]) -> float:
    """Return how long a call takes, s."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


class ArmMotionChecks:
    """Runs every claim that needs motion on a connected arm."""

    def __init__(self, arm: Arm, checklist: Checklist, kinematics: Kinematics | None, *, wait: Callable[[float], None]) -> None:
        """Prepare; see `ArmChecks` for `wait`."""
        self._arm, self._list, self._kinematics, self._wait = arm, checklist, kinematics, wait

    def run(self) -> None:
        """Add one result per claim to the checklist."""
        check = self._list.check
        check("command_returns_at_once", self._non_blocking)
        check("absolute_targets_are_reached", self._reaches)
        check("velocities_have_the_sign_of_the_motion", self._velocity_sign)
        check("stop_brakes_in_time", self._stops)
        check("stop_works_beside_a_busy_command", self._stop_beside_commands)
        check("recover_moves_nothing", self._recover)

    def _non_blocking(self) -> str:
        start = self._arm.read_state()
        times = [timed(lambda: self._send_step(start, 0.0)) for _ in range(5)]
        limit = max(1.0 / self._arm.description.control_rate_hz, 0.02)
        took = sorted(times)[3]
        expect(took < limit, f"command() took {1e3 * took:.0f} ms; expected to return within {1e3 * limit:.0f} ms")
        return f"{1e3 * took:.2f} ms"

    def _reaches(self) -> str:
        seen = []
        for space in self._arm.description.native_spaces:
            start = self._arm.read_state()
            for share in (1.0, 0.0):
                self._go(start, share, space)
                error = self._error(start, share, space)
                expect(
                    error[0] < REACHED[0] and error[1] < REACHED[1],
                    f"{space.value}: {error[0]:.4f} m and {error[1]:.4f} rad from the target",
                )
            seen.append(f"{space.value} to {error[1]:.1e} rad")
        return ", ".join(seen)

    def _velocity_sign(self) -> str:
        start = self._arm.read_state()
        index = self._joint()
        reported = travelled = 0.0
        for k in range(1, 13):
            self._send_step(start, k / 12)
            before = self._arm.read_state()
            self._wait(0.03)
            after = self._arm.read_state()
            step = float(after.joint_positions[index] - before.joint_positions[index])
            reported += float(after.joint_velocities[index]) * abs(step)
            travelled += step
        self._go(start, 0.0, self._space())
        expect(abs(travelled) > 0.2 * STEP, f"the joint moved by {travelled:.4f} rad only")
        expect(reported * travelled > 0.0, "the reported velocity has the opposite sign of the motion, or is zero")
        return "same sign"

    def _stops(self) -> str:
        start, index = self._arm.read_state(), self._joint()
        latency = self._arm.description.max_stop_latency
        self._send_step(start, 1.0)
        for _ in range(200):
            self._wait(0.002)
            if abs(self._arm.read_state().joint_positions[index] - start.joint_positions[index]) > 0.05 * STEP:
                break
        stopper = threading.Thread(target=self._arm.stop, daemon=True)
        took = timed(lambda: (stopper.start(), stopper.join(timeout=1.0)))
        expect(took < max(latency, 0.05), f"stop() took {took:.3f} s; expected at most {latency:g} s")
        self._wait(latency)
        at_latency = self._arm.read_state().joint_positions[index]
        self._wait(0.6)
        went_on = abs(float(self._arm.read_state().joint_positions[index] - at_latency))
        self._arm.recover()
        self._go(start, 0.0, self._space())
        limit = 0.25 * STEP
        expect(
            went_on < limit,
            f"the joint went on for {went_on:.4f} rad after max_stop_latency = {latency:g} s; expected less than {limit:.3f} rad",
        )
        return f"went on for {went_on:.4f} rad after {latency:g} s"

    def _stop_beside_commands(self) -> str:
        start, end = self._arm.read_state(), threading.Event()
        failed: list[StageError] = []

        def command_forever() -> None:
            try:
                while not end.is_set():
                    self._send_step(start, 0.0)
                    end.wait(0.001)
            except StageError as error:
                failed.append(error)

        worker = threading.Thread(target=command_forever, daemon=True)
        worker.start()
        try:
            worst = 0.0
            for _ in range(5):
                end.wait(0.01)  # let the commands begin
                worst = max(worst, timed(self._arm.stop))
        finally:
            end.set()
            worker.join(timeout=2.0)
        expect(not failed, f"command() beside stop() failed: {failed[0] if failed else ''}")
        limit = max(self._arm.description.max_stop_latency, 0.05)
        expect(worst < limit, f"stop() waited {worst:.3f} s while command() was busy; expected at most {limit:g} s: a shared lock?")
        self._arm.recover()
        return f"{1e3 * worst:.1f} ms at worst"

    def _recover(self) -> str:
        self._arm.stop()
        self._wait(0.2)
        before = self._arm.read_state().joint_positions
        self._arm.recover()
        self._wait(0.2)
        moved = float(np.abs(self._arm.read_state().joint_positions - before).max())
        expect(moved < 2e-3, f"recover() moved a joint by {moved:.4f} rad; expected nothing to move")
        return "nothing moved"

    # ---- helpers

    def _space(self) -> ActionSpace:
        return self._arm.description.native_spaces[0]

    def _joint(self) -> int:
        return len(self._arm.description.joint_names) - 1  # the wrist: it sweeps the least

    def _target(self, start: ArmState, share: float) -> np.ndarray:
        """Return the joints `share` of the way to the step, away from the nearer joint limit."""
        index, description = self._joint(), self._arm.description
        middle = 0.5 * (description.joint_lower[index] + description.joint_upper[index])
        target = np.array(start.joint_positions, dtype=np.float64)
        target[index] += share * (STEP if target[index] < middle else -STEP)
        return target

    def _send_step(self, start: ArmState, share: float, space: ActionSpace | None = None) -> None:
        space = space or self._space()
        joints = self._target(start, share)
        if space is ActionSpace.JOINT_POSITION:
            values = joints
        else:
            expect(self._kinematics is not None, "no kinematics: see description_is_complete")
            values = self._kinematics.forward(joints)
        self._arm.command(ArmCommand(stamp=self._arm.read_state().stamp, action_space=space, values=values, valid_for=0.5))

    def _go(self, start: ArmState, share: float, space: ActionSpace) -> None:
        """Command and wait until the target is reached, at most 2 s."""
        for _ in range(40):
            self._send_step(start, share, space)
            self._wait(0.05)
            error = self._error(start, share, space)
            if error[0] < 0.5 * REACHED[0] and error[1] < 0.5 * REACHED[1]:
                return

    def _error(self, start: ArmState, share: float, space: ActionSpace) -> tuple[float, float]:
        state, target = self._arm.read_state(), self._target(start, share)
        if space is ActionSpace.JOINT_POSITION:
            return 0.0, float(np.abs(state.joint_positions - target).max())
        return pose_distance(make_pose(state.ee_position, state.ee_orientation), self._kinematics.forward(target))
