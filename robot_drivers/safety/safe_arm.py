"""The only way to move an arm: limits, watchdog, one command source, stop latch. Start at `SafeArm`.

Two threads meet here: whoever submits commands, and the loop that ticks. `_lock` guards the judgement and is never
held around a driver call of the loop; `_turn` lets one tick run at a time. `stop` takes neither, so it works while an
SDK call is stuck.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from robot_drivers.arm import ActionSpace, Arm, ArmCommand, ArmDescription, ArmMode, ArmState
from robot_drivers.gripper import Gripper, GripperState
from robot_drivers.kinematics import Kinematics
from robot_drivers.poses import make_pose
from robot_drivers.safety import fitting
from robot_drivers.safety.admission import Refusal, check_age, check_form
from robot_drivers.safety.command_judge import CommandJudge
from robot_drivers.safety.control_loop import ControlLoop
from robot_drivers.safety.gripper_commander import GripperCommander
from robot_drivers.safety.holding import Holding
from robot_drivers.safety.ledger import Ledger
from robot_drivers.safety.limits import SafetyLimits
from robot_drivers.safety.modes import ArmModes
from robot_drivers.safety.read_only import WORDS as READ_ONLY
from robot_drivers.safety.read_only import ReadOnlyArm, ReadOnlyGripper
from robot_drivers.safety.set_points import SetPoints
from robot_drivers.safety.source_token import SourceToken
from robot_drivers.safety.status import SafeArmStatus, Verdict
from robot_drivers.safety.timing import Timing
from robot_drivers.safety.watchdog import Watchdog
from stage_core.errors import CommandRefusedError, ConfigurationError, DeviceError

logger = logging.getLogger(__name__)

WORDLESS_FAULT = "the driver reports a fault without words. Look at the controller."


class SafeArm(Holding):
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
        read_only: bool = False,
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
            read_only: No source gets the arm, and nothing is sent to the devices but questions.
            steady: A clock that never jumps, s.
        """
        self._read_only = read_only
        self._arm = ReadOnlyArm(arm) if read_only else arm
        gripper = ReadOnlyGripper(gripper) if read_only and gripper is not None else gripper
        self._limits = limits
        self._timing = Timing(
            clock=clock,
            steady=steady,
            control_period_s=control_period_s,
            loop_period_s=control_period_s if step_driven else min(control_period_s, 1.0 / arm.description.control_rate_hz),
            step_driven=step_driven,
        )
        self._gripper = GripperCommander(
            gripper, hysteresis=limits.gripper_hysteresis, threaded=gripper_thread, poll_s=control_period_s, on_fault=self.hold
        )
        self._lock = threading.RLock()
        self._turn = threading.Lock()
        self._stop_told = True  # False until a tick has repeated a stop to the driver
        self._ledger = Ledger()
        self._modes = ArmModes(auto_resume_s, self._timing)
        self._watchdog = Watchdog(limits, self._timing)
        self._loop = ControlLoop(self.tick, period_s=self._timing.loop_period_s)
        self._connected = False
        self._judge: CommandJudge | None = None
        self._set_points = SetPoints(None, self._timing)
        self._door = SourceToken()
        self._state: ArmState | None = None

    @property
    def description(self) -> ArmDescription:
        """Facts of the arm."""
        return self._arm.description

    @property
    def source(self) -> str:
        """The active command source, "none" without one."""
        return self._door.source

    def clock(self) -> float:
        """Return the workcell clock, s."""
        return self._timing.clock()

    # ---- life

    def connect(self) -> None:
        """Reach arm and gripper; nothing moves, and nothing will before a source is switched on.

        Raises:
            DeviceError: If a device cannot be reached, its tool centre is not where the URDF says, or the controller
                takes another tool or payload for granted than the workcell file.
            ConfigurationError: If the limits do not fit the arm.
            MissingDependencyError: If kinematics cannot be computed here.
        """
        if self._connected:
            return
        self._arm.connect()
        self._state = self._arm.read_state()
        if self._read_only:  # nothing may be set and nothing moves: what disagrees is told
            self._tell_what_disagrees()
        else:
            fitting.check_tool(self._arm.description, self._arm.read_tool())
            self._judge, self._set_points = fitting.fit_to_arm(self._arm.description, self._state, self._limits, self._timing)
        self._gripper.connect()
        self._modes.mode, self._modes.fault = ArmMode.IDLE, ""
        self._watchdog.restart()
        self._connected = True

    def _tell_what_disagrees(self) -> None:
        description = self._arm.description
        try:
            fitting.check_tool(description, self._arm.read_tool())
            fitting.check_tool_centre(description, Kinematics.from_description(description) if description.urdf else None, self._state)
        except DeviceError as error:
            logger.warning("read-only: %s", error)

    def disconnect(self) -> None:
        """Stop the loop and let go of both devices; the gripper keeps its last command. Idempotent."""
        self._loop.stop()
        with self._lock:
            self._connected = False
            self._door.switch("none", "")
            self._forget_target()
            self._set_points = SetPoints(None, self._timing)
        self._arm.disconnect()
        self._gripper.disconnect()

    def start_loop(self) -> None:
        """Begin to tick at `description.control_rate_hz` in a thread; for workcells in real time."""
        if self._timing.step_driven:
            raise ConfigurationError("this workcell is stepped by its simulation; expected no loop. Call the workcell's step() instead.")
        self._watchdog.restart()
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
        return replace(self._newest_state(), mode=self._modes.present, fault=self._modes.fault)

    def read_gripper(self) -> GripperState | None:
        """Return the newest gripper state, None without a gripper."""
        return self._gripper.read()

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
        with self._lock:
            return SafeArmStatus(
                mode=self._modes.present,
                hold_reason=self._loop.trouble() or self._modes.reason,
                source=self._door.source,
                interventions=dict(self._ledger.counts),
                last_limits=self._ledger.newest,
                longest_silence=self._watchdog.longest_silence,
            )

    # ---- commands

    def switch_source(self, source: str, requester: str) -> int:
        """Give the arm to a source; whoever had it loses it at once, and a moving arm brakes.

        Args:
            source: policy, teleop, replay, script or none.
            requester: Who will send the commands, for messages.

        Returns:
            A random token of 64 bits (> 0) that every command of the source must carry; 0 for none.

        Raises:
            CommandRefusedError: If there is no such source, or the workcell is read-only.
        """
        if self._read_only and source != "none":
            raise CommandRefusedError(READ_ONLY)
        with self._lock:
            token = self._door.switch(source, requester)
            self._modes.source_switched(source)
            self._forget_target()
            self._gripper.forget()
            return token

    def submit(self, command: ArmCommand) -> Verdict:
        """Judge one command; a lawful target reaches the driver at the next tick.

        Refusals and limits are counted and told by name. A refused command changes nothing and does not feed the watchdog.
        """
        with self._lock:
            try:
                self._admit(command)
                if command.action_space is ActionSpace.HOLD:  # keeps the last target, ends no hold
                    self._watchdog.feed(command)
                else:
                    self._take_target(command)
                if self._modes.mode is not ArmMode.HOLD:
                    self._ledger.limited(self._gripper.want(command.gripper))
            except Refusal as refusal:
                self._ledger.refused(refusal.name, str(refusal))
                return Verdict(accepted=False, reason=str(refusal))
            except DeviceError as error:
                self._modes.enter_fault(str(error))
                self._forget_target(stopped=True)
                return Verdict(accepted=False, reason=str(error))
            return Verdict(accepted=True)

    def _admit(self, command: ArmCommand) -> None:
        if not self._connected:
            raise Refusal("not_connected", "the arm is not connected; nothing moved. Call connect() first.")
        name, words = self._modes.blocked()
        if name:
            raise Refusal(name, words)
        if not self._timing.step_driven:
            self._watch_silence()  # the loop may not have seen it yet: a late command must not hide the gap before it
        self._door.check(command)
        check_form(command, joints=len(self.description.joint_names), limits=self._limits)
        check_age(command, now=self._timing.clock(), limits=self._limits, last_stamp=self._watchdog.last_stamp)
        if command.action_space is not ActionSpace.HOLD and self._modes.needs_resume():
            raise Refusal("held", f"the arm holds ({self._modes.reason}); an operator must resume it.")
        if stuck := self._loop.trouble():
            raise Refusal("stuck", stuck)

    def _take_target(self, command: ArmCommand) -> None:
        state = self._newest_state()
        if state.mode is ArmMode.FAULT:
            raise DeviceError(state.fault or WORDLESS_FAULT)
        target, limits = self._judge.judge(command, state)
        self._ledger.limited(limits)
        self._watchdog.feed(command)
        self._set_points.take(target, command)
        self._modes.mode = ArmMode.MOVING

    # ---- one turn of the loop

    def tick(self) -> None:
        """Do one turn: read, watch, and send one set-point where motion is asked. A driver's error becomes a fault."""
        if not self._connected:
            return
        with self._turn:
            try:
                self._do_turn()
            except DeviceError as error:
                self._fail(str(error))
            except Exception as error:  # a driver's mistake must end in a fault that brakes, not in a dead loop
                logger.exception("the driver of %s failed", self.description.name)
                self._fail(f"the driver raised {type(error).__name__}: {error}")
            if self._modes.stopped.is_set() and not self._stop_told:
                self._stop_told = True  # a set-point may have gone out between the latch and the driver's stop
                with contextlib.suppress(Exception):  # whoever stopped the arm was told already
                    self._arm.stop()

    def _do_turn(self) -> None:
        if not self._timing.step_driven:
            self._state = self._arm.read_state()
        with self._lock:
            if self._modes.blocked()[0]:
                self._forget_target(stopped=True)
                return
            self._watch()
            outgoing, brake = self._set_points.next(self._state.joint_positions)
        if brake:
            self._arm.stop()
        self._gripper.send_wanted()
        if outgoing is not None:
            self._arm.command(outgoing)

    def _watch(self) -> None:
        """Put the arm on hold where time or state ask for it, or raise the driver's own fault."""
        moving = self._modes.mode is ArmMode.MOVING
        if self._state.mode is ArmMode.FAULT and not self._timing.step_driven:
            raise DeviceError(self._state.fault or WORDLESS_FAULT)
        trouble = self._watchdog.clock_trouble()
        if moving and not trouble:
            trouble = self._watchdog.state_trouble(self._state)
        if trouble:
            self._begin_hold(trouble)
        else:
            self._watch_silence()

    def _watch_silence(self) -> None:
        """Put a moving arm on hold whose last action is over."""
        if self._modes.mode is ArmMode.MOVING and self._watchdog.action_is_over():
            silence = self._watchdog.silence()
            self._begin_hold(
                f"no valid action from {self._door.source} ({self._door.requester}) for {silence:.3f} s", ends_with_source=True
            )

    def _fail(self, words: str) -> None:
        with self._lock:
            new = self._modes.enter_fault(words)
            self._forget_target(stopped=True)
        if new:
            with contextlib.suppress(Exception):  # the link may be what is lost; the fault says so already
                self._arm.stop()

    # ---- helpers; the caller holds `_lock` where something is changed

    def _newest_state(self) -> ArmState:
        return self._state if self._loop.running and self._state is not None else self._arm.read_state()

    def _begin_hold(self, reason: str, *, operator: bool = False, ends_with_source: bool = False, stopped: bool = False) -> None:
        self._modes.begin_hold(reason, operator=operator, ends_with_source=ends_with_source)
        self._forget_target(stopped=stopped)

    def _forget_target(self, *, stopped: bool = False) -> None:
        """Drop target and unsent gripper wishes: the arm comes to rest, and what follows starts from the measured pose.

        `stopped` says that the driver was stopped by other means, so that there is nothing to brake.
        """
        if self._judge is not None:
            self._judge.forget()
        if stopped:
            self._set_points.forget_motion()
        else:
            self._set_points.brake()
        self._watchdog.forget()
        self._gripper.drop_wishes()
