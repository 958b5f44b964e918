"""The control box itself: its settings, modes, states, errors and warnings around the moving joints.

States as clients read them: 1 in motion, 2 ready, 3 paused, 4 stopped, 5 a setting was changed and `set_state(0)` has not come yet.
An error stops the arm and stays until it is cleaned; the state then is 4 until the client asks for 0. Errors of the joints and of
the emergency stop also take the power from the motors. Everything here is called under `Machine.lock`. Start at `Machine`.
"""

from __future__ import annotations

import threading

import numpy as np

from ..command_log import CommandLog
from .facts import Facts, Settings
from .gripper import XArmGripper
from .kinematics import Kinematics, pose_from_angles
from .limits import StreamJudge, Verdict
from .motion import Motion, MotionFault

STATE_MOVING, STATE_READY, STATE_PAUSED, STATE_STOPPED, STATE_CHANGED = 1, 2, 3, 4, 5
MODE_POSITION, MODE_SERVO, MODE_TEACH, MODE_JOINT_VELOCITY, MODE_TOOL_VELOCITY, MODE_JOINT_ONLINE, MODE_TOOL_ONLINE = 0, 1, 2, 4, 5, 6, 7
MODES = (MODE_POSITION, MODE_SERVO, MODE_TEACH, MODE_JOINT_VELOCITY, MODE_TOOL_VELOCITY, MODE_JOINT_ONLINE, MODE_TOOL_ONLINE)
ERRORS_WITHOUT_POWER = {1, 2, 3, *range(10, 18)}
ERROR_BOUNDARY = 35
WARNING_PARAMETER, WARNING_UNKNOWN_COMMAND = 12, 13


class Machine:
    """A control box with its arm and, if fitted, its gripper."""

    def __init__(self, facts: Facts, gripper: XArmGripper | None, log: CommandLog) -> None:
        """Switch on."""
        self.lock = threading.RLock()
        self.facts, self.gripper, self.log = facts, gripper, log
        self.emergency_code = 0  # while the emergency stop is pressed: its error, which cannot be cleaned
        self.busy = False  # while set: no motion command is taken
        self.digital_outputs: dict[int, float] = {}  # tool board registers as last written
        self.switch_on()

    def switch_on(self) -> None:
        """Become as after a power cycle: stopped, motors off, settings as saved, joints where they were."""
        facts = self.facts
        joints = getattr(self, "motion", None)
        joints = np.array(facts.joints or (0.0,) * facts.model.axes) if joints is None else joints.joints
        self.kinematics = Kinematics(facts.model)
        self.motion = Motion(facts.model, self.kinematics, joints)
        self.judge = StreamJudge(facts.model, self.kinematics, self.log)
        self.settings = Settings(tool_offset=list(facts.tool_offset), tool_load=list(facts.tool_load))
        self.mode = MODE_POSITION
        self.error, self.warning = self.emergency_code, 0
        self.servo_codes = [0] * 7
        self.enabled, self.brakes_open = 0, 0  # a bit per joint
        self.stopped, self.changed, self.paused = True, False, False
        self.counter = 0
        self.apply_offsets()

    def apply_offsets(self) -> None:
        """Use the tool and base offsets that are set."""
        self.kinematics.tool_offset = pose_from_angles(self.settings.tool_offset)
        self.kinematics.base_offset = pose_from_angles(self.settings.world_offset)

    def apply_reduced_mode(self) -> None:
        """Use the limits of the reduced mode, if it is on."""
        reduced = self.settings.reduced
        self.judge.limit_to(reduced if reduced.on else None)

    @property
    def all_joints(self) -> int:
        """Return the bits of all joints."""
        return (1 << self.facts.model.axes) - 1

    @property
    def state(self) -> int:
        """Return the state as clients read it."""
        if self.error or self.stopped:
            return STATE_STOPPED
        if self.changed:
            return STATE_CHANGED
        if self.paused:
            return STATE_PAUSED
        return STATE_MOVING if self.motion.moving else STATE_READY

    @property
    def ready(self) -> bool:
        """Return whether a motion would be executed."""
        return self.state in (STATE_MOVING, STATE_READY, STATE_PAUSED) and self.enabled == self.all_joints and not self.busy

    def set_state(self, state: int) -> bool:
        """Do what a client's set_state asks; False for a number it does not know."""
        if state in (0, 1):
            if not self.error and self.enabled == self.all_joints:
                self.stopped = self.changed = self.paused = False
        elif state == STATE_PAUSED:
            self.paused = True
        elif state in (STATE_STOPPED, 6):  # 6 slows down before it stops, which braking does here anyhow
            self.stop()
        else:
            return False
        return True

    def stop(self) -> None:
        """Brake and take no motion until state 0 is asked for."""
        self.stopped = True
        self.judge.restart()
        self.motion.stop()

    def set_mode(self, mode: int) -> bool:
        """Change the mode; False for one it does not have."""
        if mode not in MODES:
            return False
        if mode != self.mode:
            self.mode = mode
            self.setting_changed()
        return True

    def setting_changed(self) -> None:
        """End what moves, as any change of mode, offset or sensitivity does; the client then asks for state 0."""
        self.changed = True
        self.judge.restart()
        self.motion.stop()

    def enable(self, joint: int, on: bool) -> bool:
        """Switch a joint's motor (8: all) and its brake; False for a joint that does not exist. The emergency stop keeps the power off."""
        axes = self.facts.model.axes
        if not (1 <= joint <= axes or joint == 8):
            return False
        if on and self.emergency_code:
            return True
        bits = self.all_joints if joint == 8 else 1 << (joint - 1)
        self.enabled = self.enabled | bits if on else self.enabled & ~bits
        self.brakes_open = self.enabled
        if not on:
            self.stop()
            self.motion.freeze()
        return True

    def fail(self, code: int, *, servo_code: int = 0) -> None:
        """Stop with an error."""
        self.error = code
        self.log.append("error", code=code, servo_code=servo_code)
        self.stop()
        if 11 <= code <= 17:
            self.servo_codes[code - 11] = servo_code
        if code in ERRORS_WITHOUT_POWER:
            self.enabled = self.brakes_open = 0
            self.motion.freeze()
            if self.gripper is not None:
                self.gripper.lose_power()

    def warn(self, code: int) -> None:
        """Show a warning; nothing stops."""
        self.warning = code
        self.log.append("warning", code=code)

    def clean_error(self) -> None:
        """Forget the error, unless its cause still holds."""
        self.error = self.emergency_code
        if not self.error:
            self.servo_codes = [0] * 7

    def refuse(self, verdict: Verdict) -> None:
        """Log a broken limit and stop with its error."""
        self.log.violation(verdict.name, verdict.value, verdict.limit, error=verdict.error)
        self.fail(verdict.error, servo_code=verdict.servo_code)

    def stream(self, target: np.ndarray, now: float) -> None:
        """Follow a streamed joint target (n,) rad, or stop with the error it deserves."""
        self.cycle(now)  # so that the new way begins where the arm is now, not where it was up to a cycle ago
        if self.error:
            return
        verdict = self.judge.judge(target, self.motion.joints, now)
        if verdict is not None:
            self.refuse(verdict)
            return
        self.motion.stream(target, now)

    def cycle(self, now: float) -> None:
        """Move on to `now`, the steady time."""
        if self.gripper is not None:
            self.gripper.step(now)
        if self.paused:
            self.motion.hold(now)
            return
        try:
            self.motion.step(now)
        except MotionFault as fault:
            self.log.violation(fault.name, fault.value, fault.limit, error=fault.code)
            self.fail(fault.code)
        if self.motion.moving:
            self.log.measure("moved_joint_velocity", self.motion.fastest)
        if self.settings.reduced.fence and not self.stopped:
            self._check_fence()

    def _check_fence(self) -> None:
        """Stop with error 35 once the tool is outside the boundary."""
        highest, lowest = np.array(self.settings.reduced.boundary, dtype=float).reshape(3, 2).T
        position = self.tool_pose()[:3, 3]
        over = np.maximum(position - highest, lowest - position)
        axis = int(np.argmax(over))
        if over[axis] > 0.0 and self.motion.moving:
            limit = highest[axis] if position[axis] > highest[axis] else lowest[axis]
            self.log.violation(f"fence_{'xyz'[axis]}", float(position[axis]), float(limit), error=ERROR_BOUNDARY)
            self.fail(ERROR_BOUNDARY)

    def tool_pose(self) -> np.ndarray:
        """Return the tool's pose, (4, 4) mm, in the user's frame."""
        return self.kinematics.tool(self.motion.joints)

    def efforts(self) -> np.ndarray:
        """Return what the motors carry, (n,) Nm: a made-up 2 kg at the flange and the load that is set, against gravity."""
        mass, *centre = self.settings.tool_load
        jacobian = self.kinematics.jacobian(self.motion.joints, np.array(centre))[:3] / 1000.0
        return -jacobian.T @ (9.81 * (2.0 + mass) * np.array(self.settings.gravity))
