"""The Franka Hand through franky. Start at `FrankaHand`.

The SDK's calls wait until the fingers arrive, so a thread of the hand makes them; another reads the state, a third
interrupts. Closing ends in a grasp with force, so that what is held stays held; only a wish to open lets go of it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from robot_drivers.bring_up import wait_until_ready
from robot_drivers.device_context import DeviceContext
from robot_drivers.franka.deadline import call_with_deadline
from robot_drivers.franka.sdk import NotReadyError, open_gripper
from robot_drivers.franka.words import describe_exception
from robot_drivers.gripper import Gripper, GripperDescription, GripperState
from robot_drivers.grippers.franka_hand_settings import FrankaHandSettings
from stage_core.configuration import from_mapping
from stage_core.errors import DeviceError, StageError

logger = logging.getLogger(__name__)

ARRIVED_M = 0.002  # a wish this near to the present width asks for nothing
BLOCKED_M = 0.004  # fingers that end this far before their goal hold something
FAR_M = 0.1  # tolerance of a grasp: whatever is between the fingers counts
STALE_S = 1.5
HOMING_S = 30.0
REOPEN_S = 1.0
INTERRUPT_S = 0.03
NOT_HOMED = (
    "the hand does not know its travel: it was not homed. Home it in Desk (Settings, End Effector), or with `g` in `stage operator` once the "
    "graph runs; it opens and closes."
)


class FrankaHand(Gripper):
    """One Franka Hand, at the address of its arm."""

    def __init__(
        self,
        address: str,
        settings: FrankaHandSettings,
        *,
        name: str = "franka_hand",
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
    ) -> None:
        """Prepare; nothing is connected yet. `clock` is the workcell's, s; `read_only` never moves the fingers."""
        self._address, self._settings, self._clock, self._read_only = address, settings, clock, read_only
        self._description = GripperDescription(name=name, max_width=settings.max_width_m)
        self._hand: Any = None
        self._end = threading.Event()
        self._wake, self._interrupt = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._wish: float | None = None  # m
        self._busy, self._job = False, 0
        self._newest: tuple[float, float, bool, float] | None = None  # taken (steady), width m, grasped, max width m
        self._stamp = 0.0
        self._lost = ""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> FrankaHand:
        """Return the hand of a workcell file; its address is the arm's. Raises ConfigurationError."""
        checked = from_mapping(FrankaHandSettings, settings, source=context.source, field="")
        address = getattr(context.arm, "address", "")
        context.check_address(address, "settings.arm.address")
        return cls(address, checked, name=context.name, clock=context.clock, read_only=context.read_only)

    @property
    def description(self) -> GripperDescription:
        return self._description

    # ---- life

    def connect(self) -> None:
        if self._threads:
            return
        try:
            wait_until_ready(self._find_obstacle, name=self._description.name, timeout_s=self._settings.connect_timeout_s)
        except StageError:
            self._drop()
            raise
        self._end.clear()
        self._lost = ""
        self._threads = [
            threading.Thread(target=work, name=f"franka_hand_{what}", daemon=True)
            for what, work in (("read", self._run_reads), ("move", self._run_moves), ("stop", self._run_interrupts))
        ]
        for thread in self._threads:
            thread.start()
        if not self._read_only:
            self._wait_for_homing()

    def _wait_for_homing(self) -> None:
        try:
            wait_until_ready(
                lambda: "" if self._homed() else NOT_HOMED, name=self._description.name, timeout_s=self._settings.homing_wait_s, poll_s=0.1
            )
        except DeviceError as error:
            logger.warning("%s It takes no command before that.", error)

    def disconnect(self) -> None:
        if not self._threads:
            return
        self.stop()
        self._end.set()
        self._wake.set()
        self._interrupt.set()
        for thread in self._threads:
            thread.join(timeout=2.0)
        self._threads = []
        self._newest = None
        self._drop()

    def _find_obstacle(self) -> str:
        try:
            if self._hand is None:
                self._hand = open_gripper(self._address)
            self._take(call_with_deadline(lambda: self._hand.state, seconds=3.0, name="asking the Franka Hand"))
        except NotReadyError as error:
            self._drop()
            return f"{error} Is the Franka Hand chosen in Desk (Settings, End Effector)?"
        except DeviceError:
            self._drop()
            raise
        except Exception as error:  # the SDK's, or a missed deadline
            self._drop()
            return describe_exception(error)
        return ""

    def _homed(self) -> bool:
        return self._newest is not None and self._newest[3] > 0.5 * self._settings.max_width_m

    def _drop(self) -> None:
        """Let go of the SDK's object, in a thread: its end may take a while."""
        holder, self._hand = [self._hand], None
        with contextlib.suppress(StageError):
            call_with_deadline(holder.clear, seconds=2.0, name="leaving the Franka Hand")

    # ---- what others call

    def read(self) -> GripperState:
        newest = self._reading()
        width = newest[1]
        return GripperState(stamp=self._stamp, width=width, opening=min(1.0, max(0.0, width / self._settings.max_width_m)))

    def command(self, opening: float) -> None:
        if not 0.0 <= opening <= 1.0:
            raise ValueError(f"opening is {opening}; expected 0 (closed) to 1 (open).")
        self._require_writable()
        self._reading()
        if not self._homed():
            raise DeviceError(f"{self._description.name}: {NOT_HOMED}")
        self._wish = opening * self._settings.max_width_m
        if self._busy:
            self._interrupt.set()
        self._wake.set()

    def home(self) -> None:
        self._require_writable()
        if self._busy:
            raise DeviceError(f"{self._description.name} moves; expected it at rest. Stop it, then home it.")
        self._wish = None
        own = self._hand is None
        try:
            hand = self._hand or open_gripper(self._address)
            done = call_with_deadline(hand.homing, seconds=HOMING_S, name="homing the Franka Hand")
        except StageError as error:
            raise DeviceError(f"{self._description.name} was not homed: {error}") from None
        except Exception as error:
            raise DeviceError(f"{self._description.name} was not homed: {describe_exception(error)}") from None
        finally:
            if own:
                hand = None
        if not done:
            raise DeviceError(f"{self._description.name} was not homed: the fingers met something. Free them and home again.")

    def stop(self) -> None:
        self._wish = None
        if self._busy and not self._read_only:
            self._interrupt.set()  # a finished grasp is left alone: the SDK's stop would end its force

    def _reading(self) -> tuple[float, float, bool, float]:
        newest = self._newest
        if newest is None or not self._threads:
            raise DeviceError(f"{self._description.name} is not connected; expected connect() before its use.")
        if self._lost:
            raise DeviceError(f"{self._description.name}: {self._lost}")
        if (age := time.monotonic() - newest[0]) > STALE_S:
            raise DeviceError(f"{self._description.name} sent no state for {age:.1f} s (limit {STALE_S:g} s). Check cable and controller.")
        return newest

    def _require_writable(self) -> None:
        if self._read_only:
            raise DeviceError(f"{self._description.name} is read only; nothing was sent. Start without read_only to move it.")

    # ---- threads

    def _take(self, state: Any) -> None:
        self._stamp = self._clock()
        self._newest = (time.monotonic(), float(state.width), bool(state.is_grasped), float(state.max_width))

    def _run_reads(self) -> None:
        while not self._end.is_set():
            try:
                if self._hand is None:
                    self._hand = open_gripper(self._address)
                self._take(self._hand.state)
                self._lost = ""
            except Exception as error:  # the link is gone; it is looked for again, and nothing moves because of that
                words = str(error) if isinstance(error, StageError) else describe_exception(error)
                if not self._lost and not self._end.is_set():
                    logger.warning("%s: %s", self._description.name, words)
                self._lost, self._wish = words, None
                self._drop()
                self._end.wait(REOPEN_S)

    def _run_moves(self) -> None:
        while not self._end.is_set():
            self._wake.wait()
            self._wake.clear()
            self._job += 1
            self._busy = True  # before the wish is taken: a newer one must interrupt this one from now on
            wish, self._wish = self._wish, None
            hand = self._hand
            try:
                if wish is not None and hand is not None and not self._end.is_set():
                    self._go(hand, wish)
            except Exception as error:
                if self._wish is None and "aborted" not in str(error).lower():
                    logger.warning("%s: %s", self._description.name, describe_exception(error))
            finally:
                self._busy = False

    def _go(self, hand: Any, width: float) -> None:
        """Bring the fingers to `width` m, or as near as what they hold allows."""
        settings, (_, present, grasped, widest) = self._settings, self._newest
        if width > present + ARRIVED_M:
            hand.move(min(width, widest), settings.speed_m_s)
        elif width < present - ARRIVED_M and not grasped:
            if width < settings.grasp_below * settings.max_width_m:
                hand.grasp(width, settings.speed_m_s, settings.force_n, FAR_M, FAR_M)
                return
            with contextlib.suppress(Exception):  # blocked fingers are told as a failure
                hand.move(width, settings.speed_m_s)
            held = float(hand.state.width)
            if held > width + BLOCKED_M and self._wish is None and not self._interrupt.is_set() and not self._end.is_set():
                hand.grasp(held, settings.speed_m_s, settings.force_n, FAR_M, FAR_M)

    def _run_interrupts(self) -> None:
        while not self._end.is_set():
            self._interrupt.wait()
            hand, job = self._hand, self._job
            while hand is not None and self._busy and self._job == job and not (self._newest and self._newest[2]):
                with contextlib.suppress(Exception):  # the call it interrupts tells what happened
                    hand.stop()
                if self._end.wait(INTERRUPT_S):  # again, where the stop went out before the call
                    break
            self._interrupt.clear()
