"""One connected life of an xArm: two connections, the reports, a sender, a stopper, and what is wrong. Start at `Session.open`.

The first connection carries targets and the quick reports. The second carries the rich reports and nothing but stops, so a call that
hangs on the first never keeps a stop waiting. After the link is lost a session is dead; a new one takes its place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from robot_drivers.kinematics import Kinematics
from robot_drivers.xarm import words
from robot_drivers.xarm.approach import Approach
from robot_drivers.xarm.connection import Connection
from robot_drivers.xarm.models import JOINT_SPEED, REDUCED_SHARE, REDUCED_TOOL_SPEED, TOOL_SPEED, XArmModel
from robot_drivers.xarm.reports import QuickReport, ReportKeeper, RichReport
from robot_drivers.xarm.sender import PERIOD_S, Sender
from robot_drivers.xarm.settings import XArmSettings
from robot_drivers.xarm.silence import SilenceWatch
from robot_drivers.xarm.stopper import Stopper
from stage_core.errors import DeviceError

logger = logging.getLogger(__name__)

OPEN_S = 4.0  # for each connection to answer
FIRST_REPORT_S = 2.0
ANSWER_S = 0.25  # without an answer to a command the link counts as lost; a packet sent again takes 0.2 s
REPORT_SILENCE_S = 0.5  # without a quick report likewise; SafeArm holds long before, when the state is three control periods old
RICH_SILENCE_S = 1.5  # rich reports come five times a second
SUSPICION_S = 0.2  # a wrong state is told at the latest after this, even where the controller does not say why
REPORT_S = 0.05  # until the next quick report, at the latest
STOP_ANSWER_S = 0.5  # a stop on its way must not overtake what makes the controller ready
BEGIN_S = 3.0  # to enter servo mode; a control box may take one second and more
SERVO = 1
READY = (0, 1, 2)  # states in which the controller takes targets
STOP = 4


class Session:
    """A connected controller. `fault` holds in words what is wrong until a recovery succeeded."""

    def __init__(
        self,
        settings: XArmSettings,
        model: XArmModel,
        kinematics: Kinematics,
        *,
        full_speed: bool,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        """Prepare; `open` connects."""
        self._kinematics = kinematics
        self.settings, self.model, self.full_speed = settings, model, full_speed
        self._steady = steady
        self.reports = ReportKeeper(model.axes, clock=clock, steady=steady)
        self.main = Connection(settings.address, control_port=settings.control_port, report="real", keeper=self.reports)
        self._guard = Connection(settings.address, control_port=settings.control_port, report="rich", keeper=self.reports)
        self._fault = ""
        self._suspicion: tuple[float, str] | None = None
        self._trust_rich_after = float("inf")  # rich reports from before this tell of errors that are known
        self._warning = 0
        self._sender: Sender | None = None
        self._stopper: Stopper | None = None
        self._silence: SilenceWatch | None = None

    # ---- life

    def open(self) -> None:
        """Connect and wait for the first reports. Raises DeviceError in words."""
        try:
            self.main.open(OPEN_S)
            self._guard.open(OPEN_S)
            self.wait_for(lambda: self.reports.quick is not None and self.reports.rich is not None, FIRST_REPORT_S)
            if self.reports.quick is None or self.reports.rich is None:
                port = 30003 if self.reports.quick is None else 30002
                raise DeviceError(
                    f"{self.settings.address} takes commands but sends no reports on port {port}. Let TCP ports 502 and 30001 to 30003"
                    " through the firewall, and restart the control box."
                )
        except DeviceError:
            self.close()
            raise
        self._sender = Sender(
            send=lambda values, pose: self.main.send_pose(values) if pose else self.main.send_joints(values),
            begin=self.begin,
            measure=lambda pose: self.reports.quick.pose if pose else self.reports.quick.joints,
            judge=self._judge,
            fail=self.fail,
            halt=lambda: self.main.set_state(STOP),
            approach=Approach(
                speed=JOINT_SPEED * (1.0 if self.full_speed else REDUCED_SHARE),
                tool_speed=TOOL_SPEED if self.full_speed else REDUCED_TOOL_SPEED,
                forward=self._kinematics.forward,
                period_s=PERIOD_S,
            ),
            steady=self._steady,
        )
        self._stopper = Stopper(lambda: self._guard.set_state(STOP))
        self._silence = SilenceWatch(
            lambda: (self.reports.quick.arrived, self.reports.rich.arrived, self._sender.busy_since), steady=self._steady
        )
        self.reports.on_quick, self.reports.on_rich = self._look_at_quick, self._look_at_rich

    def close(self) -> None:
        """Let go of everything; waits for nobody."""
        for worker in (self._sender, self._stopper, self._silence):
            if worker is not None:
                worker.end()
        self.main.close()
        self._guard.close()

    # ---- moving

    def take(self, values: np.ndarray, *, pose: bool) -> None:
        """Send these values from now on."""
        self._sender.take(values, pose=pose)

    def stop(self) -> None:
        """Drop what was to be sent and stop the controller, by the second connection. Takes no lock that anybody else holds."""
        number = self._stopper.announce()
        self._sender.drop()
        self._suspicion = None  # a state that a stop of ours explains is nobody else's doing
        self._stopper.stop(number)

    def drop(self) -> int:
        """Drop what was to be sent; returns the number of stops up to now, for `expect_targets`."""
        return self._sender.drop()

    def begin(self) -> str:
        """Make the controller take servo targets; nothing moves. Returns in words why it does not, or ""."""
        if not self.wait_for(lambda: self._stopper.idle, STOP_ANSWER_S):
            return f"the controller has not answered a stop for {STOP_ANSWER_S:g} s: the link is lost. {RECONNECT}"
        code, error, _ = self.main.read_codes()
        if code != 0:
            return f"the controller does not tell its errors ({words.reply_in_words(code)})"
        if error != 0:
            return words.error_in_words(error)
        code = self.main.set_mode(SERVO) or self.main.set_state(0)
        if code != 0:
            return f"the controller refuses servo mode ({words.reply_in_words(code)})"
        since = self._steady()

        def ready() -> bool:
            report = self.reports.quick
            return report.arrived > since and report.mode == SERVO and report.state in READY

        if not self.wait_for(ready, BEGIN_S):
            report = self.reports.quick
            return (
                f"the controller did not enter servo mode within {BEGIN_S:g} s: {words.state_in_words(report.state, report.mode)}. "
                "Close other clients (UFACTORY Studio, scripts) that switch modes, then recover."
            )
        return ""

    def expect_targets(self, stops: int) -> None:
        """From now on any other mode or state than servo is a fault; a stop that came after `stops` stays one."""
        self._suspicion = None
        self._sender.begun_after(stops)
        if not self._sender.begun:
            self.stop()

    # ---- what is wrong

    @property
    def fault(self) -> str:
        """The fault in words, "" without one."""
        suspicion = self._suspicion
        if not self._fault and self._sender is not None:
            if self.stuck:
                self.fail(f"the controller has not answered a command for {ANSWER_S:g} s: the link is lost. {RECONNECT}")
            elif suspicion is not None and self._steady() - suspicion[0] > SUSPICION_S:
                self.fail(suspicion[1])
        return self._fault

    def link_trouble(self) -> str:
        """Return in words that the link is lost, or ""."""
        if not self.main.alive or not self._guard.alive:
            return f"the controller closed the connection: was it switched off, or restarted? {RECONNECT}"
        quick, rich, _ = self._silence.seconds
        if quick > REPORT_SILENCE_S:
            return f"no report from the controller for {quick:.2f} s (limit {REPORT_SILENCE_S:g} s): the link is lost. {RECONNECT}"
        if rich > RICH_SILENCE_S:
            return f"the controller has not told its health for {rich:.2f} s (limit {RICH_SILENCE_S:g} s): the link is lost. {RECONNECT}"
        return ""

    @property
    def stuck(self) -> bool:
        """True while a call hangs in the first connection, which is of no use then."""
        return self._silence is not None and self._silence.seconds[2] > ANSWER_S

    def fail(self, fault: str) -> None:
        """Keep a fault; the first one counts, for what follows is mostly its consequence."""
        if not self._fault:
            self._fault = fault
            self._sender.drop()
            logger.error("xArm at %s: %s", self.settings.address, fault)

    def forget_faults(self) -> None:
        """Begin anew after a recovery; reports that are on their way still tell of the old error."""
        self._fault, self._suspicion = "", None
        self._trust_rich_after = self._steady() + 0.05

    def distrust_rich_reports(self) -> None:
        """Do not make faults of rich reports while errors are being cleared."""
        self._trust_rich_after = float("inf")

    def wait_for(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Return whether `done` came true in time."""
        deadline = self._steady() + timeout_s
        while not done():
            if self._steady() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def _look_at_quick(self, report: QuickReport) -> None:
        if not self._sender.begun or self._fault or self._suspicion is not None:
            return
        if report.mode != SERVO or report.state not in READY:
            self._suspicion = (report.arrived, self._explain(report))
            self._sender.look()  # an error code explains more than the state; the sender asks for it

    def _look_at_rich(self, report: RichReport) -> None:
        if report.error != 0 and report.arrived > self._trust_rich_after:
            self.fail(words.error_in_words(report.error))
        if report.warning not in (0, self._warning):
            logger.warning("xArm at %s: %s", self.settings.address, words.warning_in_words(report.warning))
        self._warning = report.warning

    def _judge(self, code: int) -> str:
        """Return in words what the answer to a target means for the arm, or ""; 0 asks without one. The sender calls it."""
        if code in words.LOST_REPLIES:
            return f"the controller closed the connection: was it switched off, or restarted? {RECONNECT}"
        if code in words.SILENT_REPLIES:
            return f"the controller does not answer ({words.reply_in_words(code)}): the link is lost. {RECONNECT}"
        reply, error, _ = self.main.read_codes()
        if reply != 0:
            return f"the controller does not tell its errors ({words.reply_in_words(reply)}): the link is lost. {RECONNECT}"
        if error != 0:
            return words.error_in_words(error)
        now = self._steady()
        self.wait_for(lambda: self.reports.quick.arrived > now, REPORT_S)  # one that is as new as the answer
        report = self.reports.quick
        if report.mode != SERVO or report.state not in READY:
            return self._explain(report)
        if code in (0, 2):  # the suspicion was about a passing state, or there is a warning, which the rich report tells
            self._suspicion = None
            return ""
        return f"the controller refuses a target ({words.reply_in_words(code)}); {words.state_in_words(report.state, report.mode)}"

    def _explain(self, report: QuickReport) -> str:
        what = "switched the mode" if report.mode != SERVO and report.state in READY else "stopped the arm"
        return (
            f"another client {what}: {words.state_in_words(report.state, report.mode)}. Only one program may command the arm: close "
            "UFACTORY Studio and other scripts, then recover."
        )


RECONNECT = "Check power and cable, then recover: that connects anew."
