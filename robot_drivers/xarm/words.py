"""What an xArm controller's numbers mean, in words with a remedy. Start at `error_in_words`.

The numbers are those of the maker's manual ("Controller error code", "Controller warning code", "API code"); the words are our own.
"""

from __future__ import annotations

EMERGENCY_STOPS = (1, 2, 3)  # error codes that only a human at the control box ends
POWER_CYCLE = "Switch the control box off and on by its emergency stop button; if it stays, ask the maker's support."
SUPPORT = "Write the number down and ask the maker's support."
CLEAR = "Then clear the error in UFACTORY Studio, or recover."

ERRORS: dict[int, str] = {
    1: f"the emergency stop button of the control box is pressed. Release it when it is safe. {CLEAR}",
    2: f"the emergency stop input of the control box is open. Close the safety circuit (both EI inputs). {CLEAR}",
    3: f"the emergency stop of the three-position switch is pressed. Release it when it is safe. {CLEAR}",
    10: f"a servo motor failed. {POWER_CYCLE}",
    **{10 + joint: f"the servo motor of joint {joint} failed. {POWER_CYCLE}" for joint in range(1, 8)},
    18: "the force torque sensor does not answer. Check its cable, or switch it off in UFACTORY Studio.",
    19: "the tool at the wrist does not answer. Check its cable and baud rate, or deselect it in UFACTORY Studio.",
    21: f"the kinematics found no solution. Move away from singular poses. {CLEAR}",
    22: f"the arm would have hit itself. Move it apart by hand in manual mode. {CLEAR}",
    23: f"a joint is beyond its limit. Bring it back in UFACTORY Studio or by hand. {CLEAR}",
    24: f"a command was too fast for the arm. Lower safety.joint_velocity_share and safety.ee_speed_m_s. {CLEAR}",
    25: f"no motion could be planned. Lower the speed or change the path. {CLEAR}",
    26: f"the controller's real-time system failed. {SUPPORT}",
    27: f"the controller got no answer to an inner command. {POWER_CYCLE}",
    28: f"the module at the wrist does not answer. {POWER_CYCLE}",
    29: f"the controller reports an error of its own. {POWER_CYCLE}",
    30: f"a joint moved faster than allowed. {SUPPORT}",
    31: f"the arm hit something, or its payload is not what the file says. Look, free it, check payload_mass. {CLEAR}",
    32: f"a circle could not be computed. {CLEAR}",
    33: f"the inputs and outputs of the control box failed. Check their wiring. {POWER_CYCLE}",
    34: f"a recording took longer than five minutes. {CLEAR}",
    35: f"the tool reached the controller's safety boundary. Move it back in manual mode, or widen the boundary in UFACTORY Studio. {CLEAR}",
    36: f"too many delayed commands wait in the controller. {CLEAR}",
    37: f"the arm moved by itself in manual mode. Check payload, tool and mounting direction in UFACTORY Studio. {CLEAR}",
    38: f"a joint reports an impossible angle. Press the emergency stop. {SUPPORT}",
    39: f"two parts of the power board do not talk to each other. {SUPPORT}",
    40: f"no joint motion to the pose exists. Change the pose. {CLEAR}",
    41: f"the friction file of the arm is damaged. {POWER_CYCLE}",
    42: f"the calibration file of the arm is damaged. {POWER_CYCLE}",
    50: f"the force torque sensor failed. Check its cable. {CLEAR}",
    51: f"the force torque sensor refused its mode. {CLEAR}",
    52: f"the force torque sensor could not be zeroed. {CLEAR}",
    53: f"the force torque sensor is overloaded. Take the load off. {CLEAR}",
    60: f"a servo target was too far from the one before: too fast for the arm. Lower safety.ee_speed_m_s. {CLEAR}",
    110: f"the base of the arm does not answer the control box. Check the arm's cable. {SUPPORT}",
    111: "a device on the RS-485 of the control box does not answer. Check its cable and baud rate.",
}

WARNINGS: dict[int, str] = {
    11: "the controller's command buffer is full; commands come too fast.",
    12: "a command had a wrong parameter.",
    13: "a command is unknown to this firmware. Update it in UFACTORY Studio.",
    14: "a command has no solution.",
    15: "the buffer of the tool's commands is full; the gripper is commanded too fast.",
}

REPLIES: dict[int, str] = {
    -9: "the controller is in emergency stop.",
    -8: "a joint target lies beyond the arm's limits.",
    -7: "a joint target lies beyond the arm's limits.",
    -6: "a pose lies beyond the arm's reach.",
    -4: "the firmware does not know the command. Update it in UFACTORY Studio.",
    -3: "the SDK refused the parameters.",
    -2: "the arm is not enabled.",
    -1: "the connection is closed.",
    1: "the controller has an error that is not cleared.",
    3: "no answer came in time.",
    4: "the answer had a wrong length.",
    5: "the answer belongs to another command.",
    6: "the answer speaks another protocol.",
    7: "the answer belongs to another function.",
    8: "the command could not be sent.",
    9: "the controller is not ready to move.",
    10: "the controller could not carry it out.",
    11: "the controller gives no reason.",
    12: "the controller refuses the parameters.",
    21: "the baud rate is not supported.",
    22: "the tool at the wrist has another baud rate.",
    102: "the tool at the wrist has an error.",
    103: "the tool at the wrist is not enabled.",
}
LOST_REPLIES = (-1, 8)  # the connection is gone
SILENT_REPLIES = (3, 4, 5, 6, 7)  # no usable answer came

STATES = {0: "ready", 1: "moving", 2: "at rest", 3: "paused", 4: "stopped", 5: "stopped", 6: "stopping"}
MODES = {
    0: "position",
    1: "servo",
    2: "manual (hand guiding)",
    3: "reserved",
    4: "joint velocity",
    5: "Cartesian velocity",
    6: "joint online planning",
    7: "Cartesian online planning",
}


def error_in_words(code: int) -> str:
    """Return what a controller error means and what to do; an unknown code by its number."""
    return f"error {code}: {ERRORS.get(code, f'not known to this driver. Look it up in the manual of the arm. {CLEAR}')}"


def warning_in_words(code: int) -> str:
    """Return what a controller warning means; an unknown code by its number."""
    return f"warning {code}: {WARNINGS.get(code, 'not known to this driver. Look it up in the manual of the arm.')}"


def reply_in_words(code: int) -> str:
    """Return what the answer to a command means; an unknown code by its number."""
    return f"code {code}: {REPLIES.get(code, 'not known to this driver. Look it up as API code in the manual.')}"


def state_in_words(state: int, mode: int) -> str:
    """Return what a controller is doing, for messages."""
    return f"state {state} ({STATES.get(state, 'unknown')}), mode {mode} ({MODES.get(mode, 'unknown')})"
