"""What an operator asks of the arm: stop, clear, resume, recover, home. Services, and a topic that stops (DESIGN 9.8).

Software stops are not a safety function: keep the hardware stop in reach.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from robot_drivers.workcell import Workcell
from stage_core.errors import StageError
from stage_nodes.topics import (
    ARM_CLEAR_STOP,
    ARM_HOME,
    ARM_RECOVER,
    ARM_RESUME,
    ARM_STOP,
    EMERGENCY_STOP,
    GRIPPER_HOME,
    reliable,
)


class OperatorServices:
    """Serves the operator; what may take seconds runs in a thread, so that a stop never waits for it."""

    def __init__(self, node: Node, workcell: Workcell) -> None:
        self._node, self._workcell = node, workcell
        self._busy: threading.Thread | None = None
        safe_arm = workcell.safe_arm
        self._serve(ARM_STOP, lambda: safe_arm.stop("stop service") or "stopped")
        self._serve(ARM_CLEAR_STOP, lambda: safe_arm.clear_stop() or "stop cleared; resume to go on")
        self._serve(ARM_RESUME, lambda: safe_arm.resume() or "resumed")
        self._serve(ARM_RECOVER, lambda: self._in_background("recover", safe_arm.recover))
        self._serve(ARM_HOME, workcell.homing.start)
        self._serve(GRIPPER_HOME, lambda: self._in_background("gripper homing", safe_arm.home_gripper))
        node.create_subscription(Empty, EMERGENCY_STOP, lambda _: safe_arm.stop(f"message on {EMERGENCY_STOP}"), reliable(1))

    def _serve(self, name: str, action: Callable[[], str]) -> None:
        def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message, response.success = action(), True
            except StageError as error:
                response.message, response.success = str(error), False
            self._node.get_logger().info(f"operator, {name}: {response.message}")
            return response

        self._node.create_service(Trigger, name, answer)

    def _in_background(self, name: str, action: Callable[[], None]) -> str:
        """Run `action` in a thread; short ones answer with their result, long ones with where to look."""
        if self._busy is not None and self._busy.is_alive():
            raise StageError(f"{self._busy.name} is still under way. Wait for it.")
        outcome: list[StageError | None] = []

        def run() -> None:
            try:
                action()
                outcome.append(None)
            except StageError as error:
                outcome.append(error)
                self._node.get_logger().error(f"{name}: {error}")

        self._busy = threading.Thread(target=run, name=name, daemon=True)
        self._busy.start()
        self._busy.join(timeout=0.25)
        if outcome and outcome[0] is not None:
            raise outcome[0]
        return f"{name} done" if outcome else f"{name} is under way; its end is in the log and on the safety topic"
