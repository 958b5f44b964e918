"""What the controller says, in words with a remedy. Start at `describe_state` and `describe_exception`.

Names are those of franky's `Errors` and `RobotMode`; nothing of the SDK is imported here.
"""

from __future__ import annotations

import re
from typing import Any

_SLOWER = "Lower relative_acceleration and relative_jerk, and look for lost packets (stage doctor)."
_CLEAR = "Look what the arm touched, clear its way, then recover."
_LIMIT = "Guide the arm back by hand in Desk, then recover."
_RESTART = "Recover; if it stays, restart the controller."

# every bit of franky's Errors: what it means, and what to do
ERRORS: dict[str, tuple[str, str]] = {
    "joint_position_limits_violation": ("a joint moved past its limit", _LIMIT),
    "cartesian_position_limits_violation": ("the arm moved past a virtual wall of the controller", _LIMIT),
    "self_collision_avoidance_violation": ("the arm would have hit itself", "Guide it to a freer place in Desk, then recover."),
    "joint_velocity_violation": ("a joint was too fast", _SLOWER),
    "cartesian_velocity_violation": ("the tool was too fast", "Lower safety.ee_speed_m_s, then recover."),
    "force_control_safety_violation": ("force control passed a safety threshold", _CLEAR),
    "joint_reflex": ("a joint torque passed collision_torque_nm: a collision", _CLEAR),
    "cartesian_reflex": ("the force at the tool passed collision_force_n: a collision", _CLEAR),
    "max_goal_pose_deviation_violation": ("an internal motion ended away from its goal", _RESTART),
    "max_path_pose_deviation_violation": ("the arm left its path", "Raise joint_impedance or check the payload, then recover."),
    "cartesian_velocity_profile_safety_violation": ("an internal motion passed its speed profile", _RESTART),
    "joint_position_motion_generator_start_pose_invalid": ("a motion began away from where the arm is", "Recover and begin again."),
    "joint_motion_generator_position_limits_violation": (
        "a target lay beyond a joint limit",
        "Raise safety.joint_margin_rad, then recover.",
    ),
    "joint_motion_generator_velocity_limits_violation": (
        "a joint target was too fast for its place in the range",
        "Lower relative_velocity or raise safety.joint_margin_rad, then recover.",
    ),
    "joint_motion_generator_velocity_discontinuity": ("the commanded joint speed jumped", _SLOWER),
    "joint_motion_generator_acceleration_discontinuity": ("the commanded joint acceleration jumped", _SLOWER),
    "cartesian_position_motion_generator_start_pose_invalid": ("a motion began away from where the tool is", "Recover and begin again."),
    "cartesian_motion_generator_elbow_limit_violation": ("the elbow target passed its limit", _LIMIT),
    "cartesian_motion_generator_velocity_limits_violation": ("the tool target was too fast", _SLOWER),
    "cartesian_motion_generator_velocity_discontinuity": ("the commanded tool speed jumped", _SLOWER),
    "cartesian_motion_generator_acceleration_discontinuity": ("the commanded tool acceleration jumped", _SLOWER),
    "cartesian_motion_generator_elbow_sign_inconsistent": ("the elbow target changed its side", "Recover and begin again."),
    "cartesian_motion_generator_start_elbow_invalid": ("the first elbow target was away from the elbow", "Recover and begin again."),
    "cartesian_motion_generator_joint_position_limits_violation": ("a tool target needed a joint beyond its limit", _LIMIT),
    "cartesian_motion_generator_joint_velocity_limits_violation": ("a tool target needed a joint to be too fast", _SLOWER),
    "cartesian_motion_generator_joint_velocity_discontinuity": ("a tool target needed a jump of joint speed", _SLOWER),
    "cartesian_motion_generator_joint_acceleration_discontinuity": ("a tool target needed a jump of joint acceleration", _SLOWER),
    "cartesian_position_motion_generator_invalid_frame": (
        "a tool target was not a pose",
        "Recover and tell us: this is a mistake of the driver.",
    ),
    "force_controller_desired_force_tolerance_violation": ("the desired force was too high", _CLEAR),
    "controller_torque_discontinuity": ("the commanded torque jumped", _RESTART),
    "start_elbow_sign_inconsistent": ("the elbow of a Desk motion was on the other side", "Recover."),
    "communication_constraints_violation": (
        "commands came too late or were lost on the network",
        "Use a direct cable, a real-time kernel and the performance governor (stage doctor), then recover.",
    ),
    "power_limit_violation": ("the motion would have needed too much power", _SLOWER),
    "joint_p2p_insufficient_torque_for_planning": (
        "the arm is overloaded for a Desk motion",
        "Check the payload in Desk and in the workcell file.",
    ),
    "tau_j_range_violation": ("a torque sensor is out of its range", "Take the load off the arm and restart the controller."),
    "instability_detected": ("the controller saw an instability", "Check payload, mounting and joint_impedance, then recover."),
    "joint_move_in_wrong_direction": ("the arm was guided further into a joint limit", _LIMIT),
    "cartesian_spline_motion_generator_violation": ("a planned path broke a joint limit", _LIMIT),
    "joint_via_motion_generator_planning_joint_limit_violation": ("a planned joint path broke a joint limit", _LIMIT),
    "base_acceleration_initialization_timeout": ("the direction of gravity could not be measured", _RESTART),
    "base_acceleration_invalid_reading": ("the direction of gravity is unknown", _RESTART),
}

JOINTS_LOCKED = "the joints are locked or the arm is not ready. Unlock the joints in Desk."
USER_STOP = "the user stop is pressed. Release it when it is safe."
GUIDING = "somebody guides the arm by hand. Let go of the guiding buttons."
RECOVERING = "the controller recovers from an error. Wait."
REFLEX = "a reflex is pending"
STOPPED_BY_REFLEX = "the controller stopped by reflex"
FCI_INACTIVE = "the controller refuses the connection: FCI is inactive, or another browser has control. Activate FCI in Desk."
OTHER_CLIENT = "the controller answers nobody: another client is in control, or it hangs. End the other program, or restart the controller."
TURNED_AWAY = "the controller ended the new connection at once: another client is in control. End the other program."
NO_STATES = "the controller answers, but its states (UDP) do not arrive. Open the firewall for it, and check cable and address."
UNREACHABLE = "the controller cannot be reached. Check power, cable, address and this computer's own address (stage doctor)."
SAFETY_FUNCTION = "a safety function is active. Reset it in Desk (Watchman)."
LINK_LOST = "the link to the controller is lost. Check cable and controller, then recover."


def describe_errors(errors: Any) -> str:
    """Return every set bit of franky's `Errors` as one line with remedies, "" without one."""
    return describe_error_names([name for name in ERRORS if getattr(errors, name, False)])


def describe_error_names(names: list[str]) -> str:
    """Return error names as one line with remedies; a name that is not known is told as it is."""
    parts = []
    for name in names:
        meaning, remedy = ERRORS.get(name, (name.replace("_", " "), _RESTART))
        parts.append(f"{meaning} ({name}). {remedy}")
    return " ".join(parts)


def describe_mode(mode: str, errors: str) -> str:
    """Return what keeps an arm in `mode` (a name of franky's RobotMode) from moving, "" where nothing does.

    Args:
        mode: Idle, Move, Guiding, Reflex, UserStopped, AutomaticErrorRecovery or Other.
        errors: From `describe_errors`.
    """
    words = {
        "Idle": "",
        "Move": "",
        "Guiding": GUIDING,
        "Reflex": f"{REFLEX}: {errors or 'the controller does not say why. ' + _CLEAR}",
        "UserStopped": USER_STOP,
        "AutomaticErrorRecovery": RECOVERING,
    }.get(mode, JOINTS_LOCKED)
    return words or errors


def describe_failed_connection(error: BaseException) -> str:
    """Return what franky raised while it connected as one line with a remedy."""
    words = describe_exception(error)
    if words != LINK_LOST:
        return words
    return NO_STATES if "udp" in str(error).lower() else TURNED_AWAY


def describe_exception(error: BaseException) -> str:
    """Return what franky raised as one line with a remedy.

    Error names in the text (`motion aborted by reflex! ["joint_reflex"]`) and the mode it names are translated.
    """
    text = " ".join(str(error).split()).rstrip(".!")
    named = re.findall(r"[a-z]+(?:_[a-z0-9]+)+", text)
    if known := [name for name in dict.fromkeys(named) if name in ERRORS]:
        return f"{STOPPED_BY_REFLEX}: {describe_error_names(known)}"
    lowered = text.lower()
    if mode := re.search(r"current mode \(\"?([A-Za-z ]+)\"?\)", text):
        name = mode.group(1).title().replace(" ", "")
        return describe_mode(name, "") or f"the controller refused: {text}"
    for part, words in (
        ("user stop", USER_STOP),
        ("udp receive", LINK_LOST),
        ("connection closed", LINK_LOST),
        ("closed connection", LINK_LOST),
        ("interrupted", LINK_LOST),
        ("reset by peer", LINK_LOST),
        ("broken pipe", LINK_LOST),
        ("i/o error", LINK_LOST),
        ("safety function", SAFETY_FUNCTION),
        ("refused", FCI_INACTIVE),
        ("timeout", UNREACHABLE),
        ("unreachable", UNREACHABLE),
        ("no route", UNREACHABLE),
        ("manual error recovery", "the controller asks for manual recovery. Do that in Desk."),
        ("reflex", f"{REFLEX}. {_CLEAR}"),
        ("realtime", f"{text}. Install a PREEMPT_RT kernel and allow rtprio 99 (docs/franka.md), or try with realtime: ignore."),
    ):
        if part in lowered:
            return words
    return f"franky says: {text or type(error).__name__}. Look at Desk, then recover."
