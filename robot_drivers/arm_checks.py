"""The Arm interface's contract as named claims, run on a bare driver. Start at `ArmChecks.run`.

Motion is small: one joint by `STEP` rad and back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand
from robot_drivers.arm_motion_checks import ArmMotionChecks, timed
from robot_drivers.check_report import Checklist, CheckReport, expect
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from robot_drivers.safety.fitting import check_tool
from stage_core.errors import DeviceError
from stage_core.geometry import rotation_angle

PLAUSIBLE_EFFORT = 1000.0  # N m or N: no arm here has that much
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
                check("controller_has_the_described_tool", self._tool_reading)
                check("efforts_and_wrench_are_plausible", self._efforts)
                check("state_is_fresh", self._fresh)
                check("read_state_is_quick", self._latency)
                check("refuses_spaces_it_does_not_take", self._refuses)
            if readable and self._allow_motion:
                ArmMotionChecks(self._arm, self._list, self._kinematics, wait=self._wait).run()
            check("stop_twice_is_harmless", self._stop_twice)
        check("disconnect_twice_is_harmless", self._disconnect_twice)
        check("read_after_disconnect_is_told", self._read_after_disconnect)
        return self._list.report()

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

    def _tool_reading(self) -> str:
        try:
            check_tool(self._arm.description, self._arm.read_tool())
        except DeviceError as error:
            expect(False, str(error))
        told = [name for name, value in vars(self._arm.read_tool()).items() if value is not None]
        return f"agrees in {', '.join(told)}" if told else "the controller does not tell"

    def _efforts(self) -> str:
        state, joints, seen = self._arm.read_state(), len(self._arm.description.joint_names), []
        for name, count in (("joint_efforts", joints), ("external_wrench", 6)):
            values = getattr(state, name)
            if values is None:
                continue
            expect(np.shape(values) == (count,), f"{name} has shape {np.shape(values)}; expected ({count},)")
            expect(bool(np.isfinite(values).all()), f"{name} holds NaN or infinity; expected None where it is not measured")
            largest = float(np.abs(values).max())
            expect(largest < PLAUSIBLE_EFFORT, f"{name} reaches {largest:.0f}; N and N m, not mN or raw current?")
            seen.append(f"{name} up to {largest:.1f}")
        return ", ".join(seen) or "neither is measured"

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
        times = sorted(timed(self._arm.read_state) for _ in range(20))
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
