"""The robot behind the protocol: modes, one motion at a time, reflexes and recovery.

`SimulatedRobot` is told what the client asks (`start_motion`, `take`, ...) and what befalls it (`reflex`, `press_user_stop`, ...), and says
what it answers through `respond`. Its mode follows from its condition, so that two conditions at once never contradict each other.
Every method is called with `lock` held. Start at `SimulatedRobot.take`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from robot_drivers.fake_controllers.command_log import CommandLog
from robot_drivers.fake_controllers.franka import limits
from robot_drivers.fake_controllers.franka.arm import Arm
from robot_drivers.fake_controllers.franka.configuration import Configuration
from robot_drivers.fake_controllers.franka.error_bits import bit_of
from robot_drivers.fake_controllers.franka.facts import RobotFacts
from robot_drivers.fake_controllers.franka.generators import InvalidInput, make_generator
from robot_drivers.fake_controllers.franka.messages import ERROR_COUNT, Command
from robot_drivers.fake_controllers.franka.motion import Motion, keep_extremes, read_modes
from robot_drivers.fake_controllers.franka.recording import MotionRecording
from robot_drivers.fake_controllers.franka.statuses import ControllerMode, Generator, MoveStatus, RecoveryStatus, RobotMode, StopStatus

RECOVERY_CYCLES = 50
# The states of this many cycles show a recovered robot before the answer goes out: clients look at the state right after it.
SHOWN_CYCLES = 5
LOST_COMMANDS = 20  # this many missing in a row end a motion


class SimulatedRobot:
    """One arm with its modes and settings."""

    def __init__(self, facts: RobotFacts, log: CommandLog) -> None:
        self.facts = facts
        self.log = log
        self.lock = threading.RLock()
        self.recording = MotionRecording()
        self.respond: Callable[[Command, int, int], None] = lambda command, command_id, status: None
        self.power_up()

    def power_up(self) -> None:
        """Begin as after a power cycle: settings and errors gone, the clock at zero, the arm at its start."""
        self.configuration = Configuration(self.facts)
        self.arm = Arm(np.array(self.facts.start_joints, dtype=float), self.configuration.flange_to_end_effector)
        self.message_id = 0
        self.motion: Motion | None = None
        self.errors = np.zeros(ERROR_COUNT, np.uint8)
        self.reflex_reason = np.zeros(ERROR_COUNT, np.uint8)
        self.user_stopped = self.joints_locked = self.guiding = self.manual_recovery = False
        self._recovery: tuple[int, int] | None = None  # cycles left, command id
        self._outcomes = [True] * 100
        self.changed = True

    @property
    def mode(self) -> RobotMode:
        """The mode that follows from the condition of the robot."""
        if self.joints_locked:
            return RobotMode.OTHER
        if self.user_stopped:
            return RobotMode.USER_STOPPED
        if self._recovery is not None and self._recovery[0] > SHOWN_CYCLES:
            return RobotMode.AUTOMATIC_ERROR_RECOVERY
        if self.errors.any():
            return RobotMode.REFLEX
        if self.guiding:
            return RobotMode.GUIDING
        return RobotMode.IDLE if self.motion is None else RobotMode.MOVE

    @property
    def modes(self) -> tuple[RobotMode, Generator, ControllerMode]:
        """Robot mode, motion generator and controller as the state shows them."""
        if self.motion is None:
            return self.mode, Generator.IDLE, ControllerMode.OTHER
        return self.mode, self.motion.mode, self.motion.controller

    @property
    def success_rate(self) -> float:
        """Share of the last 100 commands of a motion that came; 0 without a motion."""
        return 0.0 if self.motion is None else self._outcomes.count(True) / len(self._outcomes)

    @property
    def awaits_commands(self) -> bool:
        """Whether a motion is running that is not being stopped."""
        return self.motion is not None and self.motion.stop_command_id is None

    def start_motion(self, command_id: int, request: np.void) -> MoveStatus:
        """Begin a motion, or say why not."""
        modes = read_modes(request)
        if modes is None:
            return MoveStatus.INVALID_ARGUMENT
        # The controller's own asynchronous generator is not simulated: refused as by a controller that cannot.
        if self.mode is not RobotMode.IDLE or request["asynchronous"]:
            return MoveStatus.NOT_POSSIBLE
        self.arm.rest()
        self.reflex_reason[:] = 0
        self._outcomes = [True] * 100
        self.motion = Motion(command_id=command_id, mode=modes[0], controller=modes[1], generator=make_generator(modes[0], self.arm))
        self.changed = True
        self.log.append("move", command_id=command_id, generator=modes[0].name, controller=modes[1].name)
        return MoveStatus.MOTION_STARTED

    def stop_motion(self, command_id: int) -> StopStatus | None:
        """Stop; None where the answer comes once the arm stands."""
        if self.motion is None:
            by_mode = {
                RobotMode.IDLE: StopStatus.SUCCESS,
                RobotMode.GUIDING: StopStatus.SUCCESS,
                RobotMode.REFLEX: StopStatus.REFLEX_ABORTED,
                RobotMode.USER_STOPPED: StopStatus.EMERGENCY_ABORTED,
            }
            return by_mode.get(self.mode, StopStatus.NOT_POSSIBLE)
        if self.motion.stop_command_id is not None:
            return StopStatus.NOT_POSSIBLE
        self.motion.stop_command_id = command_id
        return None

    def recover(self, command_id: int) -> RecoveryStatus | None:
        """Clear the errors of a reflex; None where the answer comes when it is done."""
        if self.joints_locked or self.guiding or self.motion is not None or self._recovery is not None:
            return RecoveryStatus.NOT_POSSIBLE
        if self.user_stopped:
            return RecoveryStatus.EMERGENCY_ABORTED
        if self.manual_recovery:
            return RecoveryStatus.MANUAL_RECOVERY_REQUIRED
        self._recovery = (RECOVERY_CYCLES, command_id)
        self.changed = True
        return None

    def take(self, command: np.void) -> None:
        """Take one command of the stream: move, finish, or fall into a reflex."""
        motion = self.motion
        message_id = int(command["message_id"])
        if motion is None or motion.stop_command_id is not None or message_id <= (motion.last_message_id or 0):
            self.log.count("late_command")
            return
        cycles = 1 if motion.last_message_id is None else message_id - motion.last_message_id
        motion.last_message_id, motion.lost = message_id, 0
        self._note_outcome(True)
        self.log.count("command")
        before = self.arm.end_effector_desired[:3, 3]
        try:
            breaks = motion.generator.step(command, cycles * limits.CYCLE)
            finished = bool(command["torque_finished"] if motion.mode is Generator.NONE else command["motion_finished"])
            if finished and not breaks:
                breaks = motion.generator.stop()
        except InvalidInput as invalid:
            self.log.append("invalid_input", reason=str(invalid))
            self._end_motion(MoveStatus.INPUT_ERROR_ABORTED, invalid.error)
            return
        self.changed = True
        if breaks:
            for broken in breaks:
                self.log.violation(broken.quantity, broken.value, broken.limit, error=broken.error)
            self.reflex(*(broken.error for broken in breaks))
            return
        keep_extremes(self.log, self.arm, motion, before, cycles)
        arm = self.arm
        position = arm.end_effector_desired[:3, 3]
        self.recording.add(time.monotonic(), message_id, arm.desired, arm.desired_velocity, arm.desired_acceleration, position)
        if finished:
            self.log.append("motion_finished", command_id=motion.command_id)
            self._end_motion(MoveStatus.SUCCESS, None)
            self.arm.rest()

    def miss(self) -> None:
        """A cycle of the motion passed without its command: go on as before, and give up after too many."""
        motion = self.motion
        if not self.awaits_commands or motion.last_message_id is None:
            return
        motion.lost += 1
        self._note_outcome(False)
        self.log.count("lost_command")
        if motion.lost >= LOST_COMMANDS:
            self.reflex("communication_constraints_violation")
            return
        motion.generator.extrapolate(limits.CYCLE)
        motion.last_message_id = self.message_id
        self.changed = True

    def advance(self) -> None:
        """Begin the next cycle: the clock, an arm that brakes, a recovery that ends."""
        self.message_id += 1
        if self._recovery is not None:
            self._go_on_recovering(*self._recovery)
        if self.awaits_commands:
            return
        if not self.arm.standing:
            self.arm.brake() if np.any(self.arm.desired_velocity) else self.arm.rest()
            self.changed = True
        elif self.motion is not None:
            stop_command_id = self.motion.stop_command_id
            self._end_motion(MoveStatus.PREEMPTED, None)
            self.log.append("stopped", command_id=stop_command_id)
            self.respond(Command.STOP_MOVE, stop_command_id, StopStatus.SUCCESS)

    def _go_on_recovering(self, cycles: int, command_id: int) -> None:
        if not self.arm.standing:
            return  # first the arm comes to rest
        self._recovery = (cycles - 1, command_id) if cycles else None
        if cycles == SHOWN_CYCLES:
            self.errors[:] = 0
            self.changed = True
            self.log.append("recovered")
        if not cycles:
            self.respond(Command.AUTOMATIC_ERROR_RECOVERY, command_id, RecoveryStatus.SUCCESS)

    def reflex(self, *errors: str) -> None:
        """Fall into a reflex with these error bits; a motion ends and the arm brakes."""
        self._abandon_recovery(RecoveryStatus.REFLEX_ABORTED)
        self.reflex_reason[:] = 0
        for error in errors:
            self.errors[bit_of(error)] = self.reflex_reason[bit_of(error)] = 1
        self.changed = True
        self.log.append("reflex", errors=list(errors))
        self._end_motion(MoveStatus.REFLEX_ABORTED, None, StopStatus.REFLEX_ABORTED)

    def press_user_stop(self) -> None:
        """The user stop is pressed, until `user_stopped` is cleared."""
        self.user_stopped = self.changed = True
        self._abandon_recovery(RecoveryStatus.EMERGENCY_ABORTED)
        self._end_motion(MoveStatus.EMERGENCY_ABORTED, None, StopStatus.EMERGENCY_ABORTED)

    def lock_joints(self) -> None:
        """The brakes close, until `joints_locked` is cleared."""
        self.joints_locked = self.changed = True
        self._abandon_recovery(RecoveryStatus.ABORTED)
        self._end_motion(MoveStatus.ABORTED, None, StopStatus.ABORTED)

    def begin_guiding(self) -> None:
        """Somebody takes the arm by the hand, until `guiding` is cleared."""
        self.guiding = self.changed = True
        self._end_motion(MoveStatus.ABORTED, None, StopStatus.ABORTED)

    def client_gone(self) -> None:
        """Nobody commands any more: an arm in motion falls into a reflex."""
        if self.motion is not None:
            self.reflex("communication_constraints_violation")

    def _abandon_recovery(self, status: RecoveryStatus) -> None:
        if self._recovery is not None:
            _, command_id = self._recovery
            self._recovery = None
            self.respond(Command.AUTOMATIC_ERROR_RECOVERY, command_id, status)

    def _end_motion(self, status: MoveStatus, error: str | None, stop_status: StopStatus | None = None) -> None:
        motion, self.motion = self.motion, None
        self.changed = True
        if error is not None:
            self.errors[bit_of(error)] = self.reflex_reason[bit_of(error)] = 1
        if motion is None:
            return
        self.respond(Command.MOVE, motion.command_id, status)
        if motion.stop_command_id is not None and stop_status is not None:
            self.respond(Command.STOP_MOVE, motion.stop_command_id, stop_status)

    def _note_outcome(self, came: bool) -> None:
        self._outcomes[self.message_id % len(self._outcomes)] = came
