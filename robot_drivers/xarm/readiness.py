"""What must be true before an xArm moves, found out one after the other. Start at `find_obstacle`.

Tool, load, sensitivity and the controller's own speed limits are compared with the workcell file, and set where they differ: what
somebody changed in UFACTORY Studio, or a restart forgot, must not decide how the arm moves.
"""

from __future__ import annotations

import logging

import numpy as np

from robot_drivers.poses import pose_distance
from robot_drivers.xarm import words
from robot_drivers.xarm.models import JOINT_SPEED, REDUCED_SHARE, REDUCED_TOOL_SPEED, SECOND_LINE, title_of
from robot_drivers.xarm.session import Session
from stage_core.errors import ConfigurationError, DeviceError

logger = logging.getLogger(__name__)

SAME_TOOL = (1e-4, 1e-3)  # m and rad
SAME_MASS = 2e-3  # kg
SAME_PLACE = 1e-3  # m
AT_REST = 0.02  # rad/s
REST_S = 1.5
TOLD_S = 1.0  # until a setting shows in a rich report
MANUAL = 2


def check_model(session: Session) -> None:
    """Raise ConfigurationError if another arm than the file's is behind the address: waiting mends nothing."""
    found = (session.main.axes, session.main.type_number)
    model = session.model
    if found != (model.axes, model.type_number):
        raise ConfigurationError(
            f"settings.arm.model is {model.name}; the controller at {session.settings.address} drives {title_of(*found)}. "
            "Correct the model, or the address."
        )


def find_obstacle(session: Session, *, clear: bool) -> str:
    """Make a controller ready for servo targets, as far as a program may; nothing moves.

    Args:
        session: An open one.
        clear: True clears errors and warnings first, because a human or a bounded rule asked.

    Returns:
        In words what keeps the arm from being used and what to do about it, or "".

    Raises:
        DeviceError: If the link is lost on the way, or the controller does not keep a setting.
    """
    if trouble := session.link_trouble():
        raise DeviceError(trouble)
    session.distrust_rich_reports()
    stops = session.drop()
    if clear:
        session.main.clear_error()
        session.main.clear_warning()
    obstacle = _find_error(session) or _find_strangers(session, wait=clear)
    if obstacle:
        return obstacle
    since = session.reports.rich.arrived
    if session.main.enable_motors() != 0 or not session.wait_for(lambda: _enabled(session, since), TOLD_S):
        return _find_error(session) or (
            "the servo motors are not enabled, and enabling them did not help. Press ENABLE in UFACTORY Studio and read what it says."
        )
    configure(session)
    if obstacle := session.begin():
        return obstacle
    session.forget_faults()
    session.expect_targets(stops)
    return ""


def configure(session: Session) -> None:
    """Bring tool, load, collision sensitivity and speed limits to what the file says. Raises DeviceError where they do not stay."""
    if not _configured(session):
        settings, rich, main = session.settings, session.reports.rich, session.main
        logger.warning(
            "xArm at %s: the controller's tool %s, load %.3f kg at %s m and collision sensitivity %d are replaced by the workcell file's",
            settings.address,
            np.round(rich.flange_to_tool, 4).tolist(),
            rich.payload_mass,
            np.round(rich.payload_center_of_mass, 4).tolist(),
            rich.collision_sensitivity,
        )
        _must(main.set_mode(0) or main.set_state(0), "position mode, in which it takes settings")
        # The load first: the other two stop the controller, which then takes no load.
        _must(main.set_load(settings.payload_mass, np.array(settings.payload_center_of_mass)), "the payload")
        _must(main.set_tool(np.array(settings.flange_to_tool)), "the tool frame")
        _must(main.set_collision_sensitivity(settings.collision_sensitivity), "the collision sensitivity")
        if not session.wait_for(lambda: _configured(session), TOLD_S):
            raise DeviceError(
                f"the controller did not keep tool, payload and collision sensitivity of the workcell file; {_compare(session)}. "
                "Does UFACTORY Studio set them? Close it and try again."
            )
    _limit_speed(session)


def _limit_speed(session: Session) -> None:
    """Use the controller's own reduced mode as a second line behind SafeArm, until full speed is asked."""
    main = session.main
    code, on, tool_speed, joint_speed = main.read_reduced_mode()
    _must(code, "to tell its speed limits")
    if session.full_speed:
        if on:
            logger.warning("xArm at %s: reduced mode is switched off, because full speed was asked", session.settings.address)
            _must(main.set_reduced_mode(False), "to leave reduced mode")
        return
    wanted = (SECOND_LINE * REDUCED_TOOL_SPEED, SECOND_LINE * REDUCED_SHARE * JOINT_SPEED)
    if on and np.allclose((tool_speed, joint_speed), wanted, atol=1e-3):
        return
    _must(main.set_reduced_mode(True, tool_speed=wanted[0], joint_speed=wanted[1]), "reduced mode")
    _, on, tool_speed, joint_speed = main.read_reduced_mode()
    if not on or not np.allclose((tool_speed, joint_speed), wanted, atol=1e-3):
        raise DeviceError(
            f"the controller's reduced mode is {'on' if on else 'off'} with {tool_speed:.3f} m/s and {joint_speed:.3f} rad/s; expected on with "
            f"{wanted[0]:g} m/s and {wanted[1]:.3f} rad/s. Update the firmware in UFACTORY Studio."
        )


def _find_error(session: Session) -> str:
    code, error, _ = session.main.read_codes()
    if code != 0:
        raise DeviceError(f"the controller does not tell its errors ({words.reply_in_words(code)}). Check power and cable.")
    return words.error_in_words(error) if error else ""


def _find_strangers(session: Session, *, wait: bool) -> str:
    """Return in words that somebody else uses the arm, or moved the frame its poses are told in."""
    quick, rich = session.reports.quick, session.reports.rich
    if quick.mode == MANUAL:
        return "somebody guides the arm by hand (manual mode). Leave manual mode in UFACTORY Studio."

    def resting() -> bool:
        return float(np.abs(session.reports.quick.velocities).max()) < AT_REST

    if not (session.wait_for(resting, REST_S) if wait else resting()):
        return (
            f"the arm moves, and not because of this program ({words.state_in_words(quick.state, quick.mode)}). Stop the other client: "
            "UFACTORY Studio or a script."
        )
    if np.abs(rich.base_offset[:3]).max() > SAME_PLACE or np.abs(rich.base_offset[3:]).max() > SAME_TOOL[1]:
        return (
            f"the controller adds a base coordinate offset of {np.round(rich.base_offset, 4).tolist()} (m, rad) to every pose; expected none. "
            "Set it to 0 in UFACTORY Studio, Settings, Coordinate system."
        )
    return ""


def _enabled(session: Session, since: float) -> bool:
    rich = session.reports.rich
    return rich.motors_enabled and rich.arrived > since


def _configured(session: Session) -> bool:
    settings, rich = session.settings, session.reports.rich
    distance, angle = pose_distance(np.array(settings.flange_to_tool), rich.flange_to_tool)
    return bool(
        distance < SAME_TOOL[0]
        and angle < SAME_TOOL[1]
        and abs(settings.payload_mass - rich.payload_mass) < SAME_MASS
        and np.abs(np.array(settings.payload_center_of_mass) - rich.payload_center_of_mass).max() < SAME_PLACE
        and settings.collision_sensitivity == rich.collision_sensitivity
    )


def _compare(session: Session) -> str:
    settings, rich = session.settings, session.reports.rich
    distance, angle = pose_distance(np.array(settings.flange_to_tool), rich.flange_to_tool)
    return (
        f"the tool is {distance:.4f} m and {angle:.3f} rad off, the payload {rich.payload_mass:g} kg at "
        f"{np.round(rich.payload_center_of_mass, 4).tolist()} m, the sensitivity {rich.collision_sensitivity}"
    )


def _must(code: int, what: str) -> None:
    if code != 0:
        raise DeviceError(f"the controller refuses {what} ({words.reply_in_words(code)}). Read what UFACTORY Studio says, then try again.")
