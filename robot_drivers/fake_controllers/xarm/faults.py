"""What can go wrong on purpose. Start at `FAULTS`, which says each in a sentence; `inject` and `clear` do it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .machine import MODES

if TYPE_CHECKING:
    from .controller import FakeXArm

FAULTS: dict[str, str] = {
    "error": "The controller stops with an error code (code=31: collision; 1 to 255); it stays until the client cleans it.",
    "warning": "The controller shows a warning code (code=11); nothing stops.",
    "collision": "Error 31: the current of a joint says that the arm hit something.",
    "joint_limit": "Error 23: a joint (joint=1) has left its range.",
    "servo_error": "Error 10 + joint (joint=1, servo_code=11): a motor reports a fault and loses its power.",
    "user_stop": "The emergency stop is pressed (code=2) until it is cleared; motors lose power and the error cannot be cleaned.",
    "silence": "Commands come in and are neither done nor answered (seconds=5, or 0: until cleared).",
    "report_stall": "Report connections stay open and get nothing, until cleared.",
    "cable_pulled": "Silence and report_stall together, as when a cable is pulled: no byte comes, no connection closes.",
    "communication_loss": "Every connection is reset and new ones are refused (seconds=0: until cleared).",
    "mode_switched": "Another client changes the mode (mode=0) and makes the arm ready in it, behind the driver's back.",
    "controller_busy": 'Motion commands are answered "not ready" until cleared: another client has the arm.',
    "motors_disabled": "Another client or the pendant switches the motors off.",
    "gripper_error": "The gripper reports an error (code=11) until the client cleans it.",
    "gripper_lost": "The gripper no longer answers, until cleared; asking it makes error 19.",
}


def inject(controller: FakeXArm, fault: str, options: dict[str, Any]) -> None:
    """Make `fault` happen now; ValueError names what there is."""
    machine = controller.machine
    code = int(options.pop("code", {"error": 31, "warning": 11, "collision": 31, "user_stop": 2, "gripper_error": 11}.get(fault, 0)))
    joint = int(options.pop("joint", 1))
    seconds = float(options.pop("seconds", 5.0 if fault == "silence" else 0.0))
    mode, servo_code = int(options.pop("mode", 0)), int(options.pop("servo_code", 11))
    if fault not in FAULTS:
        raise ValueError(f"fault is {fault!r}; expected one of {', '.join(FAULTS)}")
    if options:
        raise ValueError(f"options are {', '.join(options)}; expected some of code, joint, seconds, mode, servo_code")
    if not 0 <= code <= 255 or not 1 <= joint <= machine.facts.model.axes or mode not in MODES:
        raise ValueError(f"code is {code}, joint {joint}, mode {mode}; expected a byte, a joint of the arm and a mode it has")
    machine.log.append("injected", fault=fault, code=code, joint=joint, seconds=seconds)
    if fault == "communication_loss":
        controller.cut(seconds)
        return
    with machine.lock:
        if fault in ("error", "collision"):
            machine.fail(code)
        elif fault == "warning":
            machine.warn(code)
        elif fault == "joint_limit":
            machine.fail(23, servo_code=0)
        elif fault == "servo_error":
            machine.fail(10 + joint, servo_code=servo_code)
        elif fault == "user_stop":
            machine.emergency_code = code
            machine.fail(code)
        elif fault in ("silence", "cable_pulled", "report_stall"):
            _silence(controller, fault, seconds)
        elif fault == "mode_switched":
            machine.set_mode(mode)
            machine.set_state(0)
        elif fault == "controller_busy":
            machine.busy = True
        elif fault == "motors_disabled":
            machine.enable(8, False)
        elif machine.gripper is None:
            raise ValueError("there is no gripper; build the controller with gripper=True")
        elif fault == "gripper_error":
            machine.gripper.error = code
        else:
            machine.gripper.lost = True


def _silence(controller: FakeXArm, fault: str, seconds: float) -> None:
    if fault in ("silence", "cable_pulled"):
        controller.commands.silent_until = time.monotonic() + (seconds or float("inf"))
    if fault in ("report_stall", "cable_pulled"):
        controller.reports.stalled = True


def clear(controller: FakeXArm, fault: str | None) -> None:
    """End a fault that lasts (None: all of them); errors stay until the client cleans them."""
    if fault is not None and fault not in FAULTS:
        raise ValueError(f"fault is {fault!r}; expected one of {', '.join(FAULTS)}")
    machine = controller.machine
    machine.log.append("cleared", fault=fault or "all")
    with machine.lock:
        if fault in (None, "user_stop"):
            machine.emergency_code = 0
        if fault in (None, "silence", "cable_pulled"):
            controller.commands.silent_until = float("-inf")
        if fault in (None, "report_stall", "cable_pulled"):
            controller.reports.stalled = False
        if fault in (None, "controller_busy"):
            machine.busy = False
        if fault in (None, "gripper_lost") and machine.gripper is not None:
            machine.gripper.lost = False
    if fault in (None, "communication_loss"):
        controller.mend()
