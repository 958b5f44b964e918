"""The only way to move an arm: limits, watchdog, one command source, stop latch. Start at `SafeArm`.

Two threads meet here: whoever submits commands, and the loop that ticks. `_lock` guards the judgement and is never
held around a driver call of the loop; `_turn` lets one tick run at a time. `stop` takes neither, so it works while an
SDK call is stuck.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmDescription, ArmMode, ArmState
from robot_drivers.gripper import Gripper, GripperState
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose, pose_distance
from robot_drivers.safety.admission import Refusal, check_age, check_form
from robot_drivers.safety.command_judge import CommandJudge
from robot_drivers.safety.control_loop import ControlLoop
from robot_drivers.safety.envelope import Target
from robot_drivers.safety.gripper_commander import GripperCommander
from robot_drivers.safety.hold import HoldState
from robot_drivers.safety.interpolation import Interpolator
from robot_drivers.safety.ledger import Ledger, Limit
from robot_drivers.safety.limits import SafetyLimits
from stage_core.errors import CommandRefusedError, ConfigurationError, DeviceError, nearest

logger = logging.getLogger(__name__)

SOURCES = ("policy", "teleop", "replay", "script", "none")
STATE_PERIODS = 3.0  # a state older than this many control periods puts the arm on hold
STUCK_S = 0.5  # a loop silent for longer than this is stuck in an SDK call
KINEMATICS_AGREE = (0.005, 0.05)  # m and rad between the URDF's and the controller's tool centre


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a command was taken; `reason` says why not."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SafeArmStatus:
    """What SafeArm does and did.

    Attributes:
        mode: Of the arm as SafeArm drives it.
        hold_reason: Why it holds, is stopped or in fault, in words; empty while it moves.
        source: The active command source.
        interventions: Limits applied and commands refused, by name, since `connect`.
        last_limits: The newest of them in words.
    """

    mode: ArmMode
    hold_reason: str
    source: str
    interventions: dict[str, int] = field(default_factory=dict)
    last_limits: tuple[str, ...] = ()


class SafeArm:
    """An `Arm` and its `Gripper` behind every limit."""

    def __init__(
        self,
        arm: Arm,
        gripper: Gripper | None,
        limits: SafetyLimits,
        *,
        control_period_s: float,
        auto_resume_s: float,
        clock: Callable[[], float],
        step_driven: bool = False,
        gripper_thread: bool = True,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap the devices; nothing is connected yet.

        Args:
            arm: The bare driver; nobody else may command it from now on.
            gripper: Or None.
            limits: From the workcell file.
            control_period_s: Time between two commands of a source, s.
            auto_resume_s: A hold longer than this needs `resume`, s; 0 always needs it.
            clock: The workcell clock, s.
            step_driven: True for a simulation whose `step` ticks exactly once per control period: time is its clock's
                alone, targets inside the limits reach the driver bit for bit, and no second generator runs.
            gripper_thread: False commands the gripper from `tick`, for a simulation that must stay in step.
            steady: A clock that never jumps, s.
        """
        self._arm = arm
        self._limits = limits
        self._period = control_period_s
        self._clock, self._steady = clock, steady
        self._step_driven = step_driven
        self._loop_period = control_period_s if step_driven else min(control_period_s, 1.0 / arm.description.control_rate_hz)
        self._gripper = None
        if gripper is not None:
            self._gripper = GripperCommander(
                gripper, hysteresis=limits.gripper_hysteresis, threaded=gripper_thread, poll_s=control_period_s, on_fault=self.hold
            )
        self._lock = threading.RLock()
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._stop_reason = ""
        self._stop_told = True  # False until a tick has repeated a stop to the driver
        self._ledger = Ledger()
        self._hold = HoldState(auto_resume_s)
        self._loop = ControlLoop(self.tick, period_s=self._loop_period)
        self._connected = False
        self._judge: CommandJudge | None = None
        self._interpolator: Interpolator | None = None
        self._mode, self._fault = ArmMode.IDLE, ""
        self._source, self._requester, self._token = "none", "", 0
        self._state: ArmState | None = None
        self._target: Target | None = None
        self._command: ArmCommand | None = None
        self._opening: float | None = None

    @property
    def description(self) -> ArmDescription:
        """Facts of the arm."""
        return self._arm.description

    @property
    def source(self) -> str:
        """The active command source, "none" without one."""
        return self._source

    # ---- life

    def connect(self) -> None:
        """Reach arm and gripper; nothing moves, and nothing will before a source is switched on.

        Raises:
            DeviceError: If a device cannot be reached, or its tool centre is not where the URDF says.
            ConfigurationError: If the limits do not fit the arm.
            MissingDependencyError: If kinematics cannot be computed here.
        """
        if self._connected:
            return
        self._arm.connect()
        description = self._arm.description
        kinematics = Kinematics.from_description(description) if description.urdf else None
        interpolate = not (self._step_driven or description.interpolates) and self._loop_period < 0.75 * self._period
        self._judge = CommandJudge(
            self._limits,
            description,
            kinematics,
            control_period_s=self._period,
            accelerate=not interpolate,
            rate_limited=not self._step_driven,
        )
        self._check_stop_time()
        if interpolate:
            self._interpolator = self._make_interpolator(kinematics)
        self._state = self._arm.read_state()
        self._check_kinematics(kinematics)
        if self._gripper is not None:
            self._gripper.connect()
        self._mode, self._fault = ArmMode.IDLE, ""
        self._clear_action()
        self._connected = True

    def disconnect(self) -> None:
        """Stop the loop and let go of both devices; the gripper keeps its last command. Idempotent."""
        self._loop.stop()
        with self._lock:
            self._connected = False
            self._source, self._requester, self._token = "none", "", 0
            self._forget_target()
        self._arm.disconnect()
        if self._gripper is not None:
            self._gripper.disconnect()

    def start_loop(self) -> None:
        """Begin to tick at `description.control_rate_hz` in a thread; for workcells in real time."""
        if self._step_driven:
            raise ConfigurationError("this workcell is stepped by its simulation; expected no loop. Call the workcell's step() instead.")
        self._times = (self._clock(), self._steady())
        self._loop.start()

    def stop_loop(self) -> None:
        """End the thread. Idempotent."""
        self._loop.stop()

    # ---- reading

    def read_state(self) -> ArmState:
        """Return the newest state, with SafeArm's mode; while the loop runs, the one its last turn read.

        Raises:
            DeviceError: If the link is lost.
        """
        return replace(self._newest_state(), mode=self._present_mode(), fault=self._fault)

    def read_gripper(self) -> GripperState | None:
        """Return the newest gripper state, None without a gripper."""
        return None if self._gripper is None else self._gripper.read()

    def commanded_pose(self) -> np.ndarray:
        """Return (7,) m and xyzw: what the next delta is added to, the last lawful target or else the measured pose."""
        with self._lock:
            last = self._judge.last if self._judge is not None else None
        if last is not None and last.pose is not None:
            return last.pose.copy()
        state = self._newest_state()
        return make_pose(state.ee_position, state.ee_orientation)

    def status(self) -> SafeArmStatus:
        """Return mode, reason, source and counters."""
        mode = self._present_mode()
        reason = {ArmMode.STOPPED: self._stop_reason, ArmMode.FAULT: self._fault, ArmMode.HOLD: self._hold.reason}.get(mode, "")
        if self._loop.silent_for() > STUCK_S:
            reason = f"the control loop has not turned for {self._loop.silent_for():.1f} s: a driver call is stuck. Stop the arm. {reason}".strip()
        with self._lock:
            return SafeArmStatus(
                mode=mode,
                hold_reason=reason,
                source=self._source,
                interventions=dict(self._ledger.counts),
                last_limits=self._ledger.newest,
            )

    # ---- commands

    def switch_source(self, source: str, requester: str) -> int:
        """Give the arm to a source; whoever had it loses it at once.

        Args:
            source: policy, teleop, replay, script or none.
            requester: Who will send the commands, for messages.

        Returns:
            A random token (> 0) that every command of the source must carry; 0 for none.

        Raises:
            CommandRefusedError: If there is no such source.
        """
        if source not in SOURCES:
            raise CommandRefusedError(f'source "{source}" does not exist. {nearest(source, SOURCES)}')
        with self._lock:
            self._source, self._requester = source, requester
            self._token = 0 if source == "none" else secrets.randbits(64) or 1
            if self._mode is ArmMode.MOVING:
                self._mode, self._halt = ArmMode.IDLE, True
            elif self._mode is ArmMode.HOLD and source == "none" and self._hold.ends_with_source:
                self._mode = ArmMode.IDLE
            self._forget_target()
            if self._gripper is not None:
                self._gripper.forget()
            return self._token

    def submit(self, command: ArmCommand) -> Verdict:
        """Judge one command; a lawful target reaches the driver at the next tick.

        Refusals and limits are counted and told by name. A refused command changes nothing, and does not feed the watchdog.
        """
        with self._lock:
            try:
                self._admit(command)
                if command.action_space is ActionSpace.HOLD:
                    self._take_hold(command)
                else:
                    self._take_target(command)
            except Refusal as refusal:
                self._ledger.refused(refusal.name, str(refusal))
                return Verdict(accepted=False, reason=str(refusal))
            except DeviceError as error:
                self._enter_fault(str(error))
                return Verdict(accepted=False, reason=str(error))
            return Verdict(accepted=True)

    def _admit(self, command: ArmCommand) -> None:
        if not self._connected:
            raise Refusal("not_connected", "the arm is not connected; nothing moved. Call connect() first.")
        mode = self._present_mode()
        if mode is ArmMode.STOPPED:
            raise Refusal("stopped", f"the arm is stopped ({self._stop_reason}); clear the stop, then resume.")
        if mode is ArmMode.FAULT:
            raise Refusal("fault", f"the arm is in fault ({self._fault}); recover, then resume.")
        if self._source == "none" or command.source != self._source:
            raise Refusal(
                "source", f'source "{command.source}" does not command the arm; expected "{self._source}". Ask for the arm first.'
            )
        if command.token != self._token:
            raise Refusal(
                "token", f"token {command.token} was not given to {self._source} ({self._requester}); a second commander? Ask for the arm."
            )
        check_form(command, joints=len(self.description.joint_names), limits=self._limits)
        check_age(command, now=self._clock(), limits=self._limits, last_stamp=self._last_stamp)
        if mode is ArmMode.HOLD and self._hold.needs_resume(self._hold_clock()) and command.action_space is not ActionSpace.HOLD:
            raise Refusal("held", f"the arm holds ({self._hold.reason}); an operator must resume it.")
        if self._loop.silent_for() > STUCK_S:
            raise Refusal(
                "stuck", f"the control loop has not turned for {self._loop.silent_for():.1f} s; a driver call is stuck. Stop the arm."
            )

    def _take_hold(self, command: ArmCommand) -> None:
        """Keep the last target, or rest where nothing was commanded; feeds the watchdog, ends no hold."""
        self._note_action(command)
        self._wish_gripper(command)

    def _take_target(self, command: ArmCommand) -> None:
        target, limits = self._judge.judge(command, self._newest_state(), steady=self._steady())
        self._ledger.limited(limits)
        self._note_action(command)
        self._target, self._unsent, self._command = target, True, command
        self._wish_gripper(command)
        self._mode, self._halt = ArmMode.MOVING, False

    def _note_action(self, command: ArmCommand) -> None:
        # Braking begins within two control periods, whatever the sender claims (DESIGN 9.5).
        longest = 2.0 * self._period - (0.0 if self._step_driven else self._loop_period)
        valid = min(command.valid_for, longest)
        self._last_stamp = command.stamp
        self._ends = (command.stamp + valid, self._steady() + valid)

    def _wish_gripper(self, command: ArmCommand) -> None:
        if command.gripper is None:
            return
        opening = min(1.0, max(0.0, float(command.gripper)))
        if opening != command.gripper:
            self._ledger.limited([Limit(name="gripper_opening", value=command.gripper, limit=opening, unit="of 1")])
        self._opening = opening

    # ---- holding, stopping, recovering

    def hold(self, reason: str) -> None:
        """Brake and stay; the gripper keeps its last command. Motion goes on as `auto_resume_s` allows."""
        with self._lock:
            self._begin_hold(reason)

    def resume(self) -> None:
        """End a hold, as an operator; the next target is a first one.

        Raises:
            CommandRefusedError: While the arm is stopped or in fault.
        """
        with self._lock:
            mode = self._present_mode()
            if mode is ArmMode.STOPPED:
                raise CommandRefusedError(f"the arm is stopped ({self._stop_reason}); expected a cleared stop. Clear the stop first.")
            if mode is ArmMode.FAULT:
                raise CommandRefusedError(f"the arm is in fault ({self._fault}); expected none. Recover it first.")
            if mode is ArmMode.HOLD:
                self._mode = ArmMode.IDLE
                self._forget_target()

    def stop(self, reason: str) -> None:
        """Latch the stop and brake at once. Idempotent, from any thread, shares no lock with anything.

        Software stops are not a safety function: keep the hardware stop in reach.
        """
        if not self._stopped.is_set():
            self._stop_reason = reason
            logger.warning("arm stopped: %s", reason)
        self._stop_told = False
        self._stopped.set()
        if self._gripper is not None:
            self._gripper.drop_wish()
        self._arm.stop()

    def clear_stop(self) -> None:
        """Unlatch the stop, as an operator; the arm holds until `resume`."""
        with self._lock:
            if self._stopped.is_set():
                self._begin_hold(f"the stop ({self._stop_reason}) was cleared", operator=True)
                self._stopped.clear()

    def recover(self) -> None:
        """Clear a fault, as an operator; the arm holds until `resume`.

        Raises:
            DeviceError: If the driver cannot clear it.
        """
        if not self._fault:
            return
        self._arm.recover()
        with self._lock:
            words, self._fault = self._fault, ""
            self._begin_hold(f"recovered from: {words}", operator=True)

    # ---- one turn of the loop

    def tick(self) -> None:
        """Do one turn: read, watch, and send one set-point where motion is asked. Never raises on a driver's fault."""
        if not self._connected:
            return
        with self._turn:
            try:
                self._do_turn()
            except DeviceError as error:
                with self._lock:
                    new = not self._fault
                    self._enter_fault(str(error))
                if new:
                    with contextlib.suppress(DeviceError):  # the link may be what is lost; the fault says so already
                        self._arm.stop()
            if self._stopped.is_set() and not self._stop_told:
                self._stop_told = True  # a set-point may have gone out between the latch and the driver's stop
                self._arm.stop()

    def _do_turn(self) -> None:
        if self._stopped.is_set():
            with self._lock:
                self._forget_target()
                self._started = False
            if not self._step_driven:
                self._state = self._arm.read_state()
            return
        if not self._step_driven:
            self._state = self._arm.read_state()
        with self._lock:
            self._watch()
            if self._fault:
                return
            moving = self._mode is ArmMode.MOVING
            halt, self._halt = self._halt, False
            opening, self._opening = self._opening, None
            outgoing = self._next_outgoing(moving)
        if halt and self._interpolator is None:
            self._arm.stop()
        if opening is not None and self._gripper is not None:
            self._gripper.request(opening)
        if outgoing is not None:
            self._arm.command(outgoing)

    def _next_outgoing(self, moving: bool) -> ArmCommand | None:
        """Return what the driver gets in this turn: the target as it is, or the interpolator's next set-point."""
        if self._interpolator is None:
            if not moving or not self._unsent:
                return None
            self._unsent = False
            return self._for_driver(self._target.space, self._target.values)
        if moving:
            if not self._started:
                self._start_interpolator()
            return self._for_driver(ActionSpace.JOINT_POSITION, self._interpolator.advance(self._target.joints))
        if not self._started:
            return None
        braking = self._for_driver(ActionSpace.JOINT_POSITION, self._interpolator.advance(None))
        self._started = not self._interpolator.at_rest
        return braking

    def _start_interpolator(self) -> None:
        self._interpolator.start_at(self._state.joint_positions)
        self._started = True

    def _for_driver(self, space: ActionSpace, values: np.ndarray) -> ArmCommand:
        command = self._command
        return ArmCommand(
            stamp=self._clock(), action_space=space, values=values, valid_for=self._period, source=command.source, sequence=command.sequence
        )

    def _watch(self) -> None:
        """Put the arm on hold or in fault where time, state or driver ask for it."""
        now, steady = self._clock(), self._steady()
        if not self._step_driven:
            jump = (now - self._times[0]) - (steady - self._times[1])
            self._times = (now, steady)
            if abs(jump) > self._limits.clock_jump_s:
                self._begin_hold(f"the workcell clock jumped by {jump:+.3f} s; expected at most {self._limits.clock_jump_s:g} s")
            if self._state.mode is ArmMode.FAULT and not self._fault:
                raise DeviceError(self._state.fault or "the driver reports a fault without words; expected one. Look at the controller.")
            age = now - self._state.stamp
            if self._mode is ArmMode.MOVING and age > STATE_PERIODS * self._period:
                self._begin_hold(f"the arm's state is {age:.3f} s old; expected at most {STATE_PERIODS * self._period:.3f} s")
        if self._mode is ArmMode.MOVING:
            over = now - self._ends[0] >= -1e-9 or (not self._step_driven and steady >= self._ends[1])
            if over:
                self._begin_hold(f"no valid action from {self._source} ({self._requester})", ends_with_source=True)

    # ---- helpers; the caller holds `_lock`

    def _present_mode(self) -> ArmMode:
        if self._stopped.is_set():
            return ArmMode.STOPPED
        return ArmMode.FAULT if self._fault else self._mode

    def _hold_clock(self) -> float:
        return self._clock() if self._step_driven else self._steady()

    def _newest_state(self) -> ArmState:
        if self._loop.running and self._state is not None:
            return self._state
        return self._arm.read_state()

    def _begin_hold(self, reason: str, *, operator: bool = False, ends_with_source: bool = False) -> None:
        if self._mode is ArmMode.HOLD:
            self._hold.add(reason, operator=operator, ends_with_source=ends_with_source)
        else:
            logger.info("arm on hold: %s", reason)
            self._halt = self._mode is ArmMode.MOVING
            self._mode = ArmMode.HOLD
            self._hold.begin(reason, now=self._hold_clock(), operator=operator, ends_with_source=ends_with_source)
        self._forget_target()

    def _enter_fault(self, words: str) -> None:
        if not self._fault:
            logger.error("arm in fault: %s", words)
        self._fault = self._fault or words
        self._mode = ArmMode.IDLE if self._mode is ArmMode.MOVING else self._mode
        self._started = False
        self._forget_target()

    def _forget_target(self) -> None:
        """Drop the target and an unsent gripper wish: whatever comes next starts from the measured pose."""
        if self._judge is not None:
            self._judge.forget()
        self._target, self._unsent, self._opening = None, False, None
        self._last_stamp = -np.inf
        if self._gripper is not None:
            self._gripper.drop_wish()

    def _clear_action(self) -> None:
        self._target, self._command, self._opening = None, None, None
        self._unsent, self._halt, self._started = False, False, False
        self._last_stamp = -np.inf
        self._ends = (-np.inf, -np.inf)
        self._times = (self._clock(), self._steady())

    # ---- checks at connect

    def _make_interpolator(self, kinematics: Kinematics | None) -> Interpolator:
        if kinematics is None or ActionSpace.JOINT_POSITION not in self.description.native_spaces:
            raise ConfigurationError(
                f"arm {self.description.name} does not interpolate and takes no joint positions with a URDF; expected one of both. "
                "Give it joint_position and a urdf, or interpolate in the driver and say interpolates=True."
            )
        return Interpolator(
            kinematics,
            period_s=self._loop_period,
            velocity=self._judge.envelope.joint_speed,
            acceleration=self._limits.joint_acceleration_rad_s2,
            ee_speed=self._limits.ee_speed_m_s,
            ee_angular_speed=self._limits.ee_angular_speed_rad_s,
        )

    def _check_stop_time(self) -> None:
        speed = float(np.max(self._judge.envelope.joint_speed))
        needed = speed / self._limits.joint_acceleration_rad_s2
        if needed > self._limits.stop_time_s:
            raise ConfigurationError(
                f"safety.stop_time_s is {self._limits.stop_time_s:g} s; braking from {speed:.2f} rad/s at {self._limits.joint_acceleration_rad_s2:g}"
                f" rad/s2 takes {needed:.2f} s. Lower joint_velocity_share or raise joint_acceleration_rad_s2."
            )

    def _check_kinematics(self, kinematics: Kinematics | None) -> None:
        if kinematics is None:
            return
        reported = make_pose(self._state.ee_position, self._state.ee_orientation)
        distance, angle = pose_distance(kinematics.forward(self._state.joint_positions), reported)
        if distance > KINEMATICS_AGREE[0] or angle > KINEMATICS_AGREE[1]:
            raise DeviceError(
                f"arm {self.description.name} reports its tool centre {distance:.4f} m and {angle:.3f} rad from where the URDF puts it; expected"
                f" {KINEMATICS_AGREE[0]:g} m and {KINEMATICS_AGREE[1]:g} rad. Compare flange_to_tool, ee_link and units."
            )
