"""The numbers of answers and modes on the wire, robot interface version 10. Start at `MoveStatus`."""

from __future__ import annotations

import enum


class ConnectStatus(enum.IntEnum):
    """Answer to CONNECT; the server's version follows as `<H`."""

    SUCCESS = 0
    INCOMPATIBLE_LIBRARY_VERSION = 1


class SetterStatus(enum.IntEnum):
    """Answer to every SET command."""

    SUCCESS = 0
    NOT_POSSIBLE = 1
    INVALID_ARGUMENT = 2
    SAFETY_FUNCTION_ACTIVE = 3


class MoveStatus(enum.IntEnum):
    """Answers to MOVE: MOTION_STARTED first, then one that ends the motion."""

    SUCCESS = 0
    MOTION_STARTED = 1
    PREEMPTED = 2
    PREEMPTED_BY_SAFETY_FUNCTION = 3
    REJECTED_BY_SAFETY_FUNCTION = 4
    NOT_POSSIBLE = 5
    STARTS_AT_SINGULAR_POSE = 6
    INVALID_ARGUMENT = 7
    REFLEX_ABORTED = 8
    EMERGENCY_ABORTED = 9
    INPUT_ERROR_ABORTED = 10
    ABORTED = 11


class StopStatus(enum.IntEnum):
    """Answer to STOP_MOVE."""

    SUCCESS = 0
    NOT_POSSIBLE = 1
    SAFETY_FUNCTION_ACTIVE = 2
    EMERGENCY_ABORTED = 3
    REFLEX_ABORTED = 4
    ABORTED = 5


class RecoveryStatus(enum.IntEnum):
    """Answer to AUTOMATIC_ERROR_RECOVERY."""

    SUCCESS = 0
    NOT_POSSIBLE = 1
    SAFETY_FUNCTION_ACTIVE = 2
    MANUAL_RECOVERY_REQUIRED = 3
    REFLEX_ABORTED = 4
    EMERGENCY_ABORTED = 5
    ABORTED = 6


class RobotMode(enum.IntEnum):
    """Mode in the state."""

    OTHER = 0
    IDLE = 1
    MOVE = 2
    GUIDING = 3
    REFLEX = 4
    USER_STOPPED = 5
    AUTOMATIC_ERROR_RECOVERY = 6


class Generator(enum.IntEnum):
    """Motion generator in the state; a MOVE request counts from 0 for JOINT_POSITION, so one less."""

    IDLE = 0
    JOINT_POSITION = 1
    JOINT_VELOCITY = 2
    CARTESIAN_POSE = 3
    CARTESIAN_VELOCITY = 4
    NONE = 5


class ControllerMode(enum.IntEnum):
    """Controller in the state and (all but OTHER) in a MOVE request."""

    JOINT_IMPEDANCE = 0
    CARTESIAN_IMPEDANCE = 1
    EXTERNAL = 2
    OTHER = 3
