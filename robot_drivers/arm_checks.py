"""The Arm interface's contract as named claims, run on a bare driver. Start at `ArmChecks.run`.

Motion is small: one joint by `STEP` rad and back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmState
from robot_drivers.check_report import Checklist, CheckReport, expect
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from stage_core.errors import DeviceError
from stage_core.geometry import rotation_angle

STEP = 0.04  # rad: enough to be measured, little enough for any place the arm may be in
REACHED = (2e-3, 2e-3)  # m and rad
ABSOLUTE = (ActionSpace.JOINT_POSITION, ActionSpace.EE_POSE)


class ArmChecks:
    """Runs every claim on one arm."""

    def __init__(self, arm: Arm, *, allow_motion: bool, wait: Callable[[float], None]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            arm: The bare driver.
            allow_motion: False only reads.
            wait: Lets that many seconds pass; a simulation advances meanwhile.
        """
        self._arm = arm
        self._allow_motion = allow_motion
        self._wait = wait
        self._list = Checklist()
        self._kinematics: Kinematics | None = None

    def run(self) -> CheckReport:
        """Return the report; the arm is disconnected at the end."""
        check = self._list.check
        check("description_is_complete", self._description)
        if check("connects", self._connect):
            readable = check("state_is_well_formed", self._well_formed)
            if readable:
                check("state_is_in_radians_and_metres", self._units)
                check("quaternion_is_xyzw_of_length_1", self._quaternion)
                check("tool_centre_agrees_with_kinematics", self._tool_centre)
                check("state_is_fresh", self._fresh)
                check("read_state_is_quick", self._latency)
                check("refuses_spaces_it_does_not_take", self._refuses)
            if readable and self._allow_motion:
                self._motion_checks(check)
            check("stop_twice_is_harmless", self._stop_twice)
        check("disconnect_twice_is_harmless", self._disconnect_twice)
        check("read_after_disconnect_is_told", self._read_after_disconnect)
        return self._list.report()

    def _motion_checks(self, check: Callable[[str, Callable[[], str]], bool]) -> None:
        check("command_returns_at_once", self._non_blocking)
        check("absolute_targets_are_reached", self._reaches)
        check("velocities_have_the_sign_of_the_motion", self._velocity_sign)
        check("stop_brakes_in_time", self._stops)
        check("stop_works_beside_a_busy_command", self._stop_beside_commands)
        check("recover_moves_nothing", self._recover)

    # ---- reading

    def _description(self) -> str:
        description = self._arm.description
        joints = len(description.joint_names)
        for name in ("joint_lower", "joint_upper", "joint_velocity_limits"):
            shape = np.shape(getattr(description, name))
            expect(shape == (joints,), f"{name} has shape {shape}; expected ({joints},)")
        expect(bool((description.joint_lower < description.joint_upper).all()), "a joint_lower is not below its joint_upper")
        expect(
            bool((np.abs([*description.joint_lower, *description.joint_upper]) < 13.0).all()),
            "a joint limit is over 13; radians, not degrees?",
        )
        expect(
            bool(description.native_spaces) and set(description.native_spaces) <= set(ABSOLUTE), "native_spaces: expected absolute spaces"
        )
        expect(description.control_rate_hz > 0.0, f"control_rate_hz is {description.control_rate_hz}; expected > 0")
        expect(0.0 < description.max_stop_latency <= 0.5, f"max_stop_latency is {description.max_stop_latency} s; expected 0 to 0.5 s")
        expect(bool(description.urdf), "urdf is empty; expected the file that kinematics and limits come from")
        self._kinematics = Kinematics.from_description(description)
        beyond = max(
            float((self._kinematics.lower - description.joint_lower).max()), float((description.joint_upper - self._kinematics.upper).max())
        )
        expect(beyond < 1e-3, f"the joint limits reach {beyond:.3f} rad beyond the URDF's")
        return f"{description.name}: {joints} joints, {description.control_rate_hz:g} Hz, {', '.join(description.native_spaces)}"

    def _connect(self) -> str:
        self._arm.connect()
        before = self._arm.read_state()
        self._wait(0.1)
        moved = float(np.abs(self._arm.read_state().joint_positions - before.joint_positions).max())
        expect(moved < 2e-3, f"a joint moved by {moved:.4f} within 0.1 s of connect; expected none to move")
        return "connected, nothing moved"

    def _well_formed(self) -> str:
        state, joints = self._arm.read_state(), len(self._arm.description.joint_names)
        expected = {"joint_positions": (joints,), "joint_velocities": (joints,), "ee_position": (3,), "ee_orientation": (4,)}
        for name, shape in expected.items():
            values = np.asarray(getattr(state, name))
            expect(values.shape == shape, f"{name} has shape {values.shape}; expected {shape}")
            expect(bool(np.isfinite(values).all()), f"{name} holds NaN or infinity")
        again = self._arm.read_state()
        shared = again is not state and np.shares_memory(again.joint_positions, state.joint_positions)
        expect(not shared, "two reads share one array; expected a copy for each")
        return f"{joints} joints, all finite"

    def _units(self) -> str:
        description, state = self._arm.description, self._arm.read_state()
        below, above = description.joint_lower - state.joint_positions, state.joint_positions - description.joint_upper
        worst = float(np.maximum(below, above).max())
        expect(worst < 0.1, f"a joint lies {worst:.3f} outside its limits; radians, not degrees?")
        reach = float(np.linalg.norm(state.ee_position))
        expect(reach < 3.0, f"the tool centre is {reach:.1f} from the base; metres, not millimetres?")
        fast = float((np.abs(state.joint_velocities) - description.joint_velocity_limits).max())
        expect(fast < 0.1, f"a joint at rest reports {fast:.2f} over its velocity limit; rad/s, not degrees/s?")
        return f"tool centre {reach:.3f} m from the base"

    def _quaternion(self) -> str:
        orientation = np.asarray(self._arm.read_state().ee_orientation, dtype=np.float64)
        length = float(np.linalg.norm(orientation))
        expect(abs(length - 1.0) < 1e-3, f"the quaternion has length {length:.4f}; expected 1")
        if self._kinematics is None:
            return "length 1; order unknown without a URDF"
        expected = self._kinematics.forward(self._arm.read_state().joint_positions)[3:].tolist()
        angle = rotation_angle(orientation.tolist(), expected)
        rolled = rotation_angle(np.roll(orientation, -1).tolist(), expected)  # what wxyz means once it is read as such
        expect(
            not (angle > 0.05 and rolled < 0.05),
            f"read as wxyz it fits the URDF ({rolled:.3f} rad), as xyzw it is {angle:.2f} rad off: wxyz?",
        )
        return "length 1, xyzw"

    def _tool_centre(self) -> str:
        expect(self._kinematics is not None, "no kinematics: see description_is_complete")
        state = self._arm.read_state()
        distance, angle = pose_distance(self._kinematics.forward(state.joint_positions), make_pose(state.ee_position, state.ee_orientation))
        words = f"reported and computed tool centre are {distance:.4f} m and {angle:.3f} rad apart"
        expect(distance < 0.005 and angle < 0.05, f"{words}; expected 0.005 m and 0.05 rad. Wrong frame, unit or flange_to_tool?")
        return words

    def _fresh(self) -> str:
        stamps, positions = [], []
        for _ in range(4):
            state = self._arm.read_state()
            stamps.append(state.stamp)
            positions.append(state.joint_positions)
            self._wait(0.05)
        gained = stamps[-1] - stamps[0]
        expect(all(later > earlier for earlier, later in zip(stamps, stamps[1:], strict=False)), f"stamps do not increase: {stamps}")
        expect(0.075 < gained < 1.0, f"0.15 s passed, the stamps gained {gained:.3f} s; seconds on the workcell clock?")
        return f"stamps gained {gained:.3f} s in 0.15 s"

    def _latency(self) -> str:
        times = sorted(self._timed(self._arm.read_state) for _ in range(20))
        limit = 1.0 / self._arm.description.control_rate_hz
        expect(times[15] < limit, f"read_state takes {1e3 * times[15]:.1f} ms; expected less than a control period, {1e3 * limit:.1f} ms")
        return f"{1e3 * times[10]:.2f} ms median"

    def _refuses(self) -> str:
        joints = len(self._arm.description.joint_names)
        others = [space for space in ActionSpace if space not in self._arm.description.native_spaces]
        for space in others:
            values = np.zeros(space.dimension(joints))
            try:
                self._arm.command(ArmCommand(stamp=self._arm.read_state().stamp, action_space=space, values=values, valid_for=0.1))
            except ValueError:
                continue
            self._arm.stop()
            expect(False, f"{space.value} was taken; expected ValueError, for SafeArm sends absolute targets alone")
        return f"refused {', '.join(others)}"

    # ---- moving

    def _non_blocking(self) -> str:
        start = self._arm.read_state()
        times = [self._timed(lambda: self._send_step(start, 0.0)) for _ in range(5)]
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
        took = self._timed(lambda: (stopper.start(), stopper.join(timeout=1.0)))
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

        def command_forever() -> None:
            while not end.is_set():
                self._send_step(start, 0.0)
                end.wait(0.001)

        worker = threading.Thread(target=command_forever, daemon=True)
        worker.start()
        try:
            worst = 0.0
            for _ in range(5):
                end.wait(0.01)  # let the commands begin
                worst = max(worst, self._timed(self._arm.stop))
        finally:
            end.set()
            worker.join(timeout=2.0)
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

    # ---- ending

    def _stop_twice(self) -> str:
        self._arm.stop()
        self._arm.stop()
        return "stopped twice"

    def _disconnect_twice(self) -> str:
        self._arm.disconnect()
        self._arm.disconnect()
        return "disconnected twice"

    def _read_after_disconnect(self) -> str:
        try:
            self._arm.read_state()
        except DeviceError as error:
            return str(error)
        expect(False, "read_state() gave a state after disconnect; expected DeviceError in words")
        return ""

    # ---- helpers

    def _timed(self, call: Callable[[], object]) -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

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
