"""What can go wrong with a Franka, on demand. Start at `FAULTS` and `Faults`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_drivers.fake_controllers.franka.error_bits import bit_of

if TYPE_CHECKING:
    from robot_drivers.fake_controllers.franka.controller import FakeFranka

FAULTS = {
    "reflex": "The arm falls into a reflex until it is recovered; error=cartesian_reflex (any of the 41 error bits).",
    "joint_limit": "A joint is past its end; manual=true makes the controller ask for guiding by hand before it recovers (lasts).",
    "communication_loss": "The network is gone; what=cable (nothing passes, connecting is refused), udp (no states) or tcp (connection reset,"
    " at once over); seconds=0 lasts until cleared.",
    "silence": "The controller stops answering, states and commands alike, but keeps the connection; seconds=2, 0 lasts until cleared.",
    "user_stop": "The user stop is pressed (lasts).",
    "joints_locked": "The brakes are closed (lasts).",
    "guiding": "Somebody guides the arm by hand (lasts).",
    "fci_inactive": "FCI is switched off in Desk: connecting is refused and the client is dropped (lasts).",
    "other_client": "Another client is in control: a new connection is reset (lasts).",
    "wrong_end_effector": "Desk holds another end effector: mass=0.1 kg, height=0.05 m in front of the flange (lasts).",
    "gripper_not_homed": "The gripper does not know its fingers: it fails every command until homed.",
    "gripper_unplugged": "The gripper is gone: connecting is refused and its client is dropped (lasts).",
    "version_mismatch": "The controller speaks another interface version; version=5 is that of an FER (lasts).",
}


class Faults:
    """Injects and clears the faults of one controller."""

    def __init__(self, franka: FakeFranka) -> None:
        self._franka = franka
        self._timers: list[threading.Timer] = []

    def inject(self, fault: str, **options: Any) -> None:
        """Make this fault happen (see `FakeFranka.inject`)."""
        _known(fault)
        getattr(self, f"_{fault}")(**options)
        self._franka.log.append("fault_injected", fault=fault, **options)

    def clear(self, fault: str | None) -> None:
        """End this condition, or all (see `FakeFranka.clear`)."""
        if fault is not None:
            _known(fault)
        for name in FAULTS if fault is None else (fault,):
            ended = getattr(self, f"_end_{name}", None)
            if ended is not None:
                ended()
        self._franka.log.append("fault_cleared", fault=fault)

    def cancel(self) -> None:
        """Let no timer fire any more."""
        for timer in self._timers:
            timer.cancel()

    def _later(self, fault: str, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"seconds is {seconds}; expected >= 0 (0 lasts until cleared)")
        if seconds > 0:
            timer = threading.Timer(seconds, self.clear, args=(fault,))
            timer.daemon = True
            timer.start()
            self._timers = [*(one for one in self._timers if one.is_alive()), timer]

    def _reflex(self, error: str = "cartesian_reflex") -> None:
        bit_of(error)
        with self._franka.robot.lock:
            self._franka.robot.reflex(error)

    def _joint_limit(self, manual: bool = False) -> None:
        with self._franka.robot.lock:
            self._franka.robot.manual_recovery = bool(manual)
            self._franka.robot.reflex("joint_position_limits_violation")

    def _end_joint_limit(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.manual_recovery = False

    def _communication_loss(self, what: str = "cable", seconds: float = 0.0) -> None:
        if what not in ("cable", "udp", "tcp"):
            raise ValueError(f"what is {what!r}; expected cable, udp or tcp")
        franka = self._franka
        if what == "tcp":
            franka.server.drop()
            franka.hand.server.drop()
            return
        self._mute(hand=what == "cable")
        if what == "cable":
            for server in (franka.server, franka.hand.server):
                server.silent = True
                server.close_listener()
        with franka.robot.lock:
            franka.robot.client_gone()
        self._later("communication_loss", seconds)

    def _end_communication_loss(self) -> None:
        franka = self._franka
        if not franka.stream.muted.is_set():
            return
        lost_connection = franka.server.silent
        self._unmute()
        if lost_connection:
            # What the controller gave up while the cable was out is gone for good.
            franka.server.drop()
            franka.hand.server.drop()
            franka.server.listen()
            franka.hand.power_up()

    def _silence(self, seconds: float = 2.0) -> None:
        franka = self._franka
        self._mute(hand=True)
        franka.server.silent = True
        franka.hand.server.silent = True
        with franka.robot.lock:
            franka.robot.client_gone()
        self._later("silence", seconds)

    def _end_silence(self) -> None:
        self._unmute()

    def _mute(self, *, hand: bool) -> None:
        self._franka.stream.muted.set()
        if hand:
            self._franka.hand.muted.set()

    def _unmute(self) -> None:
        franka = self._franka
        franka.stream.muted.clear()
        franka.hand.muted.clear()
        franka.server.silent = franka.hand.server.silent = False

    def _user_stop(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.press_user_stop()

    def _end_user_stop(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.user_stopped = False
            self._franka.robot.changed = True

    def _joints_locked(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.lock_joints()

    def _end_joints_locked(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.joints_locked = False
            self._franka.robot.changed = True

    def _guiding(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.begin_guiding()

    def _end_guiding(self) -> None:
        with self._franka.robot.lock:
            self._franka.robot.guiding = False
            self._franka.robot.changed = True

    def _fci_inactive(self) -> None:
        self._franka.server.close_listener()
        self._franka.server.drop()

    def _end_fci_inactive(self) -> None:
        self._franka.server.listen()

    def _other_client(self) -> None:
        self._franka.server.refuse_clients = True

    def _end_other_client(self) -> None:
        self._franka.server.refuse_clients = False

    def _wrong_end_effector(self, mass: float = 0.1, height: float = 0.05) -> None:
        transform = np.eye(4)
        transform[2, 3] = height
        self._set_end_effector(transform, float(mass), np.zeros(3))

    def _end_wrong_end_effector(self) -> None:
        facts = self._franka.facts
        transform = np.array(facts.flange_to_nominal_end_effector, dtype=float)
        self._set_end_effector(transform, facts.end_effector_mass, np.array(facts.end_effector_center_of_mass))

    def _set_end_effector(self, transform: np.ndarray, mass: float, center: np.ndarray) -> None:
        robot = self._franka.robot
        with robot.lock:
            robot.configuration.flange_to_nominal = transform
            robot.configuration.end_effector_mass = mass
            robot.configuration.end_effector_center = center
            robot.arm.set_tool(robot.configuration.flange_to_end_effector)
            robot.changed = True

    def _gripper_not_homed(self) -> None:
        self._franka.hand.homed = False

    def _end_gripper_not_homed(self) -> None:
        self._franka.hand.homed = True

    def _gripper_unplugged(self) -> None:
        self._franka.hand.power_down()

    def _end_gripper_unplugged(self) -> None:
        self._franka.hand.power_up()

    def _version_mismatch(self, version: int = 5) -> None:
        self._franka.interface_version = int(version)

    def _end_version_mismatch(self) -> None:
        self._franka.interface_version = self._franka.facts.interface_version


def _known(fault: str) -> None:
    if fault not in FAULTS:
        raise ValueError(f"fault is {fault!r}; expected one of: {', '.join(FAULTS)}")
